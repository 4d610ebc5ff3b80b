"""Correlations in space on a torus of equal sides, by Fourier transforms along the axes."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.thermo.observables.derived import Derived


def correlation(x: Float[Array, "*side"]) -> Float[Array, " r"]:
    """`G(r) = mean of x_i x_{i + r}` along all axes, for r = 1, ..., half the side (at r = 0 spins give 1).

    Where <x> is not 0, the connected correlation is less by <x>^2.
    """
    _check(x.shape, "correlation")
    side = x.shape[0]
    along = [jnp.mean(_turning(jnp.moveaxis(x, axis, -1)), axis=tuple(range(x.ndim - 1))) for axis in range(x.ndim)]
    return sum(along[1:], along[0])[1 : side // 2 + 1] / x.ndim


def structure_factor(x: Float[Array, "*side"]) -> Float[Array, " k"]:
    """`S(k) = |sum_j x_j exp(-i k j)|^2 / N` for waves along the axes, `k = 2 pi n / side` with n = 0, ..., half the side.

    The mean of the axes; `S(0) = N m^2`. In an experiment it is the intensity of scattering; the transform of G.
    """
    _check(x.shape, "structure_factor")
    planes = [jnp.sum(x, axis=tuple(other for other in range(x.ndim) if other != axis)) for axis in range(x.ndim)]
    return jnp.mean(jnp.stack([jnp.abs(jnp.fft.rfft(plane)) ** 2 for plane in planes]), axis=0) / x.size


def correlation_length(side: int) -> Derived:
    """The second-moment correlation length of a torus of that side, in lattice spacings,

        xi = sqrt(S(0) / S(k_1) - 1) / (2 sin(k_1 / 2)),    k_1 = 2 pi / side

    (Cooper, Freedman & Preston, Nuclear Physics B 210, 1982). Above the transition it tends to the true one where the system is many
    times as long; `xi / side` crosses at the transition. NON_FINITE where S(0) is not above S(k_1), as in a modulated phase.
    """
    if side < 3:
        raise ValueError(f"side={side}: a correlation length needs a torus of 3 sites a side or more.")

    def length(mean: Float[np.ndarray, " 2"]) -> float:
        return float(np.sqrt(mean[0] / mean[1] - 1) / (2 * math.sin(math.pi / side)))

    return Derived(lambda x: structure_factor(x)[:2], length)


def _turning(x: Float[Array, "*other side"]) -> Float[Array, "*other side"]:
    """The mean of x_i x_{i + r} along the last axis, by the theorem of Wiener and Khinchin."""
    return jnp.fft.irfft(jnp.abs(jnp.fft.rfft(x)) ** 2, x.shape[-1]) / x.shape[-1]


def _check(shape: tuple[int, ...], name: str) -> None:
    if not shape or len(set(shape)) > 1:
        raise ValueError(f"{name} of an x of shape {shape}: give a lattice of equal sides.")
