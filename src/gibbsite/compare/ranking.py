"""Models in the order of their test likelihood, and how sure that order is."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from gibbsite.compare.store import Cell, Record, cell_of
from gibbsite.core import Z95, Estimate, Evidence, Status
from gibbsite.core.estimate import student

Arrays = Mapping[Cell, Mapping[str, np.ndarray]]
SOUND = (Evidence.EXACT, Evidence.UNBIASED, Evidence.INTERVAL, Evidence.LOWER)  # of a gap that is said to be positive


class Standing(NamedTuple):
    """One model on one data set: the mean of its fits, one a seed, whose test NLLs all are established.

    `rows` has -log p of each test row, `fit_variance` is the part of the variance of the mean that other rows would not
    change: that of log Z for one fit, the spread between seeds for several, with its degrees of freedom. `below` and
    `above` are how far the NLL may lie from the mean where the constant is known to an interval: no scatter, so no seed
    averages it out.
    """

    model: str
    records: tuple[Record, ...]
    evidence: Evidence
    rows: Float[np.ndarray, " rows"]
    fit_variance: float
    fit_dof: float
    below: float
    above: float

    @property
    def nll(self) -> float:
        """Mean test NLL in nats."""
        return float(np.mean([record["metrics"]["nll"]["value"] for record in self.records]))


def standings(records: Sequence[Record], arrays: Arrays) -> list[Standing]:
    """The models of one data set, lowest test NLL first.

    One with a fit that failed, or whose likelihood is in doubt, takes no part: those that happened to succeed are no
    fair sample of its fits.
    """
    fits: dict[str, list[Record]] = {}
    for record in records:
        fits.setdefault(record["model"], []).append(record)
    sound = {model: group for model, group in fits.items() if all(map(established, group))}
    return sorted((_standing(model, group, arrays) for model, group in sound.items()), key=lambda standing: standing.nll)


def established(record: Record) -> bool:
    """True where the fit has a test likelihood, and nothing went wrong in its computation."""
    nll = record["metrics"].get("nll")
    return nll is not None and nll["value"] is not None and nll["status"] == Status.OK.name.lower()


def _standing(model: str, fits: Sequence[Record], arrays: Arrays) -> Standing:
    rows = np.mean([np.asarray(arrays[cell_of(record)]["energy_data"], np.float64) for record in fits], axis=0)
    evidence, n = _weakest([record["metrics"]["nll"] for record in fits]), len(fits)
    below, above = np.mean([_left_open(record) for record in fits], axis=0)
    values = [record["metrics"]["nll"]["value"] for record in fits]
    variance = float(np.var(values, ddof=1)) / n if n > 1 else _constant_error(fits[0]) ** 2
    return Standing(model, tuple(fits), evidence, rows, variance, n - 1 if n > 1 else math.inf, float(below), float(above))


def _constant_error(fit: Record) -> float:
    """The error that all rows share: that of log Z, if there is one and it is no interval."""
    log_z = fit["metrics"].get("log_z", {})
    return 0.0 if log_z.get("evidence") == Evidence.INTERVAL.value else log_z.get("stderr") or 0.0


def _left_open(fit: Record) -> tuple[float, float]:
    """How far the NLL of a fit may lie below and above its value: what annealing leaves open of log Z, or of the marginal."""
    if (missed := fit["metrics"].get("marginal_gap")) is not None and missed["hi"] is not None:
        return max(missed["hi"], 0.0), 0.0
    log_z = fit["metrics"].get("log_z", {})
    if log_z.get("evidence") != Evidence.INTERVAL.value or log_z["value"] is None:
        return 0.0, 0.0
    return log_z["value"] - log_z["lo"], log_z["hi"] - log_z["value"]


def gap(better: Standing, worse: Standing) -> Estimate:
    """The mean test NLL of `worse` less that of `better`, in nats, paired row by row: what both find hard cancels.

    The interval is Student's with the joint degrees of freedom of rows and fits (Welch, Biometrika 34, 1947), and as much
    longer as the intervals of both constants leave open.
    """
    apart = worse.rows - better.rows
    n = len(apart)
    parts = [(float(np.var(apart, ddof=1)) / n, n - 1), *((s.fit_variance, s.fit_dof) for s in (better, worse))]
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / dof for part, dof in parts)
    half = math.sqrt(variance) * student(0.95, variance**2 / spread if spread else math.inf)
    value = worse.nll - better.nll
    lo, hi = value - half - worse.below - better.above, value + half + worse.above + better.below
    return Estimate(value, math.sqrt(variance), lo, hi, evidence=worse.evidence.plus(better.evidence.flipped()))


def separated(found: Estimate) -> bool:
    """True where a gap is above zero at its level, by evidence that can say so."""
    return found.evidence in SOUND and found.lo > 0


def pooled(records: Sequence[Record], name: str) -> Estimate | None:
    """A metric over the fits of one model: their mean, with the error of one fit joined to the spread between seeds.

    The first does not shrink with the number of fits, for they share their test rows.
    """
    held: list[Mapping[str, Any]] = [m for r in records if (m := r["metrics"].get(name)) and m["value"] is not None]
    if not held:
        return None
    values, errors = np.array([m["value"] for m in held]), np.array([m["stderr"] or 0.0 for m in held])
    spread = np.var(values, ddof=1) / len(held) if len(held) > 1 else 0.0
    stderr = math.sqrt(np.mean(errors**2) + spread)
    # What an interval reaches beyond its error is no scatter: no seed averages it out.
    below, above = (max(0.0, float(np.mean([_beyond(m, end) for m in held]))) for end in ("lo", "hi"))
    status = next((Status[m["status"].upper()] for m in held if m["status"] != "ok"), Status.OK)
    mean, half = float(values.mean()), Z95 * stderr
    return Estimate(mean, stderr, mean - half - below, mean + half + above, status=status, evidence=_weakest(held))


def _beyond(metric: Mapping[str, Any], end: str) -> float:
    """How much farther than its error an end of a metric lies."""
    return 0.0 if metric.get(end) is None else abs(metric[end] - metric["value"]) - Z95 * (metric["stderr"] or 0.0)


def with_means(records: Sequence[Record], names: Sequence[str]) -> list[Record]:
    """The records of one data set; with several seeds, those of a model follow a row of their means (`fits`: of how many)."""
    models = list(dict.fromkeys(record["model"] for record in records))
    groups = [[record for record in records if record["model"] == model] for model in models]
    return [row for group in groups for row in ([_mean(group, names), *group] if len(group) > 1 else group)]


def _mean(group: Sequence[Record], names: Sequence[str]) -> Record:
    sound = [record for record in group if record["status"] != "failed"]
    found = {name: estimate.record() for name in names if (estimate := pooled(sound, name)) is not None}
    spent = {name: float(np.mean([record[name] for record in sound or group])) for name in ("evaluations", "seconds")}
    spent["evaluations"] = round(spent["evaluations"])
    return {**group[0], **(sound[0] if sound else {}), "seed": None, "fits": len(sound), **spent, "metrics": found}


def _weakest(metrics: Sequence[Mapping[str, Any]]) -> Evidence:
    """The evidence of their mean."""
    return functools.reduce(Evidence.plus, (Evidence(metric["evidence"]) for metric in metrics))
