"""Energies with closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractSpace, ArrayLike, Capability, Normalised, Reals, Sampleable, as_float
from gibbsite.core.energy import Scalar, check_values


class GaussianMixture(AbstractEnergy):
    """`U(x) = -log sum_k w_k N(x; mean_k, scale_k^2 I)`, normalised: `log_z = 0` if the weights sum to one.

    Weights may be unnormalised; `log_z` is then the log of their sum.
    """

    means: Float[Array, "k d"] = eqx.field(converter=as_float)
    scales: Float[Array, " k"] = eqx.field(converter=as_float)
    weights: Float[Array, " k"] = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        check_values("GaussianMixture", "scales", self.scales, lambda s: s > 0, "standard deviations, above 0")
        check_values("GaussianMixture", "weights", self.weights, lambda w: w >= 0, "shares, none of them negative")

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.means.shape[1],))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        return -jax.nn.logsumexp(self.log_parts(x))

    def log_parts(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """`log w_k N(x; mean_k, scale_k^2 I)` of each component."""
        d = self.means.shape[1]
        squares = jnp.sum((x - self.means) ** 2, axis=-1) / (2 * self.scales**2)
        return jnp.log(self.weights) - squares - d * jnp.log(self.scales) - 0.5 * d * jnp.log(2 * jnp.pi)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        return jnp.log(jnp.sum(self.weights))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        which, noise = jax.random.split(key)
        k = jax.random.categorical(which, jnp.log(self.weights))
        return self.means[k] + self.scales[k] * jax.random.normal(noise, self.means.shape[1:])


class Gaussian(AbstractEnergy):
    """`U(x) = (x - mean)' A (x - mean) / 2` with a precision matrix A; `log_z = (d log 2 pi - log det A) / 2`.

    The leaf is the Cholesky factor of A, `A = factor factor'`, made on the host in float64: rounded to float32, A itself would
    lose the soft directions of a stiff matrix.

    Raises:
        ValueError: the matrix is not `(d, d)`, not symmetric, or not positive definite; says what to do.
    """

    mean: Float[Array, " d"]
    factor: Float[Array, "d d"]

    def __init__(self, mean: ArrayLike, precision: ArrayLike):
        self.mean = as_float(mean)
        self.factor = as_float(_cholesky("precision", precision, self.mean.size))

    @classmethod
    def of_covariance(cls, mean: ArrayLike, covariance: ArrayLike) -> "Gaussian":
        """The Gaussian with this covariance matrix."""
        root = np.linalg.inv(_cholesky("covariance", covariance, np.size(mean)))
        return cls(mean, root.T @ root)

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.mean.shape)

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        return 0.5 * jnp.sum(((x - self.mean) @ self.factor) ** 2)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        return jnp.sum(0.5 * jnp.log(2 * jnp.pi) - jnp.log(jnp.diagonal(self.factor)))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        noise = jax.random.normal(key, self.mean.shape)
        return self.mean + jax.scipy.linalg.solve_triangular(self.factor, noise, trans="T", lower=True)


def _cholesky(name: str, matrix: ArrayLike, d: int) -> np.ndarray:
    """The lower factor of a symmetric positive definite matrix, in float64."""
    entries = np.asarray(matrix, np.float64)
    if entries.shape != (d, d):
        raise ValueError(f"Gaussian has a {name} of shape {entries.shape}: a mean of {d} axes needs ({d}, {d}).")
    if not np.max(np.abs(entries - entries.T)) <= 1e-5 * np.max(np.abs(entries)):
        raise ValueError(f"Gaussian has a {name} that is not symmetric (or not finite), {entries}: give (A + A') / 2.")
    try:
        return np.linalg.cholesky(entries)
    except np.linalg.LinAlgError as error:
        least = np.linalg.eigvalsh(entries)[0]
        remedy = "add a small multiple of the identity, or drop axes that depend on others"
        raise ValueError(f"Gaussian has a {name} that is not positive definite, with an eigenvalue {least:.3g}: {remedy}.") from error
