"""A function of means, with its error."""

from collections.abc import Callable as Function
from typing import Any

import numpy as np
from jaxtyping import Array, Float, PyTree

from gibbsite.core import AbstractObserver, Diagnosis, Estimate, Mean, Moments, Status, diagnose
from gibbsite.core.energy import Scalar
from gibbsite.core.observer import INDEPENDENT
from gibbsite.thermo.jackknife import jackknife, leave_one_out, through


class Derived(AbstractObserver):
    """`of(<fn(x)>)`, as a variance is of the means of f and f^2; its error is the jackknife's (Efron, SIAM 1982).

    `fn` gives an array for one x; `of` takes the array of its means, on the host in float64, and gives a number or an array. Parts left
    out in turn are the chains, of 16 and more, or sixteen stretches of each; R-hat and tau are the worst of the means'.
    """

    fn: Function[[PyTree], Array]
    of: Function[[Float[np.ndarray, "*f"]], Any]

    def init(self, x: PyTree) -> Moments:
        return Mean(self.fn).init(x)

    def update(self, acc: Moments, x: PyTree, weight: Scalar) -> Moments:
        return Mean(self.fn).update(acc, x, weight)

    def merge(self, first: Moments, second: Moments) -> Moments:
        return Mean(self.fn).merge(first, second)

    def finalise(self, acc: Moments) -> Estimate:
        return self.diagnose(acc).estimate

    def diagnose(self, acc: Moments) -> Diagnosis:
        means = diagnose(acc)
        status = means.estimate.status
        weight, parts = _parts(acc)
        if status is Status.NON_FINITE or len(weight) < 3:
            unknown = Status.NON_FINITE if status is Status.NON_FINITE else Status.TOO_SHORT
            return Diagnosis(Estimate(None, None).doubted(unknown), np.max(means.rhat), np.max(means.tau))
        with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite is told by the status
            found = jackknife(through(self.of, leave_one_out(weight, parts)), status=status, ess=means.estimate.ess)
        return Diagnosis(found, np.max(means.rhat), np.max(means.tau))


def _parts(acc: Moments) -> tuple[Float[np.ndarray, " parts"], Float[np.ndarray, "parts *f"]]:
    """Weights and means of independent parts, from sums `chains batches *f`: chains, or batches of each joined in pairs."""
    weight, sums = np.asarray(acc.weight, np.float64), acc.first.float64()
    if len(weight) >= INDEPENDENT:
        weight, sums = weight.sum(axis=1), sums.sum(axis=1)
    else:
        pairs = weight.shape[1] // 2
        weight = weight[:, : 2 * pairs].reshape(-1, 2).sum(axis=1)
        sums = sums[:, : 2 * pairs].reshape(-1, 2, *sums.shape[2:]).sum(axis=1)
    held = weight > 0
    return weight[held], sums[held] / weight[held].reshape(-1, *(1,) * (sums.ndim - 1))
