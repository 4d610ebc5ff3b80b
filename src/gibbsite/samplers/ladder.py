"""Tuning a ladder of temperatures: the kernel of every rung, and where the rungs stand."""

import math
from operator import attrgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from gibbsite.core import AbstractAdaptation, Info
from gibbsite.samplers.adapt import pooled

_INNER, _BETAS = attrgetter("kernel"), attrgetter("betas")
FIRST = 16  # steps of the first round
FLAT = 1e-3  # rejection that a pair counts for at least, so that no two rungs fall together


def enough_rungs(barrier: float) -> int:
    """The number of rungs that makes round trips cheapest at a communication barrier of Lambda: 2 Lambda gaps between them.

    Every second swap is then refused (Syed et al., JRSSB 84, 2022); more rungs do no harm on parallel hardware.
    """
    return max(2, math.ceil(2 * float(barrier)) + 1)


def levelled(betas: Float[Array, " rungs"], rejection: Float[Array, " pairs"]) -> Float[Array, " rungs"]:
    """Betas between the same ends, a like share of the communication barrier between any two neighbours.

    The barrier from the hottest rung to rung k is the sum of the mean rejections below it; between rungs it is taken to grow
    linearly, which keeps it increasing (Syed et al., JRSSB 84, 2022, interpolate by a monotone cubic).
    """
    barrier = jnp.concatenate([jnp.zeros(1), jnp.cumsum(jnp.clip(rejection, FLAT, 1.0))])
    moved = jnp.interp(barrier[-1] * jnp.linspace(0.0, 1.0, len(betas)), barrier, betas)
    return moved.at[0].set(betas[0]).at[-1].set(betas[-1])


class EachRung(AbstractAdaptation):
    """Tunes every rung's kernel from that rung's acceptance, and from the positions of the target, which all rungs share."""

    inner: AbstractAdaptation

    def init(self, kernel: Any) -> PyTree:
        return self.inner.init(kernel.kernel)

    def update(self, kernel: Any, state: PyTree, info: Info, positions: PyTree) -> tuple[Any, PyTree]:
        shared = jax.tree.map(lambda x: jnp.repeat(x[:, None], len(kernel.betas), axis=1), positions)
        tuned, state = self.inner.update(kernel.kernel, state, info, shared)
        return eqx.tree_at(_INNER, kernel, tuned), state

    def final(self, kernel: Any, state: PyTree) -> Any:
        return eqx.tree_at(_INNER, kernel, self.inner.final(kernel.kernel, state))


class _Round(NamedTuple):
    """How far a round has come, how long it is, the rejections so far; and the state of what tunes the kernels."""

    done: Int[Array, ""]
    length: Int[Array, ""]
    rejected: Float[Array, " pairs"]
    each: PyTree


class Levelling(AbstractAdaptation):
    """Moves the rungs so that all pairs of neighbours refuse alike, in rounds of 16 steps, 32, 64, ... (`levelled`).

    The rate of round trips is largest there (Syed et al., JRSSB 84, 2022). The kernels of the rungs, tuned by `each`
    all the while, and what is known of their tuning come along: a rung between two old ones takes what lies between theirs. A
    round that warm-up cuts short moves nothing.
    """

    each: EachRung | None

    def init(self, kernel: Any) -> _Round:
        rejected = jnp.zeros(len(kernel.betas) - 1)
        return _Round(jnp.zeros((), int), jnp.asarray(FIRST, int), rejected, None if self.each is None else self.each.init(kernel))

    def update(self, kernel: Any, state: _Round, info: Info, positions: PyTree) -> tuple[Any, _Round]:
        each = state.each
        if self.each is not None:
            kernel, each = self.each.update(kernel, each, info, positions)
        done, rejected = state.done + 1, state.rejected + 1 - pooled(info.extra["swap_prob"])
        over = done == state.length
        betas = jnp.where(over, levelled(kernel.betas, rejected / done), kernel.betas)
        inner, each = _carried((kernel.kernel, each), kernel.betas, betas, over)
        kernel = eqx.tree_at(_BETAS, eqx.tree_at(_INNER, kernel, inner), betas)
        return kernel, _Round(jnp.where(over, 0, done), state.length * (1 + over), jnp.where(over, 0.0, rejected), each)

    def final(self, kernel: Any, state: _Round) -> Any:
        return kernel if self.each is None else self.each.final(kernel, state.each)


def _carried(tree: PyTree, old: Float[Array, " rungs"], new: Float[Array, " rungs"], moved: Bool[Array, ""]) -> PyTree:
    """Every array with a leading axis of rungs at its values there, linearly between those of the old rungs."""
    rungs = len(old)
    at = jnp.where(moved, jnp.interp(new, old, jnp.arange(rungs)), jnp.arange(rungs))
    below = jnp.clip(jnp.floor(at).astype(int), 0, rungs - 1)
    above = jnp.minimum(below + 1, rungs - 1)

    def between(a: Any) -> Any:
        if not eqx.is_inexact_array(a) or a.shape[:1] != (rungs,):
            return a
        share = (at - below).astype(a.dtype).reshape(-1, *(1 for _ in a.shape[1:]))
        return a[below] + share * (a[above] - a[below])

    return jax.tree.map(between, tree)
