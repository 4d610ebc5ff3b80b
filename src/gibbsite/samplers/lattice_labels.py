"""Connected components of a lattice, on the host, by compiled code that passes over its sites once.

Chains lie on each other as layers of one image. A number a site tells which of its bonds to the sites behind it are closed: bit
`2 k + 1` that along the k-th axis from the last. (A voxel connectivity graph, of which the labeller reads these bits alone.)
Components are found as if all ends were open; those that bonds across the ends of a torus join are few, and merged after that.

The labeller is the package connected-components-3d (Silversmith, cc3d, zenodo.org/record/5535251), which numbers components by
their first sites.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from gibbsite.core import Grid

MOST_AXES = 3
FEW_SITES = 1024  # of a chain: to call the host takes as long as to label them on the device

Image = Shaped[np.ndarray, "*image"]


def at_hand(grid: Grid) -> bool:
    """Whether the host labels faster: of large lattices whose sites are there already, if devices do not share chains out."""
    large = len(grid.side) <= MOST_AXES and math.prod(grid.side) >= FEW_SITES
    return large and jax.default_backend() == "cpu" and jax.device_count() == 1


def lattice_components(grid: Grid, closed: Sequence[Bool[Array, "..."]]) -> tuple[Int[Array, " sites"], Float[Array, ""]]:
    """For each site the number of its cluster under closed bonds (axis by axis), in the order of first sites; their mean size."""
    axes, closed = len(grid.side), jax.lax.optimization_barrier(list(closed))  # not drawn again where they end
    marks = functools.reduce(jnp.bitwise_or, (_behind(grid, bonds, axis) * _bit(axes, axis) for axis, bonds in enumerate(closed)))
    found = (jax.ShapeDtypeStruct(grid.side, jnp.int32), jax.ShapeDtypeStruct((), jnp.float32))
    label, size = jax.pure_callback(functools.partial(_labelled, axes), found, marks, vmap_method="broadcast_all")
    return label.ravel(), size


def _bit(axes: int, axis: int) -> np.uint8:
    return np.uint8(2 << 2 * (axes - 1 - axis))


def _behind(grid: Grid, bonds: Bool[Array, "..."], axis: int) -> Array:
    """Bonds at the sites where they end."""
    ended = jnp.roll(bonds, 1, axis) if grid.periodic else jnp.pad(bonds, [(int(along == axis), 0) for along in range(bonds.ndim)])
    return ended.astype(jnp.uint8)


def _labelled(axes: int, marks: Array) -> tuple[Int[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    held = np.asarray(marks)  # at once: JAX inside of a callback may wait for itself
    batch, side = held.shape[: held.ndim - axes], held.shape[held.ndim - axes :]
    chains, sites = held.reshape(-1, *side), math.prod(side)
    label = _opened(chains)
    size = np.bincount(label.ravel())
    root = _joined(len(size), *_across(chains, label))
    first = label.reshape(len(chains), sites)[:, 0]  # labels of chains follow on each other
    rank = np.cumsum(root == np.arange(len(root)), dtype=np.int32)[root]
    rank[1:] -= np.repeat(rank[first], np.diff(first, append=len(root)))
    squares = np.add.reduceat(np.bincount(root, size) ** 2, first)
    return rank.take(label).reshape(held.shape), (squares / sites).astype(np.float32).reshape(batch)


def _opened(chains: Image) -> Image:
    """Numbers of components, from 1 in the order of their first sites, bonds across the ends left out."""
    import cc3d

    side, image = chains.shape[1:], chains.copy()
    if len(side) > 1:  # the first axis runs on into the next chain
        image[:, 0] &= ~_bit(len(side), 0)
        image = image.reshape(-1, *side[1:])
    flat = image.ndim == 2
    marks = image.T if flat else image.T.astype(np.uint32)  # the package's own order of axes is that of Fortran
    return cc3d.color_connectivity_graph(marks, connectivity=4 if flat else 6).T.reshape(chains.shape)


def _across(chains: Image, rank: Image) -> tuple[np.ndarray, np.ndarray]:
    """The labels at both ends of the closed bonds across the ends of each axis."""
    axes = range(1, chains.ndim)
    closed = [np.take(chains, 0, axis) & _bit(len(axes), axis - 1) > 0 for axis in axes]
    one, other = (np.concatenate([np.take(rank, end, axis)[bonds] for axis, bonds in zip(axes, closed, strict=True)]) for end in (0, -1))
    return one, other


def _joined(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """For each label the least one that pairs join it to: every pair hangs the larger of its roots below the smaller."""
    root, ends = np.arange(count, dtype=np.int32), np.concatenate([one, other])
    while len(one):
        root[np.maximum(one, other)] = np.minimum(one, other)
        held = root[ends]
        while not np.array_equal(further := root[held], held):
            root[ends] = held = further
        one, other = root[one], root[other]
        apart = one != other
        one, other = one[apart], other[apart]
    return root
