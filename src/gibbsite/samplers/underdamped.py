"""Underdamped Langevin moves: a velocity with friction and noise carries the position, and nothing is refused.

The step is split into parts that are solved exactly: B, `v -= h/2 grad_q U`; A, `q += h/2 v` or `h v`; and O, the friction
`v = c v + sqrt(1 - c^2) xi`. A and B keep volume and O keeps N(0, I), so the shadow work is the change of `U + |v|^2 / 2` but
for what O adds to it (Sivak, Chodera & Crooks, Phys. Rev. X 3, 2013). Read backward the names are the same.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info
from gibbsite.samplers.metropolis import shifted
from gibbsite.samplers.phase import AbstractPhaseKernel, Phase, kicked, leapfrog, lost, relaxed
from gibbsite.samplers.slope import evaluate
from gibbsite.samplers.spreads import Spreads, has_axes


class AbstractUnderdamped(AbstractPhaseKernel):
    """What both splittings share: scales are tuned, and switches settled, as by `ULA`."""

    settles_switch = True

    def adaptation(self) -> AbstractAdaptation | None:
        return Spreads() if has_axes(self) else None


class BAOAB(AbstractUnderdamped):
    """Friction amid the drift (Leimkuhler & Matthews, Appl. Math. Res. Express 2013): the law of x is right to second order.

    Of a Gaussian it is right at every stable step, `step_size` below 2 in units of its width.
    """

    def step(self, energy: AbstractEnergy, state: Phase, *, key: Key[Array, ""]) -> tuple[Phase, Info]:
        half = self.step_size / 2
        first = kicked(state, half, self.scale)
        middle = shifted(energy.space, first.at.position, half * self.scale * first.velocity)
        velocity = relaxed(first.velocity, self.friction * self.step_size, key)
        calm = Phase(evaluate(energy, shifted(energy.space, middle, half * self.scale * velocity)), velocity)
        last = kicked(calm, half, self.scale)
        kicks = jnp.sum(first.velocity**2 - state.velocity**2 + last.velocity**2 - velocity**2) / 2
        return last, Info(jnp.ones(()), (last.at.energy - state.at.energy) + kicks)


class OBABO(AbstractUnderdamped):
    """Friction at both ends of a leapfrog step (Bussi & Parrinello, Phys. Rev. E 75, 2007); `GHMC` is the accepted form."""

    def step(self, energy: AbstractEnergy, state: Phase, *, key: Key[Array, ""]) -> tuple[Phase, Info]:
        before, after = jax.random.split(key)
        time = self.friction * self.step_size / 2
        start = Phase(state.at, relaxed(state.velocity, time, before))
        end = leapfrog(energy, start, self.step_size, self.scale, 1)
        return Phase(end.at, relaxed(end.velocity, time, after)), Info(jnp.ones(()), -lost(start, end))
