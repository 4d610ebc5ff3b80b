"""Moves of whole clusters of sites, which the bonds of an energy hold together.

A *turn* takes every site to another of its values such that no bond notices if all sites turn: levels move up by the same
number of places (modulo their number; spins and bits flip), angles are reflected on one axis. A bond costs energy where only
one of its sites turns. With probability `1 - exp(-cost)` it is closed, and sites that closed bonds join turn together
(Fortuin & Kasteleyn, Physica 57, 1972); what they gain alone by the turn, through fields, decides whether they do.
"""

from itertools import accumulate
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from gibbsite.core import AbstractEnergy, Info, Pairwise, Torus, as_float, discrete, need, no_work, values, wrapped
from gibbsite.samplers.labels import clusters
from gibbsite.samplers.lanes import coins, uniform
from gibbsite.samplers.metropolis import metropolis
from gibbsite.samplers.sites import AbstractSiteKernel, SiteState, by_level, level_of


class SwendsenWang(AbstractSiteKernel):
    """All clusters, each drawn anew by heat bath from the fields of its sites (Swendsen & Wang, Phys. Rev. Lett. 58, 1987).

    Uses `Pairwise` on `Spins`, `Binary` and `Categorical`; bonds that favour unequal values belong on the first two only.
    Reports `cluster_size`, the size of the cluster that a site is in, averaged over sites, and `bonds`, how many are closed. Of an
    Ising model of N sites without fields the former has the mean `N <m^2>`, m the magnetisation a site.

    Raises:
        TypeError: the space is not discrete.
        RuntimeError: there are more than two levels and a bond has a negative gap.
    """

    needs = Pairwise
    reversible = True

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SiteState:
        if not discrete(energy.space):
            raise TypeError(f"SwendsenWang moves on Spins, Binary or Categorical, not on {type(energy.space).__name__}: use Wolff.")
        return SiteState(_checked("SwendsenWang", energy, x))

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        close, turn = jax.random.split(key)
        view, x = need(energy, Pairwise, "SwendsenWang"), state.position
        closed = _closed(_chance(energy, view, x), close)
        found = clusters(view, closed, x.size)
        places = _heat_bath(energy, view, x, found.number, turn)
        extra = {"cluster_size": found.size, "bonds": _number(closed)}
        return SiteState(_moved_up(energy, x, places[found.number].reshape(x.shape))), Info(jnp.ones(()), no_work(), extra)


class Wolff(AbstractSiteKernel):
    """The cluster of one site drawn at random, turned as a whole (Wolff, Phys. Rev. Lett. 62, 1989).

    Uses `Pairwise`; on a `Torus` the cluster is reflected on an axis drawn at random, elsewhere it moves to another level. It
    is accepted with the gain of its fields by Metropolis, so without fields always. Reports `cluster_size` and `bonds` as
    `SwendsenWang`, at the same price, since all bonds are drawn at once: choose it for rotors, and where the largest
    clusters are to be moved every time.

    Raises:
        RuntimeError: there are more than two levels and a bond has a negative gap.
    """

    needs = Pairwise
    reversible = True

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SiteState:
        need(energy, Pairwise, "Wolff")
        return SiteState(_checked("Wolff", energy, x))

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        way, close, seed, coin = jax.random.split(key, 4)
        view, x = need(energy, Pairwise, "Wolff"), state.position
        turn = (_reflection if isinstance(energy.space, Torus) else _shift)(energy, view, x, way)
        closed = _closed(turn.chance, close)
        label = clusters(view, closed, x.size).number
        inside = (label == label[jax.random.randint(seed, (), 0, x.size)]).reshape(x.shape)
        new = SiteState(jnp.where(inside, turn.turned, x))
        kept, info = metropolis(jnp.sum(jnp.where(inside, turn.gain, 0.0)), new, state, key=coin)
        extra = {"cluster_size": jnp.sum(inside, dtype=x.dtype), "bonds": _number(closed)}
        return kept, Info(info.accept_prob, info.shadow_work, extra)


Parts = list[Float[Array, "..."]]  # of the bonds, as a view has them


class _Turn(NamedTuple):
    """x with all sites turned, the chance that a bond is closed, what each site gains alone (in log weight)."""

    turned: Float[Array, "*x"]
    chance: Parts
    gain: Float[Array, "*x"]


