"""Untrained Boltzmann machines that start as the decoupled law of the data's own scale."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.optimize import brentq

from gibbsite.core import as_float
from gibbsite.energies import BinaryRBM, GaussianRBM

SHARP = 0.07  # noise of a visible unit where hidden units are many, in standard deviations: finer than any mode
REACH = 3.0  # hidden units meet the data within this distance of the mean
BREADTH = 1.2  # width of the law at the start


def binary_machine(field: Float[Array, " v"], hidden: int, *, key: Key[Array, ""]) -> BinaryRBM:
    """Visible biases of the data's frequencies, couplings near 0 (Hinton, Practical guide, 2012, section 8)."""
    return BinaryRBM(0.01 * jax.random.normal(key, (len(field), hidden)), field, jnp.zeros(hidden))


def gaussian_machine(visible: int, hidden: int, *, key: Key[Array, ""]) -> GaussianRBM:
    """Many hidden units: sharp visible noise, softplus ridges in all directions that add up to nearly the rest of the bowl.

    A unit `softplus(a (u.x - t))` takes curvature `a^2 sigmoid'` along u from the bowl `|x|^2 / (2 SHARP^2)`; `a` is such that
    together they leave a law of width `BREADTH` at the mean. Ridges come in pairs of opposite u, so that slopes cancel.
    With few units: unit noise and couplings near 0.
    """
    if hidden < 32 * visible:
        weights = 0.01 * jax.random.normal(key, (visible, hidden))
        return GaussianRBM(weights, jnp.zeros(visible), jnp.zeros(hidden), jnp.zeros(visible))
    turn, place = jax.random.split(key)
    pairs = -(-hidden // 2)
    u = jax.random.normal(turn, (pairs, visible))
    u = u / jnp.linalg.norm(u, axis=1, keepdims=True)
    t = jax.random.uniform(place, (pairs,), minval=-REACH, maxval=REACH)
    slope = _slope(visible, hidden)
    weights = slope * SHARP * jnp.concatenate([u, -u])[:hidden].T
    bias = -slope * jnp.concatenate([t, t])[:hidden]
    return GaussianRBM(weights, jnp.zeros(visible), bias, jnp.full(visible, jnp.log(as_float(SHARP))))


def _slope(visible: int, hidden: int) -> float:
    """`a` with `hidden * mean_t a^2 sigmoid'(a t) = visible (1 / SHARP^2 - 1 / BREADTH^2)`."""
    wanted = visible * (SHARP**-2 - BREADTH**-2) / hidden
    # mean over t in [-REACH, REACH] of a^2 sigmoid'(a t) is (a / REACH) (sigmoid(a REACH) - 1/2).
    return float(brentq(lambda a: a / REACH * (1 / (1 + np.exp(-a * REACH)) - 0.5) - wanted, 1e-6, 1e3))
