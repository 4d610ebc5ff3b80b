"""Where a configuration `x` lives: its shape, its dtype and its support.

A space says nothing about probability. Discrete values are stored in the float dtype (spins as -1.0 and +1.0), so
that one energy serves gradients, Gibbs updates and networks alike.
"""

import abc
import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, SupportsIndex, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

ArrayLike = jaxtyping.ArrayLike | Sequence  # what `jnp.asarray` takes: numbers, arrays, and lists of them


def as_shape(shape: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    """A shape, given as one whole number or several.

    Raises:
        ValueError: a side is not a positive whole number.
    """
    sides = shape if isinstance(shape, Sequence) else (shape,)
    try:
        whole = tuple(operator.index(side) for side in sides)
    except TypeError as error:
        raise ValueError(f"shape {shape!r}: give whole numbers, such as 2 or (8, 8).") from error
    if any(side < 1 for side in whole):
        raise ValueError(f"shape {whole}: every side must be at least 1.")
    return whole


class AbstractSpace(eqx.Module):
    """The set of allowed `x`.

    To add a space: subclass, give `shape` and `contains`, and a base energy in `core/reference.py`.
    """

    if TYPE_CHECKING:  # an AbstractVar would be a constructor argument to a type checker

        @property
        def shape(self) -> tuple:
            """Shape of one configuration (for a `Product`: the tuple of its parts' shapes)."""
    else:
        shape: eqx.AbstractVar[tuple]

    @abc.abstractmethod
    def contains(self, x: PyTree) -> Bool[Array, ""]:
        """True where `x` lies in the support (and is finite)."""

    @property
    def size(self) -> int:
        """Number of scalars in one configuration."""
        return sum(math.prod(leaf) for leaf in jax.tree.leaves(self.shape, is_leaf=_is_shape))

    def struct(self) -> PyTree:
        """One configuration as `jax.ShapeDtypeStruct`, in the default float dtype."""
        dtype = jnp.result_type(float)
        return jax.tree.map(lambda s: jax.ShapeDtypeStruct(s, dtype), self.shape, is_leaf=_is_shape)


def _is_shape(s: object) -> bool:
    return isinstance(s, tuple) and all(isinstance(n, int) for n in s)


class Reals(AbstractSpace):
    """All real arrays of one shape."""

    shape: tuple[int, ...] = eqx.field(static=True, converter=as_shape)

    def contains(self, x: Float[Array, "*x"]) -> Bool[Array, ""]:
        return jnp.all(jnp.isfinite(x))


class Box(AbstractSpace):
    """Reals between `low` and `high`, axis by axis, both ends included."""

    low: Float[Array, "*x"]
    high: Float[Array, "*x"]

    def __init__(self, low: ArrayLike, high: ArrayLike):
        dtype = jnp.result_type(float)
        self.low, self.high = jnp.broadcast_arrays(jnp.asarray(low, dtype), jnp.asarray(high, dtype))

    def __check_init__(self) -> None:
        if not isinstance(self.low, jax.core.Tracer) and not np.all(self.low < self.high):
            raise ValueError(f"Box from low={self.low} to high={self.high}: low must be below high on every axis.")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape

    def contains(self, x: Float[Array, "*x"]) -> Bool[Array, ""]:
        return jnp.all(jnp.isfinite(x) & (x >= self.low) & (x <= self.high))


class Spins(AbstractSpace):
    """Arrays of -1 and +1."""

    shape: tuple[int, ...] = eqx.field(static=True, converter=as_shape)

    def contains(self, x: Float[Array, "*x"]) -> Bool[Array, ""]:
        return jnp.all(jnp.abs(x) == 1)


class Binary(AbstractSpace):
    """Arrays of 0 and 1."""

    shape: tuple[int, ...] = eqx.field(static=True, converter=as_shape)

    def contains(self, x: Float[Array, "*x"]) -> Bool[Array, ""]:
        return jnp.all((x == 0) | (x == 1))


def as_levels(levels: int | Sequence[float]) -> tuple[float, ...]:
    """The values of a site in rising order; a number q stands for 0, ..., q - 1.

    Raises:
        ValueError: there are fewer than two, or one stands twice.
    """
    listed = tuple(sorted(float(v) for v in (levels if isinstance(levels, Sequence) else range(levels))))
    if len(set(listed)) < max(len(listed), 2):
        raise ValueError(f"levels {levels!r}: give a whole number of at least 2, or two and more values, each once.")
    return listed


class Categorical(AbstractSpace):
    """Arrays in which each site takes one of the `levels`: a number q of them (0, ..., q - 1), or a list such as (-1, 0, 1)."""

    shape: tuple[int, ...] = eqx.field(static=True, converter=as_shape)
    levels: tuple[float, ...] = eqx.field(static=True, converter=as_levels)

    def contains(self, x: Float[Array, "*x"]) -> Bool[Array, ""]:
        return jnp.all(jnp.any(x[..., None] == jnp.asarray(self.levels), axis=-1))


class Torus(AbstractSpace):
    """Arrays of angles from -pi to pi, whose ends are one point (as is every angle that `wrapped` brings there)."""

    shape: tuple[int, ...] = eqx.field(static=True, converter=as_shape)

    def contains(self, x: Float[Array, "*x"]) -> Bool[Array, ""]:
        return jnp.all(jnp.abs(x) <= jnp.pi)


def wrapped(angle: Float[Array, "*x"]) -> Float[Array, "*x"]:
    """The same angles, between -pi and pi."""
    return jnp.clip(angle - 2 * jnp.pi * jnp.round(angle / (2 * jnp.pi)), -jnp.pi, jnp.pi)


class Product(AbstractSpace):
    """Tuples `(x_1, ..., x_n)`, one part from each space; for example visible and hidden units."""

    parts: tuple[AbstractSpace, ...]

    @property
    def shape(self) -> tuple:
        return tuple(part.shape for part in self.parts)

    def contains(self, x: tuple) -> Bool[Array, ""]:
        return jnp.all(jnp.stack([part.contains(xi) for part, xi in zip(self.parts, x, strict=True)]))


def two_valued(space: AbstractSpace) -> TypeGuard[Spins | Binary]:
    """Whether every site takes one of two values (see `values`)."""
    return isinstance(space, Spins | Binary)


def discrete(space: AbstractSpace) -> TypeGuard[Spins | Binary | Categorical]:
    """Whether every site takes one of finitely many values (see `values`)."""
    return isinstance(space, Spins | Binary | Categorical)


def values(space: AbstractSpace) -> tuple[float, ...]:
    """The values that a site of a discrete space takes, rising; two for `Spins` and `Binary`.

    Raises:
        TypeError: the sites of this space take a continuum of them.
    """
    if not discrete(space):
        raise TypeError(f"{type(space).__name__} is not discrete; Spins, Binary and Categorical are.")
    if isinstance(space, Categorical):
        return space.levels
    return (-1.0, 1.0) if isinstance(space, Spins) else (0.0, 1.0)


def count(space: AbstractSpace) -> int:
    """How many configurations a discrete space has."""
    return len(values(space)) ** space.size


def configurations(space: AbstractSpace, number: Int[Array, " n"]) -> Float[Array, "n *x"]:
    """The configurations of these numbers: written in the base of q levels, digit i is the level of site i."""
    levels = jnp.asarray(values(space), jnp.result_type(float))
    power = jnp.asarray([len(levels) ** site for site in range(space.size)], number.dtype)
    return levels[number[:, None] // power % len(levels)].reshape(-1, *space.shape)


def require(space: AbstractSpace, x: PyTree, name: str, *, batched: bool = False) -> PyTree:
    """`x` as float arrays of the space's shape (with one leading axis if `batched`).

    Raises:
        ValueError: the shape is another one, or a value lies outside the support; names both and the remedy.
    """
    x = x if isinstance(space, Product) else jnp.asarray(x, jnp.result_type(float))
    x = jax.tree.map(lambda a: jnp.asarray(a, jnp.result_type(float)), x)
    got = jax.tree.map(lambda a: a.shape[1:] if batched else a.shape, x)
    if got != space.shape:
        lead = "(n, *shape) with shape " if batched else ""
        full = jax.tree.map(lambda a: a.shape, x)
        raise ValueError(f"{name} has shape {full}; {type(space).__name__} needs {lead}{space.shape}.")
    inside = jax.vmap(space.contains)(x) if batched else space.contains(x)
    if not np.all(inside):
        bad = f"row {int(np.argmin(np.asarray(inside)))} of {name}" if batched else name
        raise ValueError(f"{bad} lies outside the support of {type(space).__name__}: {_describe(space)}.")
    return x


def _describe(space: AbstractSpace) -> str:
    if isinstance(space, Torus):
        return "angles lie between -pi and pi; core.wrapped brings any there"
    if not discrete(space):
        return "entries must be finite and within bounds"
    return f"every entry must be {' or '.join(f'{value:g}' for value in values(space))}"
