"""Hamiltonian moves on real spaces: a random velocity carries the position along a trajectory of many gradients."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging, Together
from gibbsite.samplers.low_rank import LowRank, as_scale
from gibbsite.samplers.metropolis import check_step, check_whole
from gibbsite.samplers.phase import Phase, leapfrog, lost
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, judged
from gibbsite.samplers.spikes import Spikes
from gibbsite.samplers.spreads import step_and_scale
from gibbsite.samplers.units import check_shape, check_units

TARGET = 0.8  # acceptance: Betancourt, Byrne & Girolami, arXiv 1411.6669


class Leap(NamedTuple):
    """A trajectory, from its start to the end that it proposes, and where the chain is now: what adaptations may look at."""

    start: SlopeState
    end: Phase
    now: SlopeState


class HMC(AbstractSlopeKernel):
    """Hamiltonian (hybrid) Monte Carlo (Duane et al., Phys. Lett. B 195, 1987), the velocity drawn anew each time.

    `scale` is one number, one a coordinate, or a lower-triangular matrix `d d` that acts on the flattened x, or a `LowRank`. In units of it
    (x = scale q) all coordinates have mass 1: v from N(0, I), then `steps` leapfrog steps of

        v -= e/2 grad_q U,   q += e v,   v -= e/2 grad_q U,   grad_q U = scale' grad U,   e = step_size (1 + jitter u),

    and the end is accepted with `min(1, exp(H(start) - H(end)))`, `H = U + |v|^2 / 2` (Neal, arXiv 1206.1901, section 3).
    `u` is uniform in (-1, 1) for each trajectory, so that no length of trajectory resonates with a period of the target.

    Warm-up tunes the step size to acceptance 0.8 and, where `scale` is more than one number, the scale to the spread of the
    chains, a matrix to their covariance; a single number is left as it is. One move takes `steps` gradients: Langevin moves creep over
    the same distance in `steps^2`.
    """

    step_size: Scalar = eqx.field(converter=as_float)
    scale: Float[Array, "..."] | LowRank = eqx.field(converter=as_scale, default=1.0)
    jitter: Scalar = eqx.field(converter=as_float, default=0.2)
    steps: int = eqx.field(static=True, default=10, kw_only=True)

    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        check_step("HMC", self.step_size, "units of scale")
        check_units("HMC", self.scale)
        check_values("HMC", "jitter", self.jitter, lambda j: (j >= 0) & (j <= 1), "a share of the step size, from 0 to 1")
        check_whole("HMC", "steps", self.steps, "a trajectory has one leapfrog step or more, a whole number")

    @property
    def cost(self) -> int:
        return self.steps

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        check_shape(type(self).__name__, self.scale, x)
        return super().init(energy, x, key=key)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        kick, stretch, coin = jax.random.split(key, 3)
        size = self.step_size * (1 + self.jitter * jax.random.uniform(stretch, minval=-1.0))
        start = Phase(state, jax.random.normal(kick, state.position.shape, state.position.dtype))
        end = self._trajectory(energy, start, size)
        now, info = judged(energy, lost(start, end), end.at, end.at, state, key=coin)
        return now, Info(info.accept_prob, info.shadow_work, info.extra, Leap(state, end, now))

    def _trajectory(self, energy: AbstractEnergy, start: Phase, size: Scalar) -> Phase:
        return leapfrog(energy, start, size, self.scale, self.steps)

    def tempered(self, beta: Scalar) -> "HMC":
        return eqx.tree_at(STEP_SIZE, self, self.step_size / jnp.sqrt(beta))

    def adaptation(self) -> AbstractAdaptation:
        step = DualAveraging(STEP_SIZE, as_float(TARGET))
        return Together((step, Spikes())) if isinstance(self.scale, LowRank) else step_and_scale(self, step)
