"""Objectives that are the slope of one function of model and batch, and keep no state."""

import abc
from typing import Any

import paramax
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractModel, AbstractObjective
from gibbsite.core.energy import Scalar
from gibbsite.core.objective import Metrics
from gibbsite.objectives.gradient import gradient


class AbstractLoss(AbstractObjective):
    """`loss(model, xs)`, the mean over rows: minimised on batches, and the score on held-out data.

    To add one: write `loss` for a model without its wrappers, in `init` what it asks of the model, and its `evaluations`.
    """

    @abc.abstractmethod
    def loss(self, model: Any, xs: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Scalar:
        """What is minimised; the key is for noise and hidden variables, where there are any."""

    def gradients(
        self, model: AbstractModel, batch: Float[Array, "n *x"], state: None, *, key: Key[Array, ""]
    ) -> tuple[PyTree, None, Metrics]:
        loss, grads = gradient(lambda m: self.loss(m, batch, key=key), model)
        return grads, None, {"loss": loss}

    def score(self, model: AbstractModel, data: Float[Array, "n *x"], state: None, *, key: Key[Array, ""]) -> Scalar:
        return self.loss(paramax.unwrap(model), data, key=key)
