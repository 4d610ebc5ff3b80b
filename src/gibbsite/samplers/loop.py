"""The compiled loop: all chains move, tune, observe and keep, step after step.

The body knows the step's number, so the loop's bounds are arguments: any chunking runs the same program and gives the
same draws, bit for bit. While drawing, nothing is summed over chains, so devices never talk to each other.
"""

from collections.abc import Callable as Function
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from gibbsite.core import BATCHES, AbstractEnergy, AbstractKernel, AbstractObserver, Info, Pair
from gibbsite.core.keys import step_keys
from gibbsite.samplers.progress import Progress, chunks


class Carry(NamedTuple):
    """What the loop carries: accumulators are None in warm-up; infos are sums over steps, chain by chain.

    `kept` has axes `draws chains *x`, `traces` those of f.
    """

    kernel: AbstractKernel
    states: PyTree
    adapt: PyTree = None
    accs: Any = None
    infos: PyTree = None
    kept: PyTree = None
    traces: Any = None
    lost: "Lost | None" = None


class Lost(NamedTuple):
    """The last divergent move of each chain: the number of its draw, -1 where there was none, and the x that it left from."""

    draw: Int[Array, " chains"]
    place: PyTree


class Span(NamedTuple):
    """The steps to run, as arrays: `start` to `stop` of `total`, the first at number `first`.

    Every `thin`-th x is kept, and every `every`-th value of the observables.
    """

    start: Int[Array, ""]
    stop: Int[Array, ""]
    first: Int[Array, ""]
    total: Int[Array, ""]
    thin: Int[Array, ""]
    every: Int[Array, ""]


class Problem(NamedTuple):
    """What stays the same in a run: the energy, the observers and one key per chain."""

    energy: AbstractEnergy
    observers: dict[str, AbstractObserver]
    keys: Array


def run(
    problem: Problem,
    carry: Carry,
    *,
    first: int,
    total: int,
    done: int = 0,
    thin: int = 1,
    every: int = 1,
    chunk: int | None,
    progress: Progress,
    after: Function[[Carry, int, int], object] | None = None,
) -> Carry:
    """What is not `done` of `total` steps from number `first` on, in chunks of `chunk` steps, or of about half a second.

    `after(carry, start, stop)` is called after each chunk.
    """
    carry = _strong(carry)
    for start, stop in chunks(total, progress, done=done, chunk=chunk):
        span = Span(*(jnp.asarray(n, jnp.int32) for n in (start, stop, first, total, thin, every)))
        carry = jax.block_until_ready(advance(problem, carry, span))
        if after is not None:
            after(carry, start, stop)
    return carry


def _strong(carry: Carry) -> Carry:
    """No weakly typed arrays (of a bare 1.0): what comes out of a chunk has none, and the second one would compile anew."""
    return jax.tree.map(lambda a: jnp.asarray(a, a.dtype) if getattr(a, "weak_type", False) else a, carry)


