"""Untrained Boltzmann machines that start as the decoupled law of the data's own scale."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
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
    What is trained is u, t and the mean in units of the noise, all of order one: `weights = a SHARP u`, `hidden_bias = -a t`.
    The noise stays: every unit leans on it, so its gradient is the noisiest of all. Few units: unit noise, couplings near 0.
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
    zeros = jnp.zeros(visible)
    weights, offsets = jnp.concatenate([u, -u])[:hidden].T, -jnp.concatenate([t, t])[:hidden]
    machine = GaussianRBM(weights, zeros, offsets, jnp.full(visible, jnp.log(as_float(SHARP))))
    parts = _times(weights, slope * SHARP), _times(zeros, SHARP), _times(offsets, slope), paramax.NonTrainable(machine.log_scale)
    return eqx.tree_at(lambda m: (m.weights, m.visible_bias, m.hidden_bias, m.log_scale), machine, parts)


def _times(unit: Array, scale: float) -> paramax.Parameterize:
    """`scale * unit`, of which `unit` is trained: Adam moves every number it trains by the same amount."""
    return paramax.Parameterize(multiply, unit, paramax.NonTrainable(as_float(scale)))


def multiply(unit: Array, scale: Array) -> Array:
    """Has a name, as what is saved with a model must."""
    return unit * scale


def _slope(visible: int, hidden: int) -> float:
    """`a` with `hidden * mean_t a^2 sigmoid'(a t) = visible (1 / SHARP^2 - 1 / BREADTH^2)`."""
    wanted = visible * (SHARP**-2 - BREADTH**-2) / hidden
    # mean over t in [-REACH, REACH] of a^2 sigmoid'(a t) is (a / REACH) (sigmoid(a REACH) - 1/2).
    return float(brentq(lambda a: a / REACH * (1 / (1 + np.exp(-a * REACH)) - 0.5) - wanted, 1e-6, 1e3))
