"""Steps whose size is drawn blindly and whose sign goes by the slope: they forgive a step size that is too large."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, as_float
from gibbsite.core.energy import Scalar
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.metropolis import check_axes, check_scale, check_step, shifted
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, evaluate, judged
from gibbsite.samplers.spreads import step_and_scale

TARGET = 0.4  # acceptance: Vogrinc, Livingstone & Zanella, Biometrika 110, 2023


class Barker(AbstractSlopeKernel):
    """The Barker proposal (Livingstone & Zanella, JRSSB 84, 2022, arXiv 1908.11812, section 4), accepted or refused.

    In units of `scale` (x = scale q) each coordinate goes by +z or -z, z from N(0, step_size^2), the sign + with probability
    `1 / (1 + exp(z g))`, `g = dU/dq`. Steps stay of the size that was drawn however steep the slope is, where those of `MALA`
    overshoot: the step size may be far off, or unlike from place to place, before moves cease.

    Warm-up tunes the step size to acceptance 0.4 and, where `scale` has the axes of x, the scale of each coordinate to the
    spread of the chains.
    """

    step_size: Scalar = eqx.field(converter=as_float)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float, default=1.0)

    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        check_step("Barker", self.step_size, "units of scale")
        check_scale("Barker", self.scale)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        check_axes("Barker", self.scale, x)
        return super().init(energy, x, key=key)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        size, sign, coin = jax.random.split(key, 3)
        z = self.step_size * jax.random.normal(size, state.position.shape, state.position.dtype)
        uphill = z * self.scale * state.grad
        way = jnp.where(jax.random.logistic(sign, z.shape, z.dtype) < -uphill, z, -z)
        new = evaluate(energy, shifted(energy.space, state.position, self.scale * way))
        log_ratio = state.energy - new.energy + self._log_sign(new, -way) - self._log_sign(state, way)
        return judged(energy, log_ratio, new, new, state, key=coin)

    def _log_sign(self, state: SlopeState, way: Float[Array, "*x"]) -> Scalar:
        """The log probability of these signs."""
        return jnp.sum(jax.nn.log_sigmoid(-way * self.scale * state.grad))

    def tempered(self, beta: Scalar) -> "Barker":
        return eqx.tree_at(STEP_SIZE, self, self.step_size / jnp.sqrt(beta))

    def adaptation(self) -> AbstractAdaptation:
        return step_and_scale(self, DualAveraging(STEP_SIZE, as_float(TARGET)))
