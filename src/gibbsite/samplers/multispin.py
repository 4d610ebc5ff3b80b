"""Thirty-two copies of an Ising torus in the bits of one word, moved together."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt32

from gibbsite.core import AbstractEnergy, AbstractKernel, Info, UniformBonds, need, no_work
from gibbsite.core.energy import Scalar
from gibbsite.samplers.lanes import FINE, Lanes, below, digits, lanes

COPIES = 32
COARSE, TOGETHER = 12, 8  # binary digits that each site draws alone, and rows that share those after them
ALL = np.uint32(0xFFFFFFFF)
Half = UInt32[Array, "rows halfcols"]


class Packed(NamedTuple):
    """The sites of both colours, one bit a copy (1 for +1), and the generators of their moves, of each site and of some rows.

    Row r holds the sites of columns `2 j + (r + colour) % 2` at place j.
    """

    even: Half
    odd: Half
    lanes: Lanes
    shared: Lanes


class Multispin(AbstractKernel):
    """A Metropolis sweep of both colours of 32 copies of a square Ising torus, all in words of 32 bits.

    (Multi-spin coding: Jacobs & Rebbi, Journal of Computational Physics 41, 1981.) The energy is `Copies(torus, 32)` of one
    that offers `UniformBonds`, of an even number of columns and rows. A spin with c of its 4 bonds unsatisfied turns with
    probability `min(1, exp(-4 K (2 - c)))`; c is added up in bits, and the 32 copies draw 24 binary digits each from
    generators of their own (`lanes`): the probability is right to 2^-24. A site needs more than its first 12 digits once in
    4096 times, so those after them are drawn for 8 rows together: moves of two of these rows are correlated by at most 2^-24.
    The order of the colours makes the sweep irreversible; its time reversal sweeps them `backward`.
    """

    backward: bool = eqx.field(static=True, default=False, kw_only=True)

    reversible = False
    reports_work = True
    settles_switch = False
    has_memory = True
    cache_cost = 0

    def init(self, energy: AbstractEnergy, x: Float[Array, "..."], *, key: Key[Array, ""]) -> Packed:
        need(energy, UniformBonds, "Multispin")
        if x.ndim != 3 or len(x) != COPIES or any(side % 2 for side in x.shape):
            raise ValueError(
                f"Multispin moves x of shape ({COPIES}, rows, columns), both even, not {x.shape}: give Copies(torus, {COPIES})."
            )
        alone, shared = jax.random.split(key)
        rows, places = x.shape[1], x.shape[2] // 2
        return Packed(*_packed(x), lanes((rows, places), key=alone), lanes((-(-rows // TOGETHER), places), key=shared))

    def step(self, energy: AbstractEnergy, state: Packed, *, key: Key[Array, ""]) -> tuple[Packed, Info]:
        """One sweep; the key is not used, for the generators are part of the state."""
        coupling = need(energy, UniformBonds, "Multispin").coupling
        once, twice = (digits(jnp.exp(-4 * n * jnp.abs(coupling))) for n in (1, 2))
        against = jnp.where(coupling < 0, ALL, jnp.uint32(0))  # neighbours turned over: an antiferromagnet's bonds
        even, odd, *generators = state
        for colour in (1, 0) if self.backward else (0, 1):
            mine, other = (odd, even) if colour else (even, odd)
            chance, *generators = _chances((once, twice), *generators)
            moved = _swept(mine, _around(other ^ against, colour), chance)
            even, odd = (even, moved) if colour else (moved, odd)
        return Packed(even, odd, *generators), Info(jnp.ones(()), no_work())

    def position(self, state: Packed) -> Float[Array, "32 rows cols"]:
        return _unpacked(state.even, state.odd)

    def energy(self, energy: AbstractEnergy, state: Packed) -> Scalar:
        """By counting bits: all bonds, each with one even end, less twice those that are unsatisfied."""
        coupling = need(energy, UniformBonds, "Multispin").coupling
        unlike = jnp.stack([state.even ^ word for word in _around(state.odd, 0)])
        broken = jnp.sum(jax.lax.population_count(unlike).astype(jnp.int32))
        return -coupling * (unlike.size * COPIES - 2 * broken).astype(jnp.result_type(float))

    def refresh(self, energy: AbstractEnergy, state: Packed, x: Array | None = None) -> Packed:
        return state if x is None else Packed(*_packed(x), state.lanes, state.shared)

    def reverse(self) -> "Multispin":
        return Multispin(backward=not self.backward)


def _around(other: Half, colour: int) -> tuple[Half, Half, Half, Half]:
    """The four neighbours of the sites of a colour: above, below, and two in the row, one of them a column on or back."""
    shift = (jnp.arange(other.shape[0]) + colour) % 2 == 1
    beside = jnp.where(shift[:, None], jnp.roll(other, -1, 1), jnp.roll(other, 1, 1))
    return jnp.roll(other, 1, 0), jnp.roll(other, -1, 0), other, beside


def _chances(thresholds: tuple[Array, Array], alone: Lanes, shared: Lanes) -> tuple[tuple[Half, ...], Lanes, Lanes]:
    """For each threshold a bit a site and copy, set with that probability."""
    behind, shared = below(thresholds, shared, range(FINE - COARSE))
    spread = tuple(jnp.repeat(word, TOGETHER, axis=0)[: len(alone.a)] for word in behind)
    chance, alone = below(thresholds, alone, range(FINE - COARSE, FINE), spread)
    return chance, alone, shared


def _swept(spins: Half, around: tuple[Half, ...], chance: tuple[Half, ...]) -> Half:
    """The spins of one colour after their Metropolis move: with c unsatisfied bonds, c >= 2 turns, else with chance."""
    p, q, r, s = (spins ^ word for word in around)
    two = (p & q) | (r & s) | ((p ^ q) & (r ^ s))  # at least two of four
    one = p | q | r | s
    once, twice = chance
    return spins ^ (two | (one & once) | twice)


def _packed(x: Float[Array, "32 rows cols"]) -> tuple[Half, Half]:
    bits = jnp.left_shift((x > 0).astype(jnp.uint32), jnp.arange(COPIES, dtype=jnp.uint32)[:, None, None])
    words = jnp.sum(bits, axis=0, dtype=jnp.uint32)
    pairs = words.reshape(len(words), -1, 2)
    first = (jnp.arange(len(words)) % 2)[:, None]
    return jnp.where(first == 0, pairs[..., 0], pairs[..., 1]), jnp.where(first == 0, pairs[..., 1], pairs[..., 0])


def _unpacked(even: Half, odd: Half) -> Float[Array, "32 rows cols"]:
    first = (jnp.arange(len(even)) % 2)[:, None]
    pairs = jnp.stack([jnp.where(first == 0, even, odd), jnp.where(first == 0, odd, even)], axis=-1)
    words = pairs.reshape(len(even), -1)
    bits = jnp.right_shift(words[None], jnp.arange(COPIES, dtype=jnp.uint32)[:, None, None]) & 1
    return 2 * bits.astype(jnp.result_type(float)) - 1
