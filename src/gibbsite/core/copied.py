"""Several copies of one energy, told apart."""

from typing import Any

from gibbsite.core.energy import AbstractEnergy, Capability, Scalar, Sum, Tempered


class Copied(Capability):
    """The first axis of x counts independent copies of one energy: `U(x) = sum_c one(x_c)`.

    So a kernel may move copies by themselves, or exchange parts of them. Tempering tempers each copy; a sum of copies of two
    energies holds copies of their sum.
    """

    one: AbstractEnergy

    def tempered(self, beta: Scalar) -> "Copied":
        return Copied(Tempered(self.one, beta))

    def plus(self, other: Any) -> "Copied":
        return Copied(Sum(self.one, other.one))
