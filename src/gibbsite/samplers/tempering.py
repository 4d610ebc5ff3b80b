"""Parallel tempering: replicas at a ladder of temperatures that exchange places."""

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from gibbsite.core import (
    AbstractAdaptation,
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    Copied,
    Geometric,
    Info,
    Repeat,
    Tempering,
    capability,
)
from gibbsite.core.compose import divergences
from gibbsite.samplers.ladder import EachRung, Levelling
from gibbsite.samplers.rungs import AbstractTempering


class Replicas(NamedTuple):
    """The configurations of all rungs (hottest first), which pairs swap next, and where each replica comes from.

    `direction[r]` is +1 for a replica that last met the hot end, -1 the cold end, 0 neither; `trips` counts returns. Of an
    energy of several copies, each copy of a rung is a replica of its own.
    """

    positions: PyTree
    parity: Int[Array, ""]
    direction: Float[Array, "rungs *copies"]
    trips: Float[Array, ""]


class ParallelTempering(AbstractTempering):
    """Replica exchange, non-reversible even-odd swaps (Okabe et al. 2001; Syed et al., JRSSB 84, 2022).

    A population kernel: `position` is that of the target. Each step is one round of swaps, of even pairs of neighbours and of
    odd ones in turn (`stochastic`: drawn by a coin, so that the swaps are reversible, and replicas wander instead of
    travelling), and then `moves` local moves on every rung. Where the energy is of several copies (`Copies`), each copy of a rung
    swaps by itself.

    Warm-up tunes each rung's kernel and, unless `adapt_ladder` is off, places the betas between the two ends (`Levelling`). Steps
    report, pair by pair, the probability of a swap, `swap_prob`; the communication barrier, the sum of all rejections; and
    `round_trip`, the share of copies of which a replica came to the target from the hottest rung. The works of all rungs add up,
    and so do their divergent moves, though the place told of one is always that of the target.
    """

    moves: int = eqx.field(static=True, default=1, kw_only=True)
    stochastic: bool = eqx.field(static=True, default=False, kw_only=True)
    adapt_ladder: bool = eqx.field(static=True, default=True, kw_only=True)

    reversible = False
    reports_work = False  # the work of a population is not that of one x
    settles_switch = False
    has_memory = True

    @property
    def cost(self) -> int:
        """On every rung the work of the swap, the cache where it led, and the moves."""
        return len(self.betas) * (1 + self.kernel.cache_cost + self.moves * self.kernel.cost)

    @property
    def cache_cost(self) -> int:
        return 0

    def init(self, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> Replicas:
        rungs = len(self.betas)
        self._started(energy, x, key)  # asks the kernel whether it can move here; compiles to nothing
        xs = jax.tree.map(lambda a: jnp.repeat(a[None], rungs, axis=0), x)
        copies = () if self._of_one(energy) is None else x.shape[:1]
        return Replicas(xs, jnp.zeros((), int), jnp.zeros((rungs, *copies)), jnp.zeros(()))

    def _started(self, energy: AbstractEnergy, x: PyTree, key: Key[Array, ""]) -> PyTree:
        first = jax.tree.map(lambda a: a[0], self.kernel)
        return first.init(self.path(energy)(self.betas[0]), x, key=key)

    def step(self, energy: AbstractEnergy, state: Replicas, *, key: Key[Array, ""]) -> tuple[Replicas, Info]:
        swap, local = jax.random.split(key)
        path = self.path(energy)
        partner, swap_prob = self._swap(energy, state, swap)
        xs = jax.tree.map(lambda a: _taken(a, partner), state.positions)

        def move(kernel: AbstractKernel, beta: Array, x: PyTree, key: Key[Array, ""]) -> tuple[PyTree, Info]:
            start, run = jax.random.split(key)
            moved, info = Repeat(kernel, self.moves).step(path(beta), kernel.init(path(beta), x, key=start), key=run)
            return kernel.position(moved), info

        xs, info = jax.vmap(move)(self.kernel, self.betas, xs, jax.random.split(local, len(self.betas)))
        direction = _taken(state.direction, partner).at[0].set(1.0)
        arrived = jnp.asarray(direction[-1] == 1, swap_prob.dtype)
        extra = {"swap_prob": swap_prob, "barrier": jnp.sum(1 - swap_prob), "round_trip": jnp.mean(arrived)}
        moved = Replicas(xs, 1 - state.parity, direction.at[-1].set(-1.0), state.trips + jnp.sum(arrived))
        return moved, Info(info.accept_prob, jnp.sum(info.shadow_work), extra | divergences(info), info.tuning)

    def _swap(self, energy: AbstractEnergy, state: Replicas, key: Key[Array, ""]) -> tuple[Int[Array, "rungs *copies"], Array]:
        """Which rung each one takes its configuration from: neighbours r, r+1 with r = parity (mod 2) exchange theirs.

        Accepted with min(1, exp(-work of both switches)); the paths here are linear in t, so that work is
        (beta_{r+1} - beta_r) (D_r - D_{r+1}) with D the work of the whole way, one evaluation a rung.
        """
        parity = state.parity
        if self.stochastic:
            key, coin = jax.random.split(key)
            parity = jax.random.randint(coin, (), 0, 2)
        whole = self._whole(energy, state.positions)
        rungs, copies = len(whole), whole.shape[1:]
        gaps = jnp.diff(self.betas).reshape(-1, *(1 for _ in copies))
        log_ratio = gaps * jnp.diff(whole, axis=0)
        paired = jnp.arange(rungs - 1).reshape(gaps.shape) % 2 == parity
        accept = paired & (jnp.log(jax.random.uniform(key, log_ratio.shape)) < log_ratio)
        own = jnp.broadcast_to(jnp.arange(rungs).reshape(-1, *(1 for _ in copies)), whole.shape)
        partner = own.at[:-1].add(accept).at[1:].add(-1 * accept)
        # Twice the paired probability: each pair is tried on every other step.
        swap_prob = jnp.where(paired, 2 * jnp.exp(jnp.minimum(log_ratio, 0.0)), 0.0)
        return partner, jnp.mean(swap_prob, axis=tuple(range(1, swap_prob.ndim)))

    def _whole(self, energy: AbstractEnergy, xs: PyTree) -> Float[Array, "rungs *copies"]:
        """The work of the whole way, from beta 0 to 1, of each configuration: copy by copy, if it is of several."""
        of_one = self._of_one(energy)

        def work(x: PyTree) -> Array:
            return (of_one or self.path(energy)).work(jnp.zeros(()), jnp.ones(()), x)

        return jax.vmap(work if of_one is None else jax.vmap(work))(xs)

    def _of_one(self, energy: AbstractEnergy) -> AbstractPath | None:
        """The path of one copy, where energy and base are those of several."""
        views = [capability(end, Copied) for end in (energy, self.base) if end is not None]
        one = [view.one for view in views if view is not None]
        if len(one) < len(views):
            return None
        return Tempering(one[0]) if self.base is None else Geometric(one[1], one[0])

    def position(self, state: Replicas) -> PyTree:
        return jax.tree.map(lambda a: a[-1], state.positions)

    def refresh(self, energy: AbstractEnergy, state: Replicas, x: PyTree | None = None) -> Replicas:
        """Nothing is cached; a replaced `x` becomes the configuration of all rungs."""
        if x is None:
            return state
        return state._replace(positions=jax.tree.map(lambda a, b: jnp.broadcast_to(b, a.shape), state.positions, x))

    def adaptation(self) -> AbstractAdaptation | None:
        inner = self.kernel.adaptation()
        each = None if inner is None else EachRung(inner)
        return Levelling(each) if self.adapt_ladder and len(self.betas) > 2 else each

    def caution(self, infos: Mapping[str, np.ndarray]) -> str:
        if len(self.betas) == 1 or infos["round_trip"] > 0:
            return ""
        return "No replica went from the hottest rung to the target: modes may be missed; take more rungs, or more draws."


def _taken(a: Array, partner: Int[Array, "rungs *copies"]) -> Array:
    """What stands on the rung that each one takes its configuration from."""
    return jnp.take_along_axis(a, partner.reshape(*partner.shape, *(1 for _ in a.shape[partner.ndim :])), axis=0)
