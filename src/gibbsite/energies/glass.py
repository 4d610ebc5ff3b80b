"""Spin glasses: draws of the disorder."""

from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from gibbsite.core import ArrayLike, Spins, as_float
from gibbsite.core.energy import check_values
from gibbsite.energies.graph import DenseBoltzmannMachine
from gibbsite.energies.grid import as_sides
from gibbsite.energies.lattice import Ising


def edwards_anderson(
    side: SupportsIndex | Sequence[SupportsIndex],
    coupling: ArrayLike = 1.0,
    *,
    positive: ArrayLike | None = None,
    periodic: bool = True,
    key: Key[Array, ""],
) -> Ising:
    """An `Ising` lattice whose bonds are `coupling` times independent unit Gaussians (Edwards & Anderson, J. Phys. F 5, 1975).

    With a probability `positive` they are `coupling` times +1 or, else, -1 (Toulouse 1977); on Nishimori's line, `coupling =
    log(p / (1 - p)) / 2`, the mean energy of a bond is `-(2p - 1) coupling` (Progress of Theoretical Physics 66, 1981).

    Raises:
        ValueError: `positive` is no probability, or the lattice is none of `Ising`.
    """
    sides = as_sides(side)
    shape = (len(sides), *sides)
    if positive is None:
        disorder = jax.random.normal(key, shape)
    else:
        check_values("edwards_anderson", "positive", positive, lambda p: (p >= 0) & (p <= 1), "a probability")
        disorder = jnp.where(jax.random.bernoulli(key, as_float(positive), shape), 1.0, -1.0)
    return Ising(sides, as_float(coupling) * disorder, periodic=periodic)


def sherrington_kirkpatrick(n: int, *, key: Key[Array, ""]) -> DenseBoltzmannMachine:
    """n spins, all pairs coupled by independent Gaussians of variance 1 / n (Sherrington & Kirkpatrick, Phys. Rev. Lett. 35, 1975).

    It freezes at beta = 1; `Tempered` sets the temperature.
    """
    above = jnp.triu(jax.random.normal(key, (n, n)), 1) / jnp.sqrt(n)
    return DenseBoltzmannMachine(Spins((n,)), above + above.T)
