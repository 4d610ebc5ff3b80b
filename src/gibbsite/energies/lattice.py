"""Spins on a lattice."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, ArrayLike, Capability, Conditionals, Spins, UniformBonds, as_float
from gibbsite.core.energy import Scalar
from gibbsite.energies.grid import as_sides, beside, bonds_of, check_lattice, check_shape, colours, neighbours, over_bonds


def _as_field(field: ArrayLike | None) -> Array | None:
    return None if field is None else as_float(field)


class Ising(AbstractEnergy):
    """`U(s) = -sum_<ij> coupling_ij s_i s_j - sum_i field_i s_i` on a hypercubic lattice (Ising 1925; J/kT = coupling).

    `side` is a tuple of sites along each axis; one number stands for a square. `coupling` is one number or one a bond, an array
    `(d, *side)` in which `coupling[a]` joins each site to the next along axis a (random signs make a spin glass); `field` is
    none, one number, or one a site. `periodic=False` opens the ends. Gibbs updates the two colours of a checkerboard in turn, or
    three blocks where a periodic side is odd.

    Raises:
        ValueError: a periodic side below 3, where bonds would be counted twice, or parameters of another shape.
    """

    side: tuple[int, ...] = eqx.field(static=True, converter=as_sides)
    coupling: Float[Array, "..."] = eqx.field(converter=as_float, default=1.0)
    field: Float[Array, "..."] | None = eqx.field(converter=_as_field, default=None)
    periodic: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        check_lattice("Ising", self.side, self.coupling, periodic=self.periodic)
        if self.field is not None:
            check_shape("Ising", "field", self.field, (), self.side)

    @property
    def space(self) -> AbstractSpace:
        return Spins(self.side)

    def __call__(self, x: Float[Array, "*side"]) -> Scalar:
        terms = [x * beside(x, axis, 1, periodic=self.periodic) for axis in range(x.ndim)]
        return -over_bonds(terms, self.coupling) - (0.0 if self.field is None else jnp.sum(self.field * x))

    def views(self) -> tuple[Capability, ...]:
        alone = None if self.field is None else jnp.broadcast_to(2 * self.field, self.side)
        bonds = bonds_of(self.side, 2 * self.coupling, alone, periodic=self.periodic)
        views = (Conditionals(self.logits, colours(self.side, periodic=self.periodic)), bonds)
        plain = self.field is None and self.coupling.ndim == 0 and self.periodic and len(self.side) == 2
        return (*views, UniformBonds(self.coupling)) if plain else views

    def logits(self, x: Float[Array, "*side"]) -> Float[Array, "*side"]:
        """`log p(+1 | rest) - log p(-1 | rest)` at every site: twice the local field."""
        around = neighbours(x, self.coupling, periodic=self.periodic)
        return 2 * (around if self.field is None else around + self.field)
