"""Changes of one site, with the energy that they lead to, for walks that weigh states by their energy alone.

A change is proposed as often as its reverse: a site, and another of its values with equal probability (of a continuum, one within
reach). Where an energy lists its bonds, only those of the site are looked at.
"""

import abc
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gibbsite.core import AbstractEnergy, AbstractSpace, Box, Pairwise, Torus, capability, discrete, values, wrapped
from gibbsite.core.energy import Scalar
from gibbsite.core.reference import ends
from gibbsite.samplers.sites import by_level, level_of


class AbstractMove(eqx.Module):
    """To add one, write `__call__`."""

    energy: AbstractEnergy

    @abc.abstractmethod
    def __call__(self, x: Float[Array, " sites"], here: Scalar, site: Int[Array, ""], chance: Scalar) -> tuple[Scalar, Scalar]:
        """What `site` of `x`, whose energy is `here`, becomes by a uniform number `chance`, and the energy then."""


class Whole(AbstractMove):
    """The energy of the whole configuration, whatever it is. On a continuum a site moves by up to `scale` of its range, either way."""

    scale: Scalar

    def __call__(self, x: Array, here: Scalar, site: Array, chance: Scalar) -> tuple[Scalar, Scalar]:
        space, old = self.energy.space, x[site]
        value = another(space, old, chance) if discrete(space) else _near(space, old, site, self.scale * (2 * chance - 1))
        return value, self.energy(x.at[site].set(value).reshape(space.shape))


class Bonded(AbstractMove):
    """Sites of a discrete space with the bonds of each: `near` (the site itself where a list is longer than its bonds), `gaps`, `alone`."""

    near: Int[Array, "sites degree"]
    gaps: Float[Array, "sites degree"]
    alone: Float[Array, "sites levels"]

    def __call__(self, x: Array, here: Scalar, site: Array, chance: Scalar) -> tuple[Scalar, Scalar]:
        space, old = self.energy.space, x[site]
        value, around = another(space, old, chance), x[self.near[site]]
        unlike = (around != value).astype(x.dtype) - (around != old).astype(x.dtype)
        felt = self.alone[site]
        change = jnp.sum(self.gaps[site] * unlike) - (felt[level_of(space, value)] - felt[level_of(space, old)])
        return value, here + change


def move_for(energy: AbstractEnergy, scale: float) -> AbstractMove:
    """By the bonds of a discrete energy that lists them, else by its value."""
    bonds = capability(energy, Pairwise)
    if bonds is None or not discrete(energy.space):
        return Whole(energy, jnp.asarray(scale, jnp.result_type(float)))
    near, gaps = _listed(np.asarray(bonds.edges), np.asarray(bonds.gaps), energy.space.size)
    shape = energy.space.shape
    alone = jnp.zeros((*shape, len(values(energy.space)))) if bonds.alone is None else by_level(energy.space, bonds.alone)
    return Bonded(energy, near, gaps, alone.reshape(energy.space.size, -1))


def _listed(edges: np.ndarray, gaps: np.ndarray, sites: int) -> tuple[Array, Array]:
    """The other ends of the bonds of every site, and their gaps, in rows of one length."""
    one, other, gap = (np.concatenate(pair) for pair in ((edges[:, 0], edges[:, 1]), (edges[:, 1], edges[:, 0]), (gaps, gaps)))
    order = np.argsort(one, kind="stable")
    one, other, gap = one[order], other[order], gap[order]
    degree = np.bincount(one, minlength=sites)
    place = np.arange(len(one)) - np.repeat(np.cumsum(degree) - degree, degree)
    near = np.repeat(np.arange(sites)[:, None], max(int(degree.max(initial=0)), 1), axis=1)
    strength = np.zeros(near.shape)
    near[one, place], strength[one, place] = other, gap
    return jnp.asarray(near), jnp.asarray(strength, jnp.result_type(float))


def another(space: AbstractSpace, old: Scalar, chance: Scalar) -> Scalar:
    """Another value of a site of a discrete space, all of them with equal probability."""
    levels = jnp.asarray(values(space), old.dtype)
    ahead = 1 + jnp.floor(chance * (len(levels) - 1)).astype(jnp.int32)
    return levels[(level_of(space, old) + ahead) % len(levels)]


def _near(space: AbstractSpace, old: Scalar, site: Array, by: Scalar) -> Scalar:
    """A share `by` of the range further on: round a circle, or thrown back by the walls of a box."""
    assert isinstance(space, Box | Torus)
    if isinstance(space, Torus):
        return wrapped(old + 2 * math.pi * by)
    low, high = (jnp.ravel(end)[site] for end in ends(space))
    place = jnp.abs((old - low) / (high - low) + by) % 2
    return low + (high - low) * jnp.minimum(place, 2 - place)
