"""Denoising at all noise levels at once: what a diffusion model is trained by."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractModel
from gibbsite.core.energy import Scalar
from gibbsite.objectives.loss import AbstractLoss


class NoisePrediction(AbstractLoss):
    """`E |noise - model.noise(x_t, t)|^2 / 2` with `x_t = alpha(t) x + sigma(t) noise` (Ho et al., arXiv 2006.11239, eq. 14).

    t is uniform on [t_min, 1] and stratified: one draw in each of n equal parts, shared out among the n rows at random
    (as the low-discrepancy times of Kingma et al., arXiv 2107.00630, appendix I.1). But for a constant the loss is the
    mean of `sigma(t)^2 |score(x_t, t) - true score|^2 / 2`: denoising score matching at every width.

    `passes` is what one example costs: one evaluation, or two where the noise is itself the gradient of a network.
    """

    passes: int = eqx.field(static=True, default=1)

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> None:
        if not (hasattr(model, "noise") and hasattr(model, "schedule")):
            raise TypeError(f"NoisePrediction trains models with a noise(x, t) and a schedule, and {type(model).__name__} lacks them.")

    def evaluations(self, batch_size: int) -> int:
        return self.passes * batch_size

    def loss(self, model: Any, xs: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Scalar:
        when, what = jax.random.split(key)
        ts, noise = stratified(model.schedule.t_min, len(xs), key=when), jax.random.normal(what, xs.shape, xs.dtype)
        noised = jax.vmap(model.schedule.noised)(xs, noise, ts)
        return jnp.mean(jnp.sum((jax.vmap(model.noise)(noised, ts) - noise) ** 2, axis=tuple(range(1, xs.ndim)))) / 2


def stratified(low: Scalar, n: int, *, key: Key[Array, ""]) -> Float[Array, " n"]:
    """One uniform time in each of n equal parts of [low, 1], in random order."""
    place, order = jax.random.split(key)
    parts = (jax.random.permutation(order, n) + jax.random.uniform(place, (n,))) / n
    return low + (1 - low) * parts
