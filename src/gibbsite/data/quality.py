"""What rows must satisfy to be learned from, and what the reader of a result must know about them."""

import numpy as np

from gibbsite.data.dataset import MIN_ROWS, DataError
from gibbsite.data.table import Table, count, listed

GRID_ROWS, GRID_SHARE = 50, 0.5  # from here on, repeated values are no accident
COPIES_SHARE = 0.05
SERIES = 5.0  # errors, 1 / sqrt(n), of a correlation between independent rows
FAR = 1e4  # beyond such a mean, in deviations, single precision keeps less than three digits of the spread
LARGE = 2**20  # beyond, single precision keeps less than four bits of noise on [0, 1)
SMALL = 1e-30  # below this, single precision loses digits


def complete(table: Table, *, drop_missing: bool) -> tuple[Table, str]:
    """The rows without missing values, and a sentence on those dropped.

    Raises:
        DataError: a value is missing and `drop_missing` is false, or all values of a column are missing.
    """
    missing = np.isnan(table.rows)
    gone = missing.any(axis=1)
    if not gone.any():
        return table, ""
    if missing.all(axis=0).any():
        name = table.columns[int(np.argmax(missing.all(axis=0)))]
        raise DataError(f"{table.source}: column {name!r} has no value in any row; {table.omission}.")
    if drop_missing:
        return table.keep(~gone), f"{gone.sum()} of {len(gone)} rows dropped for missing values."
    row, i = np.argwhere(missing)[0].tolist()
    remedy = f"fill it in, drop such rows with drop_missing=True (--drop-missing), or {table.omission}"
    raise DataError(f"{table.where(row, i)}: the value is missing (rows with a missing value: {gone.sum()} of {len(gone)}); {remedy}.")


def check_count(table: Table, noun: str) -> None:
    """DataError unless there are enough rows."""
    if len(table.rows) < MIN_ROWS:
        raise DataError(f"{table.source} has {count(len(table.rows), noun)}; at least {MIN_ROWS} are needed to train, validate and test.")


def check_values(table: Table) -> None:
    """DataError unless the rows differ and every value is a number in single precision."""
    rows = table.rows
    bad = ~(np.abs(rows) <= np.finfo(np.float32).max)
    if bad.any():
        row, i = np.argwhere(bad)[0].tolist()
        remedy = "rescale the column" if np.isfinite(rows[row, i]) else "remove or repair these rows"
        raise DataError(f"{table.where(row, i)} is {rows[row, i]:g} ({count(int(bad.sum()), 'such value')}); {remedy}.")
    if (rows == rows[:1]).all():
        raise DataError(f"{table.source}: all {len(rows)} rows are the same, so there is nothing to learn; give rows that differ.")


def check_counter(table: Table) -> None:
    """DataError if a column grows by 1 from row to row, as the index that pandas writes."""
    above, below = table.rows[:-1], table.rows[1:]
    counts = ((below == above + 1) & (below > above)).all(axis=0)  # x + 1 == x beyond 2^53
    if counts.any():
        i = int(np.argmax(counts))
        raise DataError(f"{table.source}: column {table.columns[i]!r} only counts the rows from {table.rows[0, i]:g} on; {table.omission}.")


def check_spread(table: Table) -> None:
    """DataError unless every column varies, by more than rounding to single precision."""
    rows = table.rows
    still = (rows == rows[:1]).all(axis=0)
    if still.any():
        i = int(np.argmax(still))
        value = f"{rows[0, i]:g} in every row"
        raise DataError(f"{table.source}: column {table.columns[i]!r} is constant ({value}) and has no density; {table.omission}.")
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    far = np.abs(mean) > np.maximum(FAR * deviation, SMALL)
    narrow = far | (deviation < SMALL)
    if narrow.any():
        i = int(np.argmax(narrow))
        size = f"{mean[i]:g} +- {deviation[i]:.1g}"
        remedy = f"subtract an offset such as {mean[i]:g} first, as from timestamps" if far[i] else "rescale the column"
        raise DataError(f"{table.source}: column {table.columns[i]!r} is {size}, too narrow for single precision; {remedy}.")


def check_density(table: Table, whole: np.ndarray) -> None:
    """DataError if a column holds integers, which have no density; `whole` says which do."""
    if not whole.any():
        return
    names = [name for name, flag in zip(table.columns, whole, strict=True) if flag]
    which = f"column {names[0]!r} holds" if len(names) == 1 else f"columns {listed(names)} hold"
    remedy = "pass dequantise=True (--dequantise) to add uniform noise on [0, 1)"
    values = np.unique(table.rows)
    if len(values) == 2:
        remedy = f"as there are two values only, {values[0]:g} and {values[1]:g}, give 0/1 data: x == {values[1]:g}"
    elif not whole.all():
        remedy += f", or {table.omission}"
    raise DataError(f"{table.source}: {which} integers, which have no density; {remedy}.")


def check_noise(table: Table, whole: np.ndarray) -> None:
    """DataError if an integer column is so large that single precision rounds away noise of width 1."""
    large = whole & (np.abs(table.rows).max(axis=0) > LARGE)
    if large.any():
        i = int(np.argmax(large))
        size = f"{np.abs(table.rows[:, i]).max():g}"
        raise DataError(
            f"{table.source}: column {table.columns[i]!r} holds integers up to {size}, too large for noise of width 1; rescale it."
        )


def _neighbours(rows: np.ndarray) -> np.ndarray:
    """The correlation of each column with itself one row later."""
    apart = rows - rows.mean(axis=0)
    return (apart[1:] * apart[:-1]).sum(axis=0) / (apart**2).sum(axis=0)


def doubts(table: Table) -> list[str]:
    """Sentences on repeated values, where a likelihood has no bound, on series, and on rows that training and test may share."""
    rows = table.rows.astype(np.float32) + np.float32(0)  # -0 becomes 0
    found = []
    ordered = np.sort(rows, axis=0)
    repeated = (ordered[1:] == ordered[:-1]).sum(axis=0) / len(rows)
    grid = [f"{name} ({share:.0%})" for name, share in zip(table.columns, repeated, strict=True) if share > GRID_SHARE]
    if grid and len(rows) >= GRID_ROWS:
        why = "on so few values a likelihood can grow without bound; compare by draws, or add uniform noise as wide as the rounding"
        found.append(f"Values repeat in {listed(grid)}: {why}.")
    alike = [f"{name} ({r:.2f})" for name, r in zip(table.columns, _neighbours(table.rows), strict=True) if r > SERIES / np.sqrt(len(rows))]
    if alike:
        why = "in a series test rows depend on training rows, and errors come out too small; thin it"
        found.append(f"Neighbouring rows are correlated in {listed(alike)}: {why}.")
    copies = len(rows) - len({row.tobytes() for row in rows})
    if copies > COPIES_SHARE * len(rows):
        found.append(f"{copies} of {len(rows)} rows repeat an earlier one, so training and test may share rows; remove copies.")
    return found
