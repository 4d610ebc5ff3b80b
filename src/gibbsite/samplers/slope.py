"""Kernels that go by the slope of the energy: their state holds it, so that a step evaluates it once."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy
from gibbsite.core.energy import Scalar
from gibbsite.samplers.metropolis import AbstractPointKernel


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
