"""A model is a paradigm fitted to data: it draws samples, and it is an energy."""

import abc
import enum
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Key, PyTree

from gibbsite.core.energy import AbstractEnergy
from gibbsite.core.estimate import Evidence
from gibbsite.core.objective import AbstractObjective
from gibbsite.core.space import AbstractSpace


class Over(enum.Enum):
    """What the energy of a model is a function of."""

    DATA = "the data x"
    JOINT = "pairs (x, z) of data and hidden variables"
    LATENT = "hidden variables z, from which x is generated"


class AbstractModel(eqx.Module):
    """A generative model, unbatched.

    To add a paradigm:
      * one file in `models/`, top to bottom: the model, its default objective, how it samples, how it is an energy;
      * constants that training must not touch are wrapped in `paramax.NonTrainable`;
      * `over` says what `as_energy()` is a function of, and `emit` takes its configurations to data;
      * `evidence` says how the density of `as_energy()` stands to the law of `sample` (EXACT where they are one, NOT_ESTABLISHED
        where draws are the ends of chains);
      * add one export and one line in `tests/registry/models.py`.
    """

    evidence: eqx.AbstractClassVar[Evidence]
    over: ClassVar[Over] = Over.DATA

    @property
    @abc.abstractmethod
    def space(self) -> AbstractSpace:
        """Where the data live."""

    @abc.abstractmethod
    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        """One draw of x, in the units the model was trained in."""

    @abc.abstractmethod
    def as_energy(self) -> AbstractEnergy:
        """The model as an energy, with the capabilities it really has."""

    @abc.abstractmethod
    def objective(self) -> AbstractObjective:
        """The objective that `fit` uses unless told otherwise."""

    def emit(self, state: PyTree) -> PyTree:
        """The data x of a configuration of `as_energy()`; models over LATENT generate it."""
        return state[0] if self.over is Over.JOINT else state
