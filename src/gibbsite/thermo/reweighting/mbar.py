"""The multistate Bennett acceptance ratio: all samples of all states at once (Shirts & Chodera, J. Chem. Phys. 129, 124105, 2008)."""

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gibbsite.core import ArrayLike, Estimate, Evidence, Status, exact
from gibbsite.thermo.reweighting.check import given, per_sample
from gibbsite.thermo.reweighting.dual import Counts, Energies, PerSample, PerState, Sampled, Square, laplacian_inverse, self_consistent
from gibbsite.thermo.reweighting.network import links, overlap_scalar
from gibbsite.thermo.reweighting.solve import solve
from gibbsite.thermo.reweighting.start import start
from gibbsite.thermo.weights import ENOUGH

CARRIES = 0.01  # a share of a law's weight: sampled states with less do not decide over it
ROUNDING = 1e-13  # of a variance's terms: what is left of them is no variance


def mbar(u_kn: ArrayLike, counts: ArrayLike) -> "MBAR":
    """Free energies of all states from samples of some of them, by the one estimator that no other reweighting beats.

    `u_kn` has one row for each state and one column for each sample: the reduced energy (in kT) of sample n in state k. Columns
    stand state by state, `counts` of each; a state may have none. Samples of a state count as independent (see `decorrelate`).
    Energies may be `inf` where a state excludes a sample.

    Raises:
        ValueError: shapes do not fit, or an energy is NaN, -inf, or infinite in the state that its sample is from.
    """
    u, n = given(u_kn, counts)
    sampled = n > 0
    own, counted = (u, n) if sampled.all() else (u[sampled], n[sampled])
    solution = solve(own, counted.astype(float), start(own, counted))
    f = solution.f if sampled.all() else self_consistent(u, solution.dual.log_mixture)
    base = f[0] if np.isfinite(f[0]) else 0.0
    found = solution.dual
    return MBAR(u, n, f - base, found.log_mixture - base, found.shared, solution.steps, solution.converged)


