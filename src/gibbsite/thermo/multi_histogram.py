"""One density of states from runs at several temperatures, and every mean at every temperature between them.

Ferrenberg & Swendsen, Physical Review Letters 63 (1989) 1195: with H(E) draws of energy E in all runs together, and N_k of them
made at beta_k,

    g(E) = H(E) / sum_k N_k exp(f_k - beta_k E),     exp(-f_k) = sum_E g(E) exp(-beta_k E),     f_k = -log Z(beta_k).

It is MBAR (Shirts & Chodera, J. Chem. Phys. 129, 2008) for reduced energies `u_k(x) = beta_k E(x)`, where draws of one energy have
one weight. The f_k are the minimum of a convex function, `sum_E H log sum_k N_k exp(f_k - beta_k E) - sum_k N_k f_k`, found by
Newton's method in float64. Then, with A(E) the mean of an observable over the draws of energy E,

    log Z(beta) = log sum_E g(E) exp(-beta E),     <A>(beta) = sum_E g(E) A(E) exp(-beta E) / Z(beta).

Errors are the jackknife's, over chains that are independent of each other (of replica exchange: over populations), so that
neither autocorrelation nor exchange between temperatures enters them. Runs need not be equally long.
"""

import dataclasses
from collections.abc import Callable as Function
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gibbsite.core import ArrayLike, Estimate, Evidence, Status
from gibbsite.thermo.jackknife import jackknife
from gibbsite.thermo.weights import ENOUGH, log_sum_exp

MOST_LEVELS = 8192  # energies told apart; of a continuum of them, bins, each at the mean of its energies
SHARED = 0.01  # of the draws of a temperature, those that a neighbour may have made as well, below which the two do not overlap
TOLERANCE = 1e-10  # of N_k, that the equations of a temperature are off
ITERATIONS = 100

Replicated = Float[np.ndarray, "replicates ..."]


@dataclasses.dataclass(frozen=True, repr=False)
class MultiHistogram:
    """A density of states with its error, as a reweighting machine (see `multi_histogram`).

    `log_density[0]` is log g of all chains at each of the `levels`, up to a constant (-inf where there was no draw); the rows after it
    leave one chain out each. `sums` are observables summed over the draws of each level, chains and levels in the same order.
    `log_zs` are log Z at the `betas` of the runs, less that at the first. `shared[k]` counts the draws that may have come from
    either side of the gap between beta_k and the next.
    """

    betas: Float[np.ndarray, " rungs"]
    levels: Float[np.ndarray, " levels"]
    counts: Float[np.ndarray, "replicates levels"]
    sums: Mapping[str, Float[np.ndarray, "replicates levels"]]
    log_density: Float[np.ndarray, "replicates levels"]
    log_zs: Float[np.ndarray, "replicates rungs"]
    shared: Float[np.ndarray, " gaps"]
    status: Status

    def log_z(self, betas: ArrayLike) -> Estimate:
        """log Z at these betas less log Z at the first of the runs."""
        return self.of(lambda mean, log_z, betas: log_z, betas)

    def mean(self, name: str, betas: ArrayLike) -> Estimate:
        """The mean of an observable, or of "energy", at these betas.

        Raises:
            KeyError: no observable has that name.
        """
        if name != "energy" and name not in self.sums:
            raise KeyError(f"No observable {name!r} in this histogram; it has {', '.join(('energy', *self.sums))}.")
        return self.of(lambda mean, log_z, betas: mean(name), betas)

    def of(self, fn: Function, betas: ArrayLike) -> Estimate:
        """Any function of means at these betas: `fn(mean, log_z, betas)`, where `mean(name)` and `log_z` have the shape of betas.

        `mean("energy^2")` is the mean square of the energy. Values at one beta share an error with those at the next. What lies outside
        the betas of the runs is refused: there only the tails of the runs would speak.

        Raises:
            ValueError: a beta outside the runs'.
        """
        if self.status in (Status.NO_OVERLAP, Status.NOT_CONVERGED):
            return Estimate(None, None, status=self.status, evidence=Evidence.NOT_ESTABLISHED)
        return jackknife(self.replicates(fn, betas), status=self.status)

    def replicates(self, fn: Function, betas: ArrayLike) -> Replicated:
        """The rows of that function: of all chains, then with each of them left out; betas on their last axis."""
        asked = np.atleast_1d(np.asarray(betas, np.float64))
        low, high, rim = self.betas[0], self.betas[-1], 1e-6 * (self.betas[-1] - self.betas[0])
        if np.any((asked < low - rim) | (asked > high + rim)):
            raise ValueError(f"beta from {asked.min():g} to {asked.max():g}: the runs reach from {low:g} to {high:g}; run there as well.")
        rows = np.stack([fn(*self._at(row, asked), asked) for row in range(len(self.counts))])
        return rows if np.ndim(betas) else rows[..., 0]

    def _at(self, row: int, betas: Float[np.ndarray, " betas"]) -> tuple["Means", Float[np.ndarray, " betas"]]:
        """Means by name and log Z, by one replicate."""
        held = self.counts[row] > 0
        levels = self.levels[held]
        logs = self.log_density[row, held] - betas[:, None] * levels
        top = logs.max(axis=1)
        weights = np.exp(logs - top[:, None])
        total = weights.sum(axis=1)
        within = {name: sums[row, held] / self.counts[row, held] for name, sums in self.sums.items()}
        means = Means(weights / total[:, None], {"energy": levels, "energy^2": levels**2, **within})
        return means, top + np.log(total) - self.log_zs[row, 0]


