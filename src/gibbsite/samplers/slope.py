"""Kernels that go by the slope of the energy: their state holds it, so that a step evaluates it once."""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, Info
from gibbsite.core.energy import Scalar
from gibbsite.samplers.metropolis import AbstractPointKernel, guarded, metropolis

HUGE = 1000.0  # nats of energy error: Carpenter et al., J. Stat. Softw. 76, 2017
S = TypeVar("S")


class SlopeState(NamedTuple):
    """A position with its energy and gradient."""

    position: Float[Array, "*x"]
    energy: Scalar
    grad: Float[Array, "*x"]


def evaluate(energy: AbstractEnergy, x: Float[Array, "*x"]) -> SlopeState:
    """The state at `x`: one forward and one backward pass."""
    value, grad = jax.value_and_grad(energy)(x)
    return SlopeState(x, value, grad)


class AbstractSlopeKernel(AbstractPointKernel):
    """A kernel with a `SlopeState`; to add one, write `spaces` and `step`."""

    def at(self, energy: AbstractEnergy, x: Float[Array, "*x"]) -> SlopeState:
        return evaluate(energy, x)


def judged(energy: AbstractEnergy, log_ratio: Scalar, at: SlopeState, new: S, old: S, *, key: Key[Array, ""]) -> tuple[S, Info]:
    """`metropolis` of a move along the slope that ends `at` a place; it reports whether the move was `divergent`.

    That is, whether the step was too large for the slope: the energy there is not finite, or wrong by more than `HUGE`. A
    finite place outside the support is a wall, and no divergence.
    """
    kept, info = metropolis(guarded(energy, log_ratio, at), new, old, key=key)
    wall = ~energy.space.contains(at.position) & jnp.all(jnp.isfinite(at.position))
    followed = jnp.isfinite(at.energy) & (log_ratio > -HUGE)
    return kept, Info(info.accept_prob, info.shadow_work, {"divergent": jnp.asarray(~wall & ~followed, at.energy.dtype)})
