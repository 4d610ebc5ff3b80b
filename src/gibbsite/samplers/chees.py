"""Hamiltonian moves that find step size, length of trajectories and metric themselves, from many chains."""

from operator import attrgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging, Together, pooled
from gibbsite.samplers.fisher import FisherScales
from gibbsite.samplers.hamiltonian import HMC, Leap
from gibbsite.samplers.low_rank import LowRank
from gibbsite.samplers.phase import Phase, leapfrog
from gibbsite.samplers.slope import SlopeState
from gibbsite.samplers.spikes import Spikes
from gibbsite.samplers.spreads import has_axes
from gibbsite.samplers.units import Scale, shrunk

LENGTH = attrgetter("length")
_PACE = attrgetter("step_size", "length")
TARGET = 0.651  # of the harmonic mean of acceptance: Hoffman, Radul & Sountsov 2021
RATE = 0.025  # of Adam on the log of the length: the same
LOST = 1e-3  # acceptance below which a trajectory tells nothing of its length
DRIFT = 0.2  # of the log of the price of a trajectory, for half as much warm-up again


class AdaptiveHMC(HMC):
    """HMC whose trajectories have a `length`, in units of scale: `length / step_size` leapfrog steps, at most `steps`.

    Warm-up tunes all that there is: the step size (harmonic mean of acceptance over chains 0.651), the length (`ChEES`) and,
    where it is more than one number, the scale (`FisherScales`; a matrix learns all correlations, a `LowRank` the leading ones:
    `Spikes`). All chains take the same
    number of steps, which is told as `leapfrog_steps`; the jitter of the step size is each chain's own.
    """

    length: Scalar = eqx.field(converter=as_float, default=1.5, kw_only=True)
    steps: int = eqx.field(static=True, default=1000, kw_only=True)

    cost = 10  # about: a length of 1.5 in steps of 0.15; `steps` is but a bound, and warm-up may end elsewhere

    def __check_init__(self) -> None:
        check_values("AdaptiveHMC", "length", self.length, lambda t: t > 0, "a positive number, in units of scale")

    @property
    def leaps(self) -> Int[Array, ""]:
        """Leapfrog steps of a trajectory."""
        return jnp.clip(jnp.ceil(self.length / self.step_size), 1, self.steps).astype(int)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        state, info = super().step(energy, state, key=key)
        return state, Info(info.accept_prob, info.shadow_work, {**info.extra, "leapfrog_steps": as_float(self.leaps)}, info.tuning)

    def _trajectory(self, energy: AbstractEnergy, start: Phase, size: Scalar) -> Phase:
        return leapfrog(energy, start, size, self.scale, self.leaps)

    def tempered(self, beta: Scalar) -> "AdaptiveHMC":
        return eqx.tree_at(_PACE, self, (self.step_size / jnp.sqrt(beta), self.length / jnp.sqrt(beta)))

    def adaptation(self) -> AbstractAdaptation:
        step, length = _Harmonic(STEP_SIZE, as_float(TARGET)), ChEES()
        scales = Spikes() if isinstance(self.scale, LowRank) else FisherScales()
        return _ByPrice((step, length, scales) if has_axes(self) else (step, length))


class _ByPrice(Together):
    """Has settled when trajectories no longer change their price, which is all that warm-up can lower."""

    can_settle = True

    def settled(self, earlier: AdaptiveHMC, later: AdaptiveHMC) -> bool:
        before, now = (np.asarray(kernel.length / kernel.step_size, float) for kernel in (earlier, later))
        return bool(np.all(np.abs(np.log(now / before)) < DRIFT))


class _Harmonic(DualAveraging):
    """Dual averaging of the harmonic mean, which no chain that is stuck can hide from."""

    def acceptance(self, info: Info) -> Float[Array, "*s"]:
        return 1 / pooled(1 / jnp.maximum(jnp.nan_to_num(info.accept_prob), 1e-3))


class _Search(NamedTuple):
    updates: Scalar
    log_length: Scalar
    average: Scalar
    optimiser: PyTree


class ChEES(AbstractAdaptation):
    """Ascends the change in the estimator of the expected square (Hoffman, Radul & Sountsov, AISTATS 2021, section 3).

        ChEES = E (|q' - E q'|^2 - |q - E q|^2)^2 / 4,   d ChEES / dT = E (|q' - E q'|^2 - |q - E q|^2) (q' - E q') . v'

    in units of scale, from the start q of each chain's trajectory to its end q' with velocity v', weighted by acceptance; the log
    of the length T goes by Adam, and the draws use its average. While warm-up is `n` steps old, no trajectory is longer than
    `n` leapfrog steps: little is known yet that would be worth more.

    The kernel must tell its trajectories: a `Leap` in `info.tuning`.
    """

    def init(self, kernel: Any) -> _Search:
        log_length = jnp.log(kernel.length)
        return _Search(jnp.zeros_like(log_length), log_length, log_length, _adam().init(log_length))

    def update(self, kernel: Any, state: _Search, info: Info, positions: PyTree) -> tuple[Any, _Search]:
        slope = jax.vmap(criterion_slope, in_axes=(0, 1, 1)) if kernel.step_size.ndim else criterion_slope  # rungs, each by itself
        ascent = kernel.length * slope(kernel.scale, info.tuning, info.accept_prob)
        step: Any
        step, optimiser = _adam().update(-ascent, state.optimiser)
        log_length = jnp.minimum(state.log_length + step, jnp.log(kernel.steps * kernel.step_size))
        count = state.updates + 1
        fade = count**-0.75
        average = fade * log_length + (1 - fade) * state.average
        length = jnp.minimum(jnp.exp(log_length), count * kernel.step_size)
        return eqx.tree_at(LENGTH, kernel, length), _Search(count, log_length, average, optimiser)

    def final(self, kernel: Any, state: _Search) -> Any:
        return eqx.tree_at(LENGTH, kernel, jnp.exp(state.average))


def _adam() -> optax.GradientTransformation:
    return optax.adam(RATE, b1=0.0, b2=0.95)


def criterion_slope(scale: Scale, leap: Leap, accept: Float[Array, " chains"]) -> Scalar:
    """`d ChEES / dT`, pooled over chains; trajectories that were lost do not count, however far they went."""
    accept = jnp.where(accept > LOST, accept, 0.0)
    first, last = leap.start.position, leap.end.at.position
    last = jnp.where(accept.reshape(-1, *(1,) * (first.ndim - 1)) > 0, last, first)
    start, end = (shrunk(scale, rows - pooled(rows)).reshape(len(rows), -1) for rows in (first, last))
    growth = jnp.sum(end**2, axis=1) - jnp.sum(start**2, axis=1)
    along = jnp.sum(end * leap.end.velocity.reshape(end.shape), axis=1)
    told = jnp.where(accept > 0, accept * growth * along, 0.0)
    return pooled(told) / jnp.maximum(pooled(accept), 1e-3)
