"""Bayes' rule as an energy."""

from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Minibatches
from gibbsite.core.energy import Scalar


def _arrays(data: Any) -> PyTree:
    """Every number an array of a strong type, so that other data of the same shapes are no other program."""
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.result_type(a)), data)


class Posterior(AbstractEnergy):
    """`U(x) = prior(x) - log_likelihood(x, data)`, on the space of the prior, whatever its bounds (see `Transformed`).

    The log of the evidence is `log_z` of this energy less that of the prior: anneal along `Geometric(prior, posterior)`, or use
    `quadrature`. The function takes one x and is compiled once: change `data`, any PyTree of arrays, not the function.

    `by_rows=True` says that the log-likelihood is a sum over the rows of the data (the first axis of all its arrays), and that the
    function takes any number of them: the energy then offers `Minibatches`, for `SGLD`.

    Raises:
        ValueError: by_rows is said of arrays that have not one number of rows.
    """

    prior: AbstractEnergy
    log_likelihood: Function[[PyTree, PyTree], Scalar] = eqx.field(static=True)
    data: PyTree = eqx.field(converter=_arrays)
    by_rows: bool = eqx.field(static=True, default=False, kw_only=True)

    def __check_init__(self) -> None:
        shapes = [jnp.shape(a) for a in jax.tree.leaves(self.data)]
        if self.by_rows and (() in shapes or len({shape[0] for shape in shapes}) != 1):
            raise ValueError(
                f"Posterior by rows has data of shapes {shapes}: give arrays with the same number of rows, on their first axis."
            )

    @property
    def space(self) -> AbstractSpace:
        return self.prior.space

    def __call__(self, x: PyTree) -> Array:
        return self.prior(x) - self.log_likelihood(x, self.data)

    def views(self) -> tuple[Capability, ...]:
        return (Minibatches(len(jax.tree.leaves(self.data)[0]), self._estimate),) if self.by_rows else ()

    def _estimate(self, x: PyTree, index: Int[Array, " n"]) -> Array:
        some = jax.tree.map(lambda a: a[index], self.data)
        return self.prior(x) - len(jax.tree.leaves(self.data)[0]) / len(index) * self.log_likelihood(x, some)
