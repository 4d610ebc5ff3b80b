"""What every energy seen through a map of its coordinates has in common."""

import abc

from jaxtyping import Array, Key, PyTree

from gibbsite.core import AbstractEnergy, Capability, Normalised, Sampleable, Start, need


class AbstractMapped(AbstractEnergy):
    """The energy of z where `energy` is that of `x = forward(z)`: `U(z) = energy(f(z)) - log |det df/dz|`.

    With the Jacobian in the energy, `log_z` is the same number for x and z, and draws are carried over by `inverse`.
    """

    energy: AbstractEnergy

    @abc.abstractmethod
    def forward(self, z: PyTree[Array]) -> PyTree[Array]:
        """`x`, in the coordinates of the energy."""

    @abc.abstractmethod
    def inverse(self, x: PyTree[Array]) -> PyTree[Array]:
        """The z whose `forward` is x."""

    def views(self) -> tuple[Capability, ...]:
        return tuple(kept for view in self.energy.views() for kept in self._carry(view))

    def _carry(self, view: Capability) -> tuple[Capability, ...]:
        if isinstance(view, Normalised):
            return (view,)
        if isinstance(view, Start):
            return (Start(self._start),)
        return (Sampleable(self._sample),) if isinstance(view, Sampleable) else ()

    def _sample(self, *, key: Key[Array, ""]) -> PyTree[Array]:
        return self.inverse(need(self.energy, Sampleable, type(self).__name__).sample(key=key))

    def _start(self, *, key: Key[Array, ""]) -> PyTree[Array]:
        return self.inverse(need(self.energy, Start, type(self).__name__).sample(key=key))
