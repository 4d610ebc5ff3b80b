"""`load`: one door for data shipped with gibbsite and for files of the user."""

import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

from gibbsite.data.dataset import DataError, Dataset
from gibbsite.data.digits import digits, digits_binary
from gibbsite.data.files import arrays, from_file
from gibbsite.data.ising import ising
from gibbsite.data.mnist import VARIABLE, from_arrays, is_mnist, mnist, mnist_grey
from gibbsite.data.paths import SUFFIXES, check_path
from gibbsite.data.table import Columns, hint
from gibbsite.data.toys import checkerboard, gaussians8, moons


class Named(NamedTuple):
    """A data set with a name: one line about it, and the function that makes it."""

    about: str
    make: Callable[..., Dataset]


DATASETS = {
    "moons": Named("two interleaved half circles in the plane (toy)", moons),
    "gaussians8": Named("eight Gaussians with masses 1:2:...:8; density and masses known (toy)", gaussians8),
    "checkerboard": Named("uniform on eight squares; density known (toy)", checkerboard),
    "ising": Named("spins of the 8x8 Ising torus near its critical point; density known, draws exact (toy)", ising),
    "digits": Named("8x8 handwritten digits, 17 grey levels, dequantised (real, shipped with scikit-learn)", digits),
    "digits-binary": Named("8x8 handwritten digits, black and white (real, shipped with scikit-learn)", digits_binary),
    "mnist": Named("28x28 handwritten digits, black and white (real, from the file in GIBBSITE_MNIST)", mnist),
    "mnist-grey": Named("28x28 handwritten digits, 256 grey levels, dequantised (real, from the file in GIBBSITE_MNIST)", mnist_grey),
}
NAMES = {name: named.about for name, named in DATASETS.items()}


def load(
    name_or_path: str | os.PathLike,
    *,
    columns: Columns = None,
    dequantise: bool = False,
    drop_missing: bool = False,
    seed: int = 0,
) -> Dataset:
    """The data set of a name (see `NAMES`) or of a CSV (or TSV), NPY or NPZ file; the seed fixes draws, noise and split.

    `columns` chooses columns of a file by name or by position counted from 1; `dequantise` adds uniform noise on
    [0, 1) to integer columns, so that they have a density; `drop_missing` drops rows with a missing value. An NPZ file
    with `x_train` and `x_test` of 28 x 28 images is taken as MNIST; of any other the array named 'x' is read, or the
    only one.

    Raises:
        DataError: unknown name, or a file that cannot be used; the sentence says what to do.
    """
    text = os.fspath(name_or_path)
    if text in DATASETS:
        if columns is not None or dequantise or drop_missing:
            raise DataError(f"{text} is a built-in data set; columns, dequantise and drop_missing apply to files, so leave them out.")
        return DATASETS[text].make(seed=seed)
    path = pathlib.Path(text).expanduser()
    if not (path.exists() and text) and path.suffix.lower() not in SUFFIXES and not _is_path(text):
        raise DataError(_unknown(text))
    check_path(path)
    if path.suffix.lower() == ".npz" and columns is None and is_mnist(found := arrays(path)):
        if dequantise or drop_missing:
            raise DataError(
                f"{path} holds MNIST, read in black and white; dequantise and drop_missing do not apply, so leave them out "
                f"(for grey levels: mnist-grey, with {VARIABLE}={path})."
            )
        return from_arrays(path, found, seed=seed)
    return from_file(path, columns=columns, dequantise=dequantise, drop_missing=drop_missing, seed=seed)


def _is_path(text: str) -> bool:
    return os.sep in text or text.startswith((".", "~"))


def _unknown(name: str) -> str:
    return f"There is no data set {name!r}; {hint(name, DATASETS)} A file must end in {', '.join(SUFFIXES)}."
