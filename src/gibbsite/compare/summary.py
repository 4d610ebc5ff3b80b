"""What a comparison says in a minute: which model to use on each data set, why, and what to beware of."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from gibbsite.compare.constants import AGREE
from gibbsite.compare.store import Record
from gibbsite.compare.table import BADGES, by_dataset, name_of, number, short
from gibbsite.core import Status

TV_LIMIT = 0.05  # mode masses further off than this, beyond three errors, are called missed


class Verdict(NamedTuple):
    """The choice on one data set, the reasons, the cautions, and the next model where it may be as good."""

    dataset: str
    choice: str | None
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]
    rival: str | None = None

    @property
    def advice(self) -> str:
        """`use flow`, or `use flow or ebm-pcd` where their order is not established."""
        names = [name for name in (self.choice, self.rival) if name]
        return f"use {' or '.join(names)}" if names else "nothing established"


def verdicts(records: Iterable[Record]) -> list[Verdict]:
    """One verdict a data set."""
    return [verdict(dataset, group) for dataset, group in by_dataset(records).items()]


def verdict(dataset: str, records: list[Record]) -> Verdict:
    """The model of lowest test NLL, with how far the figure can be trusted."""
    seeds = len({r["seed"] for r in records}) > 1
    ranked = sorted((r for r in records if _nll(r) is not None), key=lambda r: r["metrics"]["nll"]["value"])
    cautions = tuple(line for record in records for line in _cautions(record, name_of(record, seeds=seeds)))
    if not ranked:
        return Verdict(dataset, None, ("No model has an established likelihood here.",), cautions)
    best, rest = ranked[0], ranked[1:]
    choice = name_of(best, seeds=seeds)
    reasons, rival = [_likelihood(best, choice), *_closeness(best)], None
    if rest:
        second, doubt = name_of(rest[0], seeds=seeds), _doubt(best, rest[0])
        gap = rest[0]["metrics"]["nll"]["value"] - best["metrics"]["nll"]["value"]
        reasons.append(f"{second} is next, {short(gap)} nats behind{doubt}.")
        rival = second if doubt else None
    return Verdict(dataset, choice, tuple(reasons), cautions, rival)


def sentence(verdict: Verdict) -> str:
    """The verdict as one plain line."""
    head = f"{verdict.advice}. " if verdict.choice else ""
    return f"{verdict.dataset}: {head}{' '.join(verdict.reasons)}"


def _nll(record: Record) -> float | None:
    metric = record["metrics"].get("nll")
    return None if metric is None else metric["value"]


def _likelihood(best: Record, name: str) -> str:
    metric = best["metrics"]["nll"]
    bound = {"lower bound": "at least ", "upper bound": "at most "}.get(metric["evidence"], "")
    text = f"{name} has the lowest test NLL: {bound}{number(metric)} nats per example ({BADGES[metric['evidence']].word})"
    kl = best["metrics"].get("kl")
    return f"{text}, {number(kl)} above the truth." if kl and kl["value"] is not None else f"{text}."


def _closeness(best: Record) -> list[str]:
    metrics = best["metrics"]
    tv, floor = metrics.get("mode_tv"), metrics.get("mode_tv_floor")
    if tv is None or tv["value"] is None:
        return []
    aside = f"; the test data themselves are {short(floor['value'])} off" if floor and floor["value"] is not None else ""
    return [f"Its mode masses are within {number(tv)} of the truth in total variation{aside}."]


def _doubt(best: Record, second: Record) -> str:
    """Why the order of the two is not established; empty where it is."""
    a, b = best["metrics"]["nll"], second["metrics"]["nll"]
    if a["evidence"] in ("lower bound", "not established"):
        return f", but the best figure is marked {BADGES[a['evidence']].word}: the order is not established"
    if b["evidence"] in ("upper bound", "not established"):
        return f", but its figure is marked {BADGES[b['evidence']].word}: the order is not established"
    error = _error_of_gap(best, second)
    return f", less than two errors ({short(2 * error)}): call it a tie" if b["value"] - a["value"] < 2 * error else ""


def _error_of_gap(best: Record, second: Record) -> float:
    """The errors of the two joined: those of KL where it is known, which is NLL less a constant and free of the truth's own spread."""
    pairs = ([record["metrics"].get(name) for record in (best, second)] for name in ("kl", "nll"))
    a, b = next(pair for pair in pairs if all(metric and metric["value"] is not None for metric in pair))
    return math.hypot(a["stderr"] or 0.0, b["stderr"] or 0.0)


def _cautions(record: Record, name: str) -> list[str]:
    if record["status"] == "failed":
        return [f"{name} failed: {record['reason']}"]
    lines = []
    metrics = record["metrics"]
    tv = metrics.get("mode_tv")
    if tv and tv["value"] is not None and tv["value"] > TV_LIMIT + 3 * (tv["stderr"] or 0.0):
        lines.append(f"{name} misses mode masses: total variation {number(tv)}, against {TV_LIMIT} allowed.")
    apart = metrics.get("log_z_disagreement")
    if apart and apart["value"] is not None and abs(apart["value"]) > AGREE:
        lines.append(
            f"{name}: annealed log Z lies {apart['value']:+.1f} errors from the exact one, more than {AGREE:g}: trust the exact one."
        )
    nll = metrics.get("nll")
    if nll and nll["status"] != Status.OK.name.lower():
        lines.append(f"{name}: the likelihood is doubtful. {Status[nll['status'].upper()].value}")
    if record["reason"]:
        lines.append(f"{name}: {record['reason']}")
    return lines