class Footing(NamedTuple):
    """What a law stands on: its effective samples, and the sampled states that carry it."""

    ess: float
    states: Int[np.ndarray, " sampled"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MBAR:
    """Free energies `f` (in kT, the first is 0) and all that reweighting of the same samples gives, with errors.

    `log_mixture` is d_n = log sum_k N_k exp(f_k - u_kn), so that sample n weighs exp(f - u_n - d_n) in the law of any energy u.
    `shared` counts, off its diagonal, the samples that two sampled states share. `infinite` energies were counted, not left out.
    Whatever comes from one `MBAR` has one source: its estimates are correlated.
    """

    u_kn: Energies
    counts: Counts
    f: PerState
    log_mixture: PerSample
    shared: Sampled
    steps: int
    converged: bool
    sources: frozenset[object] = dataclasses.field(default_factory=lambda: frozenset([object()]))

    @property
    def infinite(self) -> int:
        """How many energies are infinite."""
        return int(np.isinf(self.u_kn).sum())

    @functools.cached_property
    def weights(self) -> Energies:
        """W_kn = exp(f_k - u_kn - d_n): every state's sum to 1, and sum_k N_k W_kn = 1 for every sample."""
        return np.exp(np.where(np.isinf(self.f), 0.0, self.f)[:, None] - self.u_kn - self.log_mixture)

    @functools.cached_property
    def products(self) -> Square:
        """G = W W', all products of weights."""
        return self.weights @ self.weights.T

    @functools.cached_property
    def covariance(self) -> Square:
        """Theta_ij, the covariance of f_i and f_j up to a constant: Var(f_j - f_i) = Theta_ii + Theta_jj - 2 Theta_ij.

        Equation 8 of the paper, `W (1 - W' N W)^+ W'`, as `G + G N L''^-1 N G`.
        """
        return self.products + self._through(self.products)

    def theta(self, columns: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m m"]:
        """The same for any columns of weights, each of sum 1 (a law) or 0 (a difference of laws, an observable less its mean)."""
        return columns @ columns.T + self._through(columns @ self.weights.T)

    @functools.cached_property
    def overlap(self) -> Square:
        """O_ij, the mean chance over state i that a sample is taken for one of state j; rows sum to 1 (Klimovich et al., 2015)."""
        return self.counts * self.products

    @functools.cached_property
    def overlap_scalar(self) -> float:
        """One minus the second eigenvalue of the overlap matrix: 0 where states fall into two groups."""
        return overlap_scalar(self.counts[self._sampled].astype(float), self.shared)

    @property
    def ess(self) -> PerState:
        """Effective samples of each state, 1 / sum_n W_kn^2 (Kish): those of its own, and what the others lend."""
        return 1 / np.maximum(np.diag(self.products), np.finfo(float).tiny)

    @property
    def free_energies(self) -> tuple[Estimate, ...]:
        """f_k - f_0 of every state, in kT."""
        return tuple(self.difference(k) for k in range(len(self.f)))

    def difference(self, state: int, base: int = 0) -> Estimate:
        """f_state - f_base = -log(Z_state / Z_base), in kT.

        Its `ess` is twice the number of samples that the two states share, at the weakest link of the best way between them (see
        `network`); with less than one shared, nothing is established (NO_OVERLAP).

        Raises:
            ValueError: there is no such state.
        """
        i, j = self._place(base), self._place(state)
        if i == j:
            return exact(0.0)
        apart = self.products[j] - self.products[i]
        spread = float(apart[j] - apart[i] + self._through(apart[None])[0, 0])
        scale = float(self.products[i, i] + self.products[j, j])
        return self.judged(float(self.f[j]) - float(self.f[i]), spread, scale, (self._of_state(i), self._of_state(j)))

    def free_energy(self, u_n: ArrayLike, base: int = 0) -> Estimate:
        """f - f_base of a state without samples, whose reduced energies of all samples are `u_n`.

        Raises:
            ValueError: `u_n` is not one number, or inf, for each sample; or there is no such base.
        """
        f, column = self._law(u_n)
        i = self._place(base)
        spread = float(self.theta((column - self.weights[i])[None])[0, 0])
        footings = (self._of_state(i), self.footing(column))
        return self.judged(f - float(self.f[i]), spread, float(column @ column), footings)

    def expectation(self, values: ArrayLike, state: int | ArrayLike = 0) -> Estimate:
        """The mean of an observable, given by its value for each sample, in a state: its number, or reduced energies `u_n`.

        <A> = sum_n W_n A_n; the error knows that the weights are estimates, too (equation 15).

        Raises:
            ValueError: not one number for each sample; a value is infinite where the state has weight; or there is no such state.
        """
        column = self.column(state)
        if not column.any():
            return self._nothing(Status.NON_FINITE)
        a = np.where(column > 0, per_sample(values, "values", self.u_kn.shape[1]), 0.0)
        if np.isinf(a).any():
            raise ValueError(f"values[{int(np.argmax(np.isinf(a)))}] is infinite, and so is the mean; leave such samples out.")
        mean = float(column @ a)
        varies = np.ptp(a[column > 0]) > 0
        spread = float(self.theta((column * (a - mean))[None])[0, 0]) if varies else 0.0
        footing = self._of_state(self._place(int(np.asarray(state)))) if np.ndim(state) == 0 else self.footing(column)
        return self.judged(mean, spread, 0.0, (footing,))

    def column(self, state: int | ArrayLike) -> PerSample:
        """The weights of all samples in a state, by its number or by its reduced energies `u_n`; they sum to 1."""
        return self.weights[self._place(int(np.asarray(state)))] if np.ndim(state) == 0 else self._law(state)[1]

    def __repr__(self) -> str:
        samples, least = self.u_kn.shape[1], self.overlap_scalar
        return f"MBAR of {len(self.f)} states and {samples} samples, least overlap (1 - second eigenvalue) {least:.3g}"

    @functools.cached_property
    def _sampled(self) -> Int[np.ndarray, " sampled"]:
        return np.nonzero(self.counts)[0]

    @functools.cached_property
    def inverse(self) -> Sampled:
        """L''^-1 of the sampled states (see `laplacian_inverse`)."""
        return laplacian_inverse(self.counts[self._sampled].astype(float), self.shared)

    @functools.cached_property
    def _links(self) -> Square:
        """`links` of sampled states, in the numbers of all states."""
        found = np.zeros((len(self.f), len(self.f)))
        found[np.ix_(self._sampled, self._sampled)] = links(self.inverse)
        return found

    @functools.cached_property
    def _still(self) -> np.ndarray:
        """Sampled states whose samples are all alike: to each other state the same work (so by nature, if a part of the other)."""
        works = [mine - mine[k] for k, mine in enumerate(np.split(self.u_kn, np.cumsum(self.counts)[:-1], axis=1))]
        return np.array([work.shape[1] > 1 and bool(np.all(work == work[:, :1])) for work in works])

    def _through(self, rows: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m m"]:
        """What uncertain free energies of the sampled states do to columns that have these products with the weights of all states."""
        felt = rows[:, self._sampled] * self.counts[self._sampled]
        return felt @ self.inverse @ felt.T

    def _place(self, state: int) -> int:
        if not -len(self.f) <= state < len(self.f):
            raise ValueError(f"There is no state {state}: they are numbered 0 to {len(self.f) - 1}.")
        return state % len(self.f)

    def _law(self, u_n: ArrayLike) -> tuple[float, PerSample]:
        """The free energy of any reduced energies, and the weights of all samples in their law."""
        u = per_sample(u_n, "u_n", self.u_kn.shape[1])
        if np.any(u == -np.inf):
            raise ValueError(f"u_n[{int(np.argmax(u == -np.inf))}] is -inf; energies are finite, or inf where the state excludes a sample.")
        f = float(self_consistent(u[None], self.log_mixture)[0])
        return f, np.exp((f if math.isfinite(f) else 0.0) - u - self.log_mixture)

    def _of_state(self, state: int) -> Footing:
        """That of a numbered state; one with samples stands on these."""
        carry = np.nonzero(self.products[state] * self.counts > CARRIES)[0]
        return Footing(float(self.ess[state]), np.array([state]) if self.counts[state] else carry)

    def footing(self, column: PerSample) -> Footing:
        """What the law with these weights stands on."""
        shares = self.weights @ column * self.counts
        return Footing(1 / max(float(column @ column), np.finfo(float).tiny), np.nonzero(shares > CARRIES)[0])

    def judged(self, value: float, variance: float, scale: float, footings: tuple[Footing, ...]) -> Estimate:
        """The estimate with the status that its samples deserve; variances below rounding of `scale` are none."""
        on = np.unique(np.concatenate([footing.states for footing in footings]))
        if not math.isfinite(value) or not len(on):
            return self._nothing(Status.NON_FINITE)
        shared = float(self._links[np.ix_(on, on)].min())
        if shared < 1:
            return self._nothing(Status.NO_OVERLAP if self.counts[on].min() > 1 else Status.TOO_SHORT)
        if self.u_kn.shape[1] < 2:
            return self._nothing(Status.TOO_SHORT)
        ess = min(2 * shared, *(footing.ess for footing in footings))
        found = Estimate(value, None, ess=ess, evidence=Evidence.INTERVAL, sources=self.sources)
        if variance <= ROUNDING * scale or self._still[on].all():
            return found.doubted(Status.CONSTANT)
        found = dataclasses.replace(found, stderr=math.sqrt(variance))
        if not self.converged:
            return found.doubted(Status.NOT_CONVERGED)
        if any(footing.ess < ENOUGH for footing in footings):  # then the error bar is as wrong as the value may be
            return found.doubted(Status.LOW_ESS)
        return found if ess >= ENOUGH else dataclasses.replace(found, status=Status.LOW_ESS)

    def _nothing(self, status: Status) -> Estimate:
        return Estimate(None, None, status=status, evidence=Evidence.NOT_ESTABLISHED, sources=self.sources)
