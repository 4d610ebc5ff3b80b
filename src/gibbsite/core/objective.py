"""An objective says in which direction training moves a model.

One signature serves maximum likelihood, score matching, contrastive and adversarial training: from model, batch, the
objective's own state and a key to gradients, new state and metrics. A gradient has the shape of the model, so that
every parameter group (generator, critic) gets its own; leaves that are not trained are None.
"""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core.energy import Scalar

if TYPE_CHECKING:
    from gibbsite.core.model import AbstractModel

Metrics = dict[str, Scalar]


class AbstractObjective(eqx.Module):
    """A rule for gradients.

    To add an objective:
      * `init` makes its state (walkers, buffers) as a PyTree, checkpointed with the model;
      * `gradients` returns the gradient of what is *minimised*, averaged over the batch, for `paramax.unwrap(model)`;
      * `evaluations` counts its cost honestly: negatives and sampler steps included;
      * add one export and one line in `tests/registry/objectives.py`: `check_objective` tests direction and scale.
    """

    @abc.abstractmethod
    def init(self, model: "AbstractModel", data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> PyTree:
        """The state before the first step."""

    @abc.abstractmethod
    def gradients(
        self, model: "AbstractModel", batch: Float[Array, "n *x"], state: PyTree, *, key: Key[Array, ""]
    ) -> tuple[PyTree, PyTree, Metrics]:
        """Gradients in the shape of the model, the next state, and scalars to log."""

    @abc.abstractmethod
    def score(self, model: "AbstractModel", data: Float[Array, "n *x"], state: PyTree, *, key: Key[Array, ""]) -> Scalar:
        """A figure on held-out data, lower is better, by which `fit` stops early."""

    @abc.abstractmethod
    def evaluations(self, batch_size: int) -> int:
        """Cost of one call of `gradients`: examples through the network, forward and backward."""
