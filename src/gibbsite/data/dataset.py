"""A data set: rows in their own units, split by a seed, with the map to standard units and whatever truth is known."""

import dataclasses

import numpy as np
from jaxtyping import Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Reals

MIN_ROWS = 20
FRACTIONS = (0.7, 0.1)  # training and validation; the rest is the test set


class DataError(ValueError):
    """Data that cannot be used; the message names the thing, the value and the remedy."""


@dataclasses.dataclass(frozen=True)
class Modes:
    """Where the modes are and what share of the law each holds; a point belongs to the nearest centre."""

    centres: Float[np.ndarray, "modes *x"]
    masses: Float[np.ndarray, " modes"]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Rows `(n, *x)` in data units, in three disjoint parts.

    `standardise` maps to `z = (x - shift) / scale`; a density of z becomes one of x with the Jacobian
    `-sum log(scale)`. `truth` is the law the rows were drawn from, where it is known. `dequantised` is the width of the
    bins that uniform noise has filled (0: none): the level of a pixel is `floor(x / dequantised)`, and bits per
    dimension refer to these levels.
    """

    name: str
    space: AbstractSpace
    train: Float[np.ndarray, "train *x"] = dataclasses.field(repr=False)
    validation: Float[np.ndarray, "validation *x"] = dataclasses.field(repr=False)
    test: Float[np.ndarray, "test *x"] = dataclasses.field(repr=False)
    shift: Float[np.ndarray, "*x"] = dataclasses.field(repr=False)
    scale: Float[np.ndarray, "*x"] = dataclasses.field(repr=False)
    truth: AbstractEnergy | None = dataclasses.field(default=None, repr=False)
    modes: Modes | None = dataclasses.field(default=None, repr=False)
    columns: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    image_shape: tuple[int, int] | None = None
    dequantised: float = 0.0
    note: str = ""

    def standardise(self, x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Data units to standard units: zero mean and unit variance on the training part."""
        return (x - self.shift) / self.scale

    def unstandardise(self, z: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Standard units to data units."""
        return z * self.scale + self.shift

    @property
    def standard_space(self) -> AbstractSpace:
        """The space of standardised rows; a discrete space is its own."""
        return Reals(self.space.shape) if self.continuous else self.space

    @property
    def continuous(self) -> bool:
        """True on the reals, where a model has a density."""
        return isinstance(self.space, Reals)


def build(
    name: str,
    space: AbstractSpace,
    parts: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    truth: AbstractEnergy | None = None,
    modes: Modes | None = None,
    columns: tuple[str, ...] = (),
    image_shape: tuple[int, int] | None = None,
    dequantised: float = 0.0,
    note: str = "",
) -> Dataset:
    """A `Dataset` of the three parts, with shift and scale from the training part (0 and 1 on a discrete space).

    Raises:
        DataError: a continuous column does not vary over the training part.
    """
    train, validation, test = (np.asarray(part, np.float32) for part in parts)
    columns = columns or tuple(f"x{i + 1}" for i in range(space.size))
    if isinstance(space, Reals):
        shift, scale = _moments(name, train, columns)
    else:
        shift, scale = np.zeros(space.shape, np.float32), np.ones(space.shape, np.float32)
    return Dataset(name, space, train, validation, test, shift, scale, truth, modes, columns, image_shape, dequantised, note)


def split(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows in random order, in disjoint parts of 70, 10 and 20 per cent."""
    ends = np.cumsum([max(1, round(f * len(x))) for f in FRACTIONS])
    train, validation, test = np.split(x[rng.permutation(len(x))], ends)
    return train, validation, test


def _moments(name: str, train: np.ndarray, columns: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    wide = train.astype(np.float64)
    still = (train == train[:1]).all(axis=0)
    if still.any():
        i = int(np.argmax(still))
        value = f"{train[0].flat[i]:g} in all {len(train)} training rows"
        raise DataError(f"{name}: column {columns[i]!r} is {value} and has no density there; leave it out, or give more rows that differ.")
    return wide.mean(axis=0).astype(np.float32), wide.std(axis=0).astype(np.float32)
