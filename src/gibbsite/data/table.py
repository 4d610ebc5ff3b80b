"""A table: rows of numbers with names of columns, of which some may be chosen."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress, groupby
from typing import NamedTuple

import numpy as np

from gibbsite.data.dataset import DataError

Columns = Sequence[str | int] | None
LONG = 400  # characters of a list of columns that nobody wants to read


class Table(NamedTuple):
    """Rows `(n, d)` in float64, NaN where a value is missing, with the height and width if rows are images.

    Messages name `source`, and a row by its number there: that of a `unit`, a row of an array or a line of a file.
    `places` are the positions of the columns there, counted from 1.
    """

    source: str
    rows: np.ndarray
    columns: tuple[str, ...]
    numbers: np.ndarray
    unit: str = "row"
    image_shape: tuple[int, int] | None = None
    places: tuple[int, ...] = ()

    def where(self, row: int, i: int) -> str:
        """The place of one value, for messages."""
        return f"{self.source}, {self.unit} {self.numbers[row]}, column {self.columns[i]!r}"

    def keep(self, kept: np.ndarray) -> "Table":
        """The rows where `kept` is true."""
        return self._replace(rows=self.rows[kept], numbers=self.numbers[kept])

    def only(self, kept: np.ndarray) -> "Table":
        """The columns where `kept` is true; the rows are images no more."""
        names, places = tuple(compress(self.columns, kept)), tuple(compress(self.places, kept))
        return self._replace(rows=self.rows[:, kept], columns=names, places=places, image_shape=None)

    def omission(self, left_out: np.ndarray) -> str:
        """How to leave out the columns where this is true, for messages."""
        if self.image_shape:
            return "crop the images, or give them as rows (n, d), of which columns can be chosen"
        return choice(self.columns, list(compress(self.places, ~left_out)))


def choice(names: Sequence[str], places: Sequence[int]) -> str:
    """How to choose the columns at these positions only, for messages: as ranges, unless there are a great many."""
    found = spans(names, places)
    how = f"columns={found.split(',')!r} (--columns {found})" if 0 < len(found) < LONG else "columns= (--columns)"
    return f"choose the other columns with {how}"


def spans(names: Sequence[str], places: Sequence[int]) -> str:
    """Positions as ranges, as `choose` reads them: 1-3,5. A single one that is a name as well is a range, too."""
    runs = [[place for _, place in run] for _, run in groupby(enumerate(places), lambda pair: pair[1] - pair[0])]
    return ",".join(str(run[0]) if len(run) == 1 and str(run[0]) not in names else f"{run[0]}-{run[-1]}" for run in runs)


def choose(source: str, names: tuple[str, ...], columns: Columns) -> list[int]:
    """Positions of the chosen columns, given by name, by position counted from 1, or by a range of these, '2-785'; None chooses all.

    Raises:
        DataError: a column is unknown, or a name stands for two.
    """
    if isinstance(columns, str):
        raise DataError(f"{source}: columns={columns!r} is one text; give a list, columns={columns.split(',')!r}.")
    if columns is not None and not len(columns):
        raise DataError(f"{source}: no column is chosen; choose from {listed(names)}.")
    chosen = list(range(len(names))) if columns is None else [i for column in columns for i in _positions(source, names, column)]
    _check_once(source, names, chosen)
    return chosen


def _positions(source: str, names: tuple[str, ...], column: str | int) -> range:
    text = str(column)
    ends = re.fullmatch(r"(\d+)-(\d+)", text)
    if ends is None or text in names:
        return range(i := _position(source, names, column), i + 1)
    first, last = map(int, ends.groups())
    if not 1 <= first <= last <= len(names):
        raise DataError(f"{source} has no columns {text}; give a range within 1-{len(names)}.")
    return range(first - 1, last)


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
