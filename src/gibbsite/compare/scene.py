"""What the figures of one data set share: a window on the plane, the truth, a sample of the data."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy
from gibbsite.data import Dataset

GRID = 140  # points a side of a landscape


@dataclasses.dataclass(frozen=True)
class Scene:
    """One data set as the report shows it; `truth` is -log p on the grid where it is known."""

    name: str
    note: str
    columns: tuple[str, ...]
    shown: np.ndarray
    extent: tuple[float, float, float, float] | None = None
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


def extent(data: Dataset) -> tuple[float, float, float, float] | None:
    """A window on the plane that holds the data with a margin of 12 %; None for other dimensions."""
    if data.train.shape[1:] != (2,) or np.isin(data.train, (0, 1)).all():
        return None
    low, high = data.train.min(axis=0), data.train.max(axis=0)
    margin = 0.12 * (high - low)
    (left, bottom), (right, top) = low - margin, high + margin
    return float(left), float(right), float(bottom), float(top)


def surface(energy: AbstractEnergy, window: tuple[float, float, float, float]) -> Float[np.ndarray, "rows columns"]:
    """The energy of a normalised law on the grid, in nats."""
    return np.asarray(energies(energy, jnp.asarray(grid(window))), np.float32).reshape(GRID, GRID)


def grid(window: tuple[float, float, float, float]) -> Float[np.ndarray, "points 2"]:
    """The points of a landscape, row by row."""
    across, up = np.linspace(*window[:2], GRID, dtype=np.float32), np.linspace(*window[2:], GRID, dtype=np.float32)
    return np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)


@eqx.filter_jit
def energies(energy: AbstractEnergy, xs: Float[Array, "n *x"]) -> Float[Array, " n"]:
    """The energy of every configuration."""
    return jax.vmap(energy)(xs)
