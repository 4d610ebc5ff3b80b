"""Replica exchange along a path: one replica at every time, each moved there, neighbours exchanging configurations.

The joint law is the product of the laws at all times, so a swap of neighbours r, r+1 with configurations x, y is accepted with

    min(1, exp(w(y) - w(x))),   w(x) = U_{r+1}(x) - U_r(x) = path.work(t_r, t_{r+1}, x),

of even pairs and of odd ones in turn (Okabe et al. 2001; Syed et al., JRSSB 84, 2022). At t = 0 stands no chain: every step
draws there anew and exactly from the base, which forgets whatever came down to it. All w are kept: they are the works of
instant switches from every time to its neighbours, and all that `stepping_stones` asks for.
"""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from gibbsite.core import AbstractKernel, AbstractPath, ArrayLike, Sampleable, draw, need
from gibbsite.core.keys import EXCHANGE, STATE, chain_keys, step_keys
from gibbsite.samplers import Progress
from gibbsite.samplers.progress import chunks
from gibbsite.thermo.annealing import Ladder, base_of, check_kernel, increasing


@dataclasses.dataclass(frozen=True)
class Exchange:
    """What replicas met along `times`, population by population; populations are independent.

    `below[p, n, r]` is the work in nats of the switch from t_r to t_{r+1} for the replica at t_r, `above` that of the same switch
    for the one at t_{r+1}; `swaps` (pairs) are mean probabilities of a swap, `trips` (populations) counts replicas that came from the
    base to the target. `unadjusted` says that moves had shadow work, so that no law is quite kept.
    """

    times: Float[np.ndarray, " times"]
    below: Float[np.ndarray, "populations draws pairs"]
    above: Float[np.ndarray, "populations draws pairs"]
    swaps: Float[np.ndarray, " pairs"]
    trips: Int[np.ndarray, " populations"]
    unadjusted: bool = False


