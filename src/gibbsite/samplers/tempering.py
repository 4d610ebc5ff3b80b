"""Parallel tempering: replicas at a ladder of temperatures that exchange places."""

from operator import attrgetter
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
    ArrayLike,
    Geometric,
    Info,
    Repeat,
    Tempering,
    as_float,
    no_work,
)
from gibbsite.core.energy import check_values
from gibbsite.samplers.adapt import STEP_SIZE


class Replicas(NamedTuple):
    """The configurations of all rungs (hottest first), which pairs swap next, and where each replica comes from.

    `direction[r]` is +1 for a replica that last met the hot end, -1 the cold end, 0 neither; `trips` counts returns.
    """

    positions: PyTree
    parity: Int[Array, ""]
    direction: Float[Array, " rungs"]
    trips: Float[Array, ""]


class ParallelTempering(AbstractKernel):
    """Replica exchange, non-reversible even-odd swaps (Okabe et al. 2001; Syed et al., JRSSB 84, 2022).

    Rung r runs at `betas[r]`, increasing to the target at 1: `betas[r] * energy`, or `(1 - beta) base + beta energy`
    where a base is given (needed where hot laws would not be normalisable, as at beta 0). A population kernel: `kernel`'s
    leaves carry a leading axis of rungs (see `over`), and `position` is that of the target. Each step is one round of
    swaps and then `moves` local moves on every rung, whose kernel is started anew and so may keep no memory.
    """

    kernel: AbstractKernel
    betas: Float[Array, " rungs"] = eqx.field(converter=as_float)
    base: AbstractEnergy | None = None
    moves: int = eqx.field(static=True, default=1, kw_only=True)

    reversible = False
    reports_work = False  # the work of a population is not that of one x
    settles_switch = False
    has_memory = True

    def __check_init__(self) -> None:
        if self.kernel.has_memory:
            raise TypeError(f"ParallelTempering restarts {type(self.kernel).__name__} after every swap, and it would lose its memory.")
        check_values("ParallelTempering", "betas", self.betas, self._is_ladder, f"increasing numbers above {self._floor} that end at 1")

    @property
    def _floor(self) -> str:
        return "0" if self.base is None else "or at 0"

    def _is_ladder(self, betas: np.ndarray) -> bool:
        low = betas.ravel()[0] if betas.size else -1.0
        rising = betas.ndim == 1 and betas.size > 0 and bool(np.all(np.diff(betas) > 0)) and bool(np.isclose(betas[-1], 1.0))
        return bool(rising and (low > 0 or (low == 0 and self.base is not None)))

    @classmethod
    def over(cls, kernel: AbstractKernel, betas: ArrayLike, base: AbstractEnergy | None = None, *, moves: int = 1) -> "ParallelTempering":
        """The same kernel on every rung; a `step_size` grows as 1 / beta, the scale on which hot rungs are smooth."""
        betas = jnp.atleast_1d(as_float(betas))
        rungs = len(betas)
        lifted = jax.tree.map(lambda a: jnp.repeat(a[None], rungs, axis=0), kernel)
        if hasattr(kernel, "step_size"):
            # A base at beta = 0 has a scale of its own: no rung steps more than ten times as far.
            scaled = kernel.step_size / jnp.maximum(betas, 0.1)
            lifted = eqx.tree_at(STEP_SIZE, lifted, scaled)
        return cls(lifted, betas, base, moves=moves)

    def path(self, energy: AbstractEnergy) -> AbstractPath:
        """The path whose points are the rungs."""
        return Tempering(energy) if self.base is None else Geometric(self.base, energy)

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
        return Replicas(xs, jnp.zeros((), int), jnp.zeros(rungs), jnp.zeros(()))

    def _started(self, energy: AbstractEnergy, x: PyTree, key: Key[Array, ""]) -> PyTree:
        first = jax.tree.map(lambda a: a[0], self.kernel)
        return first.init(self.path(energy)(self.betas[0]), x, key=key)

    def step(self, energy: AbstractEnergy, state: Replicas, *, key: Key[Array, ""]) -> tuple[Replicas, Info]:
        swap, local = jax.random.split(key)
        path = self.path(energy)
        partner, swap_prob = self._swap(path, state, swap)
        xs = jax.tree.map(lambda a: a[partner], state.positions)

        def move(kernel: AbstractKernel, beta: Array, x: PyTree, key: Key[Array, ""]) -> tuple[PyTree, Info]:
            start, run = jax.random.split(key)
            moved, info = Repeat(kernel, self.moves).step(path(beta), kernel.init(path(beta), x, key=start), key=run)
            return kernel.position(moved), info

        xs, info = jax.vmap(move)(self.kernel, self.betas, xs, jax.random.split(local, len(self.betas)))
        direction = state.direction[partner].at[0].set(1.0)
        arrived = direction[-1] == 1
        extra = {"swap_prob": swap_prob, "round_trip": jnp.asarray(arrived, swap_prob.dtype)}
        moved = Replicas(xs, 1 - state.parity, direction.at[-1].set(-1.0), state.trips + arrived)
        return moved, Info(info.accept_prob, no_work(), extra, info.tuning)

    def _swap(self, path: AbstractPath, state: Replicas, key: Key[Array, ""]) -> tuple[Int[Array, " rungs"], Array]:
        """Which rung each one takes its configuration from: neighbours r, r+1 with r = parity (mod 2) exchange theirs.

        Accepted with min(1, exp(-work of both switches)); the paths here are linear in t, so that work is
        (beta_{r+1} - beta_r) (D_r - D_{r+1}) with D the work of the whole way, one evaluation a rung.
        """
        rungs = len(self.betas)
        whole = jax.vmap(lambda x: path.work(jnp.zeros(()), jnp.ones(()), x))(state.positions)
        log_ratio = jnp.diff(self.betas) * jnp.diff(whole)
        paired = jnp.arange(rungs - 1) % 2 == state.parity
        accept = paired & (jnp.log(jax.random.uniform(key, (rungs - 1,))) < log_ratio)
        partner = jnp.arange(rungs).at[:-1].add(accept).at[1:].add(-1 * accept)
        # Twice the paired probability: each pair is tried on every other step.
        return partner, jnp.where(paired, 2 * jnp.exp(jnp.minimum(log_ratio, 0.0)), 0.0)

    def position(self, state: Replicas) -> PyTree:
        return jax.tree.map(lambda a: a[-1], state.positions)

    def refresh(self, energy: AbstractEnergy, state: Replicas, x: PyTree | None = None) -> Replicas:
        """Nothing is cached; a replaced `x` becomes the configuration of all rungs."""
        if x is None:
            return state
        return state._replace(positions=jax.tree.map(lambda a, b: jnp.broadcast_to(b, a.shape), state.positions, x))

    def adaptation(self) -> AbstractAdaptation | None:
        inner = self.kernel.adaptation()
        return None if inner is None else _EachRung(inner)


_INNER = attrgetter("kernel")


class _EachRung(AbstractAdaptation):
    """Tunes every rung's kernel from that rung's acceptance, and from the positions of the target, which all rungs share."""

    inner: AbstractAdaptation

    def init(self, kernel: ParallelTempering) -> PyTree:
        return self.inner.init(kernel.kernel)

    def update(self, kernel: ParallelTempering, state: PyTree, info: Info, positions: PyTree) -> tuple[ParallelTempering, PyTree]:
        shared = jax.tree.map(lambda x: jnp.repeat(x[:, None], len(kernel.betas), axis=1), positions)
        tuned, state = self.inner.update(kernel.kernel, state, info, shared)
        return eqx.tree_at(_INNER, kernel, tuned), state

    def final(self, kernel: ParallelTempering, state: PyTree) -> ParallelTempering:
        return eqx.tree_at(_INNER, kernel, self.inner.final(kernel.kernel, state))
