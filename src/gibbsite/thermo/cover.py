"""A normalised law that covers given draws: the best of several families by the likelihood of draws it was not fitted to.

Every family is mixed with some of a Gaussian of three times the draws' covariance: what the draws did not meet is likelier there
than nowhere, and a base that covers too much costs stages, one that covers too little truth (a defensive mixture: Hesterberg,
Technometrics 37, 1995).
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, Normal
from gibbsite.energies import AxisMixture, CovarianceMixture, Reshaped

WIDE, SHARE, EACH = 3.0, 0.1, 0.02  # the covariance of what is mixed in, in that of the draws; its weight, and that on each axis
FEW_AXES, FEWER_AXES = 256, 64  # up to which all correlations are learned, and mixtures
PARTS = (1, 4, 12)  # Gaussians that are tried
ENOUGH = 20  # draws for each number of a covariance matrix's row
MOST = 4000  # draws that mixtures are fitted to


def cover(xs: Float[np.ndarray, "n *x"]) -> AbstractEnergy:
    """The law for draws `xs`, in no order of time (every other one is held out)."""
    flat = xs.reshape(len(xs), -1)
    if flat.shape[1] > FEW_AXES:
        return Normal(xs.mean(axis=0), math.sqrt(WIDE) * xs.std(axis=0))
    fitted, held = flat[::2], jnp.asarray(flat[1::2], jnp.result_type(float))
    best = max(_families(fitted), key=lambda law: float(jnp.mean(_log_likelihoods(law, held))))
    return best if xs.ndim == 2 else Reshaped(best, xs.shape[1:])


@eqx.filter_jit
def _log_likelihoods(law: AbstractEnergy, xs: Float[Array, "n d"]) -> Float[Array, " n"]:
    return -jax.vmap(law)(xs)


def _families(xs: Float[np.ndarray, "n d"]) -> Iterator[AbstractEnergy]:
    """Mixtures of Gaussians, and of Gaussians on every axis."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    d, spread, unit = xs.shape[1], np.atleast_2d(np.cov(xs.T)), xs.std(axis=0)
    few = xs[:: max(1, len(xs) // MOST)] / unit

    def fitted(points: np.ndarray, parts: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that is nearly there covers as well
            return GaussianMixture(parts, random_state=0, reg_covar=1e-3).fit(points)

    for parts in PARTS:
        if parts == 1 or (d <= FEWER_AXES and len(few) >= ENOUGH * parts * d):
            found = fitted(few, parts)
            yield CovarianceMixture.of_covariances(
                np.concatenate([found.means_ * unit, xs.mean(axis=0)[None]]),
                np.concatenate([found.covariances_ * np.outer(unit, unit), WIDE * spread[None]]),
                np.append((1 - SHARE) * found.weights_, SHARE),
            )
    if 1 < d <= FEWER_AXES:
        each = [fitted(few[:, i : i + 1], 4) for i in range(d)]
        means, scales, weights = (
            np.stack([getattr(one, name).reshape(4) for one in each]) for name in ("means_", "covariances_", "weights_")
        )
        yield AxisMixture(
            np.c_[means * unit[:, None], xs.mean(axis=0)],
            np.c_[np.sqrt(scales) * unit[:, None], math.sqrt(WIDE) * unit],
            np.c_[(1 - EACH) * weights, np.full(d, EACH)],
        )
