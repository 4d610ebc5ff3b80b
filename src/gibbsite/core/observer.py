"""Statistics accumulated inside the compiled loop, so that no draws need be stored.

An observer is unbatched; the runner keeps one accumulator per chain and batch of draws. `finalise` therefore sees
leading axes `(chains, batches)`: chains are independent, batches of one chain nearly so, and error bars follow.
"""

import abc
import dataclasses
from collections.abc import Callable as Function
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from gibbsite.core.energy import Scalar
from gibbsite.core.estimate import Estimate, Status, student
from gibbsite.core.sums import Pair, zeros

BATCHES = 32
INDEPENDENT = 16  # chains from which on their means alone give the error
LONG = 10  # autocorrelation times that a batch must hold: its variance is then short by 5 %
FROZEN = 1e-6  # draws an autocorrelation time, below which batch means see but rounding
LEAST = 15  # degrees of freedom of an error bar


class AbstractObserver(eqx.Module):
    """A statistic of the draws.

    To add an observer: `init(x)` gives an empty accumulator for configurations like `x`, `update` adds one weighted
    draw, `merge` joins two accumulators, `finalise` turns those of all chains and batches into an `Estimate`.
    """

    @abc.abstractmethod
    def init(self, x: PyTree) -> PyTree:
        """An empty accumulator; `x` is a configuration or its `ShapeDtypeStruct`."""

    @abc.abstractmethod
    def update(self, acc: PyTree, x: PyTree, weight: Scalar) -> PyTree:
        """The accumulator with `x` added."""

    @abc.abstractmethod
    def merge(self, first: PyTree, second: PyTree) -> PyTree:
        """The accumulator of both sets of draws."""

    @abc.abstractmethod
    def finalise(self, acc: PyTree) -> Estimate:
        """The estimate from accumulators with leading axes `(chains, batches)`, on the host, in float64."""

    def diagnose(self, acc: PyTree) -> "Diagnosis":
        """The same with split R-hat and autocorrelation time, of observers that tell them."""
        return Diagnosis(self.finalise(acc), None, None)


class Moments(NamedTuple):
    """Sums of weight, f and f^2."""

    weight: Scalar
    first: Pair
    second: Pair


class Mean(AbstractObserver):
    """The mean of `fn(x)`, with batch-means error (Geyer, Statistical Science 7, 1992)."""

    fn: Function[[PyTree], Array]

    def init(self, x: PyTree) -> Moments:
        shape = jax.eval_shape(self.fn, x).shape
        return Moments(jnp.zeros(()), zeros(shape), zeros(shape))

    def update(self, acc: Moments, x: PyTree, weight: Scalar) -> Moments:
        f = jnp.asarray(self.fn(x), acc.first.hi.dtype)
        return Moments(acc.weight + weight, acc.first.add(weight * f), acc.second.add(weight * f * f))

    def merge(self, first: Moments, second: Moments) -> Moments:
        return _merge_moments(first, second)

    def finalise(self, acc: Moments) -> Estimate:
        return self.diagnose(acc).estimate

    def diagnose(self, acc: Moments) -> "Diagnosis":
        return diagnose(acc)


class Histogram(AbstractObserver):
    """Relative frequencies of a scalar `fn(x)` in bins between `edges` (draws outside count in the total only).

    A bin without a draw is empty, and the other bins are none the worse for it: its share is 0 with an error of 1 / ESS, and below
    3 / ESS at 95 % (Hanley & Lippman-Hand, JAMA 249, 1983), with the least ESS of the others. Without any draw that leaves its
    bin nothing is known: the observable never varied.
    """

    fn: Function[[PyTree], Scalar]
    edges: Float[Array, " edges"]

    def _mean(self) -> Mean:
        return Mean(_OneHot(self.fn, jnp.asarray(self.edges)))

    def init(self, x: PyTree) -> Moments:
        return self._mean().init(x)

    def update(self, acc: Moments, x: PyTree, weight: Scalar) -> Moments:
        return self._mean().update(acc, x, weight)

    def merge(self, first: Moments, second: Moments) -> Moments:
        return _merge_moments(first, second)

    def finalise(self, acc: Moments) -> Estimate:
        return self.diagnose(acc).estimate

    def diagnose(self, acc: Moments) -> "Diagnosis":
        weight, first, second = acc
        held = first.float64().sum(axis=(0, 1)) != 0  # NaN is not empty
        if held.all() or not held.any():
            return diagnose(acc)
        found = diagnose(Moments(weight, *(jax.tree.map(lambda a: np.asarray(a)[..., held], pair) for pair in (first, second))))
        some, rare = found.estimate, np.nan if found.estimate.ess is None else 1 / found.estimate.ess
        values = (some.value, some.stderr, some.lo, some.hi, found.rhat, found.tau)
        where_empty = (0.0, rare, 0.0, 3 * rare, 1.0, np.nan)
        value, stderr, lo, hi, rhat, tau = (_filled(held, v, empty) for v, empty in zip(values, where_empty, strict=True))
        return Diagnosis(dataclasses.replace(some, value=value, stderr=stderr, lo=lo, hi=hi), rhat, tau)


