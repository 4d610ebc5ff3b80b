"""Several independent copies of one energy, as one energy."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    Box,
    Capability,
    Copied,
    Neighbours,
    Normalised,
    Product,
    Sampleable,
    Start,
    UniformBonds,
    capability,
    draw,
    need,
)
from gibbsite.core.energy import Scalar


class Copies(AbstractEnergy):
    """`U(x) = sum_c energy(x_c)` over the first axis of x: for kernels that move many copies faster than one after another.

    A mean over the copies of an observable has the mean of one copy, and a smaller spread.

    Raises:
        TypeError: the energy lives on a `Box` or a `Product`.
    """

    energy: AbstractEnergy
    copies: int = eqx.field(static=True, default=32)

    def __check_init__(self) -> None:
        if isinstance(self.energy.space, Box | Product):
            raise TypeError(f"Copies of an energy on {type(self.energy.space).__name__}: give one whose x is a single array without walls.")
        if self.copies < 1:
            raise ValueError(f"Copies has copies={self.copies}: give at least 1.")

    @property
    def space(self) -> AbstractSpace:
        one: Any = self.energy.space  # one of the spaces whose shape is a field
        return dataclasses.replace(one, shape=(self.copies, *one.shape))

    def __call__(self, x: Float[Array, "copies *x"]) -> Scalar:
        return jnp.sum(jax.vmap(self.energy)(x))

    def views(self) -> tuple[Capability, ...]:
        views: list[Capability] = [Copied(self.energy)]
        if capability(self.energy, Start) is not None:
            views.append(Start(self._start))
        if capability(self.energy, Normalised) is not None:
            views.append(Normalised(self._log_z))
        if capability(self.energy, Sampleable) is not None:
            views.append(Sampleable(self._sample))
        views += [view for kind in (UniformBonds, Neighbours) if (view := capability(self.energy, kind)) is not None]
        return tuple(views)

    def _start(self, *, key: Key[Array, ""]) -> Float[Array, "copies *x"]:
        one = need(self.energy, Start, "Copies")
        return jax.vmap(lambda k: one.sample(key=k))(jax.random.split(key, self.copies))

    def _log_z(self) -> Scalar:
        return self.copies * need(self.energy, Normalised, "Copies").log_z()

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "copies *x"]:
        return jax.vmap(lambda k: draw(self.energy, key=k))(jax.random.split(key, self.copies))