def _checked(user: str, energy: AbstractEnergy, x: Array) -> Array:
    if not discrete(energy.space) or len(values(energy.space)) == 2:
        return x
    negative = jnp.any(need(energy, Pairwise, user).gaps < 0)
    remedy = "with more than two levels no cluster can be built on it; use Gibbs or LocallyBalanced"
    return eqx.error_if(x, negative, f"{user} met a bond that favours unequal levels (a negative gap): {remedy}.")


def _closed(chance: Parts, key: Key[Array, ""]) -> list[Bool[Array, "..."]]:
    ends = list(accumulate(part.size for part in chance))
    drawn = jnp.split(uniform((ends[-1],), key=key), ends[:-1])  # at once: to compile a generator takes longer than to run it
    return [noise.reshape(part.shape) < part for noise, part in zip(drawn, chance, strict=True)]


def _number(closed: list[Bool[Array, "..."]]) -> Float[Array, ""]:
    """Counted in whole numbers, which compilers add side by side."""
    return as_float(sum((jnp.sum(part, dtype=int) for part in closed), jnp.zeros((), int)))


def _chance(energy: AbstractEnergy, view: Pairwise, x: Float[Array, "*x"]) -> Parts:
    """`1 - exp(-cost)`, by the gap of a bond of equal sites, by minus the gap of one of unequal sites, where there are but two values.

    Neither depends on x: the exponentials are not taken anew at every step.
    """
    two = len(values(energy.space)) == 2
    parts = zip(view.ends(x), view.parts(view.gaps), strict=True)
    return [jnp.where(one == other, -jnp.expm1(-gaps), -jnp.expm1(gaps) if two else 0.0) for (one, other), gaps in parts]


def _heat_bath(energy: AbstractEnergy, view: Pairwise, x: Float[Array, "*x"], number: Int[Array, " sites"], key: Key[Array, ""]) -> Array:
    """By how many places the cluster of each number moves up, drawn from what its sites gain."""
    if view.alone is None and len(values(energy.space)) == 2:
        return coins((x.size,), key=key)
    if view.alone is None:
        levels = len(values(energy.space))
        return jnp.floor(levels * uniform((x.size,), key=key)).astype(jnp.int8 if levels < 128 else int)
    gains = _gains(energy, view, x).reshape(x.size, -1)
    return jnp.argmax(jax.ops.segment_sum(gains, number, x.size) + jax.random.gumbel(key, gains.shape), axis=1)


def _gains(energy: AbstractEnergy, view: Pairwise, x: Float[Array, "*x"]) -> Float[Array, "*x levels"]:
    """What each site gains alone if it moves up by 0, 1, ... places."""
    if view.alone is None:
        return jnp.zeros((*x.shape, len(values(energy.space))))
    alone = by_level(energy.space, view.alone)
    places = (level_of(energy.space, x)[..., None] + jnp.arange(alone.shape[-1])) % alone.shape[-1]
    there = jnp.take_along_axis(alone, places, axis=-1)
    return there - there[..., :1]


def _moved_up(energy: AbstractEnergy, x: Float[Array, "*x"], places: Int[Array, "..."]) -> Float[Array, "*x"]:
    levels = values(energy.space)
    if len(levels) == 2:
        return jnp.where(places == 1, sum(levels) - x, x)
    return jnp.asarray(levels, x.dtype)[(level_of(energy.space, x) + places) % len(levels)]


def _shift(energy: AbstractEnergy, view: Pairwise, x: Float[Array, "*x"], key: Key[Array, ""]) -> _Turn:
    """All sites up by the same number of places, from 1 to one less than there are levels."""
    places = jax.random.randint(key, (), 1, len(values(energy.space)))
    return _Turn(_moved_up(energy, x, places), _chance(energy, view, x), _gains(energy, view, x)[..., places])


def _reflection(energy: AbstractEnergy, view: Pairwise, x: Float[Array, "*x"], key: Key[Array, ""]) -> _Turn:
    """All rotors with their part along one direction turned round: `a -> pi + 2 direction - a`."""
    direction = jax.random.uniform(key, minval=-jnp.pi, maxval=jnp.pi)
    part = jnp.cos(x - direction)
    chance = [-jnp.expm1(-gaps * one * other) for (one, other), gaps in zip(view.ends(part), view.parts(view.gaps), strict=True)]
    pull = 0.0 if view.alone is None else view.alone @ jnp.stack([jnp.cos(direction), jnp.sin(direction)])
    return _Turn(wrapped(jnp.pi + 2 * direction - x), chance, -2 * pull * part)