def exchange(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    *,
    times: ArrayLike,
    populations: int = 16,
    warmup: int = 500,
    draws: int = 1000,
    moves: int = 1,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Exchange:
    """Runs `populations` independent sets of replicas, one at every one of `times` from 0 to 1, `moves` moves between swaps.

    Raises:
        TypeError: the path has no base that can be drawn from.
        ValueError: times or counts make no sense.
    """
    grid = increasing(times)
    check_kernel(kernel, len(grid), "own")
    need(base_of(path), Sampleable, "exchange")
    for name, count in (("populations", populations), ("warmup", warmup), ("draws", draws), ("moves", moves)):
        if not hasattr(count, "__index__") or count < 1:
            raise ValueError(f"{name}={count}: give a whole number, at least one.")
    ladder = kernel if isinstance(kernel, Ladder) else Ladder.over(kernel, grid)
    keys = chain_keys(jax.random.fold_in(key, EXCHANGE), populations)
    carry = _begun(path, grid, keys, draws)
    with progress or Progress("exchanging", warmup + draws) as shown:
        for span in chunks(warmup + draws, shown):
            carry = jax.block_until_ready(_advance(path, ladder, grid, carry, keys, jnp.asarray((*span, warmup, moves), jnp.int32)))
    works = np.asarray(carry.works, np.float64)
    return Exchange(
        np.asarray(grid, np.float64),
        np.moveaxis(works[:, :, 0], 1, 0),
        np.moveaxis(works[:, :, 1], 1, 0),
        np.asarray(carry.swaps, np.float64) / draws,
        np.asarray(carry.trips),
        bool(carry.shadow > 0),
    )


class _Carry(NamedTuple):
    """All populations on their way: configurations (populations times *x), whether they came from the base, and the records."""

    xs: PyTree
    fresh: Float[Array, "populations times"]
    trips: Int[Array, " populations"]
    works: Float[Array, "draws populations 2 pairs"]
    swaps: Float[Array, " pairs"]
    shadow: Float[Array, ""]  # the largest shadow work of a step


@eqx.filter_jit
def _begun(path: AbstractPath, times: Array, keys: Array, draws: int) -> _Carry:
    """Every replica at a draw of its own from the base."""
    rungs = len(times)
    xs = jax.vmap(lambda k: jax.vmap(lambda one: draw(base_of(path), key=one))(jax.random.split(k, rungs)))(
        step_keys(keys, jnp.asarray(STATE))
    )
    empty = jnp.zeros((draws, len(keys), 2, rungs - 1))
    return _Carry(xs, jnp.zeros((len(keys), rungs)), jnp.zeros(len(keys), int), empty, jnp.zeros(rungs - 1), jnp.zeros(()))


@eqx.filter_jit
def _advance(path: AbstractPath, ladder: Ladder, times: Array, carry: _Carry, keys: Array, plan: Int[Array, "4"]) -> _Carry:
    """Steps `plan[0]` to `plan[1]`, of which the first `plan[2]` of all are warm-up, with `plan[3]` moves each."""
    start, stop, warmup, moves = plan

    def body(n: Array, carry: _Carry) -> _Carry:
        counted = n >= warmup
        xs, fresh, arrived, works, swap, shadow = jax.vmap(_step, in_axes=(None, None, None, None, None, 0, 0, 0))(
            path, ladder, times, moves, n % 2, carry.xs, carry.fresh, step_keys(keys, n)
        )
        row = jnp.where(counted, n - warmup, len(carry.works))
        return _Carry(
            xs,
            fresh,
            carry.trips + counted * arrived,
            carry.works.at[row].set(works, mode="drop"),
            carry.swaps + counted * jnp.mean(swap, axis=0),
            jnp.maximum(carry.shadow, jnp.max(shadow)),
        )

    return jax.lax.fori_loop(start, stop, body, carry)


def _step(
    path: AbstractPath, ladder: Ladder, times: Array, moves: Array, parity: Array, xs: PyTree, fresh: Array, key: Array
) -> tuple[PyTree, Array, Array, Array, Array, Array]:
    """One population: moves at every time, the works between neighbours, and swaps of every second pair."""
    local, anew, swap = jax.random.split(key, 3)
    moved, shadow = jax.vmap(_move, in_axes=(None, 0, 0, None, 0, 0))(
        path, _above(ladder.kernel), times[1:], moves, _above(xs), jax.random.split(local, len(times) - 1)
    )
    xs = jax.tree.map(lambda base, rest: jnp.concatenate([base[None], rest]), draw(base_of(path), key=anew), moved)
    fresh = fresh.at[0].set(1.0)
    switch = jax.vmap(path.work)
    below = switch(times[:-1], times[1:], jax.tree.map(lambda a: a[:-1], xs))
    above = switch(times[:-1], times[1:], _above(xs))
    prob = jnp.exp(jnp.minimum(above - below, 0.0))
    accept = (jax.random.uniform(swap, prob.shape) < prob) & (jnp.arange(len(prob)) % 2 == parity)
    partner = jnp.arange(len(times)).at[:-1].add(accept).at[1:].add(-1 * accept)
    xs, fresh = jax.tree.map(lambda a: a[partner], (xs, fresh))
    arrived = jnp.asarray(fresh[-1] > 0, int)
    return xs, fresh.at[-1].set(0.0), arrived, jnp.stack([below, above]), prob, jnp.max(shadow)


def _above(tree: PyTree) -> PyTree:
    """All but the first of every array: the times above the base."""
    return jax.tree.map(lambda a: a[1:] if eqx.is_array(a) else a, tree)


def _move(path: AbstractPath, kernel: AbstractKernel, t: Array, moves: Array, x: PyTree, key: Array) -> tuple[PyTree, Array]:
    """Where the moves led, and their largest shadow work."""
    begin, run = jax.random.split(key)
    energy = path(t)

    def step(i: Array, carry: tuple[PyTree, Array]) -> tuple[PyTree, Array]:
        state, info = kernel.step(energy, carry[0], key=jax.random.fold_in(run, i))
        return state, jnp.maximum(carry[1], jnp.abs(info.shadow_work))

    state, shadow = jax.lax.fori_loop(0, moves, step, (kernel.init(energy, x, key=begin), jnp.zeros(())))
    return kernel.position(state), shadow
