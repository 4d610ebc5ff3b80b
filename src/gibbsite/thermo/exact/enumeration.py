"""Discrete spaces summed state by state.

Energies are evaluated on the device in chunks of one shape; the sums are made on the host in float64.
"""

import math
from collections.abc import Callable as Function
from collections.abc import Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, Estimate, Evidence, configurations, count, discrete, values
from gibbsite.thermo.exact.summed import nothing, rounding_unit, summed

CHUNK = 2**16
MOST_STATES = 2**25


class _Sums(NamedTuple):
    """`exp(top)` times these are sums over states: of exp(-U), |U| exp(-U), f exp(-U) and |U f| exp(-U)."""

    top: float = -math.inf
    total: float = 0.0
    size: float = 0.0
    observed: np.ndarray | float = 0.0
    observed_size: np.ndarray | float = 0.0
    broken: bool = False

    def add(self, energies: np.ndarray, seen: np.ndarray) -> "_Sums":
        if np.any(np.isnan(energies)) or np.any(energies == -np.inf) or not np.all(np.isfinite(seen)):
            return self._replace(broken=True)
        top = max(self.top, float(np.max(-energies)))
        if top == -math.inf:
            return self
        old, weights = math.exp(self.top - top), np.exp(-energies - top)
        sized = weights * np.where(weights > 0, np.abs(energies), 0.0)
        return _Sums(
            top,
            self.total * old + float(weights.sum()),
            self.size * old + float(sized.sum()),
            self.observed * old + np.tensordot(weights, seen, 1),
            self.observed_size * old + np.tensordot(sized, np.abs(seen), 1),
        )


def enumerate_log_z(energy: AbstractEnergy) -> Estimate:
    """log Z by summing all states of a discrete space (2^n of spins or bits), up to 2^25.

    Its error is what Z changes by if every energy is wrong by a unit in its last place.

    Raises:
        TypeError: the space is not discrete.
        ValueError: it has too many states.
    """
    sums = _summed(energy, _nothing_seen)
    if sums.broken or sums.total == 0:
        return nothing()
    return summed(sums.top + math.log(sums.total), rounding_unit() * sums.size / sums.total)


def enumerate_mean(energy: AbstractEnergy, observable: Function[[Array], Array]) -> Estimate:
    """`sum_x f(x) exp(-U(x)) / Z` of a function f of one configuration (a number or an array), over all states as `enumerate_log_z`.

    Raises:
        TypeError: the space is not discrete.
        ValueError: it has too many states.
    """
    sums = _summed(energy, observable)
    if sums.broken or sums.total == 0:
        return nothing()
    mean = np.asarray(sums.observed) / sums.total
    error = np.asarray(rounding_unit() * (sums.observed_size + np.abs(mean) * sums.size) / sums.total)
    return Estimate(mean[()], error[()], evidence=Evidence.EXACT)


def check_countable(energy: AbstractEnergy) -> None:
    """Raises TypeError where there are no states to count, ValueError where there are too many."""
    if not discrete(energy.space):
        raise TypeError(f"enumerate_log_z counts states, and {type(energy.space).__name__} has none to count: use quadrature.")
    if count(energy.space) > MOST_STATES:
        sites = f"{len(values(energy.space))}^{energy.space.size}"
        raise ValueError(f"{type(energy).__name__} has {sites} states; enumeration goes to 2^{math.log2(MOST_STATES):.0f}: use anneal.")


def _summed(energy: AbstractEnergy, observable: Function[[Array], Array]) -> _Sums:
    check_countable(energy)
    sums = _Sums()
    for energies, seen in _chunks(energy, observable):
        sums = sums.add(energies, seen)
    return sums


def _chunks(energy: AbstractEnergy, observable: Function[[Array], Array]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    states = count(energy.space)
    for first in range(0, states, CHUNK):
        parts = _energies_of_states(energy, observable, jnp.asarray(first))
        energies, seen = (np.asarray(part, np.float64)[: states - first] for part in parts)  # the last chunk may reach beyond the end
        yield energies, seen


@eqx.filter_jit
def _energies_of_states(energy: AbstractEnergy, observable: Function[[Array], Array], first: Array) -> tuple[Array, Array]:
    """Of the configurations numbered `first`, `first + 1`, ..., as many as a chunk holds."""
    number = first + jnp.arange(min(CHUNK, count(energy.space)))
    xs = configurations(energy.space, number)
    return jax.vmap(energy)(xs), jax.vmap(observable)(xs)


def _nothing_seen(x: Array) -> Float[Array, "0"]:
    return jnp.zeros(0)
