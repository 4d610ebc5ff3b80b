"""A network of a point and a time."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


class TimedMLP(eqx.Module):
    """Dense layers of `x` and of `cos(k pi t / 2)`, `sin(k pi t / 2)`, k = 1, ..., `waves`, for times t in [0, 1]."""

    layers: tuple[eqx.nn.Linear, ...]
    waves: int = eqx.field(static=True)
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        widths: tuple[int, ...],
        out_size: int,
        *,
        waves: int = 2,
        activation: Callable[[Array], Array] = jax.nn.silu,
        key: Key[Array, ""],
    ):
        sizes = (in_size + 2 * waves, *widths, out_size)
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(eqx.nn.Linear(m, n, key=k) for m, n, k in zip(sizes[:-1], sizes[1:], keys, strict=True))
        self.waves, self.activation = waves, activation

    def __call__(self, x: Float[Array, " in_size"], t: Float[Array, ""] | float) -> Float[Array, " out_size"]:
        phases = jnp.pi / 2 * t * jnp.arange(1, self.waves + 1)
        h = jnp.concatenate([x, jnp.cos(phases), jnp.sin(phases)])
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        return self.layers[-1](h)
