"""Hypercubic lattices: neighbours, bonds and colours, on a torus or with open ends.

A lattice is its `side`, the sites along each axis. A coupling is one number, or one per bond in an array `(d, *side)`:
`coupling[a]` joins each site to the one a step ahead along axis a. On an open axis the last of them join nothing.
"""

import math
import operator
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core.bonds import Grid, Pairwise
from gibbsite.core.energy import Scalar
from gibbsite.core.space import as_shape


def as_sides(side: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    """The sites along each axis; a single number stands for a square, `(n,)` for a ring or chain."""
    return as_shape(side) if isinstance(side, Sequence) else as_shape(side) * 2


def check_lattice(owner: str, side: tuple[int, ...], coupling: Array, *, periodic: bool) -> None:
    """Raises ValueError where a torus is so small that two bonds join one pair, or couplings are not those of the lattice."""
    if periodic and min(side) < 3:
        raise ValueError(f"{owner} has side={side}: a periodic lattice needs at least 3 sites a side, or bonds would be counted twice.")
    check_shape(owner, "coupling", coupling, (), (len(side), *side))


def check_shape(owner: str, name: str, value: Array, *shapes: tuple[int, ...]) -> None:
    """Raises ValueError where an array has none of these shapes."""
    if value.shape not in shapes:
        raise ValueError(f"{owner} has {name} of shape {value.shape}: give {' or '.join(map(str, shapes))}.")


def beside(x: Float[Array, "*x"], axis: int, step: int, *, periodic: bool, beyond: float = 0.0) -> Float[Array, "*x"]:
    """What stands one step (1 ahead, -1 behind) along an axis from each site; beyond an open end stands `beyond`."""
    turned = jnp.roll(x, -step, axis)
    if periodic:
        return turned
    end = x.shape[axis] - 1 if step > 0 else 0
    return jnp.where(jax.lax.broadcasted_iota(int, x.shape, axis) == end, beyond, turned)


def neighbours(x: Float[Array, "*x"], coupling: Float[Array, "..."], *, periodic: bool) -> Float[Array, "*x"]:
    """The sum over the neighbours of each site, each times the coupling of its bond."""
    if coupling.ndim == 0:
        return coupling * _added(beside(x, axis, step, periodic=periodic) for axis in range(x.ndim) for step in (-1, 1))
    ahead = [bonds * beside(x, axis, 1, periodic=periodic) for axis, bonds in enumerate(coupling)]
    behind = [beside(bonds * x, axis, -1, periodic=periodic) for axis, bonds in enumerate(coupling)]
    return _added(behind + ahead)


def _added(terms: Iterable[Array]) -> Array:
    return reduce(operator.add, terms)  # `sum` would add a zero, which costs a tenth of the time


def over_bonds(terms: Sequence[Float[Array, "*x"]], coupling: Float[Array, "..."]) -> Scalar:
    """The sum over bonds of coupling times term; `terms[a]` holds those of the bonds along axis a."""
    if coupling.ndim == 0:  # whole numbers are summed before they are scaled: without rounding
        return coupling * jnp.sum(_added(terms))
    return jnp.sum(_added(bonds * term for bonds, term in zip(coupling, terms, strict=True)))


def bonds_of(side: tuple[int, ...], gaps: Float[Array, "..."], alone: Array | None, *, periodic: bool) -> Pairwise:
    """The bonds one by one, of these gaps (given as couplings are), and what the sites feel alone."""
    grid = Grid(side, periodic)
    one, other = (_listed(ends) for ends in zip(*grid.ends(jnp.arange(math.prod(side))), strict=True))
    each = [grid.begin(along, axis) for axis, along in enumerate(jnp.broadcast_to(gaps, (len(side), *side)))]
    return Pairwise(jnp.stack([one, other], axis=-1), _listed(each), alone, grid)


def _listed(parts: Iterable[Array]) -> Array:
    return jnp.concatenate([part.ravel() for part in parts])


def colours(side: tuple[int, ...], *, periodic: bool) -> Float[Array, "colours *side"]:
    """A colouring, 0 and 1 for each colour: no two neighbours share one.

    A path or an even ring takes the colours 0, 1, 0, 1, ..., an odd ring 2 at its end; the sum over axes modulo the number of
    colours is then a colouring of the lattice (Sabidussi, Canadian Journal of Mathematics 9, 1957): a checkerboard of two,
    or three where a periodic side is odd.
    """
    odd = [periodic and n % 2 == 1 for n in side]
    along = [np.where((np.arange(n) == n - 1) & last, 2, np.arange(n) % 2) for n, last in zip(side, odd, strict=True)]
    number = 3 if any(odd) else 2
    colour = _added(jnp.asarray(axis) for axis in np.ix_(*along)) % number  # on the device: at a million sites no constant of the program
    return jnp.stack([colour == k for k in range(number)]).astype(jnp.result_type(float))
