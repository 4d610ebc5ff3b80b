"""Many copies of one sparse graph, side by side in memory, moved together."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, Info, Neighbours, need, no_work, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.lanes import FINE, Lanes, advance, lanes

FEW = 8  # blocks up to which a sweep is written out in the program


class SideBySide(eqx.Module):
    """Sites by copies, with a row more than there are sites, and a generator for each site of a block and each copy."""

    x: Float[Array, "rows copies"]
    lanes: Lanes
    shape: tuple[int, ...] = eqx.field(static=True)  # of one copy


class GraphGibbs(AbstractKernel):
    """The heat-bath sweep of `Gibbs` for all copies of a two-valued sparse graph at once: `Copies(machine, n)`.

    Uses `Neighbours`. One list of neighbours serves all copies, whose values lie side by side, and uniform numbers of 24 binary digits
    come from generators in the state (`lanes`). A probability is right to 2^-24. The energy is counted anew whenever it is asked
    for, at about the price of a sweep: observe it less often, by `Repeat(GraphGibbs(), 10)`. The order
    of the blocks makes the sweep irreversible; its time reversal sweeps them `backward`.
    """

    backward: bool = eqx.field(static=True, default=False, kw_only=True)

    reversible = False
    reports_work = True
    settles_switch = False
    has_memory = True
    cache_cost = 0

    def init(self, energy: AbstractEnergy, x: Float[Array, "copies *x"], *, key: Key[Array, ""]) -> SideBySide:
        view = need(energy, Neighbours, "GraphGibbs")
        sites = len(view.alone) - 1
        if x.ndim < 2 or x[0].size != sites:
            raise ValueError(f"GraphGibbs moves copies of {sites} sites, not x of shape {x.shape}: give Copies(machine, n).")
        return SideBySide(_side_by_side(x), lanes((view.blocks.shape[1], len(x)), key=key), x.shape[1:])

    def step(self, energy: AbstractEnergy, state: SideBySide, *, key: Key[Array, ""]) -> tuple[SideBySide, Info]:
        """One sweep; the key is not used, for the generators are part of the state."""
        view, (low, high) = need(energy, Neighbours, "GraphGibbs"), values(energy.space)

        def one(state: SideBySide, block: Array) -> tuple[SideBySide, None]:
            word, generators = advance(state.lanes)
            uniform = (word >> (32 - FINE)).astype(state.x.dtype) * 2.0**-FINE
            logits = view.alone[block][:, None] + view.around(state.x, block)
            new = jnp.where(uniform < jax.nn.sigmoid(logits), high, low).astype(state.x.dtype)
            return SideBySide(state.x.at[block].set(new), generators, state.shape), None

        state, _ = jax.lax.scan(one, state, view.blocks, reverse=self.backward, unroll=len(view.blocks) <= FEW)
        return state, Info(jnp.ones(()), no_work())

    def position(self, state: SideBySide) -> Float[Array, "copies *x"]:
        return state.x[:-1].T.reshape(-1, *state.shape)

    def energy(self, energy: AbstractEnergy, state: SideBySide) -> Scalar:
        view, (low, high) = need(energy, Neighbours, "GraphGibbs"), values(energy.space)
        around = view.alone[:-1, None] + view.around(state.x, jnp.arange(len(view.alone) - 1)) / 2
        return -jnp.vdot(state.x[:-1], around) / (high - low)

    def refresh(self, energy: AbstractEnergy, state: SideBySide, x: Array | None = None) -> SideBySide:
        return state if x is None else SideBySide(_side_by_side(x), state.lanes, state.shape)

    def reverse(self) -> "GraphGibbs":
        return dataclasses.replace(self, backward=not self.backward)


def _side_by_side(x: Float[Array, "copies *x"]) -> Float[Array, "rows copies"]:
    return jnp.pad(x.reshape(len(x), -1).T, ((0, 1), (0, 0)))
