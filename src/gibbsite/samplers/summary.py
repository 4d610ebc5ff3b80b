"""From what the loop carried to the numbers of a `Run`: estimates, what moves were like, and what is wrong with either."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import PyTree

from gibbsite.core import BATCHES, AbstractKernel, AbstractObserver, Status
from gibbsite.core.observer import INDEPENDENT, LONG
from gibbsite.samplers.loop import Carry, Lost, Problem
from gibbsite.samplers.plan import Plan
from gibbsite.samplers.report import Divergence, Row, Run
from gibbsite.samplers.settle import Warmed

LAST = 8  # divergent moves that a run tells one by one
FEW_MOVES, RARE = 10, 0.1  # accepted draws of a chain, and their share, below both of which it has gone nowhere


def summary(
    problem: Problem, carry: Carry, plan: Plan, warmed: Warmed, *, steps: int, samples: PyTree | None, seconds: float, why: str
) -> Run:
    """The run whose last draw left this carry, after `steps` in all."""
    by_chain = means_of(carry.infos, plan.draws)
    flaw = _flaw(carry.kernel, by_chain, plan.draws)
    return Run(
        kernel=carry.kernel,
        target=problem.energy,
        states=carry.states,
        steps=steps,
        draws=plan.draws,
        rows={name: _marked(row, flaw) for name, row in rows_of(problem.observers, carry.accs).items()},
        by_chain=by_chain,
        lost=_last_lost(carry.lost),
        samples=samples,
        traces=jax.tree.map(lambda a: np.swapaxes(np.asarray(a), 0, 1), carry.traces or {}),
        every=plan.every,
        seconds=seconds,
        why=why,
        warmup=warmed.steps,
        settled=warmed.settled,
        tuning=warmed.infos,
        until=plan.until,
    )


def rows_of(observers: Mapping[str, AbstractObserver], accs: Mapping[str, PyTree]) -> dict[str, Row]:
    """Estimates from accumulators `batches chains *acc`."""
    source = frozenset([object()])  # draws of one run: no two of its estimates are independent
    return {name: _row(observer, accs[name], source) for name, observer in observers.items()}


def _row(observer: AbstractObserver, acc: PyTree, source: frozenset) -> Row:
    acc = jax.tree.map(lambda a: np.swapaxes(np.asarray(a), 0, 1), acc)
    row = Row(*observer.diagnose(acc))
    return row._replace(estimate=dataclasses.replace(row.estimate, sources=source))


def means_of(infos: PyTree, draws: int) -> dict[str, np.ndarray]:
    """Infos averaged over draws, `chains *info`, on the host, in float64."""
    named = {"accept_prob": infos.accept_prob, "shadow_work": infos.shadow_work, **infos.extra}
    return {name: np.asarray(pair.float64() / draws) for name, pair in named.items()}


def _flaw(kernel: AbstractKernel, by_chain: Mapping[str, np.ndarray], draws: int) -> Status:
    """What is wrong with the moves themselves, and so with every mean."""
    accepted = by_chain["accept_prob"]
    if np.min(rate := accepted.mean(axis=0)) < RARE and np.min(rate) * draws < FEW_MOVES:
        return Status.NO_MOVES
    if len(accepted) < INDEPENDENT and kernel.period > 1 and draws < BATCHES * LONG * kernel.period:
        return Status.TOO_SHORT
    # A kernel that keeps its law reports work 0 and nothing else.
    return Status.UNADJUSTED if kernel.biased or by_chain["shadow_work"].mean() != 0 else Status.OK


def _marked(row: Row, flaw: Status) -> Row:
    known = flaw is Status.OK or row.estimate.status is Status.NON_FINITE
    return row if known else row._replace(estimate=row.estimate.doubted(flaw))


def _last_lost(lost: Lost | None) -> tuple[Divergence, ...]:
    """The last divergent moves of a run, latest first, at most one a chain."""
    if lost is None:
        return ()
    draws, places = np.asarray(lost.draw), jax.tree.map(np.asarray, lost.place)
    latest = [int(chain) for chain in np.argsort(-draws, kind="stable")[:LAST] if draws[chain] >= 0]
    return tuple(Divergence(chain, int(draws[chain]), jax.tree.map(lambda a, c=chain: a[c], places)) for chain in latest)
