"""Files of the user: CSV, NPY and NPZ to rows of numbers, every refusal one sentence with its remedy."""

import csv
import os
import pathlib
import zipfile
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from gibbsite.core import Binary, Reals, Spins
from gibbsite.data.dataset import MIN_ROWS, DataError, Dataset, build, split

SUFFIXES = (".csv", ".npy", ".npz")
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}


class Table(NamedTuple):
    """Rows `(n, d)` in float64, the names of the columns, and the height and width if rows are images."""

    rows: np.ndarray
    columns: tuple[str, ...]
    image_shape: tuple[int, int] | None


def from_file(path: pathlib.Path, *, columns: Sequence[str | int] | None = None, dequantise: bool = False, seed: int = 0) -> Dataset:
    """The data set in a file: 0/1 data on `Binary`, -1/1 data on `Spins`, anything else on `Reals`.

    Integer columns have no density; `dequantise=True` adds uniform noise on [0, 1) to them.

    Raises:
        DataError: the file or a value in it cannot be used; the sentence says which and what to do.
    """
    return _dataset(path.name, str(path), read(path, columns=columns), dequantise=dequantise, seed=seed)


def from_array(
    x: np.ndarray, *, name: str = "data", columns: Sequence[str | int] | None = None, dequantise: bool = False, seed: int = 0
) -> Dataset:
    """The data set of rows `(n, d)` or images `(n, height, width)`, as `from_file` makes it of those in a file."""
    return _dataset(name, name, _from_array(name, np.asarray(x), columns), dequantise=dequantise, seed=seed)


def _dataset(name: str, source: str, table: Table, *, dequantise: bool, seed: int) -> Dataset:
    """The split data on the space that their values call for; `source` is what messages name."""
    _check_rows(source, table.rows, table.columns)
    rng = np.random.default_rng(seed)
    made = partial(build, name, columns=table.columns, image_shape=table.image_shape)
    for space, values, kind in ((Binary, (0, 1), "0/1 data"), (Spins, (-1, 1), "Spins")):
        if np.isin(table.rows, values).all():
            return made(space((table.rows.shape[1],)), split(table.rows, rng), note=f"{kind} from {name}.")
    rows, whole = _continuous(source, table, rng, dequantise=dequantise)
    width = 1.0 if whole.all() and dequantise else 0.0
    note = f"{int(whole.sum())} integer columns filled with uniform noise of width 1." if whole.any() else ""
    return made(Reals((rows.shape[1],)), split(rows, rng), dequantised=width, note=note)


def _continuous(source: str, table: Table, rng: np.random.Generator, *, dequantise: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows that have a density, and which of their columns held integers before noise was added."""
    whole = (table.rows == np.floor(table.rows)).all(axis=0)
    rows = table.rows + np.where(whole, rng.random(table.rows.shape), 0.0) if dequantise else table.rows
    _check_spread(source, rows, table.columns)
    if whole.any() and not dequantise:
        name = table.columns[int(np.argmax(whole))]
        remedy = "pass dequantise=True (--dequantise) to add uniform noise on [0, 1), or leave the column out"
        raise DataError(f"{source}: column {name!r} holds integers, which have no density; {remedy}.")
    return rows, whole


def read(path: pathlib.Path, *, columns: Sequence[str | int] | None = None) -> Table:
    """The numbers of a file, with the chosen columns only (names, or positions counted from 1)."""
    check_path(path)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, columns)
    found = arrays(path)
    if len(found) == 1:
        ((_, x),) = found.items()
    elif "x" in found:
        x = found["x"]
    else:
        raise DataError(f"{path} holds {len(found)} arrays ({', '.join(found)}); keep one, or name the data 'x'.")
    return _from_array(str(path), x, columns)


def check_path(path: pathlib.Path) -> None:
    """DataError unless `path` is a file with bytes in it and a suffix that we read."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file that ends in {', '.join(SUFFIXES)}.")
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path (relative to {os.curdir!r}, the folder of this run).")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} ends in {path.suffix or 'nothing'!r}; give a file that ends in {', '.join(SUFFIXES)}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; give a file with at least {MIN_ROWS} rows of numbers.")


def arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of an NPY or NPZ file by name ('x' for NPY); pickled objects are refused."""
    check_path(path)
    try:
        with path.open("rb") as file:  # numpy leaves its own handle open when the archive is broken
            found = np.load(file, allow_pickle=False)
            return {"x": found} if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path} holds Python objects, which are not loaded for safety; save numbers: np.save(path, x.astype(float))."
            ) from error
        raise DataError(f"{path} is not a readable {path.suffix.upper().lstrip('.')} file; write it again with np.save.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: pathlib.Path, error: OSError) -> DataError:
    """The sentence for a file that the system does not let us read."""
    return DataError(f"{path} cannot be read ({error.strerror or error}); check its permissions.")


def _from_array(source: str, x: np.ndarray, columns: Sequence[str | int] | None) -> Table:
    if x.dtype.kind not in "biuf":
        raise DataError(f"{source} holds values of type {x.dtype}, not real numbers; convert them with x.astype(float).")
    if x.ndim not in (2, 3):
        remedy = "reshape one column with x[:, None]" if x.ndim == 1 else "give rows (n, d) or images (n, height, width)"
        raise DataError(f"{source} has {x.ndim} dimensions, shape {x.shape}; 2 or 3 are needed: {remedy}.")
    if 0 in x.shape:
        raise DataError(f"{source} has shape {x.shape} and holds no values; give at least {MIN_ROWS} rows.")
    if x.ndim == 3:
        if columns is not None:
            raise DataError(
                f"{source} holds images of shape {x.shape[1:]}; columns can be chosen from rows (n, d) only, so leave columns out."
            )
        height, width = x.shape[1:]
        names = tuple(f"pixel {row},{column}" for row in range(height) for column in range(width))
        return Table(x.reshape(len(x), -1).astype(np.float64), names, (height, width))
    names = tuple(f"x{i + 1}" for i in range(x.shape[1]))
    chosen = _choose(source, names, columns)
    return Table(x[:, chosen].astype(np.float64), tuple(names[i] for i in chosen), None)


def _read_csv(path: pathlib.Path, columns: Sequence[str | int] | None) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as a UTF-8 CSV file.") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV file ({error}); save it with commas between values.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if not lines:
        raise DataError(f"{path} is empty; give a file with at least {MIN_ROWS} rows of numbers.")
    first = lines[0][1]
    header = _is_header(first, lines[1][1] if len(lines) > 1 else [])
    names = tuple(cell or f"x{i + 1}" for i, cell in enumerate(first)) if header else tuple(f"x{i + 1}" for i in range(len(first)))
    chosen = _choose(str(path), names, columns)
    rows = [[_cell(str(path), line, names, row, i) for i in chosen] for line, row in lines[header:]]
    return Table(np.asarray(rows, np.float64).reshape(len(rows), len(chosen)), tuple(names[i] for i in chosen), None)


def _is_header(first: list[str], second: list[str]) -> bool:
    """Whether the first line names the columns: all of it is text, or some is text where the second line has a number.

    So the first row of a file without names is kept where one of its columns is text throughout.
    """
    pairs = zip_longest(first, second[: len(first)], fillvalue="")
    return all(map(_is_text, first)) or any(_is_text(a) and not _is_text(b) for a, b in pairs)


def _is_text(cell: str) -> bool:
    return _number(cell) is None and cell.lower() not in MISSING


def _cell(source: str, line: int, names: tuple[str, ...], row: list[str], i: int) -> float:
    if len(row) != len(names):
        raise DataError(f"{source}, line {line} has {len(row)} values where the first line has {len(names)}; make them equal.")
    value = _number(row[i])
    if row[i].lower() in MISSING:
        raise DataError(f"{source}, line {line}, column {names[i]!r}: the value is missing ({row[i]!r}); fill it in or leave the row out.")
    if value is None:
        raise DataError(
            f"{source}, line {line}, column {names[i]!r} holds text ({row[i]!r}); choose numeric columns with columns= (--columns)."
        )
    return value


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _choose(source: str, names: tuple[str, ...], columns: Sequence[str | int] | None) -> list[int]:
    """Positions of the chosen columns, given by name or by position counted from 1."""
    if columns is None:
        return list(range(len(names)))
    if not columns:
        raise DataError(f"{source}: no column is chosen; choose from {_listed(names)}.")
    chosen = []
    for column in columns:
        text = str(column)
        if text in names and not isinstance(column, int):
            chosen.append(names.index(text))
        elif text.isdigit() and 1 <= int(text) <= len(names):
            chosen.append(int(text) - 1)
        else:
            raise DataError(f"{source} has no column {column!r}; it has {_listed(names)} (or 1 to {len(names)}).")
    return chosen


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _check_rows(source: str, rows: np.ndarray, names: tuple[str, ...]) -> None:
    if len(rows) < MIN_ROWS:
        count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
        raise DataError(f"{source} has {count}; at least {MIN_ROWS} are needed to train, validate and test.")
    bad = ~(np.abs(rows) <= np.finfo(np.float32).max)
    if bad.any():
        row, i = (int(k) for k in np.argwhere(bad)[0])
        value = rows[row, i]
        remedy = "rescale the column" if np.isfinite(value) else "remove or repair these rows"
        raise DataError(f"{source}: row {row + 1}, column {names[i]!r} is {value:g} ({int(bad.sum())} such values); {remedy}.")


def _check_spread(source: str, rows: np.ndarray, names: tuple[str, ...]) -> None:
    still = (rows == rows[:1]).all(axis=0)
    if still.any():
        i = int(np.argmax(still))
        raise DataError(f"{source}: column {names[i]!r} is constant ({rows[0, i]:g} in every row) and has no density; leave it out.")
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    narrow = deviation < 1e-5 * np.abs(mean)
    if narrow.any():
        i = int(np.argmax(narrow))
        size = f"{mean[i]:g} +- {deviation[i]:.1g}"
        raise DataError(f"{source}: column {names[i]!r} is {size}, too narrow for single precision; subtract its mean first.")
