"""When warm-up has done what it can: looks ever further apart, two of which must agree."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel
from gibbsite.samplers import loop
from gibbsite.samplers.loop import Carry, Problem
from gibbsite.samplers.progress import Progress

FIRST, APART = 24, 1.5  # steps up to the first look, and how much further each next one is
LEVEL = 3.0  # standard errors that the mean energy of the chains may have moved by from look to look


class Warmed(NamedTuple):
    """How many steps a warm-up took (None: it was made by an earlier start), its mean infos, whether it had settled (None: not asked)."""

    steps: int | None = None
    settled: bool | None = None
    infos: Mapping[str, np.ndarray] = {}


class Look(NamedTuple):
    """The kernel as draws would use it now, and the energy of each chain."""

    kernel: AbstractKernel
    energies: Float[np.ndarray, " chains"]


def looks(most: int) -> Iterator[int]:
    """Numbers of steps at which to look: 24, 36, 54, ..., and `most`."""
    step = float(FIRST)
    while step < most:
        yield int(step)
        step *= APART
    yield most


def warm_until_settled(
    problem: Problem, carry: Carry, *, first: int, most: int, chunk: int | None, progress: Progress
) -> tuple[Carry, int, bool]:
    """Warm-up until its adaptation says that the last third has changed nothing, and chains no longer go down; at most `most` steps.

    Returns the carry, the number of steps, and whether it had settled.
    """
    adaptation: Any = carry.kernel.adaptation()
    done, before = 0, None
    for stop in looks(most):
        carry = loop.run(problem, carry, first=first, total=stop, done=done, chunk=chunk, progress=progress)
        now = Look(adaptation.final(carry.kernel, carry.adapt), np.asarray(_energies(carry.kernel, problem.energy, carry.states), float))
        if before is not None and adaptation.settled(before.kernel, now.kernel) and level(before.energies, now.energies):
            progress.advance(most - stop)
            return carry, stop, True
        done, before = stop, now
    return carry, most, False


def level(before: Float[np.ndarray, " chains"], now: Float[np.ndarray, " chains"]) -> bool:
    """Whether the mean energy of the chains has stayed, as far as their number can tell."""
    moved = now - before
    return bool(abs(moved.mean()) <= LEVEL * moved.std(ddof=1) / np.sqrt(len(moved))) if len(moved) > 1 else True


@eqx.filter_jit
def _energies(kernel: AbstractKernel, energy: AbstractEnergy, states: PyTree) -> Float[Array, " chains"]:
    return jax.vmap(lambda s: kernel.energy(energy, s))(states)
