"""Energies of several parts together: independent ones, and what is known of one part at given others."""

from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from gibbsite.core.energy import AbstractEnergy, Capability, Normalised, Sampleable, Scalar, Sum, Tempered, capability, draw, need
from gibbsite.core.space import AbstractSpace, Product


class Parts(Capability):
    """The law of each part at given others: `given(part, others)` is its energy, up to a constant of the others.

    `others` are the remaining parts, in their order. Such an energy may know more than its value (`Given` does not): hidden
    bits at given data are independent coins. Parts of a tempered energy are tempered, those of a sum add.
    """

    given: Function[[int, tuple], AbstractEnergy]

    def tempered(self, beta: Scalar) -> "Parts":
        return Parts(lambda part, others: Tempered(self.given(part, others), beta))

    def plus(self, other: Any) -> "Parts":
        return Parts(lambda part, others: Sum(self.given(part, others), other.given(part, others)))


class Marginal(Capability):
    """An energy of pairs `(x, z)` whose hidden part z can be integrated out at given x.

    `guess(x)` is a law of z near that of the energy at this x, normalised and with exact draws (the encoder q(z | x) of a
    VAE). The path from `guess(x)` to `Given(joint, 1, (x,))` ends at log Z = log of the marginal `exp(-U)` at x, so importance
    sampling, annealing and their bounds all work on it. Any guess is a valid one, so tempering keeps it, and so does a sum
    of two energies of pairs that both have one: that of the first.
    """

    guess: Function[[PyTree], AbstractEnergy]

    def tempered(self, beta: Scalar) -> "Marginal":
        return self

    def plus(self, other: Any) -> "Marginal":
        return self


class Given(AbstractEnergy):
    """`U(z) = joint((.., z, ..))`: one part alone, at fixed others (the remaining parts, in their order)."""

    joint: AbstractEnergy
    part: int = eqx.field(static=True)
    others: tuple

    @property
    def space(self) -> AbstractSpace:
        assert isinstance(self.joint.space, Product)
        return self.joint.space.parts[self.part]

    def __call__(self, x: PyTree) -> Scalar:
        return self.joint((*self.others[: self.part], x, *self.others[self.part :]))


def conditional(joint: AbstractEnergy, part: int, others: tuple) -> AbstractEnergy:
    """The energy of one part at given others: that of `Parts`, where the joint energy offers them, else `Given`."""
    view = capability(joint, Parts)
    return Given(joint, part, others) if view is None else view.given(part, others)


class Independent(AbstractEnergy):
    """Independent parts: `sum_i energy_i(x_i)` on the product of their spaces."""

    parts: tuple[AbstractEnergy, ...]

    @property
    def space(self) -> AbstractSpace:
        return Product(tuple(part.space for part in self.parts))

    def __call__(self, x: tuple) -> Scalar:
        return sum((part(xi) for part, xi in zip(self.parts, x, strict=True)), jnp.zeros(()))

    def views(self) -> tuple[Capability, ...]:
        views: list[Capability] = [Parts(lambda part, others: self.parts[part])]
        if all(capability(part, Normalised) for part in self.parts):
            views.append(Normalised(self._log_z))
        if all(capability(part, Sampleable) for part in self.parts):
            views.append(Sampleable(self._sample))
        return tuple(views)

    def _log_z(self) -> Scalar:
        return sum((need(part, Normalised, "Independent").log_z() for part in self.parts), jnp.zeros(()))

    def _sample(self, *, key: Key[Array, ""]) -> tuple:
        return tuple(draw(part, key=k) for part, k in zip(self.parts, jax.random.split(key, len(self.parts)), strict=True))
