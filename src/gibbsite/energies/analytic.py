"""Energies with closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Normalised, Reals, Sampleable, as_float
from gibbsite.core.energy import Scalar


class GaussianMixture(AbstractEnergy):
    """`U(x) = -log sum_k w_k N(x; mean_k, scale_k^2 I)`, normalised: `log_z = 0` if the weights sum to one.

    Weights may be unnormalised; `log_z` is then the log of their sum.
    """

    means: Float[Array, "k d"] = eqx.field(converter=as_float)
    scales: Float[Array, " k"] = eqx.field(converter=as_float)
    weights: Float[Array, " k"] = eqx.field(converter=as_float)

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