class Means(NamedTuple):
    """Means at some betas, by name: `weights` are the shares of the levels there, `within` the means over the draws of each level."""

    weights: Float[np.ndarray, "betas levels"]
    within: Mapping[str, Float[np.ndarray, " levels"]]

    def __call__(self, name: str) -> Float[np.ndarray, " betas"]:
        return self.weights @ self.within[name]


def multi_histogram(betas: ArrayLike, energies: ArrayLike, observables: Mapping[str, ArrayLike] | None = None) -> MultiHistogram:
    """Joins runs at several temperatures into one density of states.

    `energies` has axes `chains rungs draws`: those of rung k were made at `betas[k]`, and chains are independent of each other.
    Energies are untempered; `observables` are values measured at the same draws. Where more than 8192 different energies occur they are
    sorted into as many bins of as many neighbouring energies each, at their means: one energy far out widens no other bin.

    The result's status is NO_OVERLAP where between two temperatures fewer than 30 draws, or less than a hundredth of those at one,
    could have come from either side: nothing is then known about their difference. It is CONSTANT where all energies are one number.

    Raises:
        ValueError: the shapes do not fit, a number is not finite, betas do not increase, or there are fewer than two chains.
    """
    betas, energies, held = _checked(betas, energies, observables or {})
    chains, rungs, draws = energies.shape
    levels, place = _levels(energies)
    counts = _summed(place, None, len(levels))
    sums = {name: _summed(place, values, len(levels)) for name, values in held.items()}
    made = np.full(rungs, float(draws))
    log_zs, log_density, worked = [], [], True
    start = -_integrated(betas, energies.mean(axis=(0, 2)))
    for row, histogram in enumerate(counts):
        f, converged = _solved(betas, levels, histogram, made * (chains - (row > 0)), start)
        start, worked = (f if row == 0 else start), worked and converged
        log_zs.append(-f)
        log_density.append(_log_density(betas, levels, histogram, made * (chains - (row > 0)), f))
    shared = _shared(betas, levels, counts[0], made * chains, -log_zs[0])
    apart = np.any((shared < ENOUGH) | (shared < SHARED * draws * chains))
    status = Status.NO_OVERLAP if apart else Status.OK if worked else Status.NOT_CONVERGED
    status = Status.CONSTANT if len(levels) == 1 else status
    return MultiHistogram(betas, levels, counts, sums, np.stack(log_density), np.stack(log_zs), shared, status)


def _checked(betas: ArrayLike, energies: ArrayLike, observables: Mapping[str, ArrayLike]) -> tuple[np.ndarray, np.ndarray, dict]:
    betas, energies = np.asarray(betas, np.float64), np.asarray(energies, np.float64)
    held = {name: np.asarray(values, np.float64) for name, values in observables.items()}
    if energies.ndim != 3 or betas.shape != energies.shape[1:2]:
        raise ValueError(f"energies of shape {energies.shape} at betas of shape {betas.shape}: give (chains, rungs, draws) and (rungs,).")
    if len(energies) < 2:
        raise ValueError("energies of one chain: give two or more that are independent, from which errors come.")
    if not (np.all(np.isfinite(betas)) and np.all(np.diff(betas) > 0)):
        raise ValueError(f"betas {betas}: give finite numbers that increase.")
    for name, values in {"energies": energies, **held}.items():
        if values.shape != energies.shape or not np.all(np.isfinite(values)):
            wrong = f"has shape {values.shape}, energies {energies.shape}" if values.shape != energies.shape else "holds what is not finite"
            raise ValueError(f"{name} {wrong}: give one finite number a draw.")
    return betas, energies, held


