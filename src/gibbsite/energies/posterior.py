"""Bayes' rule as an energy."""

from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from gibbsite.core import AbstractEnergy, AbstractSpace
from gibbsite.core.energy import Scalar


def _arrays(data: Any) -> PyTree:
    """Every number an array of a strong type, so that other data of the same shapes are no other program."""
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.result_type(a)), data)


class Posterior(AbstractEnergy):
    """`U(x) = prior(x) - log_likelihood(x, data)`, on the space of the prior, whatever its bounds (see `Transformed`).

    The log of the evidence is `log_z` of this energy less that of the prior: anneal along `Geometric(prior, posterior)`, or use
    `quadrature`. The function takes one x and is compiled once: change `data`, any PyTree of arrays, not the function.
    """

    prior: AbstractEnergy
    log_likelihood: Function[[PyTree, PyTree], Scalar] = eqx.field(static=True)
    data: PyTree = eqx.field(converter=_arrays)

    @property
    def space(self) -> AbstractSpace:
        return self.prior.space

    def __call__(self, x: PyTree) -> Array:
        return self.prior(x) - self.log_likelihood(x, self.data)