def _filled(held: Bool[np.ndarray, " bins"], values: Float[np.ndarray, " held"], empty: float) -> Float[np.ndarray, " bins"]:
    whole = np.full(held.shape, empty)
    whole[held] = values
    return whole


class _OneHot(eqx.Module):
    fn: Function[[PyTree], Scalar]
    edges: Float[Array, " edges"]

    def __call__(self, x: PyTree) -> Float[Array, " bins"]:
        f = self.fn(x)
        last = jnp.arange(len(self.edges) - 1) == len(self.edges) - 2  # closed on both sides, as numpy.histogram has it
        return jnp.asarray((f >= self.edges[:-1]) & ((f < self.edges[1:]) | last & (f == self.edges[-1])), jnp.result_type(float))


def _merge_moments(a: Moments, b: Moments) -> Moments:
    return Moments(a.weight + b.weight, a.first.merge(b.first), a.second.merge(b.second))


class Diagnosis(NamedTuple):
    """An estimate with split R-hat and integrated autocorrelation time (in draws)."""

    estimate: Estimate
    rhat: Any
    tau: Any


@np.errstate(invalid="ignore", over="ignore")  # what is not finite is reported by the status
def diagnose(acc: Moments) -> Diagnosis:
    """Mean, error, split R-hat (Gelman & Rubin 1992, halves) and tau from moments with axes `(chains, batches, *f)`.

    An observable that never varied has no error, no effective sample size and no autocorrelation time: NaN, not zero.
    """
    weight = np.asarray(acc.weight, np.float64)
    filled = weight.min(axis=0) > 0
    weight = weight[:, filled].reshape(weight.shape[0], -1, *(1,) * (acc.first.hi.ndim - 2))
    first, second = (s.float64()[:, filled] / weight for s in (acc.first, acc.second))
    mean = np.average(first, axis=(0, 1), weights=np.broadcast_to(weight, first.shape))
    # Second moments about the mean, from the batch means: no cancellation of large raw moments across chains.
    spread = np.mean(second - first**2, axis=(0, 1)) + np.mean((first - mean) ** 2, axis=(0, 1))
    spread = np.where(_stuck(first, mean, spread, acc.first.hi.dtype), 0.0, spread)
    total = float(weight.sum() / max(1, np.prod(weight.shape[2:])))
    chains = np.average(first, axis=1, weights=np.broadcast_to(weight, first.shape))
    variance, dof, enough = _variance_of_mean(first, chains, spread, total)
    known = (spread > 0) & (variance > 0)
    ess = np.where(known, spread / np.where(known, variance, 1.0), np.nan)
    rhat = _rhat_of_batches(first, spread)
    status = _status(mean, spread, rhat, enough=enough)
    value, stderr = (float(v) if np.ndim(v) == 0 else v for v in (mean, np.where(spread > 0, np.sqrt(variance), np.nan)))
    half = student(0.95, max(dof, 1)) * stderr
    least = float(np.min(ess)) if np.all(np.isfinite(ess)) else None
    estimate = Estimate(value, stderr, value - half, value + half, ess=least)
    return Diagnosis(estimate if status is Status.OK else estimate.doubted(status), rhat, total / ess)


