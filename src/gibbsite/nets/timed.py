"""A network of a point and a time."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.nets.vector import VectorMLP


class TimedMLP(eqx.Module):
    """Dense layers of `x` and of `cos(k pi t / 2)`, `sin(k pi t / 2)`, k = 1, ..., `waves`, for times t in [0, 1]."""

    net: VectorMLP
    waves: int = eqx.field(static=True)

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
        self.net = VectorMLP(in_size + 2 * waves, widths, out_size, activation=activation, key=key)
        self.waves = waves

    def __call__(self, x: Float[Array, " in_size"], t: Float[Array, ""] | float) -> Float[Array, " out_size"]:
        return self.net(self.inputs(x, t))

    def inputs(self, x: Float[Array, " in_size"], t: Float[Array, ""] | float) -> Float[Array, " all"]:
        """The point, and the waves after it."""
        phases = jnp.pi / 2 * t * jnp.arange(1, self.waves + 1)
        return jnp.concatenate([x, jnp.cos(phases), jnp.sin(phases)])
