"""From where to anneal an energy: a base that covers it, a path to it, and a kernel that moves along the path."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    Coins,
    Geometric,
    Latent,
    Normal,
    Reals,
    Tempering,
    as_float,
    capability,
    reference,
    two_valued,
)
from gibbsite.energies import Gaussian
from gibbsite.samplers import HMC, BlockGibbs, Silent, choose, sample

CHAINS, DRAWS, KEEP = 32, 600, 3  # of the pilot
WIDER = 2.0  # the variance of the base, in those of the pilot's draws: what covers costs little, what misses much
FEW_AXES = 128  # up to which the base has all correlations
DRIFT = 2.0  # times as wide in the last third of the pilot as in the first: no chain at rest is


class Outset(NamedTuple):
    """A path from a base to an energy, the kernel for it, and whether pilot chains ran away (never, where space is finite)."""

    path: AbstractPath
    kernel: AbstractKernel
    drifting: bool = False


def outset(energy: AbstractEnergy, *, base: AbstractEnergy | None = None, key: Key[Array, ""]) -> Outset:
    """The base is the one given; else, where the space is finite or compact, its uniform law, and on the reals a Gaussian twice as
    wide as the draws of pilot chains; hidden units have their own path, from the pilot's mean.

    Raises:
        TypeError: no kernel moves there that accounts for its work.
    """
    latent = capability(energy, Latent)
    if latent is not None and latent.path is not None and base is None:
        xs = _pilot(energy, key)
        flat = xs.reshape(-1, *xs.shape[2:])
        field = Coins.like(energy.space, flat).field if two_valued(energy.space) else as_float(flat.mean(axis=0))
        return Outset(latent.path(field), BlockGibbs(), _drifting(xs))
    if not isinstance(energy.space, Reals):
        path = Tempering(energy, reference(energy.space)) if base is None else Geometric(base, energy)
        return Outset(path, choose(energy).kernel)
    kernel = HMC(as_float(0.1), jnp.ones(energy.space.shape), steps=8)
    if base is not None:
        return Outset(Geometric(base, energy), kernel)
    xs = _pilot(energy, key)
    if _drifting(xs):
        return Outset(Geometric(reference(energy.space), energy), kernel, drifting=True)
    return Outset(Geometric(_cover(xs), energy), kernel)


def _pilot(energy: AbstractEnergy, key: Key[Array, ""]) -> Float[np.ndarray, "chains n *x"]:
    run = sample("auto", energy, chains=CHAINS, draws=DRAWS, keep=KEEP, progress=Silent(), key=key)
    return np.asarray(run.samples, np.float64)


def _cover(xs: Float[np.ndarray, "chains n *x"]) -> AbstractEnergy:
    """A Gaussian `WIDER` than the draws."""
    flat = xs.reshape(-1, *xs.shape[2:])
    mean = flat.mean(axis=0)
    if mean.ndim != 1 or mean.size > FEW_AXES:
        return Normal(mean, np.sqrt(WIDER) * flat.std(axis=0))
    return Gaussian.of_covariance(mean, WIDER * np.atleast_2d(np.cov(flat.T)))


def _drifting(xs: Float[np.ndarray, "chains n *x"]) -> bool:
    """Whether most chains are much farther out at the end than at the beginning."""
    if not np.all(np.isfinite(xs)):
        return True
    flat = xs.reshape(*xs.shape[:2], -1)
    far = np.abs(flat - np.median(flat, axis=(0, 1)))
    first, last = (part.mean(axis=1) for part in (far[:, : len(far[0]) // 3], far[:, -(len(far[0]) // 3) :]))
    return bool(np.max(np.median(last, axis=0) / np.maximum(np.median(first, axis=0), np.finfo(float).tiny)) > DRIFT)
