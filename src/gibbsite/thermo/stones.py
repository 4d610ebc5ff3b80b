"""Stepping stones: log Z as the sum of log ratios between neighbours on a path, each by Bennett's method.

    log Z_1 - log Z_0 = sum_r log(Z_{r+1} / Z_r),    sum_n f(w_n - F_r) = sum_n f(F_r - w'_n),    f(w) = 1 / (1 + e^w),

with w the work of the instant switch from t_r to t_{r+1} for draws at t_r, w' for draws at t_{r+1}, and F_r = -log(Z_{r+1} / Z_r)
(Bennett, J. Comput. Phys. 22, 1976; stepping stones in phylogenetics: Xie et al., Syst. Biol. 60, 2011). Draws along a chain are
correlated, and so are rungs that exchange replicas. Populations are independent, so the error is the jackknife's over them.
"""

import dataclasses

import numpy as np
from jaxtyping import Array, Float, Key
from scipy.optimize import elementwise
from scipy.special import log_expit

from gibbsite.core import AbstractKernel, AbstractPath, ArrayLike, Estimate, Evidence, Normalised, Status, need
from gibbsite.core.estimate import student
from gibbsite.core.observer import split_rhat
from gibbsite.samplers import Progress
from gibbsite.thermo.annealing import Ladder, base_of
from gibbsite.thermo.exchange import Exchange, exchange
from gibbsite.thermo.jackknife import LEVEL, standard_error

MIXED = 1.05  # R-hat
LEAST = 0.02  # share of the draws of either neighbour that the two must have in common
FEWEST = 4  # populations


@dataclasses.dataclass(frozen=True, repr=False)
class Stones:
    """log Z of the target, and pair by pair the log ratio, the overlap (1/2 where neighbours are alike) and R-hat of the works.

    `run` is the exchange of replicas that it came from.
    """

    log_z: Estimate
    log_ratios: Float[np.ndarray, " pairs"]
    overlap: Float[np.ndarray, " pairs"]
    rhat: Float[np.ndarray, " pairs"]
    run: Exchange

    def __repr__(self) -> str:
        """`log Z = 12.81(3), interval; 9 pairs, overlap 0.31 or more, R-hat 1.01 or less; 212 arrivals from the base`, and doubts."""
        doubt = "" if self.log_z.status is Status.OK else f"\n? {self.log_z.status.value}"
        pairs = f"{len(self.overlap)} pairs, overlap {self.overlap.min():.2f} or more, R-hat {self.rhat.max():.2f} or less"
        return f"log Z = {self.log_z}, {self.log_z.evidence.value}; {pairs}; {self.run.trips.sum()} arrivals from the base{doubt}"


def stepping_stones(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    *,
    times: ArrayLike,
    populations: int = 16,
    warmup: int = 500,
    draws: int = 1000,
    moves: int = 1,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Stones:
    """log Z of the path's target by replica exchange along `times`, whose neighbours must overlap.

    The evidence is an interval, with Student's quantile for so few populations. NOT_MIXED says that populations, or the halves of one,
    disagree; UNADJUSTED that moves have a bias that nothing weighs; NO_OVERLAP that two neighbours share less than a fiftieth of their
    draws; NON_FINITE that works are no numbers.

    Raises:
        TypeError: the path has no base with known constant and exact draws.
        ValueError: times or counts make no sense; fewer than four populations, which tell no error.
    """
    if populations < FEWEST:
        raise ValueError(f"populations={populations}: their spread is the error, so give at least {FEWEST}.")
    constant = float(need(base_of(path), Normalised, "stepping_stones").log_z())
    run = exchange(path, kernel, times=times, populations=populations, warmup=warmup, draws=draws, moves=moves, progress=progress, key=key)
    return stones(run, constant)


def stones(run: Exchange, constant: float) -> Stones:
    """The log ratios of all neighbours from the works of an exchange; `constant` is log Z of the base."""
    if not (np.all(np.isfinite(run.above)) and np.all(run.below > -np.inf)):
        unknown = np.full(len(run.swaps), np.nan)
        nothing = Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
        return Stones(nothing, unknown, unknown, unknown, run)
    differences = _differences(run)
    shares = np.exp(_logs(run, differences))
    overlap, rows = shares.mean(axis=(0, 1, 2)), _replicates(run, differences)
    totals = constant - rows.sum(axis=1)
    rhat = np.maximum(split_rhat(_bounded(run.below)), split_rhat(run.above))
    value, stderr = float(totals[0]), float(standard_error(totals))
    half = student(LEVEL, len(run.below) - 1) * stderr
    ess = _effective(shares, np.asarray(standard_error(rows)))
    found = Estimate(value, stderr, value - half, value + half, LEVEL, ess, evidence=Evidence.INTERVAL)
    status = Status.UNADJUSTED if run.unadjusted else _status(overlap, rhat)
    return Stones(found if status is Status.OK else found.doubted(status), -differences, overlap, rhat, run)


def _effective(shares: Float[np.ndarray, "2 populations draws pairs"], errors: Float[np.ndarray, " pairs"]) -> float:
    """Of the worst pair, how many independent draws of either neighbour would give its error: Bennett's variance of one over that."""
    one = np.sum(np.mean(shares**2, axis=(1, 2)) / np.mean(shares, axis=(1, 2)) ** 2 - 1, axis=0)
    made = float(np.prod(shares.shape[1:3]))
    known = errors > 0
    return float(np.min(np.where(known, one / np.where(known, errors, 1.0) ** 2, made)))


def _status(overlap: np.ndarray, rhat: np.ndarray) -> Status:
    if not overlap.min() >= LEAST:
        return Status.NO_OVERLAP
    return Status.OK if rhat.max() <= MIXED else Status.NOT_MIXED


def _bounded(works: np.ndarray) -> np.ndarray:
    """Infinite works at the edge of the finite ones, for the comparison of chains."""
    return np.minimum(works, works.max(where=np.isfinite(works), initial=0.0))


def _logs(run: Exchange, differences: np.ndarray, pairs: np.ndarray | slice = slice(None)) -> np.ndarray:
    """log f of every draw of either neighbour (2 populations draws pairs)."""
    return log_expit(np.stack([differences - run.below[:, :, pairs], run.above[:, :, pairs] - differences]))


def _differences(run: Exchange) -> Float[np.ndarray, " pairs"]:
    """The free-energy differences F_r: roots of an increasing function, bracketed by the works."""

    def gap(differences: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        low, high = np.exp(_logs(run, differences, pairs)).sum(axis=(1, 2))
        return low - high

    pairs = np.arange(run.below.shape[2])
    low = np.minimum(run.below.min(axis=(0, 1)), run.above.min(axis=(0, 1))) - 1
    high = run.above.max(axis=(0, 1)) + 1
    while np.any(short := gap(low, pairs) > 0):  # walls below: where the lower law lies outside the upper, the root is beyond all works
        low = np.where(short, low - 2 * (high - low), low)
    while np.any(short := gap(high, pairs) < 0):
        high = np.where(short, high + 2 * (high - low), high)
    found = elementwise.find_root(gap, (low, high), args=(pairs,))
    return np.where(found.success, found.x, np.nan)


def _replicates(run: Exchange, differences: np.ndarray) -> Float[np.ndarray, "replicates pairs"]:
    """The roots, and those without one population each, to first order: one step of Newton's from the common root."""
    shares = np.exp(_logs(run, differences))
    excess = shares[0].sum(axis=1) - shares[1].sum(axis=1)
    slope = np.sum(shares * (1 - shares), axis=(0, 2))
    return np.vstack([differences, differences + excess / (slope.sum(axis=0) - slope)])
