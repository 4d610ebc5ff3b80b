"""A user's own reduced energies: NPZ with `u_kn` and `N_k`, CSV with a column of states, and the frames of alchemlyb."""

import importlib
import pathlib
import re
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gibbsite.data import DataError
from gibbsite.data.files import arrays, read
from gibbsite.data.paths import TEXT
from gibbsite.data.table import Table
from gibbsite.reweight.units import Scale, scale

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
NPZ, PARQUET = ".npz", ".parquet"
COUNTS = ("N_k", "counts")


class Samples(NamedTuple):
    """Energies, one row for each state and one column for each sample, state by state, how many each has, and the units of energy."""

    source: str
    states: tuple[str, ...]
    u_kn: Float[np.ndarray, "k n"]
    counts: Int[np.ndarray, " k"]
    scale: Scale = Scale()

    def reduced(self, *, units: str | None = None, temperature: float | None = None) -> "Samples":
        """The same in kT, with the scale that they had: the given one, or what the file says of itself.

        Raises:
            DataError: the units or the temperature are none, or the temperature is missing.
        """
        had = scale(units or self.scale.units, self.scale.temperature if temperature is None else temperature)
        return self._replace(u_kn=self.u_kn / had.kt, scale=had)


def samples(path: pathlib.Path) -> Samples:
    """What a file holds.

    Raises:
        DataError: the file cannot be read, or does not say which state a sample is from.
    """
    ending = path.suffix.lower()
    if ending == NPZ:
        return _from_npz(path)
    if ending == PARQUET:
        return from_frame(_frame(path), source=str(path))
    if ending in TEXT or path.is_dir() or not path.exists():
        return from_table(read(path))
    raise DataError(f"{path} ends in {path.suffix or 'nothing'!r}; give a file that ends in {', '.join((NPZ, *TEXT, PARQUET))}.")


def _from_npz(path: pathlib.Path) -> Samples:
    held = arrays(path)
    named = next((name for name in COUNTS if name in held), None)
    if "u_kn" not in held or named is None:
        raise DataError(f"{path} holds {', '.join(held) or 'no array'}; save np.savez(path, u_kn=u_kn, N_k=N_k).")
    u, counts = held["u_kn"], held[named]
    if u.dtype.kind not in "biuf" or counts.dtype.kind not in "biuf":
        raise DataError(f"{path} holds u_kn of type {u.dtype} and {named} of type {counts.dtype}; both are numbers.")
    return Samples(str(path), tuple(str(k) for k in range(len(np.atleast_1d(u)))), u.astype(np.float64), counts)


def from_frame(frame: Any, source: str = "frame") -> Samples:
    """A pandas frame as alchemlyb has it: the index holds the time and the lambdas of a sample, columns are states.

    Raises:
        DataError: a value is no number, or a sample is of no state.
    """
    flat = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    names = tuple(str(name) for name in flat.columns)
    try:
        rows = flat.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{source} holds a value that is no number ({error}); keep times, lambdas and energies only.") from error
    table = Table(source, rows, names, np.arange(1, len(rows) + 1), places=tuple(range(1, len(names) + 1)))
    return from_table(table)._replace(scale=Scale(frame.attrs.get("energy_unit", "kT"), frame.attrs.get("temperature")))


def _frame(path: pathlib.Path) -> Any:
    try:
        return importlib.import_module("pandas").read_parquet(path)
    except ImportError as error:
        raise DataError(f"{path}: Parquet files need pandas and pyarrow: install them, or save frame.to_csv(...).") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable Parquet file ({error}); save frame.to_parquet(...) again.") from error


def from_table(table: Table) -> Samples:
    """Energies in columns, one for each state; what a sample was drawn from stands in a column `state`, or in alchemlyb's lambdas.

    Raises:
        DataError: neither is there, a sample is of no state, or a value is missing.
    """
    lower = [name.lower() for name in table.columns]
    about = [name in ("state", "time") or "lambda" in name for name in lower]
    states = [i for i, other in enumerate(about) if not other]
    if not states or not len(table.rows):
        raise DataError(f"{table.source} holds no energies; give one column for each state, and a row for each sample.")
    _check_known(table)
    names = tuple(table.columns[i] for i in states)
    if "state" in lower:
        own = _numbered(table, lower.index("state"), names)
    else:
        own = _by_lambda(table, [i for i, name in enumerate(lower) if "lambda" in name], names)
    order = np.argsort(own, kind="stable")
    return Samples(table.source, names, table.rows[order][:, states].T.copy(), np.bincount(own, minlength=len(names)))


def _check_known(table: Table) -> None:
    missing = np.argwhere(np.isnan(table.rows))
    if len(missing):
        row, column = (int(i) for i in missing[0])
        raise DataError(f"{table.where(row, column)} has no value ({len(missing)} such); give every sample's energy in every state.")


def _numbered(table: Table, column: int, names: tuple[str, ...]) -> np.ndarray:
    """States by number, from 0."""
    given = table.rows[:, column]
    wrong = (given != np.round(given)) | (given < 0) | (given >= len(names))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{table.where(row, column)} is {given[row]:g}; states are numbered 0 to {len(names) - 1}, as their columns stand.")
    return given.astype(int)


def _by_lambda(table: Table, lambdas: list[int], names: tuple[str, ...]) -> np.ndarray:
    """States by the lambdas in their names: `0.25`, or `(0.0, 0.25)`."""
    if not lambdas:
        raise DataError(
            f"{table.source} does not say which state a sample is from: add a column 'state' (0 for the first column of energies), "
            "or alchemlyb's columns, such as fep-lambda."
        )
    known = [[float(number) for number in NUMBER.findall(name)] for name in names]
    odd = next((name for name, values in zip(names, known, strict=True) if len(values) != len(lambdas)), None)
    if odd is not None:
        raise DataError(f"{table.source}: the name of column {odd!r} is not {len(lambdas)} lambda(s); name states by theirs: 0.25.")
    near = np.all(np.abs(table.rows[:, None, lambdas] - np.array(known)) < 1e-9, axis=2)
    lost = ~near.any(axis=1)
    if lost.any():
        row = int(np.argmax(lost))
        at = ", ".join(f"{value:g}" for value in table.rows[row, lambdas])
        raise DataError(f"{table.source}, {table.unit} {table.numbers[row]} is of lambda {at}, which no column of energies has.")
    return near.argmax(axis=1)
