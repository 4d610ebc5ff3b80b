"""MNIST from a file on this machine: gibbsite downloads nothing."""

import os
import pathlib

import numpy as np

from gibbsite.core import Binary, Reals
from gibbsite.data.dataset import DataError, Dataset, build
from gibbsite.data.files import arrays

VARIABLE = "GIBBSITE_MNIST"
PARTS = ("x_train", "x_test")
SHAPES = ((28, 28), (28, 28, 1), (784,))
LEVELS = 256
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))  # where rounding of 255 + u would reach level 256
COLUMNS = tuple(f"pixel {row},{column}" for row in range(28) for column in range(28))


def mnist(path: str | os.PathLike | None = None, *, seed: int = 0) -> Dataset:
    """28 x 28 digits, ink where the grey level is at least half; the test images of the file stay the test part.

    `path` (or the environment variable GIBBSITE_MNIST) is an NPZ file with `x_train` and `x_test`.

    Raises:
        DataError: no path is given, or the file is not there or holds something else.
    """
    path = _given("mnist", path)
    return from_arrays(path, arrays(path), seed=seed)


def mnist_grey(path: str | os.PathLike | None = None, *, seed: int = 0) -> Dataset:
    """The same images as `x = (level + u) / 256`, u uniform on [0, 1): a density whose bits per dimension refer to the 256 levels.

    Raises:
        DataError: no path is given, or the file is not there or holds something else.
    """
    path = _given("mnist-grey", path)
    train, test = (np.round(grey * 255) for grey in _grey(path, arrays(path)))
    rng = np.random.default_rng(seed)
    filled = [np.minimum((part + rng.random(part.shape, np.float32)) / LEVELS, BELOW_ONE) for part in _held_out(train, test, rng)]
    parts = filled[0], filled[1], filled[2]
    note = "MNIST, 256 grey levels filled with uniform noise of width 1/256; bits per dimension refer to the levels."
    return build("mnist-grey", Reals((784,)), parts, columns=COLUMNS, image_shape=(28, 28), dequantised=1 / LEVELS, note=note)


def _given(name: str, path: str | os.PathLike | None) -> pathlib.Path:
    path = path or os.environ.get(VARIABLE)
    if not path:
        raise DataError(f"{name} needs a file: set {VARIABLE}=/path/to/mnist.npz (arrays x_train and x_test of 28 x 28 images).")
    return pathlib.Path(path)


def is_mnist(found: dict[str, np.ndarray]) -> bool:
    """Whether the arrays of a file have the layout of MNIST."""
    return all(name in found and found[name].shape[1:] in SHAPES for name in PARTS)


def from_arrays(path: pathlib.Path, found: dict[str, np.ndarray], *, seed: int) -> Dataset:
    """The data set of the arrays `x_train` and `x_test`, with grey levels 0 to 255, or 0 to 1 if none is above 1."""
    train, test = (_ink(path, name, grey) for name, grey in zip(PARTS, _grey(path, found), strict=True))
    parts = _held_out(train, test, np.random.default_rng(seed))
    return build("mnist", Binary((784,)), parts, columns=COLUMNS, image_shape=(28, 28), note="MNIST, ink at grey level 0.5 or more.")


def _grey(path: pathlib.Path, found: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The rows of both parts, with levels 0 to 1."""
    for name in PARTS:
        _check(path, name, found)
    top = 255 if max(found[name].max() for name in PARTS) > 1 else 1
    return [(found[name] / np.float32(top)).reshape(-1, 784) for name in PARTS]


def _held_out(train: np.ndarray, test: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tenth of the training images, drawn at random, for validation."""
    order, held = rng.permutation(len(train)), max(1, len(train) // 10)
    return train[order[held:]], train[order[:held]], test


def _check(path: pathlib.Path, name: str, found: dict[str, np.ndarray]) -> None:
    if name not in found:
        raise DataError(f"{path} holds {', '.join(found) or 'nothing'}; MNIST needs the arrays x_train and x_test.")
    images = found[name]
    if images.shape[1:] not in SHAPES or len(images) < 2:
        raise DataError(f"{path}: {name} has shape {images.shape}; MNIST needs (n, 28, 28) with n at least 2.")
    if images.dtype.kind not in "biuf":
        raise DataError(f"{path}: {name} holds values of type {images.dtype}; MNIST needs grey levels 0 to 255, or 0 to 1.")
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255):
        raise DataError(f"{path}: {name} has values from {low:g} to {high:g}; MNIST needs grey levels 0 to 255, or 0 to 1.")


def _ink(path: pathlib.Path, name: str, grey: np.ndarray) -> np.ndarray:
    """1 where the grey level is at least half, 0 elsewhere."""
    ink = grey >= 0.5
    if not ink.any():
        raise DataError(
            f"{path}: {name} has no ink, as the largest grey level is {grey.max():.2g} of 1; give images with levels of half and more."
        )
    return ink.astype(np.float32)
