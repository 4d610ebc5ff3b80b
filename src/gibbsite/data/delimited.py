"""Numbers in text: CSV and its kin, with commas, semicolons, tabs, bars or blanks between the values."""

import csv
import pathlib
from itertools import takewhile, zip_longest
from typing import NamedTuple

import numpy as np

from gibbsite.data.dataset import MIN_ROWS, DataError
from gibbsite.data.paths import unreadable
from gibbsite.data.table import Columns, Table, choose, count

DELIMITERS = (",", ";", "\t", "|", " ")  # the first of those that read a file equally well is taken
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"}


class Line(NamedTuple):
    """The values of a line, and its number in the file."""

    number: int
    cells: list[str]


def read_text(path: pathlib.Path, columns: Columns) -> Table:
    """The numbers of a text file, NaN where a value is missing; the delimiter and the header are found.

    Raises:
        DataError: a chosen value is no number, or a line is longer or shorter than the others.
    """
    text = _text(path)
    comments = list(takewhile(lambda line: line.startswith("#"), text))
    delimiter = _delimiter(text[len(comments) :])
    lines = [Line(len(comments) + n, cells) for n, cells in _lines(path, text[len(comments) :], delimiter)]
    if not lines:
        raise DataError(f"{path} is empty; give a file with at least {MIN_ROWS} rows of numbers.")
    titles = [line.cells for line in _lines(path, [line.lstrip("# ") for line in comments[-1:]], delimiter)]
    names, lines = _header(lines, titles[0] if titles else [])
    chosen = choose(str(path), names, columns)
    rows = [[_value(str(path), names, line, i) for i in chosen] for line in lines]
    numbers = np.array([line.number for line in lines], int)
    return Table(str(path), np.reshape(rows, (len(rows), len(chosen))).astype(float), tuple(names[i] for i in chosen), numbers, "line")


def _text(path: pathlib.Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(file)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}); save it as a UTF-8 CSV file.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _delimiter(text: list[str]) -> str:
    """The delimiter that leaves the smallest share of text, averaged over the first twenty lines."""
    first = [line for line in text if line.strip()][:20]

    def wordy(delimiter: str) -> float:
        cells = ([cell.strip(' "\r\n') for cell in line.split(None if delimiter == " " else delimiter)] for line in first)
        return sum(sum(map(_is_text, row)) / len(row) for row in cells)

    return min(DELIMITERS, key=wordy)


def _lines(path: pathlib.Path, text: list[str], delimiter: str) -> list[Line]:
    """The lines that are not blank."""
    if delimiter == " ":  # any run of blanks is one
        text = [" ".join(line.split()) for line in text]
    reader = csv.reader(text, delimiter=delimiter)
    try:
        read = [([cell.strip() for cell in row], reader.line_num) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV file ({error}); save it with commas between values.") from error
    starts = [1, *(end + 1 for _, end in read)]  # a quoted value may run over several lines
    return [Line(start, cells) for start, (cells, _) in zip(starts, read, strict=False) if any(cells)]


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
    """Whether the first line names the columns: all of it is text, or some is text where the second line has a number.

    So the first row of a file without names is kept where one of its columns is text throughout.
    """
    pairs = zip_longest(first, second[: len(first)], fillvalue="")
    return all(map(_is_text, first)) or any(_is_text(a) and not _is_text(b) for a, b in pairs)


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
        raise DataError(f"{where} holds text ({cell!r}); choose numeric columns with columns= (--columns).")
    # A comma may be the decimal mark or stand between thousands: 1,234 is read in neither way.
    raise DataError(f"{where} holds {cell!r}; write numbers with a decimal point and nothing between thousands, as in 1234.5.")


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_0 as 10
    except ValueError:
        return None
