"""Kernels that go by the slope of the energy: their state holds it, so that a step evaluates it once."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractKernel
from gibbsite.core.energy import Scalar


class SlopeState(NamedTuple):
    """A position with its energy and gradient."""

    position: Float[Array, "*x"]
    energy: Scalar
    grad: Float[Array, "*x"]


def evaluate(energy: AbstractEnergy, x: Float[Array, "*x"]) -> SlopeState:
    """The state at `x`: one forward and one backward pass."""
    value, grad = jax.value_and_grad(energy)(x)
    return SlopeState(x, value, grad)


class AbstractSlopeKernel(AbstractKernel):
    """A kernel with a `SlopeState`; to add one, write `init` (which spaces it takes) and `step`."""

    def position(self, state: SlopeState) -> Float[Array, "*x"]:
        return state.position

    def energy(self, energy: AbstractEnergy, state: SlopeState) -> Scalar:
        return state.energy

    def refresh(self, energy: AbstractEnergy, state: SlopeState, x: Array | None = None) -> SlopeState:
        return evaluate(energy, state.position if x is None else x)
