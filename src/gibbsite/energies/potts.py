"""Potts spins on a lattice."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Categorical, Conditionals, as_float
from gibbsite.core.energy import Scalar
from gibbsite.core.space import as_levels
from gibbsite.energies.grid import as_sides, beside, bonds_of, check_lattice, check_shape, colours, neighbours, over_bonds


class Potts(AbstractEnergy):
    """`U(s) = -sum_<ij> coupling_ij [s_i = s_j] - sum_i field_i(s_i)` (Potts 1952; Wu, Reviews of Modern Physics 54, 1982).

    `side`, `coupling` and `periodic` as in `Ising`; `levels` is a number q, or the values themselves. `field` is 0, one number
    a level, or an array `(*side, q)`. With q = 2 it is an Ising model of half the coupling; on the square lattice it
    orders at coupling `log(1 + sqrt q)`.

    Raises:
        ValueError: a periodic side below 3, fewer than two levels, or parameters of another shape.
    """

    side: tuple[int, ...] = eqx.field(static=True, converter=as_sides)
    levels: tuple[float, ...] = eqx.field(static=True, converter=as_levels)
    coupling: Float[Array, "..."] = eqx.field(converter=as_float, default=1.0)
    field: Float[Array, "..."] = eqx.field(converter=as_float, default=0.0)
    periodic: bool = eqx.field(static=True, default=True, kw_only=True)

    def __check_init__(self) -> None:
        check_lattice("Potts", self.side, self.coupling, periodic=self.periodic)
        q = len(self.levels)
        check_shape("Potts", "field", self.field, (), (q,), (*self.side, q))

    @property
    def space(self) -> AbstractSpace:
        return Categorical(self.side, self.levels)

    def __call__(self, x: Float[Array, "*side"]) -> Scalar:
        # Beyond an open end stands nan, which equals no level.
        equal = [x == beside(x, axis, 1, periodic=self.periodic, beyond=jnp.nan) for axis in range(x.ndim)]
        terms = [bond.astype(x.dtype) for bond in equal]
        return -over_bonds(terms, self.coupling) - jnp.sum(jnp.where(self._taken(x), self.field, 0.0))

    def views(self) -> tuple[Capability, ...]:
        alone = jnp.broadcast_to(self.field, (*self.side, len(self.levels)))
        bonds = bonds_of(self.side, self.coupling, alone, periodic=self.periodic)
        return (Conditionals(self.logits, colours(self.side, periodic=self.periodic)), bonds)

    def logits(self, x: Float[Array, "*side"]) -> Float[Array, "*side levels"]:
        """`log p(s_i = level | rest)` up to a constant: the couplings to neighbours of that level, and its field."""

        def of_one(taken: Array) -> Array:
            return neighbours(taken, self.coupling, periodic=self.periodic)

        return jax.vmap(of_one, in_axes=-1, out_axes=-1)(self._taken(x).astype(x.dtype)) + self.field

    def _taken(self, x: Float[Array, "*side"]) -> Array:
        return x[..., None] == jnp.asarray(self.levels)
