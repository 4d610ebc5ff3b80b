"""Has the model learned the law, or the rows? Draws that lie nearer to training rows than to held-out ones say the latter."""

import math

import numpy as np
from jaxtyping import Float

from gibbsite.core import Estimate
from gibbsite.metrics.rows import LIMIT, check_rows, finite, flat, share, squares, unknown

CHUNK = 2**25  # distances held at once
ROUNDING = 1e-6  # of the squared norms: distances nearer than this are equal


def memorisation(
    draws: Float[np.ndarray, "n *x"], train: Float[np.ndarray, "m *y"], test: Float[np.ndarray, "k *z"], *, limit: int = LIMIT
) -> Estimate:
    """The share `a / (a + b)`, where a row of `train` is the nearest to `a` draws on average, and one of `test` to `b`.

    Of equally many rows of each, that is the share of draws whose nearest row is a training row: 1/2 for a model that has
    learned the law, whatever that is, as held-out rows were drawn like the others; towards 1 if it copies
    (data-copying: Meehan, Chaudhuri & Dasgupta, arXiv 2004.05675). One that copies a share q of its draws, and draws the
    others well, gives `(1 + q) / 2`. A draw between rows at one distance is divided among them.

    The error takes the rows as independent, since one row may attract many draws. Only `draws` are thinned: thinned
    training rows would hide copies. Distances are Euclidean, so give standardised rows. Costs one matrix of distances.
    """
    draws, train, test = flat(draws, limit), flat(train, len(train)), flat(test, len(test))
    check_rows(4, draws=draws, train=train, test=test)
    if not finite(draws, train, test):
        return unknown(float(len(draws)))
    drawn = _attracted(draws, np.concatenate([train, test]))
    a, b = drawn[: len(train)], drawn[len(train) :]
    total = a.mean() + b.mean()
    value = float(a.mean() / total)
    variance = (b.mean() ** 2 * a.var(ddof=1) / len(a) + a.mean() ** 2 * b.var(ddof=1) / len(b)) / total**4
    return share(value, len(draws), variance=float(variance))


def nearest_distances(x: Float[np.ndarray, "n *x"], rows: Float[np.ndarray, "m *y"]) -> Float[np.ndarray, " n"]:
    """The Euclidean distance of each `x` to the nearest of the rows, for figures."""
    x, rows = flat(x, len(x)), flat(rows, len(rows))
    check_rows(1, x=x, rows=rows)
    return np.concatenate([np.sqrt(squares(part, rows).min(axis=1)) for part in _parts(x, rows)])


def _attracted(draws: Float[np.ndarray, "n d"], rows: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
    """How many draws each row is the nearest to."""
    found = np.zeros(len(rows))
    size = np.square(rows - rows.mean(axis=0)).sum(axis=1).max()
    for part in _parts(draws, rows):
        square = squares(part, rows)
        first = square <= square.min(axis=1, keepdims=True) + np.float32(ROUNDING) * size
        found += (1 / first.sum(axis=1)) @ first
    return found


def _parts(x: Float[np.ndarray, "n d"], rows: Float[np.ndarray, "m d"]) -> list[np.ndarray]:
    return np.array_split(x, math.ceil(len(x) * len(rows) / CHUNK))
