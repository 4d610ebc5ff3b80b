"""Langevin moves on real spaces: `y = x - h grad U(x) + sqrt(2 h) xi`, unadjusted or accepted."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Box, Info, Reals, as_float
from gibbsite.core.energy import Scalar
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, check_space, check_step, evaluate, guarded, metropolis

UNIT = "squared units of x"  # of a step size


def _propose(state: SlopeState, step: Scalar | float, key: Key[Array, ""]) -> Float[Array, "*x"]:
    noise = jax.random.normal(key, state.position.shape, state.position.dtype)
    return state.position - step * state.grad + jnp.sqrt(2 * step) * noise


def _shadow(x: SlopeState, y: SlopeState, step: Scalar | float) -> Scalar:
    """`[log pi(x->y) - U(x)] - [log pi(y->x) - U(y)]`; the Gaussian constants cancel."""
    forward = jnp.sum((y.position - x.position + step * x.grad) ** 2)
    backward = jnp.sum((x.position - y.position + step * y.grad) ** 2)
    return (y.energy - x.energy) - (forward - backward) / (4 * step)


class ULA(AbstractSlopeKernel):
    """Unadjusted Langevin (Parisi, Nucl. Phys. B 180, 1981): biased at any step, with its shadow work reported.

    The work is taken between the energies that `x` and `y` were evaluated under. If the state was cached under an
    earlier energy of a path and not refreshed, the switch is settled in the same difference: the published
    next-energy form (Carbone et al., arXiv 2305.19414, eq. 19), one gradient a step instead of two.
    """

    step_size: Scalar = eqx.field(converter=as_float)

    reversible = False
    reports_work = True
    settles_switch = True

    def __check_init__(self) -> None:
        check_step("ULA", self.step_size, UNIT)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        check_space(energy, "ULA", Reals)  # nothing keeps an unadjusted move inside bounds
        return evaluate(energy, x)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        new = evaluate(energy, _propose(state, self.step_size, key))
        return new, Info(jnp.ones(()), _shadow(state, new, self.step_size))

    def reverse(self) -> "ULA":
        """Itself: the reversed path is proposed by the same move, and the shadow work accounts for the difference."""
        return self


class MALA(AbstractSlopeKernel):
    """Metropolis-adjusted Langevin (Roberts & Tweedie, Bernoulli 2, 1996): accept with min(1, exp(-shadow))."""

    step_size: Scalar = eqx.field(converter=as_float)

    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        check_step("MALA", self.step_size, UNIT)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        check_space(energy, "MALA", Reals, Box)
        return evaluate(energy, x)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        move, coin = jax.random.split(key)
        new = evaluate(energy, _propose(state, self.step_size, move))
        log_ratio = guarded(energy, -_shadow(state, new, self.step_size), new)
        return metropolis(log_ratio, new, state, key=coin)

    def adaptation(self) -> AbstractAdaptation:
        return DualAveraging(STEP_SIZE, as_float(0.574))
