"""Two replicas of a glass that exchange clusters."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, Info, Pairwise, need, no_work
from gibbsite.core.compose import restarted
from gibbsite.samplers.labels import components
from gibbsite.samplers.metropolis import SITES, check_space


class Couple(NamedTuple):
    """Two configurations of one energy."""

    first: Float[Array, "*x"]
    second: Float[Array, "*x"]


class Houdayer(AbstractKernel):
    """A move of `kernel` on each of two replicas, which then exchange a cluster (Houdayer, Eur. Phys. J. B 22, 2001).

    The cluster holds the sites at which the replicas differ and that bonds join to one such site, drawn at random. Across
    its border the replicas are equal, so the sum of their energies stays the same and every exchange is accepted. Uses
    `Pairwise`; the fields may be any. The clusters help below their percolation: in two dimensions, or on sparse graphs.
    A population kernel: `position` is the first replica; reports `cluster_size`, the sites exchanged.
    """

    kernel: AbstractKernel

    reversible = False
    reports_work = False  # the work of a population is not that of one x
    settles_switch = False
    has_memory = True
    cache_cost = 0

    def __check_init__(self) -> None:
        if self.kernel.has_memory:
            raise TypeError(f"Houdayer restarts {type(self.kernel).__name__} after every exchange, and it would lose its memory.")

    @property
    def cost(self) -> int:
        return 2 * (self.kernel.cache_cost + self.kernel.cost)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Couple:
        check_space(energy, "Houdayer", *SITES)
        need(energy, Pairwise, "Houdayer")
        self.kernel.init(energy, x, key=key)  # asks the kernel whether it can move here; compiles to nothing
        return Couple(x, x)

    def step(self, energy: AbstractEnergy, state: Couple, *, key: Key[Array, ""]) -> tuple[Couple, Info]:
        local, seed = jax.random.split(key)

        move = jax.vmap(lambda x, key: restarted(self.kernel, energy, x, key=key))
        (first, second), info = move(jnp.stack(state), jax.random.split(local))
        inside = _cluster(need(energy, Pairwise, "Houdayer"), first != second, seed)
        moved = Couple(jnp.where(inside, second, first), jnp.where(inside, first, second))
        extra = {"cluster_size": jnp.sum(inside, dtype=first.dtype)}
        return moved, Info(jnp.mean(info.accept_prob, axis=0), no_work(), extra)

    def position(self, state: Couple) -> Float[Array, "*x"]:
        return state.first

    def refresh(self, energy: AbstractEnergy, state: Couple, x: Array | None = None) -> Couple:
        """Nothing is cached; a replaced `x` becomes the configuration of both."""
        return state if x is None else Couple(x, x)


def _cluster(view: Pairwise, differ: Array, key: Key[Array, ""]) -> Array:
    """The sites that bonds between differing sites join to one of them, drawn at random; none where the replicas are equal."""
    flat = jnp.ravel(differ)
    label = components(view.edges, jnp.all(flat[view.edges], axis=1), flat.size)
    seed = jax.random.categorical(key, jnp.where(flat, 0.0, -jnp.inf))
    return ((label == label[seed]) & flat).reshape(differ.shape)
