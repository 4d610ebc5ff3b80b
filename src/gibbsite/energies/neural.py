"""A network as an energy."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace
from gibbsite.core.energy import Scalar


class NeuralEnergy(AbstractEnergy):
    """`U(x) = net(x)`, with `x` flattened; nothing else is known of it.

    On the reals a network alone need not be normalisable: add a base energy to it (`Sum`), or train it so.
    """

    net: Callable[[Array], Array]
    space: AbstractSpace

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return self.net(jnp.ravel(x))
