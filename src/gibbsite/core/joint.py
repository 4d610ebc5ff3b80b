"""Energies of data and hidden variables together: what is known of the hidden ones at given data."""

from collections.abc import Callable as Function
from typing import Any

from jaxtyping import Array, PyTree

from gibbsite.core.energy import AbstractEnergy, Capability, Scalar
from gibbsite.core.space import AbstractSpace, Product


class Marginal(Capability):
    """An energy of pairs `(x, z)` whose hidden part z can be integrated out at given x.

    `guess(x)` is a law of z near that of the energy at this x, normalised and with exact draws (the encoder q(z | x) of a
    VAE). The path from `guess(x)` to `Given(joint, x)` ends at log Z = log of the marginal `exp(-U)` at x, so importance
    sampling, annealing and their bounds all work on it. Any guess is a valid one, so tempering keeps it, and so does a sum
    of two energies of pairs that both have one: that of the first.
    """

    guess: Function[[PyTree], AbstractEnergy]

    def tempered(self, beta: Scalar) -> "Marginal":
        return self

    def plus(self, other: Any) -> "Marginal":
        return self


class Given(AbstractEnergy):
    """`U(z) = joint((x, z))`: the hidden part alone, at fixed x."""

    joint: AbstractEnergy
    x: PyTree

    @property
    def space(self) -> AbstractSpace:
        assert isinstance(self.joint.space, Product)
        return self.joint.space.parts[1]

    def __call__(self, z: Array) -> Scalar:
        return self.joint((self.x, z))
