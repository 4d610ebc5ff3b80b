"""Energies and what follows from them. Energies are those of the model itself; the law is `exp(-beta E)`, and k = 1."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from gibbsite.core import AbstractEnergy, Estimate
from gibbsite.thermo.observables.derived import Derived


def heat_capacity(energy: AbstractEnergy, beta: float) -> Derived:
    """`C = d<E>/dT = beta^2 (<E^2> - <E>^2)` of the whole system, of draws at `beta` (Gibbs 1902)."""

    def powers(x: PyTree) -> Float[Array, " 2"]:
        here = energy(x)
        return jnp.stack([here, here**2])

    return Derived(powers, lambda mean: beta**2 * (mean[1] - mean[0] ** 2))


def free_energy(log_z: Estimate, beta: float) -> Estimate:
    """`F = -log Z / beta`.

    Raises:
        ValueError: beta is not positive.
    """
    if not (math.isfinite(beta) and beta > 0):
        raise ValueError(f"beta={beta}: a free energy needs a positive, finite inverse temperature.")
    return -log_z / beta


def entropy(log_z: Estimate, mean_energy: Estimate, beta: float, *, covariance: float | None = None) -> Estimate:
    """`S = log Z + beta <E>`, in nats: of a discrete space the entropy, of a continuous one the differential entropy.

    `log_z` and `mean_energy` from one run are correlated: give their covariance.

    Raises:
        ValueError: they share a source and no covariance is given.
    """
    heat = mean_energy * beta
    return log_z + heat if covariance is None else log_z.plus(heat, covariance=np.asarray(beta * covariance))
