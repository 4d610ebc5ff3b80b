"""Many copies of one energy in a form that suits the machine, moved together by generators of their own."""

import abc
import dataclasses

import equinox as eqx
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, Capability, need


class Packed(eqx.Module):
    """The sites of all copies, packed, and the generators of their moves."""

    sites: PyTree
    lanes: PyTree


class AbstractPackedSweep(AbstractKernel):
    """A sweep of `Copies(energy, n)`, block after block, by what the view `needs` of the energy says of one copy.

    To add one, write `pack` and its inverse `unpack`, the `generators`, `step` and `energy`. The order of the blocks makes the
    sweep irreversible; its time reversal sweeps them `backward`.
    """

    needs: eqx.AbstractClassVar[type[Capability]]

    backward: bool = eqx.field(static=True, default=False, kw_only=True)

    reversible = False
    reports_work = True
    settles_switch = False
    has_memory = True
    cache_cost = 0

    @abc.abstractmethod
    def pack(self, x: Float[Array, "copies *x"]) -> PyTree:
        """The sites as the sweep wants them."""

    @abc.abstractmethod
    def unpack(self, sites: PyTree) -> Float[Array, "copies *x"]:
        """The inverse of `pack`."""

    @abc.abstractmethod
    def generators(self, energy: AbstractEnergy, x: Float[Array, "copies *x"], *, key: Key[Array, ""]) -> PyTree:
        """Generators for the moves of such an x; ValueError where it cannot be packed."""

    def init(self, energy: AbstractEnergy, x: Float[Array, "copies *x"], *, key: Key[Array, ""]) -> Packed:
        need(energy, self.needs, type(self).__name__)
        lanes = self.generators(energy, x, key=key)
        return Packed(self.pack(x), lanes)

    def position(self, state: Packed) -> Float[Array, "copies *x"]:
        return self.unpack(state.sites)

    def refresh(self, energy: AbstractEnergy, state: Packed, x: Array | None = None) -> Packed:
        return state if x is None else Packed(self.pack(x), state.lanes)

    def reverse(self) -> "AbstractPackedSweep":
        return dataclasses.replace(self, backward=not self.backward)
