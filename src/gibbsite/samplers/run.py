"""`sample`: many chains, one compiled loop, statistics inside it."""

import dataclasses
import time

import jax
import numpy as np
from jaxtyping import Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractObserver, Moments, Status, diagnose
from gibbsite.core.keys import chain_keys
from gibbsite.samplers import loop
from gibbsite.samplers.loop import Carry, Problem
from gibbsite.samplers.progress import Progress, Silent
from gibbsite.samplers.report import Row, Run
from gibbsite.samplers.start import Observe, check_counts, check_parts, observers_of, spread, start, with_buffers

FEW_MOVES = 10  # accepted moves of a chain below which it has gone nowhere


def sample(
    kernel: AbstractKernel,
    energy: AbstractEnergy,
    *,
    chains: int = 64,
    warmup: int = 500,
    draws: int = 1000,
    observe: Observe | None = None,
    keep: int | None = None,
    init: "PyTree | Run | None" = None,
    chunk: int | None = None,
    progress: Progress | bool = True,
    key: Key[jax.Array, ""],
) -> Run:
    """Run `chains` independent copies of `kernel` on `energy`.

    `observe` is a function of x, an observer, or a dict of them; the energy is always observed. `keep=n` stores every
    n-th draw (shape `chains draws//n *x`); by default none is. `init` is a batch of positions `(chains, *x)`, or a
    `Run` to continue, tuned kernel and all (its own kernel is used; with `warmup=0` and the same key, the draws are
    those of one longer run); without it, chains start from the space's base energy. Warm-up tunes the kernel as its
    `adaptation()` says. `chunk` fixes how many steps run between looks at the clock; it does not change the draws.

    Returns:
        Run: estimates with error bars, R-hat, autocorrelation times and acceptance, the tuned kernel, the states.

    Raises:
        ValueError: counts are not positive, or `init` has another shape or lies outside the support.
        TypeError: the kernel needs a space or a capability that the energy has not.
    """
    check_counts(chains=chains, warmup=warmup, draws=draws, keep=1 if keep is None else keep)
    if keep is not None and keep > draws:
        raise ValueError(f"keep={keep} stores no draw of draws={draws}: give keep={draws} or less.")
    check_parts(init.kernel if isinstance(init, Run) else kernel, energy)
    begun = time.perf_counter()
    keys = chain_keys(key, chains)
    kernel, states, made = start(kernel, energy, init, keys)
    problem = Problem(energy, observers_of(observe), spread(keys, chains))
    carry = Carry(kernel, spread(states, chains))
    shown = progress if isinstance(progress, Progress) else Progress("sampling", warmup + draws) if progress else Silent()
    try:
        carry = _warm_up(problem, carry, made, warmup, chunk, shown, tune=not isinstance(init, Run))
        thin = keep or draws + 1
        carry = with_buffers(problem, carry, draws // thin)
        carry = loop.run(problem, carry, first=made + warmup, total=draws, thin=thin, chunk=chunk, progress=shown)
    finally:
        shown.close()
    infos = _means(carry.infos, draws)
    flaw = _flaw(infos, draws)
    rows = {name: _marked(row, flaw) for name, row in _rows(problem.observers, carry.accs).items()}
    return Run(
        kernel=carry.kernel,
        target=energy,
        states=carry.states,
        steps=made + warmup + draws,
        chains=chains,
        draws=draws,
        rows=rows,
        infos=infos,
        status=_status(rows),
        samples=jax.tree.map(lambda a: np.swapaxes(a, 0, 1), carry.kept),
        seconds=time.perf_counter() - begun,
    )


def _warm_up(problem: Problem, carry: Carry, first: int, steps: int, chunk: int | None, progress: Progress, *, tune: bool) -> Carry:
    adaptation = carry.kernel.adaptation() if steps and tune else None
    if adaptation is not None:
        carry = carry._replace(adapt=adaptation.init(carry.kernel))
    carry = loop.run(problem._replace(observers={}), carry, first=first, total=steps, thin=1, chunk=chunk, progress=progress)
    if adaptation is None:
        return carry
    return carry._replace(kernel=adaptation.final(carry.kernel, carry.adapt), adapt=None)


def _rows(observers: dict[str, AbstractObserver], accs: dict[str, PyTree]) -> dict[str, Row]:
    """Estimates from accumulators `batches chains *acc`."""
    rows, source = {}, frozenset([object()])  # draws of one run: no two of its estimates are independent
    for name, observer in observers.items():
        acc = jax.tree.map(lambda a: np.swapaxes(np.asarray(a), 0, 1), accs[name])
        row = Row(*diagnose(acc)) if isinstance(acc, Moments) else Row(observer.finalise(acc), None, None)
        rows[name] = row._replace(estimate=dataclasses.replace(row.estimate, sources=source))
    return rows


def _means(infos: PyTree, draws: int) -> dict[str, np.ndarray]:
    """Infos averaged over chains and draws, on the host, in float64."""
    named = {"accept_prob": infos.accept_prob, "shadow_work": infos.shadow_work, **infos.extra}
    return {name: np.asarray(pair.float64().mean(axis=0) / draws) for name, pair in named.items()}


def _flaw(infos: dict[str, np.ndarray], draws: int) -> Status:
    """What is wrong with the moves themselves, and so with every mean."""
    if np.min(infos["accept_prob"]) * draws < min(FEW_MOVES, draws / 2):
        return Status.NO_MOVES
    # A kernel that keeps its law reports work 0 and nothing else.
    return Status.UNADJUSTED if infos["shadow_work"] != 0 else Status.OK


def _marked(row: Row, flaw: Status) -> Row:
    known = flaw is Status.OK or row.estimate.status is Status.NON_FINITE
    return row if known else row._replace(estimate=row.estimate.doubted(flaw))


def _status(rows: dict[str, Row]) -> Status:
    """The most serious status among the rows: the one that stands first in `Status`."""
    found = {row.estimate.status for row in rows.values()}
    return next((status for status in Status if status in found - {Status.OK}), Status.OK)
