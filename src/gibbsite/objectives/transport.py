"""A flow is fitted to an energy without any data: by draws of its own."""

import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractModel, Pushforward, need
from gibbsite.core.energy import Scalar
from gibbsite.objectives.loss import AbstractLoss


class ReverseKL(AbstractLoss):
    """`E_q [U(x) + log q(x)] = KL(q | p) - log Z` of a model q whose law is a `Pushforward`, towards the energy U of p.

    With `x = T(z)`, z from N(0, I), it is `E [U(T(z)) - log |det dT/dz|]` but for the entropy of z, and its slope goes through T
    (Rezende & Mohamed, arXiv 1505.05770). It needs no data: of a batch only the number of rows is used. It covers what it has found and
    no more: of modes far apart it holds those that lie nearest, and it is narrower than p rather than wider.

    An evaluation is one draw through the flow and the energy.
    """

    energy: AbstractEnergy

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> None:
        need(paramax.unwrap(model).as_energy(), Pushforward, "ReverseKL")

    def evaluations(self, batch_size: int) -> int:
        return batch_size

    def loss(self, model: AbstractModel, xs: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Scalar:
        energy = model.as_energy()
        flow = need(energy, Pushforward, "ReverseKL")

        def one(key: Key[Array, ""]) -> Scalar:
            z = jax.random.normal(key, energy.space.shape)
            x, log_slope = flow.forward(z)
            return self.energy(x) - log_slope - jnp.sum(z**2) / 2

        constant = xs[0].size / 2 * jnp.log(2 * jnp.pi)
        return jnp.mean(jax.vmap(one)(jax.random.split(key, len(xs)))) - constant
