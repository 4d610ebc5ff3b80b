"""Langevin moves on discrete spaces: all sites proposed at once, each from a categorical law of its slope."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, as_float, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.metropolis import SITES, check_step, guarded, metropolis
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, evaluate

UNIT = "squared units of x"  # of a step size
TARGET = 0.574  # acceptance: Sun, Dai & Schuurmans, arXiv 2209.08183


class AbstractDiscreteLangevin(AbstractSlopeKernel):
    """What both moves share: each site takes value v with a probability that goes as

    exp(-(v - x_i) dU/dx_i / 2 - (v - x_i)^2 / (2 step_size))    (Zhang, Liu & Liu, arXiv 2206.09914).
    """

    step_size: Scalar = eqx.field(converter=as_float)

    spaces = SITES
    reports_work = True

    def __check_init__(self) -> None:
        check_step(type(self).__name__, self.step_size, UNIT)

    def tempered(self, beta: Scalar) -> "AbstractDiscreteLangevin":
        return eqx.tree_at(STEP_SIZE, self, self.step_size / beta)

    def log_law(self, energy: AbstractEnergy, x: SlopeState) -> Float[Array, "*x levels"]:
        """`log q(v | x)` of every site."""
        ahead = jnp.asarray(values(energy.space)) - x.position[..., None]
        return jax.nn.log_softmax(-x.grad[..., None] * ahead / 2 - ahead**2 / (2 * self.step_size), axis=-1)

    def propose(self, energy: AbstractEnergy, x: SlopeState, key: Key[Array, ""]) -> tuple[SlopeState, Scalar]:
        """What x is changed to, and the shadow work: `[log q(y | x) - U(x)] - [log q(x | y) - U(y)]`."""
        levels, law = jnp.asarray(values(energy.space), x.position.dtype), self.log_law(energy, x)
        y = evaluate(energy, levels[jax.random.categorical(key, law)])
        there, back = (jnp.where(end.position[..., None] == levels, q, 0.0) for end, q in ((y, law), (x, self.log_law(energy, y))))
        return y, (y.energy - x.energy) + jnp.sum(there) - jnp.sum(back)


class UnadjustedDiscreteLangevin(AbstractDiscreteLangevin):
    """The discrete Langevin proposal, never refused: biased, with its shadow work reported.

    The work is taken between the energies that `x` and `y` were evaluated under, as in `ULA`.
    """

    reversible = False
    settles_switch = True

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        new, work = self.propose(energy, state, key)
        return new, Info(jnp.ones(()), work)

    def reverse(self) -> "UnadjustedDiscreteLangevin":
        """Itself: the reversed path is proposed by the same move, and the shadow work accounts for the difference."""
        return self


class DiscreteLangevin(AbstractDiscreteLangevin):
    """The discrete Langevin proposal, accepted with `min(1, exp(-shadow))` (the same paper, algorithm 1).

    A proposal may be x itself, and then it is accepted. Values count by their distances, so levels without an order are better
    moved by `LocallyBalanced` or `Gibbs`. Warm-up tunes the step size.
    """

    reversible = True
    settles_switch = False

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        move, coin = jax.random.split(key)
        new, work = self.propose(energy, state, move)
        return metropolis(guarded(energy, -work, new), new, state, key=coin)

    def adaptation(self) -> AbstractAdaptation:
        return DualAveraging(STEP_SIZE, as_float(TARGET))
