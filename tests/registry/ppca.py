"""A linear VAE whose marginal and posterior are known: probabilistic PCA (Tipping & Bishop, J. R. Stat. Soc. B 61, 1999)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.models import VAE
from gibbsite.models.vae import FLOOR

# Columns of W are orthogonal, so that the posterior is a product of Gaussians, as the guess is.
WEIGHTS = np.array([[1.2, 0.3], [-0.8, 0.6], [0.5, 0.2], [0.4, -0.1]]) @ np.diag([1.0, 0.9])
WEIGHTS[:, 1] -= WEIGHTS[:, 0] * (WEIGHTS[:, 0] @ WEIGHTS[:, 1]) / (WEIGHTS[:, 0] @ WEIGHTS[:, 0])
PLACE, NOISE = np.array([0.7, -1.1, 0.2, 0.5]), 0.4
COVARIANCE = WEIGHTS @ WEIGHTS.T + NOISE**2 * np.eye(4)
ENTROPY = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * COVARIANCE)[1]  # of the marginal; minus the mean of log p over it
_PRECISION = WEIGHTS.T @ WEIGHTS / NOISE**2 + np.eye(2)


def linear_vae(stretch: float = 1.0, shift: float = 0.0) -> VAE:
    """The known law, with an encoder that gives the exact posterior, or one that is so much too wide and too far to one side."""
    turn = np.linalg.solve(_PRECISION, WEIGHTS.T / NOISE**2)
    width = stretch / np.sqrt(np.diag(_PRECISION))
    parts = (WEIGHTS, PLACE, _raw(np.array([NOISE])), turn, shift - turn @ PLACE, _raw(width))
    model = VAE.linear(4, 2, key=jax.random.key(0))
    return eqx.tree_at(_leaves, model, tuple(jnp.asarray(part, jnp.float32) for part in parts))


def _leaves(model):
    down, up = model.energy.decoder.net, model.energy.encoder
    return (*(a for net in (down, up) for a in (net.mean.layers[0].weight, net.mean.layers[0].bias, net.raw)),)


def _raw(scale):
    return np.log(np.expm1(scale - FLOOR))


def log_p(xs, place=PLACE, covariance=COVARIANCE):
    """The log-density of the marginal `N(place, covariance)` at each row."""
    off = np.asarray(xs, np.float64) - place
    size = np.linalg.slogdet(2 * np.pi * covariance)[1]
    return -0.5 * (np.sum(off * np.linalg.solve(covariance, off.T).T, axis=1) + size)


def rows(n, seed=0):
    """Draws of the marginal."""
    return np.random.default_rng(seed).multivariate_normal(PLACE, COVARIANCE, n).astype(np.float32)
