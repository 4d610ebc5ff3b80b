"""Thirty-two copies of an Ising torus in the bits of one word, moved together."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt32

from gibbsite.core import AbstractEnergy, Info, UniformBonds, need, no_work
from gibbsite.core.energy import Scalar
from gibbsite.samplers.lanes import FINE, Lanes, below, digits, lanes
from gibbsite.samplers.packed import AbstractPackedSweep, Packed

COPIES = 32
COARSE, TOGETHER = 12, 8  # binary digits that each site draws alone, and rows that share those after them
ALL = np.uint32(0xFFFFFFFF)
Half = UInt32[Array, "rows halfcols"]
Halves = UInt32[Array, "2 rows halfcols"]


class Generators(NamedTuple):
    """One for each site of a colour, and one for several rows together."""

    alone: Lanes
    shared: Lanes


class Multispin(AbstractPackedSweep):
    """A Metropolis sweep of both colours of 32 copies of a square Ising torus, all in words of 32 bits.

    (Multi-spin coding: Jacobs & Rebbi, Journal of Computational Physics 41, 1981.) The energy is `Copies(torus, 32)` of one
    that offers `UniformBonds`, of an even number of columns and rows. A spin with c of its 4 bonds unsatisfied turns with
    probability `min(1, exp(-4 K (2 - c)))`; c is added up in bits, and the 32 copies draw 24 binary digits each from
    generators of their own (`lanes`): the probability is right to 2^-24. A site needs more than its first 12 digits once in
    4096 times, so those after them are drawn for 8 rows together: moves of two of these rows are correlated by at most 2^-24.

    A free turn is always made. A torus whose sides are multiples of 4 has states where every turn is free (diagonal stripes of two), and
    these lead to each other alone: 36 of the 65,536 of a 4 x 4 torus, with 2e-5 of its weight at K = 0.4; far less on larger ones.

    Row r of a colour holds the sites of columns `2 j + (r + colour) % 2` at place j, one bit a copy (1 for +1).
    """

    needs = UniformBonds

    def pack(self, x: Float[Array, "32 rows cols"]) -> Halves:
        bits = jnp.left_shift((x > 0).astype(jnp.uint32), jnp.arange(COPIES, dtype=jnp.uint32)[:, None, None])
        words = jnp.sum(bits, axis=0, dtype=jnp.uint32)
        return jnp.stack(_exchanged(words[:, ::2], words[:, 1::2]))

    def unpack(self, sites: Halves) -> Float[Array, "32 rows cols"]:
        words = jnp.stack(_exchanged(*sites), axis=-1).reshape(sites.shape[1], -1)
        bits = jnp.right_shift(words[None], jnp.arange(COPIES, dtype=jnp.uint32)[:, None, None]) & 1
        return 2 * bits.astype(jnp.result_type(float)) - 1

    def generators(self, energy: AbstractEnergy, x: Float[Array, "..."], *, key: Key[Array, ""]) -> Generators:
        if x.ndim != 3 or len(x) != COPIES or any(side % 2 for side in x.shape):
            raise ValueError(
                f"Multispin moves x of shape ({COPIES}, rows, columns), both even, not {x.shape}: give Copies(torus, {COPIES})."
            )
        alone, shared = jax.random.split(key)
        rows, places = x.shape[1], x.shape[2] // 2
        return Generators(lanes((rows, places), key=alone), lanes((-(-rows // TOGETHER), places), key=shared))

    def step(self, energy: AbstractEnergy, state: Packed, *, key: Key[Array, ""]) -> tuple[Packed, Info]:
        """One sweep; the key is not used, for the generators are part of the state."""
        coupling = need(energy, UniformBonds, "Multispin").coupling
        thresholds = tuple(digits(jnp.exp(-4 * n * jnp.abs(coupling))) for n in (1, 2))
        against = jnp.where(coupling < 0, ALL, jnp.uint32(0))  # neighbours turned over: an antiferromagnet's bonds

        def one(held: tuple[Halves, Generators], colour: Array) -> tuple[tuple[Halves, Generators], None]:
            sites, generators = held
            chance, generators = _chances(thresholds, generators)
            # Turned over once they are fetched, not before: XLA would do it in each branch of a fetch, and vectorise none (4 times slower).
            around = tuple(word ^ against for word in _around(sites[1 - colour], colour))
            return (sites.at[colour].set(_swept(sites[colour], around, chance)), generators), None

        held, _ = jax.lax.scan(one, (state.sites, state.lanes), jnp.arange(2), reverse=self.backward)
        return Packed(*held), Info(jnp.ones(()), no_work())

    def energy(self, energy: AbstractEnergy, state: Packed) -> Scalar:
        """By counting bits: all bonds, each with one even end, less twice those that are unsatisfied."""
        bonds = need(energy, UniformBonds, "Multispin")
        even, odd = state.sites
        unlike = jnp.stack([even ^ word for word in _around(odd, 0)])
        broken = jnp.sum(jax.lax.population_count(unlike).astype(jnp.int32))
        return COPIES * bonds.constant - bonds.coupling * (unlike.size * COPIES - 2 * broken).astype(jnp.result_type(float))


def _exchanged(first: Half, second: Half) -> tuple[Half, Half]:
    """Every other row exchanged between both: columns to colours, and back."""
    odd = (jnp.arange(len(first)) % 2 == 1)[:, None]
    return jnp.where(odd, second, first), jnp.where(odd, first, second)


def _around(other: Half, colour: Array | int) -> tuple[Half, Half, Half, Half]:
    """The four neighbours of the sites of a colour: above, below, and two in the row, one of them a column on or back."""
    shift = (jnp.arange(other.shape[0]) + colour) % 2 == 1
    beside = jnp.where(shift[:, None], jnp.roll(other, -1, 1), jnp.roll(other, 1, 1))
    return jnp.roll(other, 1, 0), jnp.roll(other, -1, 0), other, beside


def _chances(thresholds: tuple[Array, ...], generators: Generators) -> tuple[tuple[Half, ...], Generators]:
    """For each threshold a bit a site and copy, set with that probability."""
    alone, shared = generators
    behind, shared = below(thresholds, shared, range(FINE - COARSE))
    spread = tuple(jnp.repeat(word, TOGETHER, axis=0)[: len(alone.a)] for word in behind)
    chance, alone = below(thresholds, alone, range(FINE - COARSE, FINE), spread)
    return chance, Generators(alone, shared)


def _swept(spins: Half, around: tuple[Half, ...], chance: tuple[Half, ...]) -> Half:
    """The spins of one colour after their Metropolis move: with c unsatisfied bonds, c >= 2 turns, else with chance."""
    p, q, r, s = (spins ^ word for word in around)
    two = (p & q) | (r & s) | ((p ^ q) & (r ^ s))  # at least two of four
    one = p | q | r | s
    once, twice = chance
    return spins ^ (two | (one & once) | twice)
