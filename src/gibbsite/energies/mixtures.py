"""Mixtures of Gaussians of any shape, and one for every axis: laws that can be fitted to draws, and drawn from themselves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    ArrayLike,
    Capability,
    Normalised,
    Reals,
    Sampleable,
    as_float,
    capability,
    draw,
    log_prob,
    need,
)
from gibbsite.core.energy import Scalar, check_values


class CovarianceMixture(AbstractEnergy):
    """`U(x) = -log sum_k w_k N(x; mean_k, R_k R_k')`; `log_z = log sum_k w_k`. Make it by `of_covariances`.

    The leaves are the roots R_k of the covariances and their inverses, both made on the host in float64.
    """

    means: Float[Array, "k d"] = eqx.field(converter=as_float)
    roots: Float[Array, "k d d"] = eqx.field(converter=as_float)
    inverses: Float[Array, "k d d"] = eqx.field(converter=as_float)
    weights: Float[Array, " k"] = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        check_values("CovarianceMixture", "weights", self.weights, lambda w: w >= 0, "shares, none of them negative")

    @classmethod
    def of_covariances(cls, means: ArrayLike, covariances: Float[np.ndarray, "k d d"], weights: ArrayLike) -> "CovarianceMixture":
        """The mixture of the Gaussians with these means and covariance matrices.

        Raises:
            numpy.linalg.LinAlgError: one is not positive definite.
        """
        roots = np.linalg.cholesky(np.asarray(covariances, np.float64))
        return cls(as_float(means), as_float(roots), as_float(np.linalg.inv(roots)), as_float(weights))

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.means.shape[1:])

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        z = jnp.einsum("kij,kj->ki", self.inverses, x - self.means)
        volumes = jnp.sum(jnp.log(jnp.diagonal(self.roots, axis1=1, axis2=2)) + 0.5 * jnp.log(2 * jnp.pi), axis=1)
        return -jax.nn.logsumexp(jnp.log(self.weights) - 0.5 * jnp.sum(z**2, axis=1) - volumes)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        return jnp.log(jnp.sum(self.weights))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        which, noise = jax.random.split(key)
        chosen = jax.nn.one_hot(jax.random.categorical(which, jnp.log(self.weights)), len(self.weights))
        return chosen @ (self.means + self.roots @ jax.random.normal(noise, self.means.shape[1:]))


class AxisMixture(AbstractEnergy):
    """`U(x) = -sum_i log sum_k w_ik N(x_i; mean_ik, scale_ik^2)`: independent axes, each a mixture; `log_z = sum_i log sum_k w_ik`."""

    means: Float[Array, "d k"] = eqx.field(converter=as_float)
    scales: Float[Array, "d k"] = eqx.field(converter=as_float)
    weights: Float[Array, "d k"] = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        check_values("AxisMixture", "scales", self.scales, lambda s: s > 0, "standard deviations, above 0")
        check_values("AxisMixture", "weights", self.weights, lambda w: w >= 0, "shares, none of them negative")

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.means.shape[:1])

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        logs = -((x[:, None] - self.means) ** 2) / (2 * self.scales**2) - jnp.log(self.scales) - 0.5 * jnp.log(2 * jnp.pi)
        return -jnp.sum(jax.nn.logsumexp(logs + jnp.log(self.weights), axis=1))

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        return jnp.sum(jnp.log(jnp.sum(self.weights, axis=1)))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        which, noise = jax.random.split(key)
        k = jax.random.categorical(which, jnp.log(self.weights))[:, None]
        mean, scale = (jnp.take_along_axis(a, k, axis=1)[:, 0] for a in (self.means, self.scales))
        return mean + scale * jax.random.normal(noise, mean.shape)


class LawMixture(AbstractEnergy):
    """`U(x) = -log sum_k w_k exp(-U_k(x)) / Z_k`: normalised laws of one space, mixed; `log_z = log sum_k w_k`."""

    parts: tuple[AbstractEnergy, ...]
    weights: Float[Array, " k"] = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        check_values("LawMixture", "weights", self.weights, lambda w: w >= 0, "shares, none of them negative")
        for part in self.parts:
            need(part, Normalised, "LawMixture")
            need(part, Sampleable, "LawMixture")

    @property
    def space(self) -> AbstractSpace:
        return self.parts[0].space

    def __call__(self, x: PyTree) -> Scalar:
        return -jax.nn.logsumexp(jnp.stack([log_prob(part, x) for part in self.parts]) + jnp.log(self.weights))

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        return jnp.log(jnp.sum(self.weights))

    def _sample(self, *, key: Key[Array, ""]) -> PyTree:
        which, *keys = jax.random.split(key, 1 + len(self.parts))
        k = jax.random.categorical(which, jnp.log(self.weights))
        drawn = [draw(part, key=one) for part, one in zip(self.parts, keys, strict=True)]
        return jax.tree.map(lambda *a: jnp.stack(a)[k], *drawn)


class Reshaped(AbstractEnergy):
    """An energy of a vector for an x of any `shape`: `U(x) = energy(ravel(x))`, the same constant and draws."""

    energy: AbstractEnergy
    shape: tuple[int, ...] = eqx.field(static=True)

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.shape)

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return self.energy(jnp.ravel(x))

    def views(self) -> tuple[Capability, ...]:
        known, drawn = capability(self.energy, Normalised), capability(self.energy, Sampleable)
        shaped = None if drawn is None else Sampleable(lambda *, key: drawn.sample(key=key).reshape(self.shape))
        return tuple(view for view in (known, shaped) if view is not None)
