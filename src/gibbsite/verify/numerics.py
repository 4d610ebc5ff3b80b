"""What checks share: functions on grids and lists of states, sums over them, orders of convergence, and sides with their errors."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, Estimate, Evidence, Normal, as_float
from gibbsite.energies import GaussianMixture

ROUNDING = 1e-11  # of double precision after sums over a grid, relative


def settled(value: Any, error: Any = None) -> Estimate:
    """A side that is computed, not sampled: its error is that of rounding, unless another is stated."""
    numbers = np.asarray(value, np.float64)
    stated = ROUNDING * np.maximum(1.0, np.abs(numbers)) if error is None else np.broadcast_to(np.asarray(error, np.float64), numbers.shape)
    return Estimate(numbers, stated, evidence=Evidence.EXACT)


def averaged(rows: Any) -> Estimate:
    """The mean of independent rows, column by column."""
    numbers = np.asarray(rows, np.float64)
    return Estimate(numbers.mean(axis=0), numbers.std(axis=0, ddof=1) / np.sqrt(len(numbers)), ess=float(len(numbers)))


def bell(place: float, width: float) -> Normal:
    """A Gaussian on a line."""
    return Normal(as_float([place]), as_float([width]))


def mixture(places: Sequence[float], widths: Sequence[float], shares: Sequence[float]) -> GaussianMixture:
    """Gaussians on a line."""
    return GaussianMixture(as_float(places)[:, None], as_float(widths), as_float(shares))


def on(fn: Callable[..., Array], *points: Any) -> Float[np.ndarray, "n *s"]:
    """The function at each row of the points, in one program, on the host."""
    return np.asarray(jax.jit(jax.vmap(fn))(*(jnp.asarray(p, jnp.result_type(float)) for p in points)), np.float64)


class Law(NamedTuple):
    """A normalised law on a grid or a list of states: `shares` sum to one, `log_z` is the constant of the energy there."""

    points: np.ndarray
    energies: np.ndarray
    shares: np.ndarray
    log_z: float

    def mean(self, values: Any) -> Any:
        """The mean of values given at the points."""
        return np.tensordot(self.shares, np.asarray(values, np.float64), axes=(0, 0))

    def log_density(self) -> np.ndarray:
        """`-U - log Z` at the points."""
        return -self.energies - self.log_z


def line(low: float, high: float, n: int = 2001) -> Float[np.ndarray, "n 1"]:
    """Points of one axis: sums over them are integrals, to rounding, of what is smooth and ends within."""
    return np.linspace(low, high, n)[:, None]


def law(energy: AbstractEnergy, points: Any) -> Law:
    """The law of an energy on these points."""
    return weighed(np.asarray(points), on(energy, points))


def weighed(points: np.ndarray, energies: np.ndarray) -> Law:
    """The law of energies at points: of one axis by the trapezoid rule, of states of a discrete space by their sum."""
    cell = float(points[1, 0] - points[0, 0]) if points.shape[1:] == (1,) else 1.0
    logs = np.log(cell) - energies
    log_z = float(np.logaddexp.reduce(logs))
    return Law(points, energies, np.exp(logs - log_z), log_z)


def order(gaps: Sequence[float]) -> Estimate:
    """The power of h by which three gaps at h, h/2, h/4 fall, for h to 0; its error is what the finer pair changed."""
    coarse, fine = (np.log2(abs(a) / abs(b)) for a, b in pairwise(gaps))
    return settled(2 * fine - coarse, abs(fine - coarse) / 2 + 1e-9)


def limit(values: Sequence[Any], power: float = 1.0) -> Estimate:
    """The limit of values at h, h/2, h/4, their error of that power of h (Richardson); its error is what the finer pair changed."""
    factor = 2.0**power
    coarse, fine = ((factor * np.asarray(b) - a) / (factor - 1) for a, b in pairwise(values))
    return settled(fine, np.abs(fine - coarse) + ROUNDING)
