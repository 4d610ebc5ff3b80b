"""Two groups of parameters against each other: a critic that tells data from draws, a generator that is told by it.

Each group follows the slope of its own loss, the other held, in one gradient of the model's shape. The model has
`emit(z)` (the generator), `critic(x)` and `base` (the law of z).
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractModel, AbstractObjective, as_float, draw
from gibbsite.core.energy import Scalar
from gibbsite.core.objective import Metrics
from gibbsite.objectives.gradient import gradient

JUDGED = 512  # rows that the score compares


class AbstractAdversarial(AbstractObjective):
    """A game; to add one, say in `critic_loss` and `generator_loss` what each side minimises, averaged over the batch."""

    @abc.abstractmethod
    def critic_loss(self, critic: Any, data: Float[Array, "n d"], drawn: Float[Array, "n d"], *, key: Key[Array, ""]) -> Scalar:
        """What the critic minimises."""

    @abc.abstractmethod
    def generator_loss(self, critic: Any, drawn: Float[Array, "n d"]) -> Scalar:
        """What the generator minimises."""

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> None:
        return None

    def gradients(
        self, model: AbstractModel, batch: Float[Array, "n d"], state: None, *, key: Key[Array, ""]
    ) -> tuple[PyTree, None, Metrics]:
        hidden, inner = jax.random.split(key)
        zs = jax.vmap(lambda k: draw(paramax.unwrap(model).base, key=k))(jax.random.split(hidden, len(batch)))

        def loss(m: Any) -> Scalar:
            other = held(m)
            criticised = self.critic_loss(m.critic, batch, jax.vmap(other.emit)(zs), key=inner)
            return criticised + self.generator_loss(other.critic, jax.vmap(m.emit)(zs))

        total, grads = gradient(loss, model)
        return grads, None, {"loss": total}

    def score(self, model: AbstractModel, data: Float[Array, "n d"], state: None, *, key: Key[Array, ""]) -> Scalar:
        """The energy distance (Szekely & Rizzo 2013) between draws and held-out rows; either loss says only who is winning."""
        rows, model = data[:JUDGED], paramax.unwrap(model)
        drawn = jax.vmap(lambda k: model.sample(key=k))(jax.random.split(key, len(rows)))
        return 2 * _mean_distance(drawn, rows) - _mean_distance(drawn, drawn) - _mean_distance(rows, rows)

    def evaluations(self, batch_size: int) -> int:
        """The critic on data, on draws and in its penalty, and the way through critic and generator together."""
        return 4 * batch_size


class NonSaturating(AbstractAdversarial):
    """Critic: `softplus(-c(data)) + softplus(c(drawn)) + penalty/2 |grad c(data)|^2`; generator: `softplus(-c(drawn))`.

    (Goodfellow et al., arXiv 1406.2661; the penalty R1 of Mescheder et al., arXiv 1801.04406, eq. 9.) Without penalty the
    best critic is the log ratio of the densities of data and draws; the penalty flattens it.
    """

    penalty: Scalar = eqx.field(converter=as_float, default=1.0)

    def critic_loss(self, critic: Any, data: Float[Array, "n d"], drawn: Float[Array, "n d"], *, key: Key[Array, ""]) -> Scalar:
        told = jnp.mean(jax.nn.softplus(-jax.vmap(critic)(data))) + jnp.mean(jax.nn.softplus(jax.vmap(critic)(drawn)))
        return told + self.penalty / 2 * jnp.mean(jnp.sum(jax.vmap(jax.grad(critic))(data) ** 2, axis=1))

    def generator_loss(self, critic: Any, drawn: Float[Array, "n d"]) -> Scalar:
        return jnp.mean(jax.nn.softplus(-jax.vmap(critic)(drawn)))


class Wasserstein(AbstractAdversarial):
    """Critic: `c(drawn) - c(data) + penalty (|grad c(between)| - 1)^2`, between the two at random; generator: `-c(drawn)`.

    (Gulrajani et al., arXiv 1704.00028, eq. 3.) The critic is a height whose slope is at most 1, not a log ratio: an
    energy made of it tilts draws the right way, by an amount that is not calibrated.
    """

    penalty: Scalar = eqx.field(converter=as_float, default=1.0)

    def critic_loss(self, critic: Any, data: Float[Array, "n d"], drawn: Float[Array, "n d"], *, key: Key[Array, ""]) -> Scalar:
        share = jax.random.uniform(key, (len(data), 1))
        slope = jax.vmap(jax.grad(critic))(share * data + (1 - share) * drawn)
        steep = jnp.sqrt(jnp.sum(slope**2, axis=1) + 1e-12) - 1  # the root has no slope at zero
        return jnp.mean(jax.vmap(critic)(drawn)) - jnp.mean(jax.vmap(critic)(data)) + self.penalty * jnp.mean(steep**2)

    def generator_loss(self, critic: Any, drawn: Float[Array, "n d"]) -> Scalar:
        return -jnp.mean(jax.vmap(critic)(drawn))


def held(module: Any) -> Any:
    """The module as a constant: no slope goes through its parameters."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, module)


def _mean_distance(x: Float[Array, "n d"], y: Float[Array, "m d"]) -> Scalar:
    square = jnp.sum((x[:, None] - y) ** 2, axis=-1)
    return jnp.mean(jnp.sqrt(square))
