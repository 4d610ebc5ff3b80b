"""Langevin moves on discrete spaces: all sites proposed at once, each from a categorical law of its slope."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, as_float, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.informed import check_discrete
from gibbsite.samplers.metropolis import check_step, guarded, metropolis
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, evaluate

UNIT = "squared units of x"  # of a step size
TARGET = 0.574  # acceptance: Sun, Dai & Schuurmans, arXiv 2209.08183


def _log_law(energy: AbstractEnergy, x: SlopeState, step: Scalar) -> Float[Array, "*x levels"]:
    """`log q(v | x)` of every site: a softmax of `-(v - x) dU/dx / 2 - (v - x)^2 / (2 step)`."""
    ahead = jnp.asarray(values(energy.space)) - x.position[..., None]
    return jax.nn.log_softmax(-x.grad[..., None] * ahead / 2 - ahead**2 / (2 * step), axis=-1)


def _propose(energy: AbstractEnergy, x: SlopeState, step: Scalar, key: Key[Array, ""]) -> Float[Array, "*x"]:
    levels = jnp.asarray(values(energy.space), x.position.dtype)
    return levels[jax.random.categorical(key, _log_law(energy, x, step))]


def _log_move(energy: AbstractEnergy, x: SlopeState, y: SlopeState, step: Scalar) -> Scalar:
    """`log q(y | x)`."""
    taken = y.position[..., None] == jnp.asarray(values(energy.space))
    return jnp.sum(jnp.where(taken, _log_law(energy, x, step), 0.0))


def _shadow(energy: AbstractEnergy, x: SlopeState, y: SlopeState, step: Scalar) -> Scalar:
    """`[log q(y | x) - U(x)] - [log q(x | y) - U(y)]`."""
    return (y.energy - x.energy) + (_log_move(energy, x, y, step) - _log_move(energy, y, x, step))


class UnadjustedDiscreteLangevin(AbstractSlopeKernel):
    """The discrete Langevin proposal, never refused: biased, with its shadow work reported (Zhang, Liu & Liu, arXiv 2206.09914).

    Each site takes value v with probability proportional to `exp(-(v - x_i) dU/dx_i / 2 - (v - x_i)^2 / (2 step_size))`.
    The work is taken between the energies that `x` and `y` were evaluated under, as in `ULA`.
    """

    step_size: Scalar = eqx.field(converter=as_float)

    reversible = False
    reports_work = True
    settles_switch = True

    def __check_init__(self) -> None:
        check_step("UnadjustedDiscreteLangevin", self.step_size, UNIT)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        check_discrete(energy, "UnadjustedDiscreteLangevin")
        return evaluate(energy, x)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        new = evaluate(energy, _propose(energy, state, self.step_size, key))
        return new, Info(jnp.ones(()), _shadow(energy, state, new, self.step_size))

    def reverse(self) -> "UnadjustedDiscreteLangevin":
        """Itself: the reversed path is proposed by the same move, and the shadow work accounts for the difference."""
        return self


class DiscreteLangevin(AbstractSlopeKernel):
    """The discrete Langevin proposal, accepted with `min(1, exp(-shadow))` (Zhang, Liu & Liu, arXiv 2206.09914, algorithm 1).

    A proposal may be x itself, and then it is accepted. Values count by their distances, so levels without an order are better
    moved by `LocallyBalanced` or `Gibbs`. Warm-up tunes the step size.
    """

    step_size: Scalar = eqx.field(converter=as_float)

    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        check_step("DiscreteLangevin", self.step_size, UNIT)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        check_discrete(energy, "DiscreteLangevin")
        return evaluate(energy, x)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        move, coin = jax.random.split(key)
        new = evaluate(energy, _propose(energy, state, self.step_size, move))
        log_ratio = guarded(energy, -_shadow(energy, state, new, self.step_size), new)
        return metropolis(log_ratio, new, state, key=coin)

    def adaptation(self) -> AbstractAdaptation:
        return DualAveraging(STEP_SIZE, as_float(TARGET))
