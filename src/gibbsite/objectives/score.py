"""Score matching: learning from the slope of the energy, without log Z and without walkers."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractModel, as_float
from gibbsite.core.energy import Scalar
from gibbsite.objectives.loss import AbstractLoss


class DenoisingScoreMatching(AbstractLoss):
    """`E |score(y) - (x - y) / sigma^2|^2 / 2` with `y = x + sigma noise` and `score = -grad U` (Vincent 2011, eq. 9).

    Its minimum is the law of the data smoothed by a Gaussian of width `sigma`, in the units of training; the relative
    masses of modes that lie further apart than their width are hardly seen by it. One evaluation of the gradient of U
    and one of its derivative for each example.
    """

    sigma: Scalar = eqx.field(converter=as_float)

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> None:
        return None

    def evaluations(self, batch_size: int) -> int:
        return 2 * batch_size

    def loss(self, model: AbstractModel, xs: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Scalar:
        noise = jax.random.normal(key, xs.shape, xs.dtype)
        slope = jax.vmap(jax.grad(model.as_energy()))(xs + self.sigma * noise)
        return jnp.mean(jnp.sum((slope - noise / self.sigma) ** 2, axis=tuple(range(1, xs.ndim)))) / 2