def _levels(energies: Float[np.ndarray, "chains rungs draws"]) -> tuple[Float[np.ndarray, " levels"], Int[np.ndarray, "chains n"]]:
    """The energies told apart, and which of them each draw has."""
    flat = energies.reshape(len(energies), -1)
    levels, place = np.unique(flat, return_inverse=True)
    if len(levels) > MOST_LEVELS:
        place = place.ravel() * MOST_LEVELS // len(levels)
        levels = np.bincount(place, flat.ravel()) / np.bincount(place)
    return levels, place.reshape(flat.shape)


def _summed(place: np.ndarray, values: np.ndarray | None, levels: int) -> Float[np.ndarray, "replicates levels"]:
    """Sums over the draws of a level: of all chains, then with each left out."""
    each = np.stack([np.bincount(at, None if values is None else values[chain].ravel(), levels) for chain, at in enumerate(place)]).astype(
        np.float64
    )
    whole = each.sum(axis=0)
    return np.concatenate([whole[None], whole - each])


def _integrated(betas: Float[np.ndarray, " rungs"], means: Float[np.ndarray, " rungs"]) -> Float[np.ndarray, " rungs"]:
    """log Z less that at the first beta, by the trapezoidal rule: where Newton starts."""
    return np.concatenate([[0.0], -np.cumsum(np.diff(betas) * (means[1:] + means[:-1]) / 2)])


def _log_terms(betas: np.ndarray, levels: np.ndarray, made: np.ndarray, f: np.ndarray) -> Float[np.ndarray, "levels rungs"]:
    return np.log(made) + f - levels[:, None] * betas


def _solved(
    betas: np.ndarray, levels: np.ndarray, histogram: np.ndarray, made: np.ndarray, start: np.ndarray
) -> tuple[Float[np.ndarray, " rungs"], bool]:
    """The f_k, the first of them 0, and whether Newton's method came to an end."""
    held = histogram > 0
    levels, histogram = levels[held], histogram[held]
    f = start - start[0]

    now, share = _height(f, betas, levels, histogram, made)
    for _ in range(ITERATIONS):
        found = histogram @ share  # draws that the equations give to each temperature
        slope = found - made
        if np.max(np.abs(slope) / made) < TOLERANCE:
            return f, True
        curvature = np.diag(found) - share.T @ (histogram[:, None] * share)
        step = np.zeros_like(f)
        step[1:] = np.linalg.lstsq(curvature[1:, 1:], -slope[1:], rcond=None)[0]
        size = 1.0
        while True:
            there, shares = _height(f + size * step, betas, levels, histogram, made)
            if there <= now + 1e-12 * abs(now) or size < 1e-6:
                break
            size /= 2
        f, now, share = f + size * step, there, shares
    return f, False


def _height(
    f: np.ndarray, betas: np.ndarray, levels: np.ndarray, histogram: np.ndarray, made: np.ndarray
) -> tuple[float, Float[np.ndarray, "levels rungs"]]:
    """The convex function of which f is the minimum, and of each level the share of draws that came from each temperature."""
    terms = _log_terms(betas, levels, made, f)
    sums = log_sum_exp(terms, axis=1)
    return float(histogram @ sums - made @ f), np.exp(terms - sums[:, None])


def _log_density(
    betas: np.ndarray, levels: np.ndarray, histogram: np.ndarray, made: np.ndarray, f: np.ndarray
) -> Float[np.ndarray, " levels"]:
    with np.errstate(divide="ignore"):
        return np.log(histogram) - log_sum_exp(_log_terms(betas, levels, made, f), axis=1)


def _shared(betas: np.ndarray, levels: np.ndarray, histogram: np.ndarray, made: np.ndarray, f: np.ndarray) -> Float[np.ndarray, " gaps"]:
    """Of each gap between temperatures, how many draws may have come from either side."""
    terms = _log_terms(betas, levels, made, f)
    below = np.cumsum(np.exp(terms - log_sum_exp(terms, axis=1)[:, None]), axis=1)[:, :-1]
    return histogram @ (below * (1 - below))
