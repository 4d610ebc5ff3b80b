"""Noise-contrastive estimation: learning an energy and its constant by telling data from noise of known density."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractModel, Normalised, Sampleable, draw, log_prob, need
from gibbsite.core.energy import Scalar
from gibbsite.objectives.loss import AbstractLoss


class NoiseContrastive(AbstractLoss):
    """`E_data softplus(-G) + ratio E_noise softplus(G)` with `G(x) = -U(x) - log p_noise(x) - log ratio`.

    Logistic regression of data against `ratio` draws of noise for each (Gutmann & Hyvarinen, JMLR 13, 2012, eq. 8); G is
    the log-odds that x is data. At its minimum `exp(-U)` is the density of the data, constant included, so U needs one
    that is free: `Offset`. What is learned is the ratio to the noise, so the noise must be wherever the data are, and
    should be hard to tell from them. No state: the noise is drawn anew at each step.
    """

    noise: AbstractEnergy
    ratio: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        if self.ratio < 1:
            raise ValueError(f"NoiseContrastive has ratio={self.ratio}: give 1 draw of noise or more for each example.")

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> None:
        need(self.noise, Normalised, "NoiseContrastive")
        need(self.noise, Sampleable, "NoiseContrastive")

    def evaluations(self, batch_size: int) -> int:
        return batch_size * (1 + self.ratio)

    def loss(self, model: AbstractModel, xs: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Scalar:
        energy = model.as_energy()
        noise = jax.vmap(lambda k: draw(self.noise, key=k))(jax.random.split(key, self.ratio * len(xs)))
        log_odds = jax.vmap(lambda x: self.log_odds(energy, x))
        return jnp.mean(jax.nn.softplus(-log_odds(xs))) + self.ratio * jnp.mean(jax.nn.softplus(log_odds(noise)))

    def log_odds(self, energy: AbstractEnergy, x: PyTree) -> Scalar:
        """`log p(data | x) - log p(noise | x)`, the model's `exp(-U)` taken for the density of the data."""
        return -energy(x) - log_prob(self.noise, x) - jnp.log(self.ratio)
