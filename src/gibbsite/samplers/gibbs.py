"""Heat-bath moves: draw sites from their exact conditionals."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, Conditionals, Info, Latent, need, no_work, two_valued, values


class SiteState(NamedTuple):
    """A position; conditionals need no cache."""

    position: Float[Array, "*x"]


class Gibbs(AbstractKernel):
    """One sweep of heat-bath updates, block after block (Geman & Geman, IEEE PAMI 6, 1984).

    Uses `Conditionals`: on a bipartite lattice the blocks are the two colours of a checkerboard. The order makes the
    sweep irreversible; its time reversal sweeps the blocks `backward`.
    """

    backward: bool = eqx.field(static=True, default=False, kw_only=True)

    reversible = False
    reports_work = True
    settles_switch = False
    cache_cost = 0

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SiteState:
        need(energy, Conditionals, "Gibbs")
        return SiteState(x)

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        view = need(energy, Conditionals, "Gibbs")
        x = state.position
        draw = _two_valued(energy, x, key) if two_valued(energy.space) else _several_valued(energy, x, key)
        for block in view.blocks[::-1] if self.backward else view.blocks:
            x = jnp.where(block > 0, draw(view.logits(x)), x)
        return SiteState(x), Info(jnp.ones(()), no_work())

    def position(self, state: SiteState) -> Float[Array, "*x"]:
        return state.position

    def refresh(self, energy: AbstractEnergy, state: SiteState, x: Array | None = None) -> SiteState:
        return state if x is None else SiteState(x)

    def reverse(self) -> "Gibbs":
        return Gibbs(backward=not self.backward)


def _two_valued(energy: AbstractEnergy, x: Array, key: Key[Array, ""]) -> Callable[[Array], Array]:
    """What each site becomes at given logits; its noise is drawn once a sweep."""
    low, high = values(energy.space)
    noise = jax.random.logistic(key, x.shape, x.dtype)
    return lambda logits: jnp.where(noise < logits, high, low)


def _several_valued(energy: AbstractEnergy, x: Array, key: Key[Array, ""]) -> Callable[[Array], Array]:
    """The same for any number of levels: the largest of logits plus Gumbel noise."""
    levels = jnp.asarray(values(energy.space), x.dtype)
    noise = jax.random.gumbel(key, (*x.shape, len(levels)), x.dtype)
    return lambda logits: levels[jnp.argmax(logits + noise, axis=-1)]


class BlockGibbs(AbstractKernel):
    """Hidden units given visible ones, then visible given hidden: reversible for the marginal of the visible units.

    Uses `Latent` (Smolensky 1986; Hinton, Neural Computation 14, 2002, for the RBM).
    """

    reversible = True
    reports_work = True
    settles_switch = False
    cache_cost = 0

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SiteState:
        need(energy, Latent, "BlockGibbs")
        return SiteState(x)

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        view = need(energy, Latent, "BlockGibbs")
        up, down = jax.random.split(key)
        hidden = view.sample_hidden(state.position, key=up)
        return SiteState(view.sample_visible(hidden, key=down)), Info(jnp.ones(()), no_work())

    def position(self, state: SiteState) -> Float[Array, "*x"]:
        return state.position

    def refresh(self, energy: AbstractEnergy, state: SiteState, x: Array | None = None) -> SiteState:
        return state if x is None else SiteState(x)
