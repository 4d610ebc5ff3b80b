"""Files and arrays of the user to data sets, every refusal one sentence with its remedy."""

import pathlib
import tokenize
import zipfile
import zlib

import numpy as np

from gibbsite.core import Binary, Reals, Spins
from gibbsite.data.dataset import MIN_ROWS, DataError, Dataset, build, split
from gibbsite.data.delimited import read_text
from gibbsite.data.paths import TEXT, check_path, unreadable
from gibbsite.data.quality import (
    check_count,
    check_counter,
    check_density,
    check_noise,
    check_spread,
    check_training,
    check_values,
    complete,
    doubts,
    varying,
)
from gibbsite.data.table import Columns, Table, choose, count, listed

# What np.load raises on a damaged file, be it in the header, in the archive or in the packed values.
DAMAGED = (ValueError, EOFError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def from_file(
    path: pathlib.Path, *, columns: Columns = None, dequantise: bool = False, drop_missing: bool = False, seed: int = 0
) -> Dataset:
    """The data set in a file: 0/1 data on `Binary`, -1/1 data on `Spins`, anything else on `Reals`.

    Integer columns have no density; `dequantise=True` adds uniform noise on [0, 1) to them. Rows with a missing value
    are refused; `drop_missing=True` leaves them out. Columns of one value are left out, and the note says so.

    Raises:
        DataError: the file or a value in it cannot be used; the sentence says which and what to do.
    """
    return _dataset(path.name, read(path, columns=columns), dequantise=dequantise, drop_missing=drop_missing, seed=seed)


def from_array(
    x: np.ndarray, *, name: str = "data", columns: Columns = None, dequantise: bool = False, drop_missing: bool = False, seed: int = 0
) -> Dataset:
    """The data set of rows `(n, d)` or images `(n, height, width)`, as `from_file` makes it of those in a file.

    Missing values are NaN, or masked.
    """
    x = np.ma.filled(x.astype(float), np.nan) if np.ma.isMaskedArray(x) else np.asarray(x)
    return _dataset(name, _table(name, x, columns), dequantise=dequantise, drop_missing=drop_missing, seed=seed)


def _dataset(name: str, table: Table, *, dequantise: bool, drop_missing: bool, seed: int) -> Dataset:
    """The split data on the space that their values call for."""
    check_count(table, "row")
    check_counter(table)
    table, dropped = complete(table, drop_missing=drop_missing)
    check_count(table, "complete row")
    check_values(table)
    rng = np.random.default_rng(seed)
    for two, low in ((Binary, 0), (Spins, -1)):
        if np.isin(table.rows, (low, 1)).all():
            made, note = two((len(table.columns),)), _note(f"{low}/1 data from {name}.", dropped)
            return build(name, made, split(table.rows, rng), columns=table.columns, image_shape=table.image_shape, note=note)
    table, still = varying(table, filled=dequantise)
    table, whole = _continuous(table, rng, dequantise=dequantise)
    filled = f"{count(int(whole.sum()), 'integer column')} filled with uniform noise of width 1." if whole.any() else ""
    note = _note(filled, dropped, still, *doubts(table))
    parts = split(table.rows, rng)
    check_training(table, parts[0])
    space, names = Reals((len(table.columns),)), table.columns
    return build(name, space, parts, columns=names, image_shape=table.image_shape, dequantised=float(whole.all()), note=note)


def _note(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _continuous(table: Table, rng: np.random.Generator, *, dequantise: bool) -> tuple[Table, np.ndarray]:
    """The table with a density, and which of its columns held integers before noise was added."""
    whole = (table.rows == np.floor(table.rows)).all(axis=0)
    if dequantise:
        check_noise(table, whole)
        table = table._replace(rows=table.rows + np.where(whole, rng.random(table.rows.shape), 0.0))
    check_spread(table)
    if not dequantise:
        check_density(table, whole)
    return table, whole


def read(path: pathlib.Path, *, columns: Columns = None) -> Table:
    """The numbers of a file, with the chosen columns only (names, or positions counted from 1).

    Of the arrays in an NPZ file the one named 'x' is read, or the only one.
    """
    check_path(path)
    if path.suffix.lower() in TEXT:
        return read_text(path, columns)
    found = arrays(path)
    if len(found) != 1 and "x" not in found:
        held = f"{count(len(found), 'array')} ({listed(list(found))})" if found else "no array"
        raise DataError(f"{path} holds {held}; save the rows to split into training and test as one array named 'x'.")
    return _table(str(path), found["x"] if "x" in found else next(iter(found.values())), columns)


def arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of an NPY or NPZ file by name ('x' for NPY); pickled objects are refused."""
    check_path(path)
    save = "np.savez(path, x=x)" if path.suffix.lower() == ".npz" else "np.save(path, x)"
    try:
        with path.open("rb") as file:  # numpy leaves its own handle open when the archive is broken
            found = np.load(file, allow_pickle=False)
            return {"x": found} if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
    except DAMAGED as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path} holds Python objects, which are not loaded for safety; make them numbers, x = x.astype(float), and {save}."
            ) from error
        raise DataError(f"{path} is not a readable {path.suffix.upper().lstrip('.')} file; write it again with {save}.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _table(source: str, x: np.ndarray, columns: Columns) -> Table:
    if x.dtype.kind not in "biuf":
        remedy = "give real and imaginary parts as columns" if x.dtype.kind == "c" else "give an array of floats"
        raise DataError(f"{source} holds values of type {x.dtype}, not real numbers; {remedy}.")
    if x.ndim not in (2, 3):
        remedies = {1: "reshape one column with x[:, None]", 4: "average the colours of images with x.mean(axis=-1)"}
        remedy = remedies.get(x.ndim, "give rows (n, d) or images (n, height, width)")
        raise DataError(f"{source} has {count(x.ndim, 'dimension')}, shape {x.shape}; 2 or 3 are needed: {remedy}.")
    if 0 in x.shape:
        raise DataError(f"{source} has shape {x.shape} and holds no values; give at least {MIN_ROWS} rows.")
    numbers = np.arange(1, len(x) + 1)
    if x.ndim == 3:
        return _images(source, x, numbers, columns)
    names = tuple(f"x{i + 1}" for i in range(x.shape[1]))
    chosen = choose(source, names, columns)
    return Table(source, x[:, chosen].astype(np.float64), tuple(names[i] for i in chosen), numbers, places=tuple(i + 1 for i in chosen))


def _images(source: str, x: np.ndarray, numbers: np.ndarray, columns: Columns) -> Table:
    _, height, width = x.shape
    if columns is not None:
        raise DataError(f"{source} holds images of shape {x.shape[1:]}; columns can be chosen from rows (n, d) only, so leave columns out.")
    names = tuple(f"pixel {row},{column}" for row in range(height) for column in range(width))
    return Table(source, x.reshape(len(x), -1).astype(np.float64), names, numbers, image_shape=(height, width))
