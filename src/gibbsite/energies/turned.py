"""An energy along axes of its own."""

import equinox as eqx
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, as_float
from gibbsite.core.energy import Scalar
from gibbsite.energies.mapped import AbstractMapped


class Turned(AbstractMapped):
    """The energy of `x = axes z` where `energy` is that of z: `U(x) = energy(axes' x)`, the columns of `axes` orthonormal."""

    energy: AbstractEnergy
    axes: Float[Array, "d d"] = eqx.field(converter=as_float)

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        return self.energy(self.forward(x))

    def forward(self, z: Float[Array, " d"]) -> Float[Array, " d"]:
        return z @ self.axes

    def inverse(self, x: Float[Array, " d"]) -> Float[Array, " d"]:
        return self.axes @ x
