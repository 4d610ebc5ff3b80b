"""The law of estimators: the stated interval covers the truth as often as it says, and is narrow."""

import math
from collections.abc import Callable as Function
from collections.abc import Iterable

import jax
import numpy as np
from jaxtyping import Array, Key

from gibbsite.core import ArrayLike, Estimate, Evidence
from gibbsite.testing.law import LawViolation, Z


def check_estimator(
    estimator: Function[[Key[Array, ""]], Estimate],
    truth: ArrayLike,
    *,
    limit: float,
    replicates: int = 2000,
    name: str = "estimator",
    key: Key[Array, ""],
) -> float:
    """`check_coverage` of `estimator(key)` over `replicates` keys."""
    return check_coverage((estimator(k) for k in jax.random.split(key, replicates)), truth, limit=limit, name=name)


def check_coverage(estimates: Iterable[Estimate], truth: ArrayLike, *, limit: float, name: str = "estimator") -> float:
    """Independent replicates of one estimate must cover the truth at their stated level, neither less nor more.

    The number of hits is binomial; bounds are at z = 5.6. So that a wide bar does not pass, the root mean square of the
    stated standard errors and that of the actual errors must both be at most `limit`. A missing value is a miss. Arrays
    are checked element by element.

    Returns:
        float: the coverage found, the worst of an array's.

    Raises:
        LawViolation: the coverage is too low or too high, or the errors too large.
    """
    estimates, truth = list(estimates), np.asarray(truth, np.float64)
    known = [e for e in estimates if e.value is not None]
    if not known:
        raise LawViolation(f"{name}: none of {len(estimates)} replicates has a value; the last says: {estimates[-1].status.value}")
    level = known[0].level
    hits = sum(((np.asarray(e.lo) <= truth) & (truth <= np.asarray(e.hi))).astype(float) for e in known) / len(estimates)
    slack = Z * math.sqrt(level * (1 - level) / len(estimates)) + 1 / len(estimates)
    worst = float(np.ravel(hits)[np.argmax(np.abs(np.ravel(hits) - level))])
    if abs(worst - level) > slack:
        wrong = "narrow" if worst < level else "wide"
        raise LawViolation(
            f"{name}: intervals at level {level:g} cover the truth in {worst:.1%} of {len(estimates)} replicates; they are too {wrong}."
        )
    stated = np.sqrt(np.mean([np.square(e.stderr) for e in known], axis=0))
    actual = np.sqrt(np.mean([np.square(e.value - truth) for e in known], axis=0))
    if max(np.max(stated), np.max(actual)) > limit:
        raise LawViolation(f"{name}: stated error {np.max(stated):.3g}, actual error {np.max(actual):.3g}; both must be at most {limit:g}.")
    return worst


def check_exact(estimate: Estimate, truth: float, *, limit: float, name: str = "estimator") -> float:
    """An exact result must meet the truth within `limit` and within what it states itself (and rounding), and say EXACT.

    Returns:
        float: the error found.

    Raises:
        LawViolation: it does not.
    """
    if estimate.value is None or estimate.evidence is not Evidence.EXACT:
        raise LawViolation(f"{name}: {estimate} is {estimate.evidence.value} ({estimate.status.value}), not exact.")
    error, rounding = abs(estimate.value - truth), 1e-13 * max(1.0, abs(truth))
    if error > limit or error > 3 * estimate.stderr + rounding or estimate.stderr > limit:
        raise LawViolation(
            f"{name}: {estimate.value!r} with stated error {estimate.stderr:.3g} misses {truth!r} by {error:.3g}; limit {limit:g}."
        )
    return error
