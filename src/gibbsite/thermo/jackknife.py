"""Errors of non-linear functions of means: leave out one independent part of the data at a time.

With theta the function of all C parts and theta_(c) that of all but part c (Quenouille 1956; Tukey 1958; Efron, The Jackknife,
SIAM 1982, chapter 3),

    stderr^2 = (C - 1) / C sum_c (theta_(c) - mean theta_(.))^2,

right to leading order in 1/C for any smooth function. Parts must be independent: chains, populations, or long batches.
"""

from collections.abc import Callable as Function
from typing import Any

import numpy as np
from jaxtyping import Float

from gibbsite.core import Estimate, Evidence, Status
from gibbsite.core.estimate import student

LEVEL = 0.95


def leave_one_out(weight: Float[np.ndarray, " parts"], means: Float[np.ndarray, "parts *f"]) -> Float[np.ndarray, "replicates *f"]:
    """The weighted mean of all parts, and then of all but each of them in turn: `1 + parts` rows."""
    weight = weight.reshape(-1, *(1,) * (means.ndim - 1))
    sums, total = weight * means, weight.sum()
    whole = sums.sum(axis=0)
    return np.concatenate([(whole / total)[None], (whole - sums) / (total - weight)])


def covariance(replicates: Float[np.ndarray, "replicates n"]) -> Float[np.ndarray, "n n"]:
    """The covariance of several numbers, from their rows `1 + parts` (see `leave_one_out`)."""
    left = replicates[1:] - replicates[1:].mean(axis=0)
    return (1 - 1 / len(left)) * left.T @ left


def standard_error(replicates: Float[np.ndarray, "replicates *f"]) -> Float[np.ndarray, "*f"]:
    """That of row 0, from rows `1 + parts`."""
    left = replicates[1:] - replicates[1:].mean(axis=0)
    return np.asarray(np.sqrt((1 - 1 / len(left)) * np.sum(left**2, axis=0)))


def jackknife(replicates: Float[np.ndarray, "replicates *f"], *, status: Status = Status.OK, ess: float | None = None) -> Estimate:
    """The estimate whose row 0 is the value and whose other rows leave one part out each; its interval is Student's.

    Raises:
        ValueError: there are fewer than two parts.
    """
    parts = len(replicates) - 1
    if parts < 2:
        raise ValueError(f"A jackknife over {parts} parts: give two independent parts or more.")
    centre, spread = replicates[0], standard_error(replicates)
    if not np.all(np.isfinite(spread)):
        return Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
    half = student(LEVEL, parts - 1) * spread
    value, error, lo, hi = (float(v) if np.ndim(v) == 0 else v for v in (centre, spread, centre - half, centre + half))
    made = Estimate(value, error, lo, hi, level=LEVEL, ess=ess, evidence=Evidence.INTERVAL)
    return made if status is Status.OK else made.doubted(status)


def through(of: Function[[Any], Any], replicates: Float[np.ndarray, "replicates *f"]) -> Float[np.ndarray, "replicates *g"]:
    """A function of means, replicate by replicate."""
    return np.stack([np.asarray(of(row), np.float64) for row in replicates])
