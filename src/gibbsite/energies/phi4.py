"""A real field on a lattice."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Grid, Reals, ScalarField, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.energies.grid import as_sides, check_shape


class Phi4(AbstractEnergy):
    """`U(phi) = sum_x [phi_x (2d phi_x - sum of the 2d neighbours of x) + m2 phi_x^2 + lam phi_x^4]` on a periodic lattice.

    The action of scalar field theory without the factor 1/2, of a flat measure (Albergo, Kanwar & Shanahan, arXiv
    1904.12072). `side` is one number (a square) or a tuple of any length; on a side of 2 both neighbours are one site, whose bond
    counts twice. A negative `m2` makes a double well.

    Raises:
        ValueError: `lam` below zero, where no law exists.
    """

    side: tuple[int, ...] = eqx.field(static=True, converter=as_sides)
    m2: Scalar = eqx.field(converter=as_float)
    lam: Scalar = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        for name, value in (("m2", self.m2), ("lam", self.lam)):
            check_shape("Phi4", name, value, ())
        check_values("Phi4", "lam", self.lam, lambda lam: lam >= 0, "a coupling of at least 0, for the law to exist")

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.side)

    def __call__(self, x: Float[Array, "*side"]) -> Scalar:
        # By parts: phi (2d phi - neighbours), summed over the sites, is the sum of squared steps, which loses fewer digits.
        steps = [jnp.sum((jnp.roll(x, -1, axis) - x) ** 2) for axis in range(x.ndim)]
        return sum(steps, jnp.zeros(())) + jnp.sum(self.m2 * x**2 + self.lam * x**4)

    def views(self) -> tuple[Capability, ...]:
        return (ScalarField(jnp.ones(()), self.m2, self.lam, Grid(self.side, periodic=True)),)
