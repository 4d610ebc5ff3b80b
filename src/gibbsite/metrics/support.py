"""Do the draws lie where the data lie, and do they reach everywhere the data are? Balls up to the k-th neighbour say so.

Precision and recall after Kynkaanniemi et al. (arXiv 1904.06991, eqs. 1-2), density and coverage after Naeem et al.
(arXiv 2002.09797, eqs. 3-4). All four depend on the two sizes and on k: compare models at equal ones, beside the noise
floor. For equal laws of n draws and m data, density is 1 and coverage `1 - prod_{i=1..k} (m - i) / (n + m - i)`, in any
dimension; precision and recall have no such value.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gibbsite.core import Z95, Estimate
from gibbsite.metrics.rows import LIMIT, Matrix, check_rows, finite, flat, share, squares, unknown

NEIGHBOURS = 5
HALVES = 20  # samples of half the size, whose spread is the error


class Support(NamedTuple):
    """Shares of draws and data that lie in each other's balls, from one pass over the distances."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def support(x: Float[np.ndarray, "n *x"], y: Float[np.ndarray, "m *y"], *, neighbours: int = NEIGHBOURS, limit: int = LIMIT) -> Support:
    """All four of draws `x` and data `y`, with errors for samples of this size.

    Rows share balls, so a binomial error is too small, by up to 2 or 3. The error is the spread over 20 random halves of
    both samples (Shao & Wu, Ann. Stat. 17, 1989): right where laws differ, up to 1.4 times too large where they are
    equal, and 2 times within a hundredth of a share of 1. Costs three matrices of distances, each partly sorted six
    times over.
    """
    x, y = flat(x, limit), flat(y, limit)
    check_rows(2 * neighbours + 4, x=x, y=y)
    if neighbours < 1:
        raise ValueError(f"neighbours={neighbours}: give at least 1, the neighbour whose distance is a ball's radius.")
    if not finite(x, y):
        return Support(*[unknown(float(min(len(x), len(y))))] * 4)
    distances, rng = _distances(x, y), np.random.default_rng(0)
    in_data, in_draws, crowd, reached = _shares(distances, neighbours)
    variances = np.var([_shares(distances.half(rng), neighbours) for _ in range(HALVES)], axis=0, ddof=1).tolist()
    parts = (
        share(in_data, len(x), variance=variances[0]),
        share(in_draws, len(y), variance=variances[1]),
        Estimate(crowd, math.sqrt(variances[2]), lo=max(0.0, crowd - Z95 * math.sqrt(variances[2])), ess=float(len(x))),
        share(reached, len(y), variance=variances[3]),
    )
    source = frozenset([object()])  # one for all: they are correlated
    return Support(*(dataclasses.replace(part, sources=source) for part in parts))


def precision(x: Float[np.ndarray, "n *x"], y: Float[np.ndarray, "m *y"], *, neighbours: int = NEIGHBOURS, limit: int = LIMIT) -> Estimate:
    """The share of draws `x` within the ball of any row of the data `y`, whose radius is the distance to its k-th neighbour there."""
    return support(x, y, neighbours=neighbours, limit=limit).precision


def recall(x: Float[np.ndarray, "n *x"], y: Float[np.ndarray, "m *y"], *, neighbours: int = NEIGHBOURS, limit: int = LIMIT) -> Estimate:
    """The share of the data `y` within the ball of any draw `x`: precision with the roles exchanged."""
    return support(x, y, neighbours=neighbours, limit=limit).recall


def density(x: Float[np.ndarray, "n *x"], y: Float[np.ndarray, "m *y"], *, neighbours: int = NEIGHBOURS, limit: int = LIMIT) -> Estimate:
    """The mean number of balls of `y` that hold a draw, over k: 1 for equal laws, more where draws crowd; robust to outliers in `y`."""
    return support(x, y, neighbours=neighbours, limit=limit).density


def coverage(x: Float[np.ndarray, "n *x"], y: Float[np.ndarray, "m *y"], *, neighbours: int = NEIGHBOURS, limit: int = LIMIT) -> Estimate:
    """The share of balls of the data `y` that hold a draw: falls with every mode that is missed."""
    return support(x, y, neighbours=neighbours, limit=limit).coverage


class _Distances(NamedTuple):
    """Squared distances between draws and data, and within each, a row's own left out."""

    across: Matrix
    draws: Matrix
    data: Matrix

    def half(self, rng: np.random.Generator) -> "_Distances":
        """Those of a random half of the rows of each sample."""
        i, j = (rng.permutation(size)[: size // 2] for size in self.across.shape)
        return _Distances(self.across[np.ix_(i, j)], self.draws[np.ix_(i, i)], self.data[np.ix_(j, j)])


def _distances(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> _Distances:
    draws, data = squares(x, x), squares(y, y)
    for own in (draws, data):
        np.fill_diagonal(own, np.inf)
    return _Distances(squares(x, y), draws, data)


def _shares(distances: _Distances, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage."""
    of_data, of_draws = _radii(distances.data, k), _radii(distances.draws, k)
    held, reached = distances.across <= of_data, distances.across <= of_draws[:, None]
    return (
        float(held.any(axis=1).mean()),
        float(reached.any(axis=0).mean()),
        float(held.sum(axis=1).mean() / k),
        float(held.any(axis=0).mean()),
    )


def _radii(own: Float[np.ndarray, "n n"], k: int) -> Float[np.ndarray, " n"]:
    return np.partition(own, k - 1, axis=1)[:, k - 1]
