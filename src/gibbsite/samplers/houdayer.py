"""Copies of a glass that exchange clusters."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, Copied, Info, Pairwise, need, no_work
from gibbsite.core.compose import AbstractRestarted, check_restarts, divergences, restarted
from gibbsite.core.energy import Scalar
from gibbsite.samplers.labels import clusters
from gibbsite.samplers.metropolis import SITES, check_space


class Each(AbstractRestarted):
    """A move of `kernel` on every one of the copies of an energy (`Copied`); warm-up does not tune it."""

    kernel: AbstractKernel

    reversible = property(lambda self: self.kernel.reversible)  # type: ignore[assignment]
    reports_work = property(lambda self: self.kernel.reports_work)  # type: ignore[assignment]
    biased = property(lambda self: self.kernel.biased)  # type: ignore[assignment]

    def __check_init__(self) -> None:
        check_restarts("Each", self.kernel)

    @property
    def cost(self) -> int:
        return self.kernel.cache_cost + self.kernel.cost

    def step(self, energy: AbstractEnergy, state: Float[Array, "copies *x"], *, key: Key[Array, ""]) -> tuple[Array, Info]:
        one = need(energy, Copied, "Each").one
        moved, info = jax.vmap(lambda x, k: restarted(self.kernel, one, x, key=k))(state, jax.random.split(key, len(state)))
        return moved, Info(jnp.mean(info.accept_prob), jnp.sum(info.shadow_work), divergences(info))

    def reverse(self) -> "Each":
        return Each(self.kernel.reverse())

    def tempered(self, beta: Scalar) -> "Each":
        return Each(self.kernel.tempered(beta))


class Houdayer(AbstractKernel):
    """Copies of an energy, two by two, exchange a cluster (Houdayer, Eur. Phys. J. B 22, 2001).

    The cluster holds the sites at which the two differ and that bonds join to one such site, drawn at random. Across its
    border they are equal, so the sum of their energies stays the same and every exchange is accepted. Pairs are drawn anew
    each time; of an odd number of copies one is left out. Uses `Copied` and, of one copy, `Pairwise`; the fields may be any.

    The clusters help below their percolation: in two dimensions, or on sparse graphs. Alone they reach hardly anything:
    `Cycle((Each(Gibbs()), Houdayer()))` on `Copies(glass, 2)`, or that on every rung of `ParallelTempering`, moves each copy as
    well. Reports `cluster_size`, the mean number of sites exchanged.
    """

    reversible = True
    reports_work = True
    settles_switch = False
    cache_cost = 0
    cost = 0

    def init(self, energy: AbstractEnergy, x: Float[Array, "copies *x"], *, key: Key[Array, ""]) -> Float[Array, "copies *x"]:
        one = need(energy, Copied, "Houdayer").one
        check_space(one, "Houdayer", *SITES)
        need(one, Pairwise, "Houdayer")
        if len(x) < 2:
            raise ValueError("Houdayer exchanges clusters between copies and has 1: give Copies(energy, 2) or more.")
        return x

    def step(self, energy: AbstractEnergy, state: Float[Array, "copies *x"], *, key: Key[Array, ""]) -> tuple[Array, Info]:
        view = need(need(energy, Copied, "Houdayer").one, Pairwise, "Houdayer")
        order, seeds = jax.random.split(key)
        pairs = len(state) // 2
        first, second = jax.random.permutation(order, len(state))[: 2 * pairs].reshape(2, pairs)
        one, other = state[first], state[second]
        inside = jax.vmap(lambda differ, k: _cluster(view, differ, k))(one != other, jax.random.split(seeds, pairs))
        moved = state.at[first].set(jnp.where(inside, other, one)).at[second].set(jnp.where(inside, one, other))
        return moved, Info(jnp.ones(()), no_work(), {"cluster_size": jnp.sum(inside, dtype=state.dtype) / pairs})

    def position(self, state: Float[Array, "copies *x"]) -> Float[Array, "copies *x"]:
        return state

    def refresh(self, energy: AbstractEnergy, state: Float[Array, "copies *x"], x: Array | None = None) -> Float[Array, "copies *x"]:
        return state if x is None else x


def _cluster(view: Pairwise, differ: Array, key: Key[Array, ""]) -> Array:
    """The sites that bonds between differing sites join to one of them, drawn at random; none where the copies are equal."""
    flat = jnp.ravel(differ)
    label = clusters(view, [one & other for one, other in view.ends(differ)], flat.size).number
    seed = jax.random.categorical(key, jnp.where(flat, 0.0, -jnp.inf))
    return ((label == label[seed]) & flat).reshape(differ.shape)