@eqx.filter_jit
def advance(problem: Problem, carry: Carry, span: Span) -> Carry:
    """The steps of one chunk, compiled once for all chunks."""
    dynamic, static = eqx.partition(carry, eqx.is_array)

    def body(i: Array, both: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
        new, row = _step(problem, eqx.combine(both[0], static), both[1], i, span)
        return eqx.filter(new, eqx.is_array), row

    row = _row(carry.accs, _batch(span.start, span.total))
    return eqx.combine(jax.lax.fori_loop(span.start, span.stop, body, (dynamic, row))[0], static)


def _step(problem: Problem, carry: Carry, row: PyTree, i: Array, span: Span) -> tuple[Carry, PyTree]:
    """One step of all chains; `row` has the accumulators of the batch that is under way."""
    kernel, keys = carry.kernel, step_keys(problem.keys, span.first + i)
    states, info = jax.vmap(lambda s, k: kernel.step(problem.energy, s, key=k))(carry.states, keys)
    if carry.lost is not None:
        carry = carry._replace(lost=_located(carry, carry.lost, info.extra["divergent"] > 0, i))
    carry = carry._replace(states=states)
    if carry.adapt is not None:
        carry = _tune(carry, info)
    if carry.infos is not None:
        carry = carry._replace(infos=jax.tree.map(Pair.add, carry.infos, info.told(), is_leaf=lambda n: isinstance(n, Pair)))
    if carry.accs is None:
        return carry, row
    carry, row = _observe(problem, carry, row, i, span)
    return _keep(carry, i, span), row


def _located(carry: Carry, lost: Lost, divergent: Bool[Array, " chains"], i: Array) -> Lost:
    xs = jax.vmap(carry.kernel.position)(carry.states)
    return jax.tree.map(lambda old, new: jnp.where(divergent.reshape(-1, *(1,) * (old.ndim - 1)), new, old), lost, Lost(i, xs))


def _tune(carry: Carry, info: Info) -> Carry:
    adaptation = carry.kernel.adaptation()
    assert adaptation is not None
    positions = jax.vmap(carry.kernel.position)(carry.states)
    kernel, adapt = adaptation.update(carry.kernel, carry.adapt, info, positions)
    return carry._replace(kernel=kernel, adapt=adapt)


def _row(accs: PyTree, batch: Int[Array, ""]) -> PyTree:
    return jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, batch, 0, keepdims=False), accs)


def _observe(problem: Problem, carry: Carry, row: PyTree, i: Array, span: Span) -> tuple[Carry, PyTree]:
    """Adds the draw to the accumulators of its batch; "energy" sees the energies that the kernel has at hand.

    Those of all batches are read where a batch begins, and else only written to: what is read and written in one step is copied whole.
    """
    kernel = carry.kernel
    xs = jax.vmap(kernel.position)(carry.states)
    energies = jax.vmap(lambda s: kernel.energy(problem.energy, s))(carry.states)
    batch, one = _batch(i, span.total), jnp.ones(())
    row = jax.lax.cond(batch == _batch(i - 1, span.total), lambda: row, lambda: _row(carry.accs, batch))
    traces = carry.traces
    if traces is not None:
        seen = {name: energies if name == "energy" else xs for name in traces}
        now = {name: jax.vmap(problem.observers[name].fn)(seen[name]) for name in traces}  # type: ignore[attr-defined]
        traces = _stored(traces, now, i, span.every)
    row = {
        name: jax.vmap(lambda acc, x, observer=observer: observer.update(acc, x, one))(row[name], energies if name == "energy" else xs)
        for name, observer in problem.observers.items()
    }
    accs = jax.tree.map(lambda a, v: jax.lax.dynamic_update_index_in_dim(a, v, batch, 0), carry.accs, row)
    return carry._replace(accs=accs, traces=traces), row


def _batch(i: Array, total: Int[Array, ""]) -> Int[Array, ""]:
    """The batch of draw i: as many draws in each, or one more in the first ones."""
    least, larger = total // BATCHES, total % BATCHES
    among_larger = larger * (least + 1)
    return jnp.where(i < among_larger, i // (least + 1), larger + (i - among_larger) // jnp.maximum(least, 1))


def _keep(carry: Carry, i: Array, span: Span) -> Carry:
    if carry.kept is None:
        return carry
    return carry._replace(kept=_stored(carry.kept, jax.vmap(carry.kernel.position)(carry.states), i, span.thin))


def _stored(buffers: PyTree, now: PyTree, i: Array, every: Int[Array, ""]) -> PyTree:
    """Buffers `slots chains *a` with what is here now, if its turn has come; full ones start again from the front."""
    due, slot = (i + 1) % every == 0, (i + 1) // every - 1

    def store(buffer: Array, value: Array) -> Array:
        return jax.lax.cond(due, lambda: buffer.at[slot % len(buffer)].set(value), lambda: buffer)

    return jax.tree.map(store, buffers, now)
