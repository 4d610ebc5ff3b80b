"""Numbers in text: CSV and its kin, with commas, semicolons, tabs, bars or blanks between the values."""

import csv
import pathlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from typing import NamedTuple

import numpy as np

from gibbsite.data.dataset import MIN_ROWS, DataError
from gibbsite.data.paths import unreadable
from gibbsite.data.table import Columns, Table, choice, choose, count

DELIMITERS = (",", ";", "\t", "|", " ")  # the first of those that read a file equally well is taken
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"}
SAMPLE = 200  # lines that are looked at for the delimiter


class Line(NamedTuple):
    """The values of a line, and its number in the file."""

    number: int
    cells: list[str]


def read_text(path: pathlib.Path, columns: Columns) -> Table:
    """The numbers of a text file, NaN where a value is missing; the delimiter and the header are found.

    The file is read line by line, so memory holds its numbers only.

    Raises:
        DataError: a chosen value is no number, or a line is longer or shorter than the others.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _table(path, file, columns)
    except UnicodeDecodeError as error:
        byte = f"{error.object[error.start]:#x}"
        raise DataError(f"{path} is not UTF-8 text (it holds the byte {byte}); save it as a UTF-8 CSV file.") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV file ({error}); save it with commas between values.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _table(path: pathlib.Path, file: Iterable[str], columns: Columns) -> Table:
    text = iter(file)
    comments, start = _comments(text)
    start.extend(islice(text, SAMPLE))
    delimiter = _delimiter(start)
    lines = _lines(chain(start, text), delimiter, after=len(comments))
    head = list(islice(lines, 2))
    if not head:
        raise DataError(f"{path} is empty; give a file with at least {MIN_ROWS} rows of numbers.")
    titles = [line.cells for line in _lines((line.lstrip("# ") for line in comments[-1:]), delimiter)]
    names, head = _header(head, titles[0] if titles else [])
    return _numbers(str(path), names, choose(str(path), names, columns), chain(head, lines))


def _numbers(source: str, names: tuple[str, ...], chosen: list[int], lines: Iterable[Line]) -> Table:
    """The chosen columns of the lines, in packed arrays."""
    values, numbers = array("d"), array("q")
    for line in lines:
        values.extend(_plain(line, len(names), chosen) or [_value(source, names, line, i) for i in chosen])
        numbers.append(line.number)
    rows = np.frombuffer(values).reshape(len(numbers), len(chosen)) if numbers else np.empty((0, len(chosen)))
    return Table(source, rows, tuple(names[i] for i in chosen), np.array(numbers, int), "line", places=tuple(i + 1 for i in chosen))


def _plain(line: Line, width: int, chosen: list[int]) -> list[float] | None:
    """The chosen numbers of a line that holds nothing else, as nearly all do; None of any other."""
    if len(line.cells) != width or "_" in "".join(line.cells):  # Python reads 1_0 as 10
        return None
    try:
        return [float(line.cells[i]) for i in chosen]
    except ValueError:
        return None


def _comments(text: Iterator[str]) -> tuple[list[str], list[str]]:
    """The lines that start with #, at the top, and the line after them, if there is one."""
    comments: list[str] = []
    for line in text:
        if not line.startswith("#"):
            return comments, [line]
        comments.append(line)
    return comments, []


def _delimiter(text: list[str]) -> str:
    """The delimiter that leaves the smallest share of text, averaged over the first twenty lines."""
    first = [line for line in text if line.strip()][:20]

    def wordy(delimiter: str) -> float:
        cells = ([cell.strip(' "\r\n') for cell in line.split(None if delimiter == " " else delimiter)] for line in first)
        return sum(sum(map(_is_text, row)) / len(row) for row in cells)

    return min(DELIMITERS, key=wordy)


def _lines(text: Iterable[str], delimiter: str, *, after: int = 0) -> Iterator[Line]:
    """The lines that are not blank, numbered from `after` + 1 on; a quoted value may run over several."""
    if delimiter == " ":  # any run of blanks is one
        text = (" ".join(line.split()) for line in text)
    reader, start = csv.reader(text, delimiter=delimiter), after + 1
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield Line(start, cells)
        start = after + reader.line_num + 1


def _header(lines: list[Line], titles: list[str]) -> tuple[tuple[str, ...], list[Line]]:
    """The names of the columns and the lines below them; `titles` stand in the comment before, where NumPy puts them."""
    first, *below = lines
    names = [""] * len(first.cells)
    if _names_columns(first.cells, below[0].cells if below else []):
        names, lines = first.cells, below
    elif len(titles) == len(names) and _names_columns(titles, first.cells):
        names = titles
    return tuple(name or f"x{i + 1}" for i, name in enumerate(names)), lines


def _names_columns(first: list[str], second: list[str]) -> bool:
    """Whether the first line names the columns: all of it is text, or some is where the second line has a number, or it counts.

    So the first row of a file without names is kept where one of its columns is text throughout.
    """
    pairs = zip_longest(first, second[: len(first)], fillvalue="")
    return all(map(_is_text, first)) or any(_is_text(a) and not _is_text(b) for a, b in pairs) or _counts(first, second)


def _counts(first: list[str], second: list[str]) -> bool:
    """Whether the numbers of the first line are 0, 1, 2, ... or 1, 2, 3, ..., as pandas names columns.

    Two may be data; so may nine, unless the second line shows that data have decimals.
    """
    names = [cell for cell in first if cell and not _is_text(cell)]
    counting = any(names == [str(start + i) for i in range(len(names))] for start in (0, 1))
    return counting and first != second and len(names) >= (3 if any("." in cell for cell in second) else 10)


def _is_text(cell: str) -> bool:
    """Whether a cell is neither missing nor a number, be it one with commas."""
    return cell.lower() not in MISSING and _number(cell.replace(",", "")) is None


def _value(source: str, names: tuple[str, ...], line: Line, i: int) -> float:
    where = f"{source}, line {line.number}"
    if len(line.cells) != len(names):
        raise DataError(f"{where} has {count(len(line.cells), 'value')} for {count(len(names), 'column')}; make them equal.")
    cell = line.cells[i]
    value = np.nan if cell.lower() in MISSING else _number(cell)
    if value is not None:
        return value
    where += f", column {names[i]!r}"
    if _is_text(cell):
        numeric = [j + 1 for j, other in enumerate(line.cells) if not _is_text(other)]
        remedy = choice(names, numeric) if numeric else "give rows of numbers, below one line of names at most"
        raise DataError(f"{where} holds text ({cell!r}); {remedy}.")
    # A comma may be the decimal mark or stand between thousands: 1,234 is read in neither way.
    raise DataError(f"{where} holds {cell!r}; write numbers with a decimal point and nothing between thousands, as in 1234.5.")


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_0 as 10
    except ValueError:
        return None
