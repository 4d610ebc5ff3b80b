"""What the figures of one data set share: a window on the plane, the truth, a sample of the data."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy
from gibbsite.data import Dataset

GRID = 140  # points a side of a landscape in the plane
CHUNK = 4096  # configurations evaluated at once
LINE = 400  # points of a landscape on one axis
Window = tuple[float, ...]  # the ends of each axis in turn: left, right; left, right, bottom, top


@dataclasses.dataclass(frozen=True)
class Scene:
    """One data set as the report shows it; `truth` is -log p on the grid of the window `extent` where it is known."""

    name: str
    note: str
    columns: tuple[str, ...]
    shown: np.ndarray
    extent: Window | None = None
    truth: np.ndarray | None = None
    masses: tuple[float, ...] | None = None
    image_shape: tuple[int, int] | None = None


def scene(data: Dataset) -> Scene:
    """The scene of a data set."""
    window = extent(data)
    masses = None if data.modes is None else tuple(float(m) for m in data.modes.masses)
    truth = None if window is None or data.truth is None else surface(data.truth, window)
    shape = None if data.image_shape is None else (int(data.image_shape[0]), int(data.image_shape[1]))
    return Scene(data.name, data.note, tuple(data.columns), np.asarray(data.test[:1000]), window, truth, masses, shape)


def extent(data: Dataset) -> Window | None:
    """A window on the line or the plane that holds the data with a margin of 12 %; None for other dimensions."""
    if data.train.shape[1:] not in ((1,), (2,)) or not data.continuous:
        return None
    low, high = data.train.min(axis=0), data.train.max(axis=0)
    margin = 0.12 * (high - low)
    return tuple(float(end) for ends in zip(low - margin, high + margin, strict=True) for end in ends)


def surface(energy: AbstractEnergy, window: Window) -> Float[np.ndarray, "*grid"]:
    """The energy of a normalised law on the grid, in nats."""
    points = grid(window)
    return np.asarray(energies(energy, jnp.asarray(points.reshape(-1, points.shape[-1]))), np.float32).reshape(points.shape[:-1])


def grid(window: Window) -> Float[np.ndarray, "*grid d"]:
    """The points of a landscape: along the axis, or row by row."""
    if len(window) == 2:
        return np.linspace(window[0], window[1], LINE, dtype=np.float32)[:, None]
    across, up = (np.linspace(low, high, GRID, dtype=np.float32) for low, high in (window[:2], window[2:]))
    return np.stack(np.meshgrid(across, up), axis=-1)


@eqx.filter_jit
def energies(energy: AbstractEnergy, xs: Float[Array, "n *x"]) -> Float[Array, " n"]:
    """The energy of every configuration, in pieces: memory does not grow with their number."""
    return jax.lax.map(energy, xs, batch_size=min(CHUNK, len(xs)))
