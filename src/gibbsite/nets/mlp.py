"""A multilayer perceptron with one output."""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key


class MLP(eqx.Module):
    """Dense layers of the given widths, a smooth activation between them, one scalar out.

    SiLU by default: an energy's gradient is a force, so it should have no kinks.
    """

    layers: tuple[eqx.nn.Linear, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(self, in_size: int, widths: tuple[int, ...], *, activation: Callable[[Array], Array] = jax.nn.silu, key: Key[Array, ""]):
        sizes = (in_size, *widths, 1)
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(eqx.nn.Linear(m, n, key=k) for m, n, k in zip(sizes[:-1], sizes[1:], keys, strict=True))
        self.activation = activation

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, ""]:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)[0]
