"""Kernels that go by the slope of the energy: their state holds it, so that a step evaluates it once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractSpace, ArrayLike, Info, no_work
from gibbsite.core.energy import Scalar, check_values


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


def check_space(energy: AbstractEnergy, user: str, *spaces: type[AbstractSpace]) -> None:
    """Raises TypeError where the kernel cannot move on the space of this energy."""
    if not isinstance(energy.space, spaces):
        names, remedy = " or ".join(s.__name__ for s in spaces), "MALA or HMC on a Box, Gibbs or GibbsWithGradients on spins and bits"
        raise TypeError(f"{user} moves on {names}, not on {type(energy.space).__name__}: use {remedy}.")


def check_step(user: str, step_size: ArrayLike, unit: str) -> None:
    """Raises ValueError where a step size is not positive."""
    check_values(user, "step_size", step_size, lambda h: h > 0, f"a positive number, in {unit}")


def guarded(energy: AbstractEnergy, log_ratio: Scalar, new: SlopeState) -> Scalar:
    """The log acceptance; minus infinity for a proposal outside the support or with no finite energy.

    Such a proposal is refused, never followed; a chain that was born behind a wall (infinite energy) leaves it at once.
    """
    sound = jnp.isfinite(new.energy) & energy.space.contains(new.position) & ~jnp.isnan(log_ratio)
    return jnp.where(sound, log_ratio, -jnp.inf)


def metropolis(log_ratio: Scalar, new: SlopeState, old: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
    """The new state with probability `min(1, exp(log_ratio))`, else the old one (Hastings, Biometrika 57, 1970)."""
    accept = jnp.log(jax.random.uniform(key)) < log_ratio
    kept = jax.tree.map(lambda a, b: jnp.where(accept, a, b), new, old)
    return kept, Info(jnp.exp(jnp.minimum(log_ratio, 0.0)), no_work())
