"""Langevin moves on real spaces: `y = x - h grad U(x) + sqrt(2 h) xi`, unadjusted or accepted.

In units of `scale` (x = scale q) the move is the same with `grad_q U = scale grad U`: coordinates of unlike widths then take
steps that suit them all.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, Reals, Torus, as_float
from gibbsite.core.energy import Scalar
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.metropolis import check_axes, check_scale, check_step, shifted
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, evaluate, judged
from gibbsite.samplers.spreads import Spreads, has_axes, step_and_scale

UNIT = "squared units of scale"  # of a step size


class AbstractLangevin(AbstractSlopeKernel):
    """What Langevin moves share: the step, and its work."""

    step_size: Scalar = eqx.field(converter=as_float)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float, default=1.0)

    def __check_init__(self) -> None:
        check_step(type(self).__name__, self.step_size, UNIT)
        check_scale(type(self).__name__, self.scale)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        check_axes(type(self).__name__, self.scale, x)
        return super().init(energy, x, key=key)

    def tempered(self, beta: Scalar) -> "AbstractLangevin":
        return eqx.tree_at(STEP_SIZE, self, self.step_size / beta)

    def drift(self, state: SlopeState) -> Float[Array, "*x"]:
        """The slope that a step goes down, in units of scale."""
        return self.scale * state.grad

    def propose(self, energy: AbstractEnergy, x: SlopeState, key: Key[Array, ""]) -> tuple[SlopeState, Scalar]:
        """The end of a step, and its shadow work: `U(y) - U(x) + (|noise back|^2 - |noise|^2) / 2`.

        The noise back is the one with which the same move leads from y to x; Gaussian constants cancel.
        """
        root = jnp.sqrt(2 * self.step_size)
        noise = jax.random.normal(key, x.position.shape, x.position.dtype)
        way = root * noise - self.step_size * self.drift(x)
        y = evaluate(energy, shifted(energy.space, x.position, self.scale * way))
        back = (self.step_size * self.drift(y) - way) / root
        return y, (y.energy - x.energy) + jnp.sum(back**2 - noise**2) / 2


class ULA(AbstractLangevin):
    """Unadjusted Langevin (Parisi, Nucl. Phys. B 180, 1981): biased at any step, with its shadow work reported.

    The work is taken between the energies that `x` and `y` were evaluated under. If the state was cached under an
    earlier energy of a path and not refreshed, the switch is settled in the same difference: the published
    next-energy form (Carbone et al., arXiv 2305.19414, eq. 19), one gradient a step instead of two.

    Where `scale` has the axes of x, warm-up sets the scale of each coordinate to the spread of the chains. Nothing refuses a step
    that is too large, so it must be small at first: `step_size scale^2` below the square of the smallest width.
    """

    spaces = (Reals, Torus)  # nothing keeps an unadjusted move inside bounds
    reversible = False
    reports_work = True
    settles_switch = True

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        new, work = self.propose(energy, state, key)
        return new, Info(jnp.ones(()), work)

    def reverse(self) -> "ULA":
        """Itself: the reversed path is proposed by the same move, and the shadow work accounts for the difference."""
        return self

    def adaptation(self) -> AbstractAdaptation | None:
        return Spreads() if has_axes(self) else None


class TamedULA(ULA):
    """Unadjusted Langevin down a tamed slope, `g / (1 + h |g|)`, g = grad_q U (Brosse et al., arXiv 1710.05559: TULA).

    No drift is longer than 1 in units of scale, so that the walk does not explode where the slope grows faster than x.
    """

    def drift(self, state: SlopeState) -> Float[Array, "*x"]:
        slope = self.scale * state.grad
        return slope / (1 + self.step_size * jnp.linalg.norm(slope))


class MALA(AbstractLangevin):
    """Metropolis-adjusted Langevin (Roberts & Tweedie, Bernoulli 2, 1996): accept with min(1, exp(-shadow)).

    Warm-up tunes the step size to acceptance 0.574 and, where `scale` has the axes of x, the scale of each coordinate to the
    spread of the chains.
    """

    reversible = True
    reports_work = True
    settles_switch = False

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        move, coin = jax.random.split(key)
        new, work = self.propose(energy, state, move)
        return judged(energy, -work, new, new, state, key=coin)

    def adaptation(self) -> AbstractAdaptation:
        return step_and_scale(self, DualAveraging(STEP_SIZE, as_float(0.574)))
