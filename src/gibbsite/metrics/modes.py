"""How much of a sample lies in each mode, and how far the shares are from the truth."""

import math

import numpy as np
from jaxtyping import Float

from gibbsite.core import Z95, Estimate, Evidence, Status
from gibbsite.data.dataset import Modes

REPLICATES = 2000


def mode_masses(x: Float[np.ndarray, "n *x"], modes: Modes, *, ess: float | None = None) -> Estimate:
    """The share of rows nearest to each centre, with its multinomial error.

    Rows are taken as independent unless `ess` gives their effective number. The error uses `(n p + 1) / (n + 2)`, so
    that an empty mode has one; rows that are not finite belong to no mode and set the status.
    """
    rows = np.asarray(x, np.float64).reshape(len(x), -1)
    centres = np.asarray(modes.centres, np.float64).reshape(len(modes.centres), -1)
    finite = np.isfinite(rows).all(axis=1)
    squares = ((rows[finite, None, :] - centres) ** 2).sum(axis=-1)
    masses = np.bincount(squares.argmin(axis=1), minlength=len(centres)) / len(rows)
    n = float(len(rows)) if ess is None else min(float(ess), float(len(rows)))
    smooth = (n * masses + 1) / (n + 2)
    stderr = np.sqrt(smooth * (1 - smooth) / n)
    status = Status.OK if finite.all() else Status.NON_FINITE
    lo, hi = np.maximum(masses - Z95 * stderr, 0.0), np.minimum(masses + Z95 * stderr, 1.0)
    return Estimate(masses, stderr, lo=lo, hi=hi, ess=n, status=status)


def total_variation(masses: Estimate, truth: Float[np.ndarray, " modes"]) -> Estimate:
    """`1/2 sum_k |p_k - q_k|` between measured and true masses; mass in no mode counts as missing.

    Noise makes it larger, never smaller, on average: by up to `1/2 sum_k sqrt(2 p_k (1 - p_k) / (pi n))` where p = q. So
    the value is an upper bound in expectation, and belongs beside its noise floor. The error is the spread over
    multinomial samples drawn from the measured masses.
    """
    p, q = np.asarray(masses.value, np.float64), np.asarray(truth, np.float64)
    if p.shape != q.shape:
        raise ValueError(f"masses has shape {p.shape} and truth {q.shape}; both must hold one number a mode.")
    value = _distance(p, q)
    if masses.ess is None:
        raise ValueError("masses has no effective sample size; take it from mode_masses, or give Estimate(..., ess=n).")
    n = max(1, math.floor(masses.ess))
    counts = np.random.default_rng(0).multinomial(n, _with_rest(p), size=REPLICATES)
    stderr = float(np.std(_distance(counts[:, :-1] / n, q), ddof=1))
    lo, hi = max(0.0, value - Z95 * stderr), min(1.0, value + Z95 * stderr)
    return Estimate(
        float(value), stderr, lo=lo, hi=hi, ess=masses.ess, status=masses.status, evidence=Evidence.UPPER, sources=masses.sources
    )


def _with_rest(p: Float[np.ndarray, " modes"]) -> Float[np.ndarray, " modes_and_rest"]:
    rest = max(0.0, 1.0 - p.sum())
    full = np.append(p, rest if rest > 1e-9 else 0.0)
    return full / full.sum()


def _distance(p: Float[np.ndarray, "*n modes"], q: Float[np.ndarray, " modes"]) -> Float[np.ndarray | np.floating, "*n"]:
    missing = np.maximum(q.sum() - p.sum(axis=-1), 0.0)
    return 0.5 * (np.abs(p - q).sum(axis=-1) + missing)
