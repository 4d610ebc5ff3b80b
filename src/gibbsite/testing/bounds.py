"""The law of bounds: an estimator is as good as the evidence that it states."""

from collections.abc import Callable as Function

import jax
import numpy as np
from jaxtyping import Array, Key

from gibbsite.core import Estimate, Evidence
from gibbsite.testing.law import LawViolation, Z

ROUNDING = 1e-5  # of float32 energies, relative


def check_bound(
    estimator: Function[[Key[Array, ""]], Estimate],
    truth: float,
    *,
    limit: float,
    replicates: int = 100,
    name: str = "estimator",
    key: Key[Array, ""],
) -> float:
    """The mean over `replicates` keys must not lie on the wrong side of the truth, nor further than `limit` on the right one.

    Wrong is, by 5.6 standard errors: above it for LOWER, below for UPPER, on either side for UNBIASED. What says EXACT must
    meet it every time, within its own three errors; an INTERVAL must hold it as often as its level says, or more.

    Returns:
        float: mean less truth.

    Raises:
        LawViolation: it does not, or another evidence is stated.
    """
    found = [estimator(k) for k in jax.random.split(key, replicates)]
    evidence = found[0].evidence
    values = np.asarray([e.value for e in found], np.float64)
    off, error = float(values.mean() - truth), float(values.std(ddof=1) / np.sqrt(replicates))
    slack = ROUNDING * max(1.0, abs(truth))
    wrong = {
        Evidence.LOWER: off > Z * error + slack,
        Evidence.UPPER: off < -Z * error - slack,
        Evidence.UNBIASED: abs(off) > Z * error + slack,
        Evidence.EXACT: bool(np.any(np.abs(values - truth) > np.asarray([3 * e.stderr for e in found]) + slack)),
        Evidence.INTERVAL: _missed(found, truth),
    }
    if wrong.get(evidence, True):
        raise LawViolation(f"{name}: says {evidence.value}, but its mean is {off:+.4g} ({error:.2g}) from the truth {truth:.7g}.")
    if abs(off) > limit:
        raise LawViolation(f"{name}: says {evidence.value}, and is {off:+.4g} ({error:.2g}) from the truth; the limit is {limit:g}.")
    return off


def _missed(found: list[Estimate], truth: float) -> bool:
    """Whether intervals hold the truth less often than their level says, by 5.6 errors of a share."""
    level, n = found[0].level, len(found)
    hits = sum(e.lo <= truth <= e.hi for e in found)
    return bool(hits < n * level - Z * np.sqrt(n * level * (1 - level)))
