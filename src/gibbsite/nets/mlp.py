"""A multilayer perceptron with one output."""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from gibbsite.nets.vector import VectorMLP


class MLP(eqx.Module):
    """Dense layers of the given widths, a smooth activation between them, one scalar out.

    SiLU by default: an energy's gradient is a force, so it should have no kinks.
    """

    net: VectorMLP

    def __init__(self, in_size: int, widths: tuple[int, ...], *, activation: Callable[[Array], Array] = jax.nn.silu, key: Key[Array, ""]):
        self.net = VectorMLP(in_size, widths, 1, activation=activation, key=key)

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, ""]:
        return self.net(x)[0]
