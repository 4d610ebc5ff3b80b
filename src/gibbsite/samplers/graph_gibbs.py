"""Many copies of one sparse graph, side by side in memory, moved together."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, Info, Neighbours, need, no_work, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.lanes import FINE, Lanes, advance, lanes
from gibbsite.samplers.packed import AbstractPackedSweep, Packed

FEW = 8  # blocks up to which a sweep is written out in the program


class SideBySide(eqx.Module):
    """Sites by copies, with a row more than there are sites."""

    x: Float[Array, "rows copies"]
    shape: tuple[int, ...] = eqx.field(static=True)  # of one copy


class GraphGibbs(AbstractPackedSweep):
    """The heat-bath sweep of `Gibbs` for all copies of a two-valued sparse graph at once: `Copies(machine, n)`.

    Uses `Neighbours`. One list of neighbours serves all copies, whose values lie side by side, and uniform numbers of 24 binary digits
    come from generators in the state (`lanes`), one for each site of a block and each copy. A probability is right to 2^-24. The
    energy is counted anew whenever it is asked for, at about the price of a sweep: observe it less often, by
    `Repeat(GraphGibbs(), 10)`.
    """

    needs = Neighbours

    def pack(self, x: Float[Array, "copies *x"]) -> SideBySide:
        return SideBySide(jnp.pad(x.reshape(len(x), -1).T, ((0, 1), (0, 0))), x.shape[1:])

    def unpack(self, sites: SideBySide) -> Float[Array, "copies *x"]:
        return sites.x[:-1].T.reshape(-1, *sites.shape)

    def generators(self, energy: AbstractEnergy, x: Float[Array, "copies *x"], *, key: Key[Array, ""]) -> Lanes:
        view = need(energy, Neighbours, "GraphGibbs")
        sites = len(view.alone) - 1
        if x.ndim < 2 or x[0].size != sites:
            raise ValueError(f"GraphGibbs moves copies of {sites} sites, not x of shape {x.shape}: give Copies(machine, n).")
        return lanes((view.blocks.shape[1], len(x)), key=key)

    def step(self, energy: AbstractEnergy, state: Packed, *, key: Key[Array, ""]) -> tuple[Packed, Info]:
        """One sweep; the key is not used, for the generators are part of the state."""
        view, (low, high) = need(energy, Neighbours, "GraphGibbs"), values(energy.space)

        def one(held: tuple[Array, Lanes], block: Array) -> tuple[tuple[Array, Lanes], None]:
            x, generators = held
            word, generators = advance(generators)
            uniform = (word >> (32 - FINE)).astype(x.dtype) * 2.0**-FINE
            logits = view.alone[block][:, None] + view.around(x, block)
            new = jnp.where(uniform < jax.nn.sigmoid(logits), high, low).astype(x.dtype)
            return (x.at[block].set(new), generators), None

        held = state.sites.x, state.lanes
        (x, generators), _ = jax.lax.scan(one, held, view.blocks, reverse=self.backward, unroll=len(view.blocks) <= FEW)
        return Packed(SideBySide(x, state.sites.shape), generators), Info(jnp.ones(()), no_work())

    def energy(self, energy: AbstractEnergy, state: Packed) -> Scalar:
        view, (low, high) = need(energy, Neighbours, "GraphGibbs"), values(energy.space)
        x = state.sites.x
        around = view.alone[:-1, None] + view.around(x, jnp.arange(len(view.alone) - 1)) / 2
        return -jnp.vdot(x[:-1], around) / (high - low)
