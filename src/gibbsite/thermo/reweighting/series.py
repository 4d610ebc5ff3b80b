"""Correlated samples made independent: when a run has forgotten its start, and how far apart its samples must lie."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import fft

from gibbsite.core import ArrayLike
from gibbsite.thermo.reweighting.check import given
from gibbsite.thermo.reweighting.dual import Counts, Energies, Square
from gibbsite.thermo.reweighting.start import distances, typical_works

AT_LEAST = 3  # lags that are added up even if one of them is anticorrelated
STARTS = 25  # of the run that are tried
LEFT = 0.02  # correlation of neighbours that are kept: errors are then short by 2 %
Series = Float[np.ndarray, " t"]


class Equilibrium(NamedTuple):
    """The first sample that has forgotten the start, the statistical inefficiency from there on, and the effective samples left."""

    start: int
    inefficiency: float
    effective: float


class Decorrelated(NamedTuple):
    """Energies and counts of samples that count as independent, which they were, and what was found for each state."""

    u_kn: Energies
    counts: Counts
    kept: Int[np.ndarray, " n"]
    states: tuple[Equilibrium | None, ...]


def statistical_inefficiency(series: ArrayLike) -> float:
    """g = 1 + 2 sum_t (1 - t/T) C(t): so many samples of a stationary series are worth one.

    The sum ends where the autocorrelation C first falls to zero, at lag 4 or later (Chodera et al., J. Chem. Theory Comput. 3, 26,
    2007). g is at least 1; of a series that never varies all samples are worth one.

    Raises:
        ValueError: not one series of finite numbers.
    """
    x = _as_series(series)
    if np.ptp(x) == 0:
        return float(len(x))
    lags = np.arange(1, len(x) - 1)
    c = _autocorrelation(x)[1:-1]
    ends = np.nonzero((c <= 0) & (lags > AT_LEAST))[0]
    stop = ends[0] if len(ends) else len(c)
    return max(1.0, float(1 + 2 * np.sum(c[:stop] * (1 - lags[:stop] / len(x)))))


def equilibrium(series: ArrayLike) -> Equilibrium:
    """The start that leaves most effective samples, (T - start) / g (Chodera, J. Chem. Theory Comput. 12, 1799, 2016).

    Raises:
        ValueError: not one series of finite numbers.
    """
    x = _as_series(series)
    starts = np.unique(np.linspace(0, max(len(x) - 2, 0), STARTS).astype(int))
    tried = [Equilibrium(int(t), g, (len(x) - t) / g) for t in starts for g in [statistical_inefficiency(x[t:])]]
    return max(tried, key=lambda found: found.effective)


def decorrelate(u_kn: ArrayLike, counts: ArrayLike) -> Decorrelated:
    """Samples of each state, in the order in which they were drawn, without their transient and thinned to independent ones.

    MBAR sees differences of energies only; the series of a state is that to its nearest state (least sum of median works both
    ways). Where only one state has samples or all others exclude them, it is the state's own energy.

    Raises:
        ValueError: as `mbar` has them.
    """
    u, n = given(u_kn, counts)
    apart = distances(typical_works(u, n))
    ends = np.cumsum(n)
    states = [_equilibrium(u, k, slice(ends[k] - n[k], ends[k]), n, apart) if n[k] else None for k in range(len(u))]
    kept = [ends[k] - n[k] + independent(int(n[k]), state) for k, state in enumerate(states) if state]
    chosen = np.concatenate(kept)
    left = np.zeros(len(u), int)
    left[n > 0] = [len(part) for part in kept]
    return Decorrelated(u[:, chosen], left, chosen, tuple(states))


def _equilibrium(u: Energies, k: int, own: slice, counts: Counts, apart: Square) -> Equilibrium:
    """That of one state, from the work of its own samples to the nearest other state, or from their energies."""
    nearest = int(np.argmin(np.where((counts > 0) & (np.arange(len(u)) != k), apart[k], np.inf)))
    work = u[nearest, own] - u[k, own]
    return equilibrium(work if nearest != k and np.all(np.isfinite(work)) else u[k, own])


def independent(length: int, found: Equilibrium) -> Int[np.ndarray, " kept"]:
    """Positions in a series from its start on, so far apart that of an exponential memory of this inefficiency `LEFT` is left.

    A memory r^t has g = (1 + r) / (1 - r). Samples one g apart, as is usual, still share r^g, up to 1/7: errors are then short by 13 %.
    """
    memory = (found.inefficiency - 1) / (found.inefficiency + 1)
    places = np.arange(found.start, length, max(1.0, math.log(LEFT) / math.log(memory)) if memory > 0 else 1.0)
    return np.unique(np.minimum(np.round(places).astype(int), length - 1))


def _autocorrelation(x: Series) -> Series:
    """C(t) = sum_s x_s x_(s+t) / (T - t) / variance of x less its mean, for all lags, by the Wiener-Khinchin theorem."""
    centred = x - x.mean()
    size = fft.next_fast_len(2 * len(x), real=True)
    spectrum = np.abs(fft.rfft(centred, size)) ** 2
    products = fft.irfft(spectrum, size)[: len(x)]
    return products / np.arange(len(x), 0, -1) / np.mean(centred**2)


def _as_series(series: ArrayLike) -> Series:
    x = np.asarray(series, np.float64)
    if x.ndim != 1 or not x.size or not np.all(np.isfinite(x)):
        bad = "" if x.ndim != 1 or not x.size else f" ({int(np.sum(~np.isfinite(x)))} values are not finite)"
        raise ValueError(f"series has shape {x.shape}{bad}; give one finite number for each time.")
    return x
