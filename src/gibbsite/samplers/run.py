"""`sample`: many chains, one compiled loop, statistics inside it."""

import os
import time
from typing import Literal

import jax
from jaxtyping import Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel
from gibbsite.samplers.auto import Choice, choose
from gibbsite.samplers.checks import check_counts, check_energy, check_key, check_observers, check_parts
from gibbsite.samplers.course import Course
from gibbsite.samplers.plan import MOST, planned
from gibbsite.samplers.progress import Progress, bar
from gibbsite.samplers.report import Run
from gibbsite.samplers.sink import Memory
from gibbsite.samplers.start import Observe, given_chains, observers_of, start
from gibbsite.samplers.store import Store
from gibbsite.samplers.summary import summary
from gibbsite.samplers.until import Until

WARMUP = 500  # steps, at most, where no number is given


def sample(
    kernel: AbstractKernel | Literal["auto"],
    energy: AbstractEnergy,
    *,
    chains: int | None = None,
    warmup: int | None = None,
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

    Without a number there are as many chains as `init` has, or 64; of "auto", as many as `choose` says (16 on the reals).

    `observe` is a function of x, an observer, or a dict of them; the energy is always observed. `keep=n` stores every
    n-th draw (shape `chains draws//n *x`), `trace=n` up to n values of every observed mean, evenly over the draws; by default
    nothing is stored. With `store=folder` the kept draws go to a Zarr array there (see `samplers.store`), in the same memory
    however many they are, and the same call continues a run that was killed, to the same draws.

    `until=stderr("energy") < 0.01` doubles the number of draws until that error bar is small enough, or would need more than
    `most`; the draws are those of one run of that length.

    `init` is a batch of positions `(chains, *x)`, or a `Run` to continue, tuned kernel and all (its own kernel is used; with
    `warmup=0` and the same key, the draws are those of one longer run); without it, chains start from the space's base
    energy. Warm-up tunes the kernel as its `adaptation()` says, in `warmup` steps; without a number in 500, or fewer where the adaptation
    can tell that more are of no use (`AdaptiveHMC`). `chunk` fixes how many steps run between looks at the clock; it does not change the
    draws.

    Returns:
        Run: estimates with error bars, R-hat, autocorrelation times and acceptance, the tuned kernel, the states.

    Raises:
        ValueError: counts are not positive; `init` has another shape or lies outside the support; a chain starts where the
            energy is not finite; nothing was accepted in the whole warm-up; `keep` is given with `until`, or `store` without `keep`.
        KeyError: `until` names what is not observed.
        TypeError: the kernel needs a space or a capability that the energy has not; an argument is not of its kind.
        CheckpointError, ImportError: `store` holds another run, or Zarr is not installed.
    """
    given = {name: count for name, count in (("chains", chains), ("warmup", warmup), ("keep", keep), ("chunk", chunk)) if count is not None}
    check_counts(draws=draws, most=most, trace=trace, **given)
    check_energy(energy)
    check_key(key)
    observers = observers_of(observe)
    check_observers(observers, energy)
    plan = planned(observers, draws, keep, trace, until, most)
    kernel, why, usual = choose(energy) if isinstance(kernel, str) and kernel == "auto" else Choice(kernel, "")
    chains = (given_chains(init) or usual) if chains is None else chains
    check_parts(init.kernel if isinstance(init, Run) else kernel, energy)
    begun = time.perf_counter()
    problem, carry, made = start(kernel, energy, observers, init, chains, key)
    first = made + (WARMUP if warmup is None else warmup)
    check_counts(steps=first + (plan.draws if until is None else most))
    sink = Memory(plan, chunk, begun) if store is None else Store(store, problem, carry, plan, first, begun)
    with bar("sampling", first - made + plan.draws, wanted=progress) as shown:
        course = Course(problem, plan, sink, made, first, chunk, shown, open_end=warmup is None)
        carry, plan, warmed = course.run(carry, tune=not isinstance(init, Run))
    samples, seconds = sink.samples(carry), sink.seconds
    return summary(problem, carry, plan, warmed, steps=first + plan.draws, samples=samples, seconds=seconds, why=why)
