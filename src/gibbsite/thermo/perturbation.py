"""Free-energy differences from work: one-sided averages and Bennett's two-sided method.

Work is in nats. All results are `log(Z_1 / Z_0)`, minus the free-energy difference, where forward work was spent from
state 0 to state 1: instantly (`w = U_1(x) - U_0(x)`, x drawn from state 0) or along a path.
"""

import math

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import log_expit

from gibbsite.core import ArrayLike, Estimate, Evidence, Status
from gibbsite.thermo.weights import ENOUGH, log_mean, log_sum_exp


def exponential_average(work: ArrayLike) -> Estimate:
    """`log(Z_1 / Z_0) = log E_0[exp(-work)]` (Zwanzig 1954; Jarzynski 1997), a lower bound in expectation.

    Its status says where the error bar means nothing: LOW_ESS where few samples carry the mean, INFINITE_VARIANCE where
    the tail of the weights is too heavy for a variance, as between harmonic wells k_0 > 2 k_1; CONSTANT where all work is one number.
    """
    array = _as_work(work, "work")
    found = log_mean(-array)
    return found.doubted(Status.CONSTANT) if _one_number(array) and found.status is Status.OK else found


def bar(forward_work: ArrayLike, reverse_work: ArrayLike) -> Estimate:
    """`log(Z_1 / Z_0)` from work done in both directions (Bennett, J. Comput. Phys. 22, 1976).

    With m = log(n_0 / n_1) and f(w) = 1 / (1 + e^w), the root in F of
    `sum_0 f(m + w_0 - F) = sum_1 f(-m + w_1 + F)` is the free-energy difference; the maximum-likelihood derivation is
    that of Shirts et al. (PRL 91, 2003). The variance is sum_i (<f^2>_i / <f>_i^2 - 1) / n_i. Both sides of the equation
    count the samples that the two states share: with less than one, nothing is established. Where all work is one number, either way,
    the error is not known (CONSTANT).
    """
    forward, reverse = _as_work(forward_work, "forward_work"), _as_work(reverse_work, "reverse_work")
    works = np.concatenate([forward, reverse])
    if np.any(np.isnan(works)) or np.any(works == -np.inf) or np.all(np.isinf(forward)) or np.all(np.isinf(reverse)):
        return _nothing(Status.NON_FINITE)
    difference = _root(forward, reverse)
    logs = _log_shares(difference, forward, reverse)
    shared = math.exp(log_sum_exp(logs[0]))
    if shared < 1:
        return _nothing(Status.NO_OVERLAP)
    # <f^2> / <f>^2 - 1 over n is sum f^2 / (sum f)^2 - 1 / n.
    variance = sum(math.exp(log_sum_exp(2 * a) - 2 * log_sum_exp(a)) - 1 / len(a) for a in logs)
    status = Status.OK if 2 * shared >= ENOUGH else Status.LOW_ESS
    if _one_number(forward) and _one_number(reverse):
        return Estimate(-difference, 0.0, ess=2 * shared).doubted(Status.CONSTANT)
    return Estimate(-difference, math.sqrt(max(variance, 0.0)), ess=2 * shared, status=status, evidence=Evidence.INTERVAL)


def _as_work(work: ArrayLike, name: str) -> Float[np.ndarray, " n"]:
    array = np.asarray(work, np.float64)
    if array.ndim != 1 or array.size < 2:
        raise ValueError(f"{name} has shape {array.shape}; give one work value per sample, at least two.")
    return array


def _one_number(work: Float[np.ndarray, " n"]) -> bool:
    return bool(np.allclose(work, work[0], rtol=1e-12, atol=0.0))


def _nothing(status: Status) -> Estimate:
    return Estimate(None, None, status=status, evidence=Evidence.NOT_ESTABLISHED)


def _log_shares(difference: float, forward: np.ndarray, reverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log f of every sample of either state."""
    m = math.log(len(forward) / len(reverse))
    return log_expit(-(m + forward - difference)), log_expit(-(-m + reverse + difference))


def _root(forward: np.ndarray, reverse: np.ndarray) -> float:
    """The root of the implicit equation, in logs: increasing in the difference, and bracketed by the data."""

    def gap(difference: float) -> float:
        left, right = _log_shares(difference, forward, reverse)
        return log_sum_exp(left) - log_sum_exp(right)

    ends = np.concatenate([forward[np.isfinite(forward)], -reverse[np.isfinite(reverse)]])
    width = 1.0
    while gap(ends.min() - width) > 0 or gap(ends.max() + width) < 0:
        width *= 2
    return float(brentq(gap, ends.min() - width, ends.max() + width, xtol=1e-12, rtol=1e-14))
