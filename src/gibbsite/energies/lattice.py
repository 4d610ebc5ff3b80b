"""Spins on a lattice."""

from collections.abc import Sequence
from typing import SupportsIndex

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Conditionals, Spins, as_float
from gibbsite.core.energy import Scalar
from gibbsite.core.space import as_shape


def _sides(side: SupportsIndex | Sequence[SupportsIndex]) -> tuple[int, ...]:
    sides = as_shape(side)
    return sides * 2 if len(sides) == 1 else sides


class Ising(AbstractEnergy):
    """`U(s) = -coupling sum_<ij> s_i s_j - field sum_i s_i` on a periodic square lattice (Onsager 1944; J/kT = coupling).

    `side` is one number or (rows, columns), each at least 3, so that no bond is counted twice. With even sides Gibbs
    updates the two colours of a checkerboard in turn; with odd ones it needs up to five blocks.
    """

    side: tuple[int, int] = eqx.field(static=True, converter=_sides)
    coupling: Scalar = eqx.field(converter=as_float, default=1.0)
    field: Float[Array, "..."] = eqx.field(converter=as_float, default=0.0)

    def __check_init__(self) -> None:
        if min(self.side) < 3:
            raise ValueError(f"side={self.side}: a periodic lattice needs at least 3 sites a side, or bonds would be counted twice.")

    @property
    def space(self) -> AbstractSpace:
        return Spins(self.side)

    def __call__(self, x: Float[Array, "rows cols"]) -> Scalar:
        bonds = jnp.sum(x * (jnp.roll(x, 1, 0) + jnp.roll(x, 1, 1)))
        return -self.coupling * bonds - jnp.sum(self.field * x)

    def views(self) -> tuple[Capability, ...]:
        return (Conditionals(self.logits, jnp.asarray(blocks(*self.side))),)

    def logits(self, x: Float[Array, "rows cols"]) -> Float[Array, "rows cols"]:
        """`log p(+1 | rest) - log p(-1 | rest)` at every site: twice the local field."""
        neighbours = jnp.roll(x, 1, 0) + jnp.roll(x, -1, 0) + jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1)
        return 2 * (self.coupling * neighbours + self.field)


def blocks(rows: int, cols: int) -> np.ndarray:
    """A colouring of the periodic lattice, `(colours, rows, cols)` of 0 and 1: no two neighbours share a colour.

    Greedy over sites, which finds the checkerboard where both sides are even.
    """
    colour = np.full((rows, cols), -1)
    for r, c in np.ndindex(rows, cols):
        taken = {colour[(r + dr) % rows, (c + dc) % cols] for dr, dc in ((1, 0), (-1, 0), (0, 1), (0, -1))}
        colour[r, c] = next(k for k in range(5) if k not in taken)
    return np.stack([colour == k for k in range(colour.max() + 1)]).astype(np.float32)
