"""What rows must satisfy to be learned from, and what the reader of a result must know about them."""

from itertools import compress

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
        raise DataError(f"{table.source}: column {name!r} has no value in any row; {table.omission(missing.all(axis=0))}.")
    if drop_missing:
        return table.keep(~gone), f"{gone.sum()} of {len(gone)} rows dropped for missing values."
    row, i = np.argwhere(missing)[0].tolist()
    remedy = f"fill it in, drop such rows with drop_missing=True (--drop-missing), or {table.omission(missing.any(axis=0))}"
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
        which = f"column {table.columns[i]!r} only counts the rows from {table.rows[0, i]:g} on"
        raise DataError(f"{table.source}: {which}; {table.omission(counts)}.")


def varying(table: Table, *, filled: bool) -> tuple[Table, str]:
    """The columns that vary, or hold integers that noise will fill, and a sentence on the others: one value has no density.

    Raises:
        DataError: the rows are images, which have no fewer pixels.
    """
    first = table.rows[0]
    still = (table.rows == first).all(axis=0) & ~(filled & (first == np.floor(first)))
    if not still.any():
        return table, ""
    names = [f"{name} ({value:g})" for name, value in zip(table.columns, first, strict=True)]
    constant = list(compress(names, still))
    if not table.image_shape:
        return table.only(~still), f"{count(len(constant), 'constant column')} left out: {listed(constant)}."
    remedy = "crop the images, or give them as rows (n, d), of which constant columns are left out"
    if (table.rows == np.floor(table.rows)).all():
        remedy = f"pass dequantise=True (--dequantise) to add uniform noise on [0, 1), {remedy}"
    raise DataError(f"{table.source}: {count(len(constant), 'pixel')} with one value ({listed(constant)}) and no density; {remedy}.")


def check_training(table: Table, train: np.ndarray) -> None:
    """DataError if a column does not vary over the training rows."""
    still = (train == train[:1]).all(axis=0)
    if still.any():
        i = int(np.argmax(still))
        more = f" (as {count(int(still.sum()) - 1, 'other column')})" if still.sum() > 1 else ""
        where = f"{table.source}: column {table.columns[i]!r} is {train[0, i]:g} in all {len(train)} training rows{more}"
        raise DataError(f"{where} and has no density there; give more rows that differ, or {table.omission(still)}.")


def check_spread(table: Table) -> None:
    """DataError unless every column varies by more than rounding to single precision."""
    rows = table.rows
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
        remedy += f", or {table.omission(whole)}"
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
    copies = len(rows) - len(np.unique(np.ascontiguousarray(rows).view(f"V{rows[0].nbytes}")))
    if copies > COPIES_SHARE * len(rows):
        found.append(f"{copies} of {len(rows)} rows repeat an earlier one, so training and test may share rows; remove copies.")
    return found
