"""Energies that are sums over the rows of a data set, and estimates of them from a few rows."""

from collections.abc import Callable as Function

import equinox as eqx
from jaxtyping import Array, Int, PyTree

from gibbsite.core.energy import Capability, Scalar


class Minibatches(Capability):
    """`U(x) = prior(x) + sum of loss(x, row)` over N `rows`, and what n of them say of it (Robbins & Monro 1951).

        estimate(x, index) = prior(x) + N / n sum over i in index of loss(x, row_i),

    up to a constant; its mean over rows drawn uniformly is U, and so is the mean of its slope that of U. Tempered estimates scale.
    """

    rows: int = eqx.field(static=True)
    estimate: Function[[PyTree, Int[Array, " n"]], Scalar]

    def tempered(self, beta: Scalar) -> "Minibatches":
        return Minibatches(self.rows, lambda x, index: beta * self.estimate(x, index))
