"""The variational bound: a guess of the hidden variables makes the likelihood of the data something to train on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractModel, Marginal, need
from gibbsite.core.energy import Scalar
from gibbsite.objectives.loss import AbstractLoss
from gibbsite.thermo.marginal import guess_weight


class ELBO(AbstractLoss):
    """`-mean_x log 1/K sum_k p(x, z_k) / q(z_k | x)` with z_k drawn from the guess q of a `Marginal` energy.

    `samples=1` is the evidence lower bound (Kingma & Welling, arXiv 1312.6114, eq. 2), K > 1 the importance-weighted one
    (Burda, Grosse & Salakhutdinov, arXiv 1509.00519, eq. 8), an upper bound of `-log p(x)` that falls to it as K grows.
    Draws follow the parameters (z = loc + scale noise), so one gradient teaches model and guess. Many samples tighten
    the bound but leave the guess less to learn from (Rainforth et al., arXiv 1802.04537).

    An evaluation is one pair (x, z) through the energy, so a step costs K of them an example.
    """

    samples: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"ELBO with samples={self.samples}: give at least one draw of the hidden variables an example.")

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> None:
        need(paramax.unwrap(model).as_energy(), Marginal, "ELBO")

    def evaluations(self, batch_size: int) -> int:
        return batch_size * self.samples

    def loss(self, model: AbstractModel, xs: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Scalar:
        energy = model.as_energy()
        keys = jax.random.split(key, (len(xs), self.samples))
        log_weights = jax.vmap(lambda x, own: jax.vmap(lambda k: guess_weight(energy, x, key=k))(own))(xs, keys)
        return jnp.log(self.samples) - jnp.mean(jax.nn.logsumexp(log_weights, axis=1))
