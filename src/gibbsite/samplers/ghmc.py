"""Hamiltonian moves that keep part of their velocity: between Langevin moves and long trajectories."""

import equinox as eqx
import jax
from jaxtyping import Array, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Box, Info, Reals, Torus, as_float
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.metropolis import check_whole
from gibbsite.samplers.phase import AbstractPhaseKernel, Phase, leapfrog, lost, relaxed
from gibbsite.samplers.slope import judged
from gibbsite.samplers.spreads import step_and_scale

TARGET = 0.95  # acceptance


class GHMC(AbstractPhaseKernel):
    """Generalised Hamiltonian Monte Carlo (Horowitz, Phys. Lett. B 268, 1991): friction, `steps` leapfrog steps, friction.

    The end of the steps is accepted with `min(1, exp(H(start) - H(end)))`, `H = U + |v|^2 / 2`; a refusal turns the velocity
    round, which is what keeps the law. With friction at both ends, half of it each, the whole is its own time reversal but
    for a turn of the velocity, and with one step `OBABO` is what it becomes where nothing is refused.

    Velocities last for about `1 / friction`, whatever the number of steps. A trajectory of half a period of the target leads
    from x to -x and on again: keep `steps step_size` well below 3 in units of scale.

    Warm-up tunes the step size to acceptance 0.95, for a refusal ends what friction has left of a velocity, and, where `scale` has
    the axes of x, the scale of each coordinate to the spread of the chains.
    """

    steps: int = eqx.field(static=True, default=1, kw_only=True)

    settles_switch = False
    spaces = (Reals, Box, Torus)

    def __check_init__(self) -> None:
        check_whole("GHMC", "steps", self.steps, "a trajectory has one leapfrog step or more, a whole number")

    @property
    def cost(self) -> int:
        return self.steps

    def step(self, energy: AbstractEnergy, state: Phase, *, key: Key[Array, ""]) -> tuple[Phase, Info]:
        before, coin, after = jax.random.split(key, 3)
        time = self.friction * self.step_size * self.steps / 2
        start = Phase(state.at, relaxed(state.velocity, time, before))
        end = leapfrog(energy, start, self.step_size, self.scale, self.steps)
        back = Phase(state.at, -start.velocity)
        moved, info = judged(energy, lost(start, end), end.at, end, back, key=coin)
        return Phase(moved.at, relaxed(moved.velocity, time, after)), info

    def adaptation(self) -> AbstractAdaptation:
        return step_and_scale(self, DualAveraging(STEP_SIZE, as_float(TARGET)))
