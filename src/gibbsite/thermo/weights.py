"""From log-weights to an estimate: sums of exponentials in float64 on the host, safe at any spread."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from gibbsite.core import ArrayLike, Estimate, Evidence, Status

ENOUGH = 30.0  # effective samples below which a Gaussian error bar is not to be trusted


def log_sum_exp(a: Float[np.ndarray, "..."], axis: int | None = None) -> Any:
    """log sum exp(a) along an axis, or of all, shifted by the largest entry; -inf for an empty or vanishing sum."""
    top = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        logs = np.log(np.sum(np.exp(a - top), axis=axis)) + np.squeeze(top, axis=axis)
    return float(logs) if axis is None else np.asarray(logs)


def effective_samples(log_weights: Float[np.ndarray, " n"]) -> float:
    """(sum w)^2 / sum w^2 (Kong, 1992)."""
    return math.exp(2 * log_sum_exp(log_weights) - log_sum_exp(2 * log_weights))


def log_mean(log_weights: ArrayLike, *, evidence: Evidence = Evidence.LOWER, level: float = 0.95) -> Estimate:
    """The log of the mean weight, which in expectation is a lower bound of the log of the expected weight.

    By the delta method its variance is (n / ess - 1) / (n - 1). Where few samples carry the sum (LOW_ESS) that number
    means nothing; the lower end is then Markov's, `P(log E w < value - log a) <= 1 / a`. There, and where the tail of the
    weights is too heavy for a variance (INFINITE_VARIANCE), the upper end is open: rare weights may be missing.
    """
    a = np.asarray(log_weights, np.float64).ravel()
    if not summable(a):
        return Estimate(None, None, level=level, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
    n, ess = len(a), effective_samples(a)
    variance = max(n / ess - 1, 0.0) / (n - 1) if n > 1 else math.inf
    return judged(log_sum_exp(a) - math.log(n), variance, ess=ess, heavy=ess >= ENOUGH and heavy_tailed(a), evidence=evidence, level=level)


def summable(log_weights: Float[np.ndarray, " n"]) -> bool:
    """Whether the weights are numbers, finite, and not all zero."""
    return not (np.any(np.isnan(log_weights)) or np.any(log_weights == np.inf)) and bool(np.any(np.isfinite(log_weights)))


def judged(log_mean: float, variance: float, *, ess: float, heavy: bool, evidence: Evidence, level: float = 0.95) -> Estimate:
    """The log of a mean of weights whose relative variance is known, with the status and the open ends that its weights deserve."""
    stderr = math.sqrt(variance)
    if ess < ENOUGH:
        lo = log_mean + math.log(1 - level)
        return Estimate(log_mean, stderr, lo, math.inf, level=level, ess=ess, status=Status.LOW_ESS, evidence=evidence)
    if heavy:
        return Estimate(log_mean, stderr, hi=math.inf, level=level, ess=ess, status=Status.INFINITE_VARIANCE, evidence=evidence)
    return Estimate(log_mean, stderr, level=level, ess=ess, evidence=evidence)


def heavy_tailed(log_weights: Float[np.ndarray, " n"]) -> bool:
    """Whether the weights' variance looks infinite: a tail index above 1/2 by more than its standard error.

    Heavy but finite tails are called infinite, too: lognormal weights of width 1 at n = 200 in one case of seven, of
    width 2 at n = 10,000 nearly always. Hill's estimate from the k = 2 sqrt(n) largest weights, with error
    index / sqrt(k) (Annals of Statistics 3, 1975).
    """
    finite = log_weights[np.isfinite(log_weights)]
    tail = min(math.ceil(2 * math.sqrt(len(log_weights))), len(finite) - 1)
    top = np.partition(finite, -tail - 1)[-tail - 1 :]
    index = float(np.mean(top[1:])) - float(top[0])
    return index * (1 - 1 / math.sqrt(tail)) > 0.5
