"""How many states lie at each energy, and all of canonical thermodynamics from it.

With g(E) the number (or the volume) of states of energy E,

    Z(beta) = sum_E g(E) exp(-beta E),   S(E) = log g(E),   1 / T(E) = dS / dE.

One density gives every temperature at once. It may be exact, or come from independent walkers; then each number has a jackknife
error over them (Tukey 1958; Miller, Biometrika 61, 1974).
"""

import dataclasses
from collections.abc import Callable as Function
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from gibbsite.core import ArrayLike, Estimate, Evidence, Status
from gibbsite.core.estimate import student
from gibbsite.thermo.jackknife import LEVEL, standard_error
from gibbsite.thermo.weights import log_sum_exp

MARGIN = 0.01  # of the canonical law may be at levels that few walkers know


class DensityOfStates:
    """`log_g` (nats) at rising `energies`; exact, unless `shares` (walkers levels) tells each walker's part of the visits of each level.

    Without walker w the density is `g(E) (1 - shares[w, E])`, brought to the same total: that is all a jackknife needs. `width` is that
    of bins of a continuous energy, 0 for levels. Every method takes one `beta` or an array of them, above zero or below.

    Raises:
        ValueError: the arrays do not fit, energies do not rise, shares do not add up to 1; of a method, a beta is not finite.
    """

    energies: Float[np.ndarray, " levels"]
    log_g: Float[np.ndarray, " levels"]
    shares: Float[np.ndarray, "walkers levels"] | None
    width: float

    def __init__(self, energies: ArrayLike, log_g: ArrayLike, shares: ArrayLike | None = None, *, width: float = 0.0):
        self.energies, self.log_g, self.width = np.asarray(energies, np.float64), np.asarray(log_g, np.float64), width
        if self.energies.ndim != 1 or not len(self.energies) or self.energies.shape != self.log_g.shape:
            raise ValueError(f"energies of shape {self.energies.shape} and log_g of {self.log_g.shape}: give one number a level.")
        if not np.all(np.diff(self.energies) > 0) or not np.all(np.isfinite(self.energies)):
            raise ValueError("the energies of a density do not rise: give finite numbers in rising order, each level once.")
        if not np.all(np.isfinite(self.log_g)):
            raise ValueError("log_g is not finite: leave out levels without states.")
        self.shares = None if shares is None else _checked(np.asarray(shares, np.float64), len(self.energies))
        self._sources: frozenset[object] = frozenset([object()])  # whoever compares two sampled numbers of one density is told so

    @classmethod
    def from_counts(
        cls,
        energies: Float[np.ndarray, " levels"],
        counts: Num[np.ndarray, "walkers levels"],
        log_weights: Float[np.ndarray, " levels"],
        *,
        log_total: float,
        width: float = 0.0,
    ) -> "DensityOfStates":
        """From the visits of independent walkers that gave each state of level E the weight `exp(log_weights)` (Berg & Neuhaus 1992).

        `g(E)` goes as `counts / exp(log_weights)`, and `log_total` is the log of the number (or volume) of all states. Levels that
        nobody visited are left out.
        """
        counts = np.asarray(counts, np.float64)
        seen = counts.sum(axis=0) > 0
        visits = counts[:, seen]
        log_g = np.log(visits.sum(axis=0)) - np.asarray(log_weights, np.float64)[seen]
        shares = visits / visits.sum(axis=0)
        return cls(np.asarray(energies)[seen], log_g - log_sum_exp(log_g) + log_total, shares, width=width)

    def __repr__(self) -> str:
        """`density of 63 states' energies from -128 to 128, by 64 walkers`."""
        origin = "exact" if self.shares is None else f"by {len(self.shares)} walkers"
        return f"density of states at {len(self.energies)} energies from {self.energies[0]:g} to {self.energies[-1]:g}, {origin}"

    @property
    def log_total(self) -> float:
        """The log of the number (or volume) of all states."""
        return log_sum_exp(self.log_g)

    def entropy(self) -> Estimate:
        """`S(E) = log g(E)` at every level, in nats (k_B = 1)."""
        return self._jackknife(lambda log_g: log_g)

    def inverse_temperature(self) -> Estimate:
        """The microcanonical `1 / T = dS / dE` at the inner levels, `energies[1:-1]`, by central differences."""
        step = self.energies[2:] - self.energies[:-2]
        return self._jackknife(lambda log_g: (log_g[2:] - log_g[:-2]) / step)

    def log_z(self, beta: ArrayLike) -> Estimate:
        """`log sum_E g(E) exp(-beta E)`, in nats.

        In bins whose mean energy is known, what the spread inside adds is between 0 and `(beta width)^2 / 8` (Hoeffding, JASA 58,
        1963): the upper end holds that too.
        """
        betas = _finite(beta)
        found = self._canonical(betas, lambda log_g: log_sum_exp(log_g - betas[..., None] * self.energies, axis=-1))
        return found if self.width == 0 else dataclasses.replace(found, hi=found.hi + (betas * self.width) ** 2 / 8)

    def law(self, beta: float) -> Estimate:
        """The canonical probability of every level, `g(E) exp(-beta E) / Z`; two humps tell of a first-order transition."""
        betas = _finite(beta)
        return self._canonical(betas, lambda log_g: self._law(log_g, betas))

    def energy(self, beta: ArrayLike) -> Estimate:
        """The mean energy `-d log Z / d beta`."""
        betas = _finite(beta)
        return self._canonical(betas, lambda log_g: self._law(log_g, betas) @ self.energies)

    def heat_capacity(self, beta: ArrayLike) -> Estimate:
        """`beta^2 Var(E)` of the whole system (k_B = 1)."""
        betas = _finite(beta)

        def heat(log_g: np.ndarray) -> Any:
            law = self._law(log_g, betas)
            mean = law @ self.energies
            return betas**2 * np.sum(law * (self.energies - mean[..., None]) ** 2, axis=-1)

        return self._canonical(betas, heat)

    def canonical_entropy(self, beta: ArrayLike) -> Estimate:
        """`log Z + beta <E>`, the entropy of the canonical law over states, in nats."""
        betas = _finite(beta)

        def entropy(log_g: np.ndarray) -> Any:
            return log_sum_exp(log_g - betas[..., None] * self.energies, axis=-1) + betas * (self._law(log_g, betas) @ self.energies)

        return self._canonical(betas, entropy)

    def _law(self, log_g: np.ndarray, betas: np.ndarray) -> np.ndarray:
        logs = log_g - betas[..., None] * self.energies
        return np.exp(logs - log_sum_exp(logs, axis=-1)[..., None])

    def _canonical(self, betas: np.ndarray, fn: Function[[np.ndarray], Any]) -> Estimate:
        """A canonical number; in doubt where few walkers made most of the visits that carry it, or those of levels that matter.

        The latter are the last ones found, beyond which there may be more.
        """
        found = self._jackknife(fn)
        if self.shares is None:
            return found
        law, walkers = self._law(self.log_g, betas), len(self.shares)
        effective = float(np.min(1 / np.sum((law @ self.shares.T) ** 2, axis=-1)))
        rare = 1 / np.sum(self.shares**2, axis=0) < walkers / 4
        sound = 2 * effective >= walkers and np.all(law[..., rare].sum(axis=-1) < MARGIN)
        found = dataclasses.replace(found, ess=effective)
        return found if sound else found.doubted(Status.NOT_CONVERGED)

    def _jackknife(self, fn: Function[[np.ndarray], Any]) -> Estimate:
        """`fn(log_g)` with the error over walkers left out in turn, and an interval by Student's t."""
        value = fn(self.log_g)[()]
        if self.shares is None:
            return Estimate(value, 0.0 * value, evidence=Evidence.EXACT)
        with np.errstate(invalid="ignore"):  # a level that one walker alone has seen is nowhere without it
            spread = standard_error(np.stack([value, *map(fn, self._without())]))
        stderr = np.where(np.isfinite(spread), spread, np.inf)[()]
        reach = student(LEVEL, len(self.shares) - 1) * stderr
        status = Status.OK if np.all(np.isfinite(stderr)) else Status.NOT_CONVERGED
        return Estimate(value, stderr, value - reach, value + reach, LEVEL, None, status, Evidence.INTERVAL, self._sources)

    def _without(self) -> np.ndarray:
        """log g without each walker, of the same total."""
        assert self.shares is not None
        with np.errstate(divide="ignore"):
            rows = self.log_g + np.log1p(-np.minimum(self.shares, 1.0))
        return rows - log_sum_exp(rows, axis=1)[:, None] + self.log_total


def _finite(beta: ArrayLike) -> Float[np.ndarray, "*betas"]:
    betas = np.asarray(beta, np.float64)
    if not np.all(np.isfinite(betas)):
        raise ValueError(f"beta={beta}: give finite numbers.")
    return betas


def _checked(shares: np.ndarray, levels: int) -> np.ndarray:
    if shares.ndim != 2 or shares.shape[1] != levels or len(shares) < 2:
        raise ValueError(f"shares of shape {shares.shape} for {levels} levels: give (walkers, levels), two walkers or more.")
    if np.any(shares < 0) or not np.allclose(shares.sum(axis=0), 1.0):
        raise ValueError("shares that do not add up to 1 at every level: give each walker's part of the visits.")
    return shares
