"""A table: rows of numbers with names of columns, of which some may be chosen."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gibbsite.data.dataset import DataError

Columns = Sequence[str | int] | None


class Table(NamedTuple):
    """Rows `(n, d)` in float64, NaN where a value is missing, with the height and width if rows are images.

    Messages name `source`, and a row by its number there: that of a `unit`, a row of an array or a line of a file.
    """

    source: str
    rows: np.ndarray
    columns: tuple[str, ...]
    numbers: np.ndarray
    unit: str = "row"
    image_shape: tuple[int, int] | None = None

    def where(self, row: int, i: int) -> str:
        """The place of one value, for messages."""
        return f"{self.source}, {self.unit} {self.numbers[row]}, column {self.columns[i]!r}"

    def keep(self, kept: np.ndarray) -> "Table":
        """The rows where `kept` is true."""
        return self._replace(rows=self.rows[kept], numbers=self.numbers[kept])

    @property
    def omission(self) -> str:
        """How to leave a column out, for messages."""
        return "crop the images" if self.image_shape else "choose the other columns with columns= (--columns)"


def choose(source: str, names: tuple[str, ...], columns: Columns) -> list[int]:
    """Positions of the chosen columns, given by name or by position counted from 1; None chooses all.

    Raises:
        DataError: a column is unknown, or a name stands for two.
    """
    if isinstance(columns, str):
        raise DataError(f"{source}: columns={columns!r} is one text; give a list, columns={columns.split(',')!r}.")
    if columns is not None and not len(columns):
        raise DataError(f"{source}: no column is chosen; choose from {listed(names)}.")
    chosen = list(range(len(names))) if columns is None else [_position(source, names, column) for column in columns]
    _check_once(source, names, chosen)
    return chosen


def _position(source: str, names: tuple[str, ...], column: str | int) -> int:
    text = str(column)
    if text in names and not isinstance(column, int):
        if names.count(text) > 1:
            raise DataError(f"{source} has {names.count(text)} columns named {text!r}; rename them, or choose one by its position.")
        return names.index(text)
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return int(text) - 1
    raise DataError(f"{source} has no column {column!r} by name or position (1 to {len(names)}); {hint(text, names)}")


def _check_once(source: str, names: tuple[str, ...], chosen: list[int]) -> None:
    ((i, times),) = Counter(chosen).most_common(1)
    if times > 1:
        raise DataError(f"{source}: column {names[i]!r} is chosen {times} times; choose it once.")
    ((name, times),) = Counter(names[i] for i in chosen).most_common(1)
    if times > 1:
        raise DataError(f"{source} has {times} columns named {name!r}; rename them, or choose one of them with columns= (--columns).")


def hint(name: str, names: Iterable[str]) -> str:
    """The end of a sentence: the nearest of the names if one is near, else the names."""
    lower = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f"did you mean {lower[near[0]]!r}?" if near else f"choose from {listed(tuple(lower.values()))}."


def listed(names: Sequence[str]) -> str:
    """The first eight names."""
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def count(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
