"""What exact sums share: how they round, and how they are told."""

import math

import jax.numpy as jnp

from gibbsite.core import Estimate, Evidence, Status


def rounding_unit() -> float:
    """The unit in the last place of energies, relative to their size."""
    return float(jnp.finfo(jnp.result_type(float)).eps)


def summed(log_z: float, error: float) -> Estimate:
    """An exact log Z, with what rounding and truncation leave open for its error; nothing, where it is no number."""
    return Estimate(log_z, error, evidence=Evidence.EXACT) if math.isfinite(log_z) else nothing()


def nothing() -> Estimate:
    """A sum that met a not-a-number, or has no terms."""
    return Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
