"""A position that moves with a velocity: the parts of which Hamiltonian and underdamped moves are made.

In units of `scale` (x = scale q) all coordinates have mass 1: the velocity follows N(0, I), and `grad_q U = scale grad U`.
"""

from operator import attrgetter
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractSpace, ArrayLike, Reals, Torus, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.samplers.metropolis import check_axes, check_scale, check_space, check_step, shifted
from gibbsite.samplers.slope import SlopeState, evaluate
from gibbsite.samplers.units import Scale, pulled, stretched

_PACE = attrgetter("step_size", "friction")


class Phase(NamedTuple):
    """A position with its energy and gradient, and a velocity."""

    at: SlopeState
    velocity: Float[Array, "*x"]


def kicked(phase: Phase, size: Scalar, scale: Scale) -> Phase:
    """`v - size grad_q U`."""
    return Phase(phase.at, phase.velocity - size * pulled(scale, phase.at.grad))


def drifted(energy: AbstractEnergy, phase: Phase, size: Scalar, scale: Scale) -> Phase:
    """`q + size v`, evaluated there."""
    return Phase(evaluate(energy, shifted(energy.space, phase.at.position, size * stretched(scale, phase.velocity))), phase.velocity)


def leapfrog(energy: AbstractEnergy, phase: Phase, size: Scalar, scale: Scale, steps: ArrayLike) -> Phase:
    """`steps` leapfrog steps; turning the velocity round at the end would lead back to the start, step by step."""

    def leap(_: Array, phase: Phase) -> Phase:
        return kicked(drifted(energy, kicked(phase, size / 2, scale), size, scale), size / 2, scale)

    return jax.lax.fori_loop(0, steps, leap, phase)


def lost(start: Phase, end: Phase) -> Scalar:
    """`H(start) - H(end)`, `H = U + |v|^2 / 2`; like from like, so that large energies cancel first."""
    return (start.at.energy - end.at.energy) + jnp.sum(start.velocity**2 - end.velocity**2) / 2


def relaxed(velocity: Float[Array, "*x"], time: Scalar, key: Key[Array, ""]) -> Float[Array, "*x"]:
    """`c v + sqrt(1 - c^2) xi` with `c = exp(-time)`: friction and noise that keep N(0, I)."""
    noise = jax.random.normal(key, velocity.shape, velocity.dtype)
    return jnp.exp(-time) * velocity + jnp.sqrt(-jnp.expm1(-2 * time)) * noise


class AbstractPhaseKernel(AbstractKernel):
    """A kernel whose velocity is carried on from step to step under friction; to add one, write `step`.

    The state follows `exp(-U(x) - |v|^2 / 2)`. Velocities are drawn by `init` and outlive a change of the energy. The time
    reversal of these moves is the same move with the velocity turned round before and after it; a velocity drawn from
    N(0, I) has the same law either way, so that for a walk from there `reverse` is the kernel itself.
    """

    step_size: Scalar = eqx.field(converter=as_float)
    friction: Scalar = eqx.field(converter=as_float, default=1.0)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float, default=1.0)

    reversible = False
    reports_work = True
    has_memory = True
    spaces: ClassVar[tuple[type[AbstractSpace], ...]] = (Reals, Torus)  # nothing keeps an unadjusted move inside bounds

    def __check_init__(self) -> None:
        name = type(self).__name__
        check_step(name, self.step_size, "units of scale")
        check_scale(name, self.scale)
        check_values(name, "friction", self.friction, lambda f: f > 0, "a positive number, the share of a velocity lost a unit of time")

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Phase:
        check_space(energy, type(self).__name__, *self.spaces)
        check_axes(type(self).__name__, self.scale, x)
        return Phase(evaluate(energy, x), jax.random.normal(key, x.shape, x.dtype))

    def position(self, state: Phase) -> Float[Array, "*x"]:
        return state.at.position

    def energy(self, energy: AbstractEnergy, state: Phase) -> Scalar:
        return state.at.energy

    def refresh(self, energy: AbstractEnergy, state: Phase, x: Array | None = None) -> Phase:
        return Phase(evaluate(energy, state.at.position if x is None else x), state.velocity)

    def tempered(self, beta: Scalar) -> "AbstractPhaseKernel":
        """Longer steps, and a friction with which as much of a velocity is lost in each."""
        return eqx.tree_at(_PACE, self, (self.step_size / jnp.sqrt(beta), self.friction * jnp.sqrt(beta)))

    def reverse(self) -> "AbstractPhaseKernel":
        return self
