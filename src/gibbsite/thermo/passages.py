"""First passages: how long walkers take to get somewhere, and the rate at which they leave where they were."""

import dataclasses
import math
from collections.abc import Callable as Function
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, Estimate, Evidence, Status, as_float, require
from gibbsite.core.keys import STATE, chain_keys, step_keys
from gibbsite.samplers import Progress
from gibbsite.samplers.progress import chunks

STEADY = 4.0  # errors by which the rates of early and late passages may differ
FEW = 10  # passages, below which an error is not to be trusted


class Beyond(eqx.Module):
    """`x[axis] >= level`, or `<= level` where `below`: the usual place to reach. Another level is no other program."""

    level: Float[Array, ""] = eqx.field(converter=as_float)
    axis: int = eqx.field(static=True, default=0)
    below: bool = eqx.field(static=True, default=False, kw_only=True)

    def __call__(self, x: Float[Array, " d"]) -> Bool[Array, ""]:
        return x[self.axis] <= self.level if self.below else x[self.axis] >= self.level


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Passages:
    """When each walker arrived; those still under way at the `horizon` have that time and are not among the `arrived`.

    `lost` counts walkers whose coordinates are no numbers any more.
    """

    times: Float[np.ndarray, " walkers"]
    arrived: Bool[np.ndarray, " walkers"]
    horizon: float
    lost: int = 0

    def rate(self) -> Estimate:
        """`arrivals / total time under way`, the rate of largest likelihood where waiting is exponential and watched up to the horizon.

        (Epstein & Sobel, JASA 48, 1953.) Where all have arrived it is one over the mean time, whatever the law. The error is that of a
        ratio of means, `sum (d_i - rate t_i)^2 / (sum t_i)^2` with d_i = 1 for arrivals: rate / sqrt(arrivals) where waiting is
        exponential, and right where it is not. Metastability is a rate that does not change: with walkers still under way and a rate
        before the median arrival that differs from that after it by more than 4 errors it is NOT_CONVERGED, and not established.

        Returns:
            Estimate: per unit of time. Without an arrival there is no value, only `hi`, 3 over the total time at 95 %.
        """
        arrivals, total = int(self.arrived.sum()), float(self.times.sum())
        if self.lost:
            return Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
        if arrivals == 0:
            hi = -math.log(0.05) / total
            return Estimate(None, None, 0.0, hi, status=Status.TOO_SHORT, evidence=Evidence.NOT_ESTABLISHED)
        value = arrivals / total
        stderr = math.sqrt(float(np.sum((self.arrived - value * self.times) ** 2))) / total
        found = Estimate(value, stderr, ess=float(arrivals), evidence=Evidence.INTERVAL)
        if arrivals < FEW:
            return found.doubted(Status.TOO_SHORT)
        if stderr == 0:
            return found.doubted(Status.CONSTANT)
        ragged = arrivals < len(self.times) and not self._steady()
        return found.doubted(Status.NOT_CONVERGED) if ragged else found

    def mean_time(self) -> Estimate:
        """One over the rate, its error by the delta method."""
        rate = self.rate()
        if rate.value is None:
            return dataclasses.replace(rate, lo=1 / rate.hi if rate.hi else None, hi=None)
        return Estimate(1 / rate.value, rate.stderr / rate.value**2, ess=rate.ess, status=rate.status, evidence=rate.evidence)

    def survival(self) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Times of arrival in order, and the share of walkers still under way after each: straight in log where waiting is exponential."""
        when = np.sort(self.times[self.arrived])
        return when, 1 - np.arange(1, len(when) + 1) / len(self.times)

    def __repr__(self) -> str:
        rate = self.rate()
        doubt = "" if rate.status is Status.OK else f"\n? {rate.status.value}"
        return f"{self.arrived.sum()} of {len(self.times)} walkers arrived within {self.horizon:g}; rate {rate}{doubt}"

    def _steady(self) -> bool:
        """Whether the rate until the median arrival is that after it: of n arrivals a log rate has variance 1 / n."""
        split = float(np.median(self.times[self.arrived]))
        early, late = int((self.arrived & (self.times <= split)).sum()), int((self.arrived & (self.times > split)).sum())
        before, after = float(np.minimum(self.times, split).sum()), float(np.maximum(self.times - split, 0).sum())
        if not (early and late and after > 0):
            return True
        return abs(math.log(early / before) - math.log(late / after)) <= STEADY * math.sqrt(1 / early + 1 / late)


class _Carry(NamedTuple):
    states: PyTree
    when: Int[Array, " walkers"]  # the number of the step after which each had arrived, 0 before


def first_passages(
    kernel: AbstractKernel,
    energy: AbstractEnergy,
    reached: Function[[PyTree], Bool[Array, ""]],
    x: PyTree,
    *,
    walkers: int = 1024,
    steps: int,
    dt: float = 1.0,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Passages:
    """Walkers that all start at `x` and move until `reached(x)`, or for `steps` steps of `dt` each; nothing but the times is kept.

    With `ULA(h)` and `dt=h` time is that of overdamped motion. Only ends of steps are looked at, so an arrival is late by about
    0.58 sqrt(2 h) of way: put the place to reach beyond the barrier, where it does not matter, and not on top of it.

    Raises:
        ValueError: steps, walkers or dt are not positive, x lies outside the support, or is there already.
    """
    for name, value in (("walkers", walkers), ("steps", steps)):
        if not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name}={value}: give a whole number of at least one.")
    if not 0 < dt < math.inf:
        raise ValueError(f"dt={dt}: give the time of a step, a positive number.")
    x = require(energy.space, x, "x")
    if bool(reached(x)):
        raise ValueError("x has reached what is to be reached before the first step: start elsewhere.")
    keys = chain_keys(key, walkers)
    carry = _Carry(_born(kernel, energy, x, keys), jnp.zeros(walkers, jnp.int32))
    with progress or Progress("waiting", steps) as shown:
        for first, last in chunks(steps, shown):
            carry = jax.block_until_ready(_advance(kernel, energy, reached, carry, keys, jnp.asarray((first, last), jnp.int32)))
            if np.all(np.asarray(carry.when) > 0):
                break
    when = np.asarray(carry.when)
    lost = int((~np.asarray(_sound(kernel, carry.states)) & (when == 0)).sum())
    return Passages(np.where(when > 0, when, steps) * float(dt), when > 0, steps * float(dt), lost)


@eqx.filter_jit
def _born(kernel: AbstractKernel, energy: AbstractEnergy, x: PyTree, keys: Key[Array, " walkers"]) -> PyTree:
    return jax.vmap(lambda key: kernel.init(energy, x, key=key))(step_keys(keys, jnp.asarray(STATE)))


@eqx.filter_jit
def _advance(
    kernel: AbstractKernel,
    energy: AbstractEnergy,
    reached: Function[[PyTree], Bool[Array, ""]],
    carry: _Carry,
    keys: Key[Array, " walkers"],
    span: Int[Array, "2"],
) -> _Carry:
    def one(state: PyTree, key: Key[Array, ""]) -> tuple[PyTree, Bool[Array, ""]]:
        state, _ = kernel.step(energy, state, key=key)
        x = kernel.position(state)
        return state, reached(x) & energy.space.contains(x)  # infinity is not beyond the barrier

    def body(k: Int[Array, ""], carry: _Carry) -> _Carry:
        states, there = jax.vmap(one)(carry.states, step_keys(keys, k))
        return _Carry(states, jnp.where((carry.when == 0) & there, k + 1, carry.when))

    return jax.lax.fori_loop(span[0], span[1], body, carry)


@eqx.filter_jit
def _sound(kernel: AbstractKernel, states: PyTree) -> Bool[Array, " walkers"]:
    def one(state: PyTree) -> Bool[Array, ""]:
        return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(kernel.position(state))]))

    return jax.vmap(one)(states)
