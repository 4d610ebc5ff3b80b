"""Moves that are proposed, and then accepted or refused: where they may go, and what a state needs at the least."""

from typing import Any, ClassVar, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractSpace,
    ArrayLike,
    Binary,
    Box,
    Categorical,
    Info,
    Reals,
    Spins,
    Torus,
    no_work,
    wrapped,
)
from gibbsite.core.energy import Scalar, check_values


class PointState(NamedTuple):
    """A position with its energy."""

    position: Float[Array, "*x"]
    energy: Scalar


def locate(energy: AbstractEnergy, x: Float[Array, "*x"]) -> PointState:
    """The state at `x`: one forward pass."""
    return PointState(x, energy(x))


REALS, SITES = (Reals, Box, Torus), (Spins, Binary, Categorical)


class AbstractPointKernel(AbstractKernel):
    """A kernel whose state is a position with what is known there: the energy, or (`AbstractSlopeKernel`) its slope as well.

    To add one, say in `spaces` where it moves, and write `step`.
    """

    spaces: ClassVar[tuple[type[AbstractSpace], ...]] = REALS

    def at(self, energy: AbstractEnergy, x: Float[Array, "*x"]) -> Any:
        """The state at `x`."""
        return locate(energy, x)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Any:
        check_space(energy, type(self).__name__, *self.spaces)
        return self.at(energy, x)

    def position(self, state: Any) -> Float[Array, "*x"]:
        return state.position

    def energy(self, energy: AbstractEnergy, state: Any) -> Scalar:
        return state.energy

    def refresh(self, energy: AbstractEnergy, state: Any, x: Array | None = None) -> Any:
        return self.at(energy, state.position if x is None else x)


S = TypeVar("S")


def check_space(energy: AbstractEnergy, user: str, *spaces: type[AbstractSpace]) -> None:
    """Raises TypeError where the kernel cannot move on the space of this energy."""
    if not isinstance(energy.space, spaces):
        names, remedy = " or ".join(s.__name__ for s in spaces), "MALA or HMC on real numbers, Gibbs or GibbsWithGradients on sites"
        raise TypeError(f"{user} moves on {names}, not on {type(energy.space).__name__}: use {remedy}.")


def check_step(user: str, step_size: ArrayLike, unit: str) -> None:
    """Raises ValueError where a step size is not positive."""
    check_values(user, "step_size", step_size, lambda h: (h > 0) & np.isfinite(h), f"a positive number, in {unit}")


def check_whole(user: str, name: str, value: Any, remedy: str) -> None:
    """Raises ValueError where a number is not whole, or less than 1."""
    if not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{user} has {name}={value}: {remedy}.")


def check_scale(user: str, scale: ArrayLike) -> None:
    """Raises ValueError where a scale is not positive."""
    check_values(user, "scale", scale, lambda s: s > 0, "positive numbers, in units of x: one, or one a coordinate")


def check_axes(user: str, scale: ArrayLike, x: Float[Array, "*x"]) -> None:
    """Raises ValueError where a scale is neither one number nor one a coordinate."""
    if np.shape(scale) not in ((), x.shape):
        raise ValueError(f"{user} has scale of shape {np.shape(scale)}: x of shape {x.shape} needs one number, or one a coordinate.")


def shifted(space: AbstractSpace, x: Float[Array, "*x"], by: Float[Array, "*x"]) -> Float[Array, "*x"]:
    """`x + by`; on a torus, which has no walls, the same angles between -pi and pi.

    Moves there are laid down by how far they went, not by where they ended: `by` may have gone round several times, and
    `-by` leads back.
    """
    return wrapped(x + by) if isinstance(space, Torus) else x + by


def guarded(energy: AbstractEnergy, log_ratio: Scalar, new: Any) -> Scalar:
    """The log acceptance; minus infinity for a proposal outside the support or with no finite energy.

    Such a proposal is refused, never followed; a chain that was born behind a wall (infinite energy) leaves it at once.
    """
    sound = jnp.isfinite(new.energy) & energy.space.contains(new.position) & ~jnp.isnan(log_ratio)
    return jnp.where(sound, log_ratio, -jnp.inf)


def metropolis(log_ratio: Scalar, new: S, old: S, *, key: Key[Array, ""]) -> tuple[S, Info]:
    """The new state with probability `min(1, exp(log_ratio))`, else the old one (Hastings, Biometrika 57, 1970)."""
    accept = jnp.log(jax.random.uniform(key)) < log_ratio
    kept = jax.tree.map(lambda a, b: jnp.where(accept, a, b), new, old)
    return kept, Info(jnp.exp(jnp.minimum(log_ratio, 0.0)), no_work())
