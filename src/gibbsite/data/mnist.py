"""MNIST from a file on this machine: gibbsite downloads nothing."""

import os
import pathlib

import numpy as np

from gibbsite.core import Binary
from gibbsite.data.dataset import DataError, Dataset, build
from gibbsite.data.files import arrays

VARIABLE = "GIBBSITE_MNIST"
PARTS = ("x_train", "x_test")
SHAPES = ((28, 28), (28, 28, 1), (784,))


def mnist(path: str | os.PathLike | None = None, *, seed: int = 0) -> Dataset:
    """28 x 28 digits, ink where the grey level is at least half; the test images of the file stay the test part.

    `path` (or the environment variable GIBBSITE_MNIST) is an NPZ file with `x_train` and `x_test`.

    Raises:
        DataError: no path is given, or the file is not there or holds something else.
    """
    path = path or os.environ.get(VARIABLE)
    if not path:
        raise DataError(f"mnist needs a file: set {VARIABLE}=/path/to/mnist.npz (arrays x_train and x_test of 28 x 28 images).")
    path = pathlib.Path(path)
    return from_arrays(path, arrays(path), seed=seed)


def is_mnist(found: dict[str, np.ndarray]) -> bool:
    """Whether the arrays of a file have the layout of MNIST."""
    return all(name in found and found[name].shape[1:] in SHAPES for name in PARTS)


def from_arrays(path: pathlib.Path, found: dict[str, np.ndarray], *, seed: int) -> Dataset:
    """The data set of the arrays `x_train` and `x_test`, with grey levels 0 to 255, or 0 to 1 if none is above 1."""
    for name in PARTS:
        _check(path, name, found)
    top = 255 if max(found[name].max() for name in PARTS) > 1 else 1
    train, test = (_ink(path, name, found[name] / np.float32(top)) for name in PARTS)
    order = np.random.default_rng(seed).permutation(len(train))
    held = max(1, len(train) // 10)
    columns = tuple(f"pixel {row},{column}" for row in range(28) for column in range(28))
    parts = (train[order[held:]], train[order[:held]], test)
    return build("mnist", Binary((784,)), parts, columns=columns, image_shape=(28, 28), note="MNIST, ink at grey level 0.5 or more.")


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
    ink = grey.reshape(len(grey), 784) >= 0.5
    if not ink.any():
        raise DataError(
            f"{path}: {name} has no ink, as the largest grey level is {grey.max():.2g} of 1; give images with levels of half and more."
        )
    return ink.astype(np.float32)
