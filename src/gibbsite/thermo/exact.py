"""Partition functions summed outright: quadrature in one to three dimensions, enumeration of discrete spaces.

Energies are evaluated on the device in chunks of one shape; the sums are made on the host in float64.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, ArrayLike, Box, Estimate, Evidence, Status, Torus, configurations, count, discrete, values
from gibbsite.core.reference import ends

CHUNK = 2**16
MOST_STATES = 2**25
MOST_POINTS = 2**24
NODES = 8  # Gauss-Legendre nodes of a panel
FIRST_PANELS = {1: 128, 2: 16, 3: 4}
RIM = 16  # the rim is this part of the box's width, on every side


class _Sum(NamedTuple):
    """`top + log(total)` is the log of the sum, `size` the sum of |U| exp(-U), `edge` the part on the box's rim."""

    top: float = -math.inf
    total: float = 0.0
    size: float = 0.0
    edge: float = 0.0
    broken: bool = False

    def add(self, energies: np.ndarray, log_weights: np.ndarray | float = 0.0, rim: np.ndarray | slice = slice(0)) -> "_Sum":
        if np.any(np.isnan(energies)) or np.any(energies == -np.inf):
            return self._replace(broken=True)
        logs = log_weights - energies
        top = max(self.top, float(np.max(logs)))
        if top == -math.inf:
            return self
        old, terms = math.exp(self.top - top), np.exp(logs - top)
        size = float(np.sum(np.where(terms > 0, np.abs(energies), 0.0) * terms))
        return _Sum(top, self.total * old + float(terms.sum()), self.size * old + size, self.edge * old + float(terms[rim].sum()))

    def log(self) -> float:
        return self.top + math.log(self.total) if self.total > 0 else -math.inf

    def rounding(self) -> float:
        """Relative error of the sum if every energy is wrong by a unit in its last place."""
        return float(jnp.finfo(jnp.result_type(float)).eps) * self.size / self.total


@eqx.filter_jit
def _energies(energy: AbstractEnergy, xs: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jax.vmap(lambda x: energy(x.reshape(energy.space.shape)))(xs)


@eqx.filter_jit
def _energies_of_states(energy: AbstractEnergy, first: Array) -> Float[Array, " n"]:
    """Energies of the configurations numbered `first`, `first + 1`, ..., as many as a chunk holds."""
    number = first + jnp.arange(min(CHUNK, count(energy.space)))
    return jax.vmap(energy)(configurations(energy.space, number))


def enumerate_log_z(energy: AbstractEnergy) -> Estimate:
    """log Z by summing all states of a discrete space (2^n of spins or bits), up to 2^25.

    Raises:
        TypeError: the space is not discrete.
        ValueError: it has too many states.
    """
    if not discrete(energy.space):
        raise TypeError(f"enumerate_log_z counts states, and {type(energy.space).__name__} has none to count: use quadrature.")
    states = count(energy.space)
    if states > MOST_STATES:
        sites = f"{len(values(energy.space))}^{energy.space.size}"
        raise ValueError(f"{type(energy).__name__} has {sites} states; enumeration goes to 2^{math.log2(MOST_STATES):.0f}: use anneal.")
    total = _Sum()
    for first in range(0, states, CHUNK):
        energies = np.asarray(_energies_of_states(energy, jnp.asarray(first)), np.float64)
        total = total.add(energies[: states - first])  # the last chunk may reach beyond the end
    return _finish(total, math.inf if total.total == 0 else total.rounding(), converged=True)


def quadrature(energy: AbstractEnergy, *, low: ArrayLike | None = None, high: ArrayLike | None = None, rtol: float = 1e-6) -> Estimate:
    """log Z of an energy on one to three real numbers, by Gauss-Legendre panels between `low` and `high`.

    The number of panels doubles until two doublings in a row change Z by less than `rtol`. The error is the last change,
    the rounding of the energies, and, unless the space is a `Box` or a `Torus`, the mass in the outer sixteenth of the box on every
    side: more than is left outside, if the density falls to half or less over that width. Heavier tails want a wider box.
    `low` and `high` may be left out for these.

    Raises:
        ValueError: too many dimensions, or no finite bounds.
    """
    d = energy.space.size
    if not 1 <= d <= 3:
        raise ValueError(f"quadrature works in one to three dimensions; {type(energy).__name__} has {d}: use anneal.")
    low, high = _bounds(energy, low, high)
    panels, logs = FIRST_PANELS[d], []
    while True:
        total = _integrate(energy, low, high, panels)
        logs.append(total.log())
        if total.broken or total.total == 0:
            return _finish(total, math.inf, converged=False)
        changes = [abs(math.expm1(a - b)) for a, b in pairwise(logs[-3:])]
        converged = len(changes) == 2 and max(changes) < max(rtol, 2 * total.rounding())
        if converged or (2 * panels * NODES) ** d > MOST_POINTS:
            break
        panels *= 2
    rim = 0.0 if isinstance(energy.space, Box | Torus) else total.edge / total.total
    return _finish(total, max(changes, default=math.inf) + total.rounding() + rim, converged=converged)


def _bounds(energy: AbstractEnergy, low: ArrayLike | None, high: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    if low is None or high is None:
        if not isinstance(energy.space, Box | Torus):
            raise ValueError(f"quadrature over {type(energy.space).__name__} needs low= and high=: a box that holds the law.")
        low, high = (own if given is None else given for own, given in zip(ends(energy.space), (low, high), strict=True))
    bounds = [np.broadcast_to(np.asarray(end, np.float64).ravel(), (energy.space.size,)) for end in (low, high)]
    if not (np.all(np.isfinite(bounds)) and np.all(bounds[0] < bounds[1])):
        raise ValueError(f"quadrature from low={low} to high={high}: both must be finite, low below high.")
    return bounds[0], bounds[1]


def _integrate(energy: AbstractEnergy, low: np.ndarray, high: np.ndarray, panels: int) -> _Sum:
    total = _Sum()
    for xs, log_weights, rim in _grid(low, high, panels):
        padded = np.resize(xs, (CHUNK, len(low)))
        energies = np.asarray(_energies(energy, jnp.asarray(padded, jnp.result_type(float))), np.float64)[: len(xs)]
        total = total.add(energies, log_weights, rim)
    return total


def _grid(low: np.ndarray, high: np.ndarray, panels: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Points, log weights and rim membership of the product grid, chunk by chunk."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    unit = (np.arange(panels)[:, None] + (nodes + 1) / 2).ravel() / panels
    log_weight = np.log(np.tile(weights / 2, panels) / panels)
    side, d = panels * NODES, len(low)
    volume = float(np.sum(np.log(high - low)))
    for first in range(0, side**d, CHUNK):
        index = np.stack(np.unravel_index(np.arange(first, min(first + CHUNK, side**d)), (side,) * d), axis=1)
        rim = np.any((index < side // RIM) | (index >= side - side // RIM), axis=1)
        yield low + (high - low) * unit[index], volume + log_weight[index].sum(axis=1), rim


def _finish(total: _Sum, error: float, *, converged: bool) -> Estimate:
    if total.broken or total.total == 0:
        return Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
    status = Status.OK if converged else Status.NOT_CONVERGED
    evidence = Evidence.EXACT if converged else Evidence.NOT_ESTABLISHED
    return Estimate(total.log(), error, status=status, evidence=evidence)


def exact_routes(energy: AbstractEnergy) -> dict:
    """None yet."""
    return {}
