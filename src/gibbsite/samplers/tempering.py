"""Parallel tempering: replicas at a ladder of temperatures that exchange places."""

from operator import attrgetter
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from gibbsite.core import (
    AbstractAdaptation,
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    ArrayLike,
    Geometric,
    Info,
    Repeat,
    Tempering,
    as_float,
    no_work,
)


class Replicas(NamedTuple):
    """The states of all rungs (hottest first), which pairs swap next, and where each replica comes from.

    `direction[r]` is +1 for a replica that last met the hot end, -1 the cold end, 0 neither; `trips` counts returns.
    """

    states: PyTree
    parity: Int[Array, ""]
    direction: Float[Array, " rungs"]
    trips: Float[Array, ""]


class ParallelTempering(AbstractKernel):
    """Replica exchange, non-reversible even-odd swaps (Okabe et al. 2001; Syed et al., JRSSB 84, 2022).

    Rung r runs at `betas[r]`, increasing to the target at 1: `betas[r] * energy`, or `(1 - beta) base + beta energy`
    where a base is given (needed where hot laws would not be normalisable). A population kernel: `kernel`'s leaves
    carry a leading axis of rungs (see `over`), and `position` is that of the target. Each step makes `moves` local
    moves on every rung and then one round of swaps, which costs one more evaluation.
    """

    kernel: AbstractKernel
    betas: Float[Array, " rungs"] = eqx.field(converter=as_float)
    base: AbstractEnergy | None = None
    moves: int = eqx.field(static=True, default=1, kw_only=True)

    reversible = False
    reports_work = False  # the work of a population is not that of one x
    settles_switch = False

    @classmethod
    def over(cls, kernel: AbstractKernel, betas: ArrayLike, base: AbstractEnergy | None = None, *, moves: int = 1) -> "ParallelTempering":
        """The same kernel on every rung; a `step_size` grows as 1 / beta, the scale on which hot rungs are smooth."""
        betas = as_float(betas)
        rungs = len(betas)
        lifted = jax.tree.map(lambda a: jnp.repeat(a[None], rungs, axis=0), kernel)
        if hasattr(kernel, "step_size"):
            # A base at beta = 0 has a scale of its own: no rung steps more than ten times as far.
            scaled = kernel.step_size / jnp.maximum(betas, 0.1)
            lifted = eqx.tree_at(attrgetter("step_size"), lifted, scaled)
        return cls(lifted, betas, base, moves=moves)

    def path(self, energy: AbstractEnergy) -> AbstractPath:
        """The path whose points are the rungs."""
        return Tempering(energy) if self.base is None else Geometric(self.base, energy)

    @property
    def cost(self) -> int:
        """Every rung's moves, and its cache after the swaps."""
        return len(self.betas) * (self.moves * self.kernel.cost + 1)

    @property
    def cache_cost(self) -> int:
        return len(self.betas) * self.kernel.cache_cost

    def init(self, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> Replicas:
        rungs = len(self.betas)
        xs = jax.tree.map(lambda a: jnp.repeat(a[None], rungs, axis=0), x)

        def start(kernel: AbstractKernel, beta: Array, x: PyTree, key: Key[Array, ""]) -> PyTree:
            return kernel.init(self.path(energy)(beta), x, key=key)

        states = jax.vmap(start)(self.kernel, self.betas, xs, jax.random.split(key, rungs))
        return Replicas(states, jnp.zeros((), int), jnp.zeros(rungs), jnp.zeros(()))

    def step(self, energy: AbstractEnergy, state: Replicas, *, key: Key[Array, ""]) -> tuple[Replicas, Info]:
        local, swap = jax.random.split(key)
        path = self.path(energy)

        def move(kernel: AbstractKernel, beta: Array, s: PyTree, key: Key[Array, ""]) -> tuple[PyTree, Info]:
            return Repeat(kernel, self.moves).step(path(beta), s, key=key)

        states, info = jax.vmap(move)(self.kernel, self.betas, state.states, jax.random.split(local, len(self.betas)))
        states, partner, swap_prob = self._swap(path, states, state.parity, swap)
        direction = state.direction[partner].at[0].set(1.0)
        arrived = direction[-1] == 1
        trips = state.trips + arrived
        direction = direction.at[-1].set(-1.0)
        extra = {"swap_prob": swap_prob, "round_trip": jnp.asarray(arrived, swap_prob.dtype)}
        return Replicas(states, 1 - state.parity, direction, trips), Info(info.accept_prob, no_work(), extra)

    def _swap(self, path: AbstractPath, states: PyTree, parity: Array, key: Key[Array, ""]) -> tuple[PyTree, Array, Array]:
        """Exchange neighbours r, r+1 with r = parity (mod 2), accepted with min(1, exp(-work of both switches))."""
        betas, rungs = self.betas, len(self.betas)
        xs = _positions(self.kernel, states)
        work = jax.vmap(path.work)
        up = work(betas[:-1], betas[1:], jax.tree.map(lambda a: a[:-1], xs))
        down = work(betas[1:], betas[:-1], jax.tree.map(lambda a: a[1:], xs))
        log_ratio = -(up + down)
        paired = jnp.arange(rungs - 1) % 2 == parity
        accept = paired & (jnp.log(jax.random.uniform(key, (rungs - 1,))) < log_ratio)
        index = jnp.arange(rungs)
        partner = index.at[:-1].add(accept).at[1:].add(-1 * accept)
        moved = jax.tree.map(lambda a: a[partner], xs)

        def settle(kernel: AbstractKernel, beta: Array, s: PyTree, x: PyTree) -> PyTree:
            return kernel.refresh(path(beta), s, x)

        states = jax.vmap(settle)(self.kernel, betas, states, moved)
        # Twice the paired probability: each pair is tried on every other step.
        return states, partner, jnp.where(paired, 2 * jnp.exp(jnp.minimum(log_ratio, 0.0)), 0.0)

    def position(self, state: Replicas) -> PyTree:
        return jax.tree.map(lambda a: a[-1], _positions(self.kernel, state.states))

    def refresh(self, energy: AbstractEnergy, state: Replicas, x: PyTree | None = None) -> Replicas:
        """Rebuilds every rung; a replaced `x` becomes the configuration of all of them."""

        def settle(kernel: AbstractKernel, beta: Array, s: PyTree) -> PyTree:
            return kernel.refresh(self.path(energy)(beta), s, x)  # every rung restarts from x, where one is given

        return state._replace(states=jax.vmap(settle)(self.kernel, self.betas, state.states))

    def adaptation(self) -> AbstractAdaptation | None:
        inner = self.kernel.adaptation()
        return None if inner is None else _EachRung(inner)


class _EachRung(AbstractAdaptation):
    """Tunes every rung's kernel from that rung's acceptance."""

    inner: AbstractAdaptation

    def init(self, kernel: ParallelTempering) -> PyTree:
        return self.inner.init(kernel.kernel)

    def update(self, kernel: ParallelTempering, state: PyTree, accept_prob: Array) -> tuple[ParallelTempering, PyTree]:
        tuned, state = self.inner.update(kernel.kernel, state, accept_prob)
        return eqx.tree_at(attrgetter("kernel"), kernel, tuned), state

    def final(self, kernel: ParallelTempering, state: PyTree) -> ParallelTempering:
        return eqx.tree_at(attrgetter("kernel"), kernel, self.inner.final(kernel.kernel, state))


def _positions(kernel: AbstractKernel, states: PyTree) -> PyTree:
    return jax.vmap(lambda k, s: k.position(s))(kernel, states)
