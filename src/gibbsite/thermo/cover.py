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

from gibbsite.core import AbstractEnergy, Normal, as_float
from gibbsite.energies import AxisMixture, CovarianceMixture, Reshaped, Turned

WIDE, SHARE, EACH = 3.0, 0.1, 0.02  # the covariance of what is mixed in, in that of the draws; its weight, and that on each axis
FEW_AXES, FEWER_AXES = 256, 64  # up to which all correlations are learned, and mixtures
PARTS, ON_AXIS = (1, 4, 12, 24), 4  # Gaussians that are tried; those on each axis
ENOUGH = 10  # draws for each number of a covariance matrix's row
SHARP = 1e-5  # the least variance of a part, in that of the draws
MOST = 4000  # draws that mixtures are fitted to
BENT = 6.0  # standard errors that the fourth cumulant of an axis is from a Gaussian's, for it to be fitted by more than one


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
    """Mixtures of Gaussians; of Gaussians on every axis, and on every principal one."""
    d, unit = xs.shape[1], xs.std(axis=0)
    few = xs[:: max(1, len(xs) // MOST)] / unit
    for parts in PARTS:
        if parts == 1 or (d <= FEWER_AXES and len(few) >= ENOUGH * parts * d):
            try:
                law = _gaussians(xs, few, unit, parts)
            except ValueError:  # a part has collapsed on copies of one draw: these are too many parts
                break
            yield law
    if d > 1:
        axes = np.linalg.eigh(np.cov(xs.T))[1]
        yield _by_axis(xs)
        yield Turned(_by_axis(xs @ axes), as_float(axes))


def _fitted(points: np.ndarray, parts: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that is nearly there covers as well
        return GaussianMixture(parts, random_state=0, reg_covar=SHARP).fit(points)


def _gaussians(xs: np.ndarray, few: np.ndarray, unit: np.ndarray, parts: int) -> CovarianceMixture:
    found, spread = _fitted(few, parts), np.atleast_2d(np.cov(xs.T))
    return CovarianceMixture.of_covariances(
        np.concatenate([found.means_ * unit, xs.mean(axis=0)[None]]),
        np.concatenate([found.covariances_ * np.outer(unit, unit), WIDE * spread[None]]),
        np.append((1 - SHARE) * found.weights_, SHARE),
    )


def _by_axis(xs: Float[np.ndarray, "n d"]) -> AxisMixture:
    """One Gaussian on each axis, several where it is bent; a wide one with each."""
    mean, unit = xs.mean(axis=0), xs.std(axis=0)
    z = (xs - mean) / unit
    few = z[:: max(1, len(z) // MOST)]
    excess = np.abs(np.mean(z**4, axis=0) - 3) * math.sqrt(len(z) / 24)
    tilt = np.abs(np.mean(z**3, axis=0)) * math.sqrt(len(z) / 6)
    means, scales, weights = np.zeros((3, len(unit), ON_AXIS + 1))
    scales[:], weights[:] = 1.0, (1 - EACH) / ON_AXIS
    for axis in np.flatnonzero(np.maximum(excess, tilt) > BENT):
        found = _fitted(few[:, axis : axis + 1], ON_AXIS)
        means[axis, :-1], scales[axis, :-1], weights[axis, :-1] = (
            found.means_[:, 0],
            np.sqrt(found.covariances_[:, 0, 0]),
            (1 - EACH) * found.weights_,
        )
    scales[:, -1], weights[:, -1] = math.sqrt(WIDE), EACH
    return AxisMixture(*map(as_float, (mean[:, None] + means * unit[:, None], scales * unit[:, None], weights)))
