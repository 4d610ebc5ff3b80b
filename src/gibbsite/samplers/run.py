"""`sample`: many chains, one compiled loop, statistics inside it."""

import dataclasses
import os
import time
from collections.abc import Callable as Function
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractObserver, Estimate, Status
from gibbsite.core.keys import chain_keys
from gibbsite.samplers import loop
from gibbsite.samplers.auto import choose
from gibbsite.samplers.checks import check_counts, check_moves, check_parts
from gibbsite.samplers.loop import Carry, Lost, Problem
from gibbsite.samplers.progress import Progress, Silent
from gibbsite.samplers.report import Divergence, Row, Run, name_of
from gibbsite.samplers.start import Observe, counting, observers_of, spread, start, with_buffers
from gibbsite.samplers.store import Store, describe
from gibbsite.samplers.until import Until, as_first_half, whole_batches

LAST = 8  # divergent moves that a run tells one by one
FEW_MOVES = 10  # accepted moves of a chain below which it has gone nowhere
TOLD = ("accept_prob", "shadow_work", "divergent")  # infos that a run tells in its own way
MOST = 2**20  # draws of a chain, however far an error bar has still to go


def sample(
    kernel: AbstractKernel | Literal["auto"],
    energy: AbstractEnergy,
    *,
    chains: int = 64,
    warmup: int = 500,
    draws: int = 1000,
    until: Until | None = None,
    most: int = MOST,
    observe: Observe | None = None,
    keep: int | None = None,
    store: str | os.PathLike | None = None,
    trace: int = 0,
    init: "PyTree | Run | None" = None,
    chunk: int | None = None,
    progress: Progress | bool = True,
    key: Key[jax.Array, ""],
) -> Run:
    """Run `chains` independent copies of `kernel` on `energy`; "auto" is the one that `choose(energy)` takes.

    `observe` is a function of x, an observer, or a dict of them; the energy is always observed. `keep=n` stores every
    n-th draw (shape `chains draws//n *x`), `trace=n` up to n values of every observed mean, evenly over the draws; by default
    nothing is stored. With `store=folder` the kept draws go to a Zarr array there (see `samplers.store`), in the same memory
    however many they are, and the same call continues a run that was killed, to the same draws.

    `until=stderr("energy") < 0.01` doubles the number of draws until that error bar is small enough, or would need more than
    `most`; the draws are those of one run of that length.

    `init` is a batch of positions `(chains, *x)`, or a `Run` to continue, tuned kernel and all (its own kernel is used; with
    `warmup=0` and the same key, the draws are those of one longer run); without it, chains start from the space's base
    energy. Warm-up tunes the kernel as its `adaptation()` says. `chunk` fixes how many steps run between looks at the clock;
    it does not change the draws.

    Returns:
        Run: estimates with error bars, R-hat, autocorrelation times and acceptance, the tuned kernel, the states.

    Raises:
        ValueError: counts are not positive; `init` has another shape or lies outside the support; a chain starts where the
            energy is not finite; nothing was accepted in the whole warm-up; `keep` is given with `until`, or `store` without `keep`.
        KeyError: `until` names what is not observed.
        TypeError: the kernel needs a space or a capability that the energy has not.
        CheckpointError, ImportError: `store` holds another run, or Zarr is not installed.
    """
    check_counts(chains=chains, warmup=warmup, draws=draws, most=most, trace=trace, keep=1 if keep is None else keep)
    observers = observers_of(observe)
    plan = _plan(draws, keep, trace, until, most, observers)
    kernel, why = choose(energy) if isinstance(kernel, str) and kernel == "auto" else (kernel, "")
    check_parts(init.kernel if isinstance(init, Run) else kernel, energy)
    begun = time.perf_counter()
    keys = chain_keys(key, chains)
    kernel, states, made = start(kernel, energy, init, keys)
    problem = Problem(energy, observers, spread(keys, chains))
    carry = Carry(kernel, spread(states, chains))
    disk = None if store is None else _store(store, problem, carry, plan, keep, warmup + made)
    shown = progress if isinstance(progress, Progress) else Progress("sampling", warmup + plan.draws) if progress else Silent()
    try:
        room = _Room(plan.draws // plan.thin if disk is None else disk.ring, plan.draws // plan.every)
        warm = partial(_warm_up, problem, carry, room, made, warmup, chunk, shown, tune=not isinstance(init, Run))
        if disk is None:
            carry, plan = _drawn(problem, warm(), plan, made + warmup, chunk, shown)
        else:
            carry = _drawn_to_disk(problem, with_buffers(problem, carry, *room), warm, plan, made + warmup, disk, shown)
    finally:
        shown.close()
    by_chain = _means(carry.infos, plan.draws)
    infos = {name: np.asarray(means.mean(axis=0)) for name, means in by_chain.items()}
    extras = _extras(by_chain)
    flaw = _flaw(carry.kernel, infos, plan.draws)
    rows = {name: _marked(row, flaw) for name, row in _rows(observers, carry.accs).items()}
    return Run(
        kernel=carry.kernel,
        target=energy,
        states=carry.states,
        steps=made + warmup + plan.draws,
        chains=chains,
        draws=plan.draws,
        rows=rows,
        infos=infos,
        by_chain=by_chain,
        lost=_last_lost(carry.lost),
        extras=extras,
        status=_status(rows),
        samples=jax.tree.map(lambda a: np.swapaxes(a, 0, 1), carry.kept) if disk is None else disk.samples(),
        traces=jax.tree.map(lambda a: np.swapaxes(np.asarray(a), 0, 1), carry.traces or {}),
        every=plan.every,
        seconds=time.perf_counter() - begun if disk is None else disk.seconds,
        why=why,
    )


class _Room(NamedTuple):
    """Slots for kept draws and for traced values of each chain."""

    kept: int
    traced: int


class _Plan(NamedTuple):
    """How many draws are made, every how many an x is kept (`thin`) and a value traced (`every`; more than all: never)."""

    draws: int
    thin: int
    every: int
    until: Until | None
    most: int


def _plan(draws: int, keep: int | None, trace: int, until: Until | None, most: int, observers: Mapping[str, AbstractObserver]) -> _Plan:
    """The draws before the first look at the error are such that batches are full, so that twice as many fill larger ones."""
    if until is not None and keep is not None:
        raise ValueError(f"keep={keep} with until=: the number of draws is not known beforehand; run until first, then init=run, keep=.")
    if until is not None and until.name not in observers:
        raise KeyError(f"until names {until.name!r}, which is not observed; there are {', '.join(observers)}.")
    if keep is not None and keep > draws:
        raise ValueError(f"keep={keep} stores no draw of draws={draws}: give keep={draws} or less.")
    draws = draws if until is None else whole_batches(draws)
    return _Plan(draws, keep or draws + 1, -(-draws // trace) if trace else draws + 1, until, most)


def _drawn(problem: Problem, carry: Carry, plan: _Plan, first: int, chunk: int | None, progress: Progress) -> tuple[Carry, _Plan]:
    """All draws, and the plan as it came to be: each round makes as many again as there are."""
    done = 0
    while True:
        carry = loop.run(
            problem, carry, first=first, total=plan.draws, done=done, thin=plan.thin, every=plan.every, chunk=chunk, progress=progress
        )
        if plan.until is None or 2 * plan.draws > plan.most or plan.until.settled(_estimates(problem.observers, carry.accs)):
            return carry, plan
        done, carry, progress.total = plan.draws, _twice_as_long(problem, carry), progress.total + plan.draws
        plan = plan._replace(draws=2 * plan.draws, thin=2 * plan.draws + 1, every=2 * plan.every)


def _store(folder: str | os.PathLike, problem: Problem, carry: Carry, plan: _Plan, keep: int | None, first: int) -> Store:
    """The folder of this run and of no other; functions that are observed are known by their names."""
    if keep is None:
        raise ValueError(f"store={os.fspath(folder)!r} without keep=: say every how many draws one is stored.")
    config = {"kernel": name_of(carry.kernel), "target": type(problem.energy).__name__, "observe": list(problem.observers)}
    counts = {"chains": len(problem.keys), "first": first, "draws": plan.draws, "keep": keep, "every": plan.every}
    marks = describe((problem.energy, carry, jax.random.key_data(problem.keys)))
    return Store(folder, config | counts | marks, problem.energy.space.struct(), len(problem.keys), plan.draws // keep)


def _drawn_to_disk(
    problem: Problem, carry: Carry, warm: Function[[], Carry], plan: _Plan, first: int, disk: Store, progress: Progress
) -> Carry:
    """All draws, from where the folder stands; `carry` is like that of any time of the run."""
    if (held := disk.resumed(carry)) is not None:
        carry, done = held
        progress.advance(progress.total - plan.draws + done)
    else:
        carry, done = warm(), 0
        disk.create(carry)
    span: dict[str, Any] = {"first": first, "total": plan.draws, "done": done, "thin": plan.thin, "every": plan.every}
    with disk.writer(plan.thin) as after:
        return loop.run(problem, carry, **span, chunk=disk.ring * plan.thin, progress=progress, after=after)


def _twice_as_long(problem: Problem, carry: Carry) -> Carry:
    """What was drawn as the first half of a run twice as long."""
    slots = len(jax.tree.leaves(carry.traces)[0]) if carry.traces else 0
    fresh = with_buffers(problem, carry, 0, slots)
    accs = {name: as_first_half(obs, carry.accs[name], fresh.accs[name]) for name, obs in problem.observers.items()}
    return carry._replace(accs=accs, traces=jax.tree.map(lambda new, old: new.at[: slots // 2].set(old[1::2]), fresh.traces, carry.traces))


def _estimates(observers: dict[str, AbstractObserver], accs: dict[str, PyTree]) -> dict[str, Estimate]:
    return {name: row.estimate for name, row in _rows(observers, accs).items()}


def _warm_up(
    problem: Problem, carry: Carry, room: _Room, first: int, steps: int, chunk: int | None, progress: Progress, *, tune: bool
) -> Carry:
    """Tunes the kernel where it can be tuned, and stops a run that goes nowhere; then all is ready for the draws."""
    if not steps:
        return with_buffers(problem, carry, *room)
    adaptation = carry.kernel.adaptation() if tune else None
    if adaptation is None:  # the program of the draws, whose sums are thrown away: to compile another takes longer
        carry = with_buffers(problem, carry, *room)
        carry = loop.run(problem, carry, first=first, total=steps, chunk=chunk, progress=progress)
    else:
        carry = counting(problem, carry._replace(adapt=adaptation.init(carry.kernel)))
        carry = loop.run(problem._replace(observers={}), carry, first=first, total=steps, chunk=chunk, progress=progress)
        carry = carry._replace(kernel=adaptation.final(carry.kernel, carry.adapt), adapt=None)
    check_moves(carry.kernel, carry.infos.accept_prob.float64(), steps, name_of(carry.kernel))
    return with_buffers(problem, carry, *room)


def _rows(observers: dict[str, AbstractObserver], accs: dict[str, PyTree]) -> dict[str, Row]:
    """Estimates from accumulators `batches chains *acc`."""
    rows, source = {}, frozenset([object()])  # draws of one run: no two of its estimates are independent
    for name, observer in observers.items():
        acc = jax.tree.map(lambda a: np.swapaxes(np.asarray(a), 0, 1), accs[name])
        row = Row(*observer.diagnose(acc))
        rows[name] = row._replace(estimate=dataclasses.replace(row.estimate, sources=source))
    return rows


def _means(infos: PyTree, draws: int) -> dict[str, np.ndarray]:
    """Infos averaged over draws, `chains *info`, on the host, in float64."""
    named = {"accept_prob": infos.accept_prob, "shadow_work": infos.shadow_work, **infos.extra}
    return {name: np.asarray(pair.float64() / draws) for name, pair in named.items()}


def _last_lost(lost: Lost | None) -> tuple[Divergence, ...]:
    """The last divergent moves of a run, latest first, at most one a chain."""
    if lost is None:
        return ()
    draws, places = np.asarray(lost.draw), jax.tree.map(np.asarray, lost.place)
    latest = [int(chain) for chain in np.argsort(-draws, kind="stable")[:LAST] if draws[chain] >= 0]
    return tuple(Divergence(chain, int(draws[chain]), jax.tree.map(lambda a, c=chain: a[c], places)) for chain in latest)


def _extras(by_chain: dict[str, np.ndarray]) -> dict[str, Estimate]:
    """What a kernel reports of its moves, with the standard error over chains (none of a single one)."""
    extras = {}
    for name, means in by_chain.items():
        if name not in TOLD:
            error = np.std(means, axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else None
            extras[name] = Estimate(means.mean(axis=0), error)
    return extras


def _flaw(kernel: AbstractKernel, infos: dict[str, np.ndarray], draws: int) -> Status:
    """What is wrong with the moves themselves, and so with every mean."""
    if np.min(infos["accept_prob"]) * draws < min(FEW_MOVES, draws / 2):
        return Status.NO_MOVES
    # A kernel that keeps its law reports work 0 and nothing else.
    return Status.UNADJUSTED if kernel.biased or infos["shadow_work"] != 0 else Status.OK


def _marked(row: Row, flaw: Status) -> Row:
    known = flaw is Status.OK or row.estimate.status is Status.NON_FINITE
    return row if known else row._replace(estimate=row.estimate.doubted(flaw))


def _status(rows: dict[str, Row]) -> Status:
    """The most serious status among the rows: the one that stands first in `Status`."""
    found = {row.estimate.status for row in rows.values()}
    return next((status for status in Status if status in found - {Status.OK}), Status.OK)
