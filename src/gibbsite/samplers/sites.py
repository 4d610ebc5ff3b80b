"""Kernels that move sites by what an energy says of them: their state is the position alone."""

import abc
import dataclasses
from collections.abc import Callable as Function
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractSpace, Capability, Info, need, no_work, two_valued, values


class SiteState(NamedTuple):
    """A position; views of sites need no cache."""

    position: Float[Array, "*x"]


class AbstractSiteKernel(AbstractKernel):
    """A kernel that goes by the view `needs` of an energy; to add one, write `step`."""

    needs: eqx.AbstractClassVar[type[Capability]]

    reports_work = True
    settles_switch = False
    cache_cost = 0

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SiteState:
        need(energy, self.needs, type(self).__name__)
        return SiteState(x)

    def position(self, state: SiteState) -> Float[Array, "*x"]:
        return state.position

    def refresh(self, energy: AbstractEnergy, state: SiteState, x: Array | None = None) -> SiteState:
        return state if x is None else SiteState(x)


def level_of(space: AbstractSpace, x: Float[Array, "*x"]) -> Int[Array, "*x"]:
    """Which of its values each site takes, counted from 0."""
    return jnp.argmax(x[..., None] == jnp.asarray(values(space), x.dtype), axis=-1)


def by_level(space: AbstractSpace, logits: Float[Array, "..."]) -> Float[Array, "*x levels"]:
    """Logits of every level of every site: on a two-valued space 0 and the logits, elsewhere themselves."""
    return jnp.stack([jnp.zeros_like(logits), logits], axis=-1) if two_valued(space) else logits


Update = Function[[Array], tuple[Array, Array]]


class AbstractSweep(AbstractSiteKernel):
    """One update of every site, block after block, the sites of a block at once.

    The order of the blocks makes the sweep irreversible; its time reversal sweeps them `backward`. To add a sweep, write
    `update`; the view that it needs must have `blocks`.
    """

    backward: bool = eqx.field(static=True, default=False, kw_only=True)

    reversible = False

    @abc.abstractmethod
    def update(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Update:
        """A function from a configuration to what each of its sites would become, and with what probability (one for all, or one each).

        Its noise is drawn once a sweep: a site is in one block, so it uses its own once.
        """

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        blocks = need(energy, self.needs, type(self).__name__).blocks  # type: ignore[attr-defined]
        update = self.update(energy, state.position, key=key)

        def one(x: Array, block: Array) -> tuple[Array, Array]:
            new, accept = update(x)
            # One number for all sites is no sum over them: on a large lattice that takes a twentieth of the sweep.
            share = accept if accept.ndim == 0 else jnp.sum(jnp.where(block > 0, accept, 0.0)) * len(blocks) / x.size
            return jnp.where(block > 0, new, x), share

        # Not written out: a block would compute the noise of the one before it again, for every neighbour (12 times slower).
        x, accepted = jax.lax.scan(one, state.position, blocks, reverse=self.backward)
        return SiteState(x), Info(jnp.mean(accepted), no_work())

    def reverse(self) -> "AbstractSweep":
        return dataclasses.replace(self, backward=not self.backward)
