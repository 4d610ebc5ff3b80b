"""A multilayer perceptron with a vector of outputs."""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key


class VectorMLP(eqx.Module):
    """Dense layers of the given widths, a smooth activation between them, `out_size` numbers out.

    No widths make it one affine map, `W x + b`.
    """

    layers: tuple[eqx.nn.Linear, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        widths: tuple[int, ...],
        out_size: int,
        *,
        activation: Callable[[Array], Array] = jax.nn.silu,
        key: Key[Array, ""],
    ):
        sizes = (in_size, *widths, out_size)
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(eqx.nn.Linear(m, n, key=k) for m, n, k in zip(sizes[:-1], sizes[1:], keys, strict=True))
        self.activation = activation

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        first, *others = self.layers
        h = first(x)
        for layer in others:
            h = layer(self.activation(h))
        return h

    def hidden(self, h: Float[Array, " first"]) -> Float[Array, " last"]:
        """What the last layer is given, from what the first one gave; there must be two."""
        for layer in self.layers[1:-1]:
            h = layer(self.activation(h))
        return self.activation(h)
