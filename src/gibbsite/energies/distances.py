"""Distances that have a slope everywhere, and the pairs of particles."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float


def length(v: Float[Array, "*n d"], least: ArrayLike = 1e-12) -> Float[Array, "*n"]:
    """`|v|` over the last axis, never less than `least`; there its slope is 0, where that of a square root would be NaN."""
    return jnp.sqrt(jnp.maximum(jnp.sum(v**2, axis=-1), jnp.square(least)))


def between(x: Float[Array, "n d"]) -> Float[Array, "pairs d"]:
    """`x_i - x_j` of every pair i < j."""
    i, j = np.triu_indices(len(x), 1)
    return x[i] - x[j]
