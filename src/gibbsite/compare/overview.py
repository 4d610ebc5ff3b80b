"""The picture of a comparison: the test likelihood of every model on every data set, in order, with what is known of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.marks import Dots, Style
from gibbsite.compare.store import Record
from gibbsite.compare.table import BADGES, by_dataset, naming, number
from gibbsite.core import Evidence

LOOKS = {
    Evidence.EXACT.value: Style("s1", "o", ()),
    Evidence.UNBIASED.value: Style("s3", "D", ()),
    Evidence.INTERVAL.value: Style("s4", "s", ()),
    Evidence.LOWER.value: Style("s2", "^", ()),
    Evidence.UPPER.value: Style("s5", "v", ()),
    Evidence.NOT_ESTABLISHED.value: Style("s6", "X", ()),
}
FAR, NEAR = 4.0, 20.0  # times the way from the best to the median; usual errors: a model beyond both stands at the edge
NONE = {Evidence.IMPLICIT.value: "no likelihood"}


def overview(records: Sequence[Record]) -> Figure:
    """One chart a data set."""
    text = (
        "Test negative log-likelihood, the lower the better, with 95 % intervals. An arrow: the truth may lie that way, any distance. "
        "Hollow: the computation is in doubt."
    )
    charts = tuple(_chart(name, group) for name, group in by_dataset(records).items())
    return Figure("overview", "Likelihood of every model", text, charts, "broad")


def _chart(dataset: str, records: Sequence[Record]) -> Chart:
    name = naming(records)
    order = sorted(records, key=lambda r: (_value(r) is None, _value(r) or 0.0))
    low, high = _frame([_nll(r) for r in order if _value(r) is not None])
    kinds = dict.fromkeys(_nll(r)["evidence"] for r in order if _value(r) is not None)
    marks = tuple(mark for evidence in kinds for mark in _marks(evidence, order, (low, high), name))
    names, notes = tuple(map(name, order)), tuple(map(_note, order))
    alt = f"Test NLL on {dataset}: " + "; ".join(map(" ".join, zip(names, notes, strict=True)))
    truth = _truth(order)
    caption = "" if truth is None else "dotted: the truth itself"
    label = "test NLL  (nats per example)"
    size = (4.2, 1.25 + 0.24 * len(order))
    margin = 0.08 * (high - low)
    return Chart(dataset, alt, marks, label, "", caption, (low - margin, high + margin), rows=names, notes=notes, line=truth, size=size)


def _marks(evidence: str, order: Sequence[Record], frame: tuple[float, float], name: Callable[[Record], str]) -> list[Dots]:
    """The dots of one kind of evidence: full where all is well, hollow where the computation is in doubt."""
    mine = [(row, r) for row, r in enumerate(order) if _value(r) is not None and _nll(r)["evidence"] == evidence]
    sign = f"{BADGES[evidence].sign} {BADGES[evidence].word}"

    def dots(held: list[tuple[int, Record]], label: str) -> Dots:
        x = np.array([min(_nll(r)["value"], frame[1]) for _, r in held])
        below, above = np.array([_ends(_nll(r), frame[1]) for _, r in held]).T
        words = tuple(f"{name(r)}: {_note(r)}, {BADGES[evidence].word}" for _, r in held)
        rows, reach = np.array([row for row, _ in held]), 0.12 * (frame[1] - frame[0])
        return Dots(label, LOOKS[evidence], x, rows, along_x=(below, above), words=words, hollow=label != sign, reach=reach, size=4.5)

    sure = [(row, r) for row, r in mine if _nll(r)["status"] == "ok"]
    doubtful = [(row, r) for row, r in mine if _nll(r)["status"] != "ok"]
    return [dots(held, label) for held, label in ((sure, sign), (doubtful, f"{sign}, in doubt")) if held]


def _ends(metric: Mapping[str, Any], high: float) -> tuple[float, float]:
    """How far the interval reaches to either side: a bound is open to the side of the truth, and so is what lies off the frame."""
    if metric["value"] > high:
        return 0.0, np.inf
    below, above = (np.inf if end is None else abs(end - metric["value"]) for end in (metric["lo"], metric["hi"]))
    open_below, open_above = (metric["evidence"] == side.value for side in (Evidence.UPPER, Evidence.LOWER))
    return (np.inf if open_below else below), (np.inf if open_above else above)


def _frame(metrics: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """From the best to the worst with their intervals, or to as far as leaves the good ones apart."""
    if not metrics:
        return 0.0, 1.0
    values = np.array([metric["value"] for metric in metrics])
    error = np.median([metric["stderr"] or 0.0 for metric in metrics])
    far = values.min() + max(FAR * (np.median(values) - values.min() or np.inf), NEAR * error)
    inside = [metric for metric in metrics if metric["value"] <= far]
    ends = [end for metric in inside for end in (metric["lo"], metric["value"], metric["hi"]) if end is not None]
    low, high = float(min(ends)), float(max(ends))
    return low, high if high > low else low + max(1e-3, abs(low) * 1e-2)


def _truth(records: Sequence[Record]) -> float | None:
    """The NLL of the truth on the same rows: that of a model less its KL."""
    known = [(r, r["metrics"].get("kl")) for r in records if _value(r) is not None]
    return next((_nll(r)["value"] - kl["value"] for r, kl in known if kl and kl["value"] is not None), None)


def _nll(record: Record) -> Mapping[str, Any]:
    found: Mapping[str, Any] = record["metrics"].get("nll", {"value": None, "evidence": Evidence.NOT_ESTABLISHED.value})
    return found


def _value(record: Record) -> float | None:
    value: float | None = _nll(record)["value"]
    return value


def _note(record: Record) -> str:
    if record["status"] == "failed":
        return "failed"
    metric = _nll(record)
    if metric["value"] is None:
        return NONE.get(metric["evidence"], "not established")
    return f"{number(metric, ends=False)} {BADGES[metric['evidence']].sign}"
