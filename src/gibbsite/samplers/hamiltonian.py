"""Hamiltonian moves on real spaces: a random velocity carries the position along a trajectory of many gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.metropolis import check_scale, check_step, guarded, metropolis
from gibbsite.samplers.phase import Phase, leapfrog, lost
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState
from gibbsite.samplers.spreads import step_and_scale

TARGET = 0.8  # acceptance: Betancourt, Byrne & Girolami, arXiv 1411.6669


class HMC(AbstractSlopeKernel):
    """Hamiltonian (hybrid) Monte Carlo (Duane et al., Phys. Lett. B 195, 1987), the velocity drawn anew each time.

    In units of `scale` (x = scale q) all coordinates have mass 1: v from N(0, I), then `steps` leapfrog steps of

        v -= e/2 grad_q U,   q += e v,   v -= e/2 grad_q U,   grad_q U = scale grad U,   e = step_size (1 + jitter u),

    and the end is accepted with `min(1, exp(H(start) - H(end)))`, `H = U + |v|^2 / 2` (Neal, arXiv 1206.1901, section 3).
    `u` is uniform in (-1, 1) for each trajectory, so that no length of trajectory resonates with a period of the target.

    Warm-up tunes the step size to acceptance 0.8 and, where `scale` has the axes of x, the scale of each coordinate to the
    spread of the chains; a single number is left as it is. One move takes `steps` gradients: Langevin moves creep over
    the same distance in `steps^2`.
    """

    step_size: Scalar = eqx.field(converter=as_float)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float, default=1.0)
    jitter: Scalar = eqx.field(converter=as_float, default=0.2)
    steps: int = eqx.field(static=True, default=10, kw_only=True)

    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        check_step("HMC", self.step_size, "units of scale")
        check_scale("HMC", self.scale)
        check_values("HMC", "jitter", self.jitter, lambda j: (j >= 0) & (j <= 1), "a share of the step size, from 0 to 1")
        if self.steps < 1:
            raise ValueError(f"HMC has steps={self.steps}: a trajectory has at least one leapfrog step.")

    @property
    def cost(self) -> int:
        return self.steps

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        kick, stretch, coin = jax.random.split(key, 3)
        size = self.step_size * (1 + self.jitter * jax.random.uniform(stretch, minval=-1.0))
        start = Phase(state, jax.random.normal(kick, state.position.shape, state.position.dtype))
        end = self._trajectory(energy, start, size)
        log_ratio = guarded(energy, lost(start, end), end.at)
        return metropolis(log_ratio, end.at, state, key=coin)

    def _trajectory(self, energy: AbstractEnergy, start: Phase, size: Scalar) -> Phase:
        return leapfrog(energy, start, size, self.scale, self.steps)

    def tempered(self, beta: Scalar) -> "HMC":
        return eqx.tree_at(STEP_SIZE, self, self.step_size / jnp.sqrt(beta))

    def adaptation(self) -> AbstractAdaptation:
        return step_and_scale(self, DualAveraging(STEP_SIZE, as_float(TARGET)))
