"""Glasses: what two copies of one disorder have in common."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import Histogram
from gibbsite.core.energy import Scalar


def overlap(x: Float[Array, "copies *x"]) -> Scalar:
    """`q = (1 / N) sum_i x_i x'_i` of two copies (`Copies(energy, 2)`): 1 where they agree (Edwards & Anderson, J. Phys. F 5, 1975).

    Raises:
        ValueError: x holds another number of copies.
    """
    if x.shape[0] != 2:
        raise ValueError(f"overlap of an x of shape {x.shape}: give two copies, Copies(energy, 2).")
    return jnp.mean(x[0] * x[1])


def overlap_distribution(edges: Float[Array, " edges"]) -> Histogram:
    """The shares P(q) of overlaps in the bins between these edges (Parisi, PRL 50, 1983): many peaks where many states coexist."""
    return Histogram(overlap, edges)
