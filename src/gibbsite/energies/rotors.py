"""Planar rotors on a lattice: angles, or the q hours of a clock."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Categorical, Conditionals, LevelBonds, LocalFields, Torus, as_float
from gibbsite.core.energy import Scalar
from gibbsite.core.space import as_levels
from gibbsite.energies.grid import as_sides, beside, bonds_of, check_lattice, check_shape, colours, neighbours, over_bonds


class XY(AbstractEnergy):
    """`U(a) = -sum_<ij> coupling_ij cos(a_i - a_j) - sum_i field_i . (cos a_i, sin a_i)` on angles.

    (Kosterlitz & Thouless, Journal of Physics C 6, 1973.) `side`, `coupling` and `periodic` as in `Ising`; `field` is
    a vector of the plane, or one a site, `(*side, 2)`.

    Raises:
        ValueError: a periodic side below 3, or parameters of another shape.
    """

    side: tuple[int, ...] = eqx.field(static=True, converter=as_sides)
    coupling: Float[Array, "..."] = eqx.field(converter=as_float, default=1.0)
    field: Float[Array, "..."] = eqx.field(converter=as_float, default=(0.0, 0.0))
    periodic: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        check_lattice("XY", self.side, self.coupling, periodic=self.periodic)
        check_shape("XY", "field", self.field, (2,), (*self.side, 2))

    @property
    def space(self) -> AbstractSpace:
        return Torus(self.side)

    def __call__(self, x: Float[Array, "*side"]) -> Scalar:
        cos, sin = jnp.cos(x), jnp.sin(x)
        ahead = [[beside(part, axis, 1, periodic=self.periodic) for part in (cos, sin)] for axis in range(x.ndim)]
        terms = [cos * next_cos + sin * next_sin for next_cos, next_sin in ahead]  # cos(a - b), and 0 beyond an open end
        return -over_bonds(terms, self.coupling) - jnp.sum(self.field * jnp.stack([cos, sin], axis=-1))

    def views(self) -> tuple[Capability, ...]:
        alone = jnp.broadcast_to(self.field, (*self.side, 2))
        bonds = bonds_of(self.side, 2 * self.coupling, alone, periodic=self.periodic)
        return (LocalFields(self.fields, colours(self.side, periodic=self.periodic)), bonds)

    def fields(self, x: Float[Array, "*side"]) -> Float[Array, "*side 2"]:
        """The field that each rotor sees: its neighbours, each times its coupling, and its own field."""
        parts = [neighbours(part, self.coupling, periodic=self.periodic) for part in (jnp.cos(x), jnp.sin(x))]
        return jnp.stack(parts, axis=-1) + self.field


class Clock(AbstractEnergy):
    """The energy of `XY` at the angles `2 pi k / levels`, k = 0, ..., levels - 1 (Jose et al., Physical Review B 16, 1977).

    Two levels make an Ising model, three a Potts model of 3/2 the coupling, and four two Ising models of half the coupling.

    Raises:
        ValueError: a periodic side below 3, fewer than two levels, or parameters of another shape.
    """

    side: tuple[int, ...] = eqx.field(static=True, converter=as_sides)
    levels: int = eqx.field(static=True)
    coupling: Float[Array, "..."] = eqx.field(converter=as_float, default=1.0)
    field: Float[Array, "..."] = eqx.field(converter=as_float, default=(0.0, 0.0))
    periodic: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        check_lattice("Clock", self.side, self.coupling, periodic=self.periodic)
        check_shape("Clock", "field", self.field, (2,), (*self.side, 2))
        as_levels(self.levels)  # refuses fewer than two

    @property
    def space(self) -> AbstractSpace:
        return Categorical(self.side, as_levels(self.levels))

    @property
    def _rotors(self) -> XY:
        return XY(self.side, self.coupling, self.field, periodic=self.periodic)

    def __call__(self, x: Float[Array, "*side"]) -> Scalar:
        return self._rotors(self.angle(x))

    def angle(self, x: Float[Array, "*side"]) -> Float[Array, "*side"]:
        """The angles of the hours."""
        return (2 * jnp.pi / self.levels) * x

    def views(self) -> tuple[Capability, ...]:
        bonds = bonds_of(self.side, self.coupling, None, periodic=self.periodic)
        hours, field = self._hours(), jnp.broadcast_to(self.field, (*self.side, 2))
        tables = LevelBonds(bonds.edges, bonds.gaps, -hours.T @ hours, field @ hours, bonds.grid)
        return (Conditionals(self.logits, colours(self.side, periodic=self.periodic)), tables)

    def logits(self, x: Float[Array, "*side"]) -> Float[Array, "*side levels"]:
        """`log p(k | rest)` up to a constant: the local field along each hour."""
        return self._rotors.fields(self.angle(x)) @ self._hours()

    def _hours(self) -> Float[Array, "2 levels"]:
        """Cosine and sine of every hour."""
        hours = self.angle(jnp.arange(float(self.levels)))
        return jnp.stack([jnp.cos(hours), jnp.sin(hours)])