def _stuck(means: np.ndarray, mean: Any, spread: Any, dtype: Any) -> Any:
    """True where an observable never varied: its squares scatter by their rounding alone, and all batch means are one number."""
    rounding = 4 * float(np.finfo(dtype).eps) * mean**2
    return (spread <= 1e-12 * mean**2) | ((spread <= rounding) & (np.ptp(means, axis=(0, 1)) <= 1e-12 * np.abs(mean)))


def _status(mean: Any, spread: Any, rhat: Any, *, enough: bool) -> Status:
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(spread))):
        return Status.NON_FINITE
    if not np.all(np.isfinite(rhat) | (rhat == np.inf)):
        return Status.TOO_SHORT
    if np.any(rhat > 1.05):
        return Status.NOT_MIXED
    if not np.all(spread > 0):
        return Status.CONSTANT
    return Status.OK if enough else Status.TOO_SHORT


def _variance_of_mean(means: np.ndarray, by_chain: np.ndarray, spread: Any, total: float) -> tuple[np.ndarray, int, bool]:
    """Variance of the grand mean, its degrees of freedom, and whether there were draws enough for it.

    With 16 chains or more, from the spread of their means: chains are independent whatever their autocorrelation.
    """
    chains, batches = means.shape[:2]
    if chains >= INDEPENDENT:
        return np.asarray(np.var(by_chain, axis=0, ddof=1) / chains), chains - 1, batches > 1
    if batches < 2:
        return np.full(means.shape[2:], np.nan), 0, False
    return _batch_means(means, spread, total)


def _batch_means(means: np.ndarray, spread: Any, total: float) -> tuple[np.ndarray, int, bool]:
    """The same from batch means within chains (Geyer, Statistical Science 7, 1992), batches joined in pairs if need be.

    They are taken as independent where one holds `LONG` autocorrelation times; where none does, draws were too few.
    """
    chains, batches = means.shape[:2]
    for joined in (1, 2):
        groups = batches // joined
        parts = means[:, : groups * joined].reshape(chains, groups, joined, *means.shape[2:]).mean(axis=2)
        dof = chains * (groups - 1)
        variance = np.asarray(np.var(parts, axis=1).sum(axis=0) / max(dof, 1) * groups / (chains * groups))
        variance = np.where(total * variance < FROZEN * spread, np.nan, variance)  # every chain stays where it is: nothing is known
        tau = total * variance / np.where(spread > 0, spread, np.inf)
        surely = np.max(tau) * (1 + 2 * np.sqrt(2 / max(dof, 1)))  # two of its own errors above: a low one is no luck
        if total / (chains * groups) >= LONG * surely:
            return variance, dof, dof >= LEAST
    return variance, dof, False


def _rhat_of_batches(means: np.ndarray, spread: np.ndarray | np.floating) -> np.ndarray:
    """sqrt(var+ / W) with each chain cut in two; 1 where nothing varies."""
    half = means.shape[1] // 2
    if half == 0:
        return np.full(means.shape[2:], np.nan)
    halves = np.concatenate([means[:, :half].mean(axis=1), means[:, half : 2 * half].mean(axis=1)])
    between = np.var(halves, axis=0, ddof=1)
    within = np.maximum(spread - between, 0.0)
    ratio = np.divide(between, within, out=np.full_like(within, np.inf), where=within > 0)
    return np.where(spread > 0, np.sqrt(1 + ratio), 1.0)


def split_rhat(values: Float[np.ndarray, "chains draws *f"]) -> np.ndarray:
    """`sqrt((n - 1) / n + B / W)`, each chain cut in two halves of n draws: W their mean variance, B the variance of their means.

    (Gelman & Rubin, Statistical Science 7, 1992; in halves: Gelman et al., Bayesian Data Analysis, 2013.) It is 1 where nothing varies,
    infinite where only halves differ, and NaN of fewer than four draws.
    """
    half = values.shape[1] // 2
    if half < 2:
        return np.full(values.shape[2:], np.nan)
    halves = np.concatenate([values[:, :half], values[:, half : 2 * half]])
    within, between = halves.var(axis=1, ddof=1).mean(axis=0), halves.mean(axis=1).var(axis=0, ddof=1)
    ratio = np.divide(between, within, out=np.full_like(within, np.inf), where=within != 0)
    return np.where((within == 0) & (between == 0), 1.0, np.sqrt((half - 1) / half + ratio))
