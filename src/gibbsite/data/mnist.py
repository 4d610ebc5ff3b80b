"""MNIST from a file on this machine: gibbsite downloads nothing."""

import os
import pathlib

import numpy as np

from gibbsite.core import Binary
from gibbsite.data.dataset import DataError, Dataset, build
from gibbsite.data.files import arrays

VARIABLE = "GIBBSITE_MNIST"


def mnist(path: str | os.PathLike | None = None, *, seed: int = 0) -> Dataset:
    """28 x 28 digits, ink where the grey level is at least half; the test images of the file stay the test part.

    `path` (or the environment variable GIBBSITE_MNIST) is an NPZ file with `x_train` and `x_test`.

    Raises:
        DataError: no path is given, or the file is not there or holds something else.
    """
    path = path or os.environ.get(VARIABLE)
    if not path:
        raise DataError(f"mnist needs a file: set {VARIABLE}=/path/to/mnist.npz (arrays x_train and x_test of 28 x 28 images).")
    return from_arrays(pathlib.Path(path), arrays(pathlib.Path(path)), seed=seed)


def from_arrays(path: pathlib.Path, found: dict[str, np.ndarray], *, seed: int) -> Dataset:
    """The data set of the arrays `x_train` and `x_test`."""
    if not {"x_train", "x_test"} <= set(found):
        raise DataError(f"{path} holds {', '.join(found) or 'nothing'}; MNIST needs the arrays x_train and x_test.")
    train, test = (_ink(path, name, found[name]) for name in ("x_train", "x_test"))
    order = np.random.default_rng(seed).permutation(len(train))
    held = max(1, len(train) // 10)
    columns = tuple(f"pixel {row},{column}" for row in range(28) for column in range(28))
    parts = (train[order[held:]], train[order[:held]], test)
    return build("mnist", Binary((784,)), parts, columns=columns, image_shape=(28, 28), note="MNIST, ink at grey level 0.5 or more.")


def _ink(path: pathlib.Path, name: str, images: np.ndarray) -> np.ndarray:
    if images.ndim < 2 or images[0].size != 784 or len(images) < 2:
        raise DataError(f"{path}: {name} has shape {images.shape}; MNIST needs (n, 28, 28).")
    top = 255.0 if images.dtype == np.uint8 or images.max() > 1 else 1.0
    return (images.reshape(len(images), 784) / np.float32(top) >= 0.5).astype(np.float32)
