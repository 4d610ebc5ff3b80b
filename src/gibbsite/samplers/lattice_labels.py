"""Connected components of a lattice, on the host, by compiled code that passes over its sites once.

Chains lie on each other as layers of one image. A number a site tells which of its bonds to the sites behind it are closed: bit
`2 k + 1` that along the k-th axis from the last. (A voxel connectivity graph, of which the labeller reads these bits alone.)
Components are found as if all ends were open; those that bonds across the ends of a torus join are few, and merged after that.

The labeller is the package connected-components-3d (extra `clusters`; Silversmith, cc3d, zenodo.org/record/5535251) where it is
installed, else SciPy's, which is slower. Both number components by their first sites, so that draws do not depend on it.
"""

import functools
import importlib.util
import math
from collections.abc import Callable as Function
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
    root, size = _merged(np.bincount(label.ravel()), *_across(chains, label))
    first = label.reshape(len(chains), sites)[:, 0]  # labels of chains follow on each other
    rank = np.cumsum(root == np.arange(len(root)), dtype=np.int32)[root]
    rank[1:] -= np.repeat(rank[first], np.diff(first, append=len(root)))
    squares = np.add.reduceat(size.astype(np.float64) ** 2, first)
    return rank.take(label).reshape(held.shape), (squares / sites).astype(np.float32).reshape(batch)


def _opened(chains: Image) -> Image:
    """Numbers of components, from 1 in the order of their first sites, bonds across the ends left out."""
    side, image = chains.shape[1:], chains.copy()
    if len(side) > 1:  # the first axis runs on into the next chain
        image[:, 0] &= ~_bit(len(side), 0)
        image = image.reshape(-1, *side[1:])
    return _labeller()(image).reshape(chains.shape)


@functools.cache
def _labeller() -> Function[[Image], Image]:
    return _by_scipy if importlib.util.find_spec("cc3d") is None else _by_cc3d


def _by_cc3d(image: Image) -> Image:
    """By the package connected-components-3d, whose own order of axes is that of Fortran."""
    import cc3d

    if image.ndim == 2:
        return cc3d.color_connectivity_graph(image.T, connectivity=4).T
    return cc3d.color_connectivity_graph(image.T.astype(np.uint32), connectivity=6).T


def _by_scipy(image: Image) -> Image:
    """The components of an image twice as fine, on which bonds are sites as well."""
    from scipy.ndimage import label  # type: ignore[attr-defined]

    fine = np.zeros([2 * n for n in image.shape], bool)
    fine[(slice(None, None, 2),) * image.ndim] = True
    for axis in range(image.ndim):
        between = tuple(slice(1 if along == axis else 0, -1 if along == axis else None, 2) for along in range(image.ndim))
        fine[between] = np.take(image, range(1, image.shape[axis]), axis) & _bit(image.ndim, axis)
    return label(fine)[0][(slice(None, None, 2),) * image.ndim]


def _across(chains: Image, rank: Image) -> tuple[np.ndarray, np.ndarray]:
    """The labels at both ends of the closed bonds across the ends of each axis."""
    axes = range(1, chains.ndim)
    closed = [np.take(chains, 0, axis) & _bit(len(axes), axis - 1) > 0 for axis in axes]
    one, other = (np.concatenate([np.take(rank, end, axis)[bonds] for axis, bonds in zip(axes, closed, strict=True)]) for end in (0, -1))
    return one, other


def _merged(size: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each label the least one that pairs join it to, and sizes after that: of all that are joined the least has them."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    root = np.arange(len(size))
    labels, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    pairs = coo_matrix((np.ones(len(one)), (place[: len(one)], place[len(one) :])), (len(labels), len(labels)))
    count, part = connected_components(pairs, directed=False)
    least = labels[np.unique(part, return_index=True)[1]]
    total = np.bincount(part, size[labels], count)
    root[labels], size[labels], size[least] = least[part], 0, total
    return root, size
