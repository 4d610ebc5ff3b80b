"""A model is a paradigm fitted to data: it draws samples, and it is an energy."""

import abc

import equinox as eqx
from jaxtyping import Array, Key, PyTree

from gibbsite.core.energy import AbstractEnergy
from gibbsite.core.estimate import Evidence
from gibbsite.core.objective import AbstractObjective
from gibbsite.core.space import AbstractSpace


class AbstractModel(eqx.Module):
    """A generative model, unbatched.

    To add a paradigm:
      * one file in `models/`, top to bottom: the model, its default objective, how it samples, how it is an energy;
      * constants that training must not touch are wrapped in `paramax.NonTrainable`;
      * `evidence` says how the density of `as_energy()` stands to the law of `sample` (EXACT where they are one);
      * add one export and one line in `tests/registry/models.py`.
    """

    evidence: eqx.AbstractClassVar[Evidence]

    @property
    @abc.abstractmethod
    def space(self) -> AbstractSpace:
        """Where the data live."""

    @abc.abstractmethod
    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        """One draw, in the units the model was trained in."""

    @abc.abstractmethod
    def as_energy(self) -> AbstractEnergy:
        """The model as an energy on its space, with the capabilities it really has."""

    @abc.abstractmethod
    def objective(self) -> AbstractObjective:
        """The objective that `fit` uses unless told otherwise."""
