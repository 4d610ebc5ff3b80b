"""Spins that may be absent, on a lattice."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Categorical, Conditionals, LevelBonds, as_float
from gibbsite.core.energy import Scalar
from gibbsite.energies.grid import as_sides, beside, bonds_of, check_lattice, check_shape, colours, neighbours, over_bonds

LEVELS = (-1, 0, 1)


class BlumeCapel(AbstractEnergy):
    """`U(s) = -sum_<ij> coupling_ij s_i s_j + splitting sum_i s_i^2 - sum_i field_i s_i` with s = -1, 0 or 1.

    (Blume, Physical Review 141, 1966; Capel, Physica 32, 1966.) `side`, `coupling`, `field` and `periodic` as in `Ising`; a large
    `splitting` empties the sites, by a transition that is continuous, tricritical or of first order.

    Raises:
        ValueError: a periodic side below 3, or parameters of another shape.
    """

    side: tuple[int, ...] = eqx.field(static=True, converter=as_sides)
    coupling: Float[Array, "..."] = eqx.field(converter=as_float, default=1.0)
    splitting: Scalar = eqx.field(converter=as_float, default=0.0)
    field: Float[Array, "..."] = eqx.field(converter=as_float, default=0.0)
    periodic: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        check_lattice("BlumeCapel", self.side, self.coupling, periodic=self.periodic)
        check_shape("BlumeCapel", "splitting", self.splitting, ())
        check_shape("BlumeCapel", "field", self.field, (), self.side)

    @property
    def space(self) -> AbstractSpace:
        return Categorical(self.side, LEVELS)

    def __call__(self, x: Float[Array, "*side"]) -> Scalar:
        terms = [x * beside(x, axis, 1, periodic=self.periodic) for axis in range(x.ndim)]
        return -over_bonds(terms, self.coupling) + self.splitting * jnp.sum(x**2) - jnp.sum(self.field * x)

    def views(self) -> tuple[Capability, ...]:
        levels, bonds = jnp.asarray(LEVELS, float), bonds_of(self.side, self.coupling, None, periodic=self.periodic)
        alone = self.logits(jnp.zeros(self.side))  # what a site feels among empty ones
        tables = LevelBonds(bonds.edges, bonds.gaps, -jnp.outer(levels, levels), alone, bonds.grid)
        return (Conditionals(self.logits, colours(self.side, periodic=self.periodic)), tables)

    def logits(self, x: Float[Array, "*side"]) -> Float[Array, "*side 3"]:
        """`log p(s_i = level | rest)` up to a constant: `level h_i - splitting level^2` in the local field h_i."""
        levels = jnp.asarray(LEVELS, x.dtype)
        local = neighbours(x, self.coupling, periodic=self.periodic) + self.field
        return local[..., None] * levels - self.splitting * levels**2
