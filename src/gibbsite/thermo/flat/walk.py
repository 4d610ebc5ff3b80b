"""Independent walkers that weigh a state by the level of its energy, all in one compiled scan of single trials.

A trial changes one site and is accepted with `min(1, g(E) / g(E'))` (Metropolis under the weights `1 / g`). `log g` is held in pairs
of floats: where the weights are learnt, ever smaller numbers are added to ever larger ones.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from gibbsite.core import Pair
from gibbsite.core.energy import Scalar
from gibbsite.samplers.lanes import FINE, WORD, Lanes, advance, lanes
from gibbsite.thermo.flat.levels import Levels
from gibbsite.thermo.flat.moves import AbstractMove

FLAT = 0.5  # of the mean visits of a level: where none has fewer, a histogram is flat


class Walker(NamedTuple):
    """One walker: its sites in a row, their energy, its generator, its visits, energies off the centres of bins, how far it looked."""

    x: Float[Array, " sites"]
    energy: Scalar
    generator: Lanes
    counts: Int[Array, " levels"]
    offsets: Float[Array, " levels"]
    lowest: Scalar
    highest: Scalar


class Crowd(NamedTuple):
    """All walkers, `log g` of the levels (-inf where nobody was), what a visit adds to it, and whether that falls as 1/t."""

    walkers: Walker
    log_g: Pair
    factor: Scalar
    late: Bool[Array, ""]


class Problem(NamedTuple):
    """What stays the same."""

    move: AbstractMove
    levels: Levels


@eqx.filter_jit
def crowd(problem: Problem, xs: Float[Array, "walkers *x"], log_g: Float[Array, " levels"], factor: Scalar, key: Key[Array, ""]) -> Crowd:
    """Walkers at `xs`; the levels where they stand are known from the start."""

    def one(x: Array, generator: Lanes) -> Walker:
        here, none = problem.move.energy(x), jnp.zeros(problem.levels.count)
        return Walker(x.ravel(), here, generator, none.astype(jnp.int32), none, here, here)

    walkers = jax.vmap(one)(xs, lanes((len(xs),), key=key))
    here = jnp.zeros(problem.levels.count, bool).at[problem.levels.index(walkers.energy)].set(True, mode="drop")
    known = jnp.where(jnp.isneginf(log_g) & here, 0.0, log_g)
    return Crowd(walkers, Pair(known, jnp.zeros_like(known)), factor, jnp.asarray(False))


@eqx.filter_jit
def learn(problem: Problem, crowd: Crowd, span: Int[Array, "2"]) -> Crowd:
    """Sweeps `span[0]` to `span[1]` of Wang-Landau.

    The factor is halved whenever the histogram since the last time is flat (a level just found has few visits, so it is not); once that
    is less than 1 over the visits that each level has had on average, it is that from then on.
    """
    many, sites = crowd.walkers.x.shape

    def sweep(k: Array, crowd: Crowd) -> Crowd:
        crowd = _sweep(problem, crowd, learning=True)
        known, visits = jnp.isfinite(crowd.log_g.hi), jnp.sum(crowd.walkers.counts, axis=0)
        flat = jnp.all((visits >= FLAT * jnp.sum(visits) / jnp.sum(known)) | ~known)
        halved = jnp.where(flat, crowd.factor / 2, crowd.factor)
        inverse = jnp.sum(known) / ((k + 1.0) * sites * many)
        late = crowd.late | (flat & (halved <= inverse))
        counts = jnp.where(flat, 0, crowd.walkers.counts)
        log_g = Pair(crowd.log_g.hi, jnp.zeros_like(crowd.log_g.lo)).add(crowd.log_g.lo).add(-jnp.max(crowd.log_g.hi))
        return Crowd(crowd.walkers._replace(counts=counts), log_g, jnp.where(late, inverse, halved), late)

    return jax.lax.fori_loop(span[0], span[1], sweep, crowd)


@eqx.filter_jit
def measure(problem: Problem, crowd: Crowd, span: Int[Array, "2"]) -> Crowd:
    """Sweeps under weights that stay."""
    return jax.lax.fori_loop(span[0], span[1], lambda _, held: _sweep(problem, held, learning=False), crowd)


def forgetful(walkers: Walker) -> Walker:
    """Walkers that have seen nothing yet."""
    return walkers._replace(counts=jnp.zeros_like(walkers.counts), offsets=jnp.zeros_like(walkers.offsets))


def _sweep(problem: Problem, crowd: Crowd, *, learning: bool) -> Crowd:
    """As many trials of every walker as there are sites; its energy is found anew first, so that rounding does not add up."""
    sites, shape = crowd.walkers.x.shape[1], problem.move.energy.space.shape
    fresh = jax.vmap(lambda x: problem.move.energy(x.reshape(shape)))(crowd.walkers.x)
    crowd = crowd._replace(walkers=crowd.walkers._replace(energy=fresh))

    def trial(crowd: Crowd, _: None) -> tuple[Crowd, tuple[Array, Array]]:
        walkers, level, value = jax.vmap(lambda walker: _trial(problem, crowd.log_g, walker))(crowd.walkers)
        log_g = _visited(crowd.log_g, level, value, crowd.factor) if learning else crowd.log_g
        return crowd._replace(walkers=walkers, log_g=log_g), (level, walkers.energy)

    crowd, (seen, energies) = jax.lax.scan(trial, crowd, None, length=sites)
    return crowd._replace(
        walkers=jax.vmap(lambda w, s, e: _counted(problem.levels, w, s, e), in_axes=(0, 1, 1))(crowd.walkers, seen, energies)
    )


def _counted(levels: Levels, walker: Walker, seen: Int[Array, " trials"], energies: Float[Array, " trials"]) -> Walker:
    """Visits are counted once a sweep, all together: one by one they would take longer than the moves."""
    counts = walker.counts.at[seen].add(1)
    if not levels.binned:
        return walker._replace(counts=counts)
    return walker._replace(counts=counts, offsets=walker.offsets.at[seen].add(energies - levels.low - seen * levels.step))


def _visited(log_g: Pair, level: Int[Array, " walkers"], value: Float[Array, " walkers"], factor: Scalar) -> Pair:
    """`factor` more where walkers are; a level that is new begins at what its walker came from."""
    new = jnp.isneginf(log_g.hi[level])
    hi = jax.lax.cond(jnp.any(new), lambda: log_g.hi.at[level].max(jnp.where(new, value, -jnp.inf)), lambda: log_g.hi)
    visits = jnp.sum(level[:, None] == jnp.arange(len(log_g.lo)), axis=0)  # many times faster than to add them one by one
    return Pair(hi, log_g.lo + factor * visits)


def _trial(problem: Problem, log_g: Pair, walker: Walker) -> tuple[Walker, Int[Array, ""], Scalar]:
    """One trial, with the level where the walker is then, and `log g` where it was before."""
    move, levels = problem
    (pick, chance, coin), generator = _uniforms(walker.generator)
    site = jnp.minimum(pick * len(walker.x), len(walker.x) - 1).astype(jnp.int32)
    value, energy = move(walker.x, walker.energy, site, chance)
    here, there = levels.index(walker.energy), levels.index(energy)
    gain = (log_g.hi[here] - log_g.hi[there]) + (log_g.lo[here] - log_g.lo[there])  # infinite where nobody was
    accept = levels.holds(energy) & (jnp.log(coin) < gain)
    now, level = jnp.where(accept, energy, walker.energy), jnp.where(accept, there, here)
    x = jnp.where(accept & (jnp.arange(len(walker.x)) == site), value, walker.x)  # faster than to set one, by a lot
    reach = {"lowest": jnp.minimum(walker.lowest, energy), "highest": jnp.maximum(walker.highest, energy)}
    return walker._replace(x=x, energy=now, generator=generator, **reach), level, log_g.hi[here] + log_g.lo[here]


def _uniforms(generator: Lanes) -> tuple[list[Scalar], Lanes]:
    """Three numbers of 24 binary digits from 0 to below 1."""
    drawn = []
    for _ in range(3):
        word, generator = advance(generator)
        drawn.append((word >> (WORD - FINE)).astype(jnp.result_type(float)) * 2.0**-FINE)
    return drawn, generator
