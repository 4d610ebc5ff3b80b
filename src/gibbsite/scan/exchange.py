"""Replica exchange over a ladder of temperatures, of which every rung is watched: energies and order after every step."""

import dataclasses
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractSpace, Reals, Tempered, UniformBonds, as_float, capability, reference
from gibbsite.core.keys import chain_keys, step_keys
from gibbsite.core.observer import split_rhat
from gibbsite.samplers import ParallelTempering, SwendsenWang, choose, name_of, sample
from gibbsite.samplers.progress import Progress, Silent, bar, chunks
from gibbsite.scan.tau import autocorrelation_time
from gibbsite.simulate import TargetError
from gibbsite.thermo.observables import magnetisation

CHUNK = 32  # steps whose numbers are brought to the host at once


@dataclasses.dataclass(frozen=True)
class Rungs:
    """What a ladder of `rungs` did in `chains` independent populations.

    `energies` are untempered, `orders` the lengths of the order parameter; `swaps` is the probability of an exchange of each pair of
    neighbours, `trips` counts replicas that came from the hottest rung to the coldest, in all populations.
    """

    betas: Float[np.ndarray, " rungs"]
    energies: Float[np.ndarray, "chains rungs draws"]
    orders: Float[np.ndarray, "chains rungs draws"]
    swaps: Float[np.ndarray, " pairs"]
    acceptance: Float[np.ndarray, " rungs"]
    trips: int
    kernel: str
    why: str
    seconds: float

    @functools.cached_property
    def taus(self) -> dict[str, Float[np.ndarray, " rungs"]]:
        """Integrated autocorrelation times on each rung, in steps."""
        return {
            name: np.array([autocorrelation_time(values[:, rung]) for rung in range(len(self.betas))])
            for name, values in (("energy", self.energies), ("order", self.orders))
        }

    @functools.cached_property
    def rhat(self) -> Float[np.ndarray, " rungs"]:
        """The worse split R-hat of energy and order on each rung."""
        return np.maximum(*(np.array([split_rhat(v[:, rung]) for rung in range(len(self.betas))]) for v in (self.energies, self.orders)))


def mover(energy: AbstractEnergy) -> tuple[AbstractKernel, str]:
    """The kernel of every rung, and why: clusters alone where bonds are alike and attract, else what `choose` takes."""
    bonds = capability(energy, UniformBonds)
    if bonds is not None and float(bonds.coupling) > 0:
        return SwendsenWang(), "clusters of like spins turn as wholes, at every temperature"
    kernel, why, _ = choose(energy)
    return kernel, why


def check_hot_end(space: AbstractSpace, low: float) -> None:
    """Refuses beta = 0 where it has no law.

    Raises:
        TargetError: x is unbounded.
    """
    if low == 0 and isinstance(space, Reals):
        raise TargetError("beta from 0: on unbounded reals there is no law at infinite temperature; begin above 0.")


def exchange(
    energy: AbstractEnergy,
    betas: Float[np.ndarray, " rungs"],
    *,
    chains: int,
    warmup: int,
    draws: int,
    progress: bool,
    key: Key[Array, ""],
) -> Rungs:
    """Runs `chains` populations, each of one replica a temperature, and writes down what they do.

    Raises:
        ValueError, TypeError: as `sample` has them.
    """
    begun = time.perf_counter()
    inner, why = mover(energy)
    half, (first, second) = chains // 2, jax.random.split(key)
    with ThreadPoolExecutor() as pool:  # one half labels clusters on the host while the other moves on the device
        given = energy, inner, betas
        silent = pool.submit(_group, *given, half, warmup, draws, Silent(), second, warming=False)
        shown = _group(*given, chains - half, warmup, draws, bar("exchanging", draws, wanted=progress), first, warming=progress)
        ran = [shown, silent.result()]
    energies, orders = (np.concatenate([getattr(group, name) for group in ran]) for name in ("energies", "orders"))
    swaps, accepted = (sum(getattr(group, name) for group in ran) / (draws * chains) for name in ("swaps", "accepted"))
    trips = sum(group.trips for group in ran)
    return Rungs(ran[0].betas, energies, orders, swaps, accepted, trips, name_of(inner), why, time.perf_counter() - begun)


class _Group(NamedTuple):
    """What half of the populations did: numbers draw by draw, and sums of what the kernel tells."""

    betas: Float[np.ndarray, " rungs"]
    energies: Float[np.ndarray, "chains rungs draws"]
    orders: Float[np.ndarray, "chains rungs draws"]
    swaps: Float[np.ndarray, " pairs"]
    accepted: Float[np.ndarray, " rungs"]
    trips: int


def _group(
    energy: AbstractEnergy,
    inner: AbstractKernel,
    betas: Float[np.ndarray, " rungs"],
    chains: int,
    warmup: int,
    draws: int,
    progress: Progress,
    key: Key[Array, ""],
    *,
    warming: bool,
) -> _Group:
    """Warm-up and draws of so many populations."""
    top = as_float(betas[-1])
    target = Tempered(energy, top)
    base = reference(energy.space) if betas[0] == 0 else None
    ladder = ParallelTempering.over(inner, as_float(betas / betas[-1]), base, adapt_ladder=False)
    first, own = jax.random.split(key)
    warm = sample(ladder, target, chains=chains, warmup=max(warmup - 1, 0), draws=1, progress=warming, key=first)
    problem = (warm.kernel, target, energy, magnetisation(energy.space), chain_keys(own, chains))
    states, recorded, told = warm.states, [], []
    with progress:
        for start, stop in chunks(draws, progress, chunk=CHUNK):
            states, values, infos = _advance(problem, states, jnp.asarray(start), jnp.asarray(stop))
            recorded.append(np.asarray(values[: stop - start], np.float64))
            told.append([np.asarray(info, np.float64) for info in infos])
    energies, orders = np.moveaxis(np.concatenate(recorded), (1, 2, 3, 0), (0, 1, 2, 3))
    swaps, accepted = (sum(parts) for parts in zip(*told, strict=True))
    trips = int(np.sum(np.asarray(states.trips)) - np.sum(np.asarray(warm.states.trips)))
    exact = np.asarray(ladder.betas, np.float64) * float(top)  # as they were rounded
    return _Group(exact, energies, orders, swaps, accepted, trips)


@eqx.filter_jit
def _advance(problem: tuple, states: PyTree, start: Int[Array, ""], stop: Int[Array, ""]) -> tuple[PyTree, Array, tuple[Array, Array]]:
    """The steps of a chunk: the states after it, energies and orders `steps 2 chains rungs`, sums of what the kernel tells."""
    kernel, target, energy, length, keys = problem

    def body(i: Array, carry: PyTree) -> PyTree:
        states, values, swaps, accepted = carry
        states, info = jax.vmap(lambda s, k: kernel.step(target, s, key=k))(states, step_keys(keys, i))
        now = jnp.stack([jax.vmap(jax.vmap(fn))(states.positions) for fn in (energy, length)])
        values = values.at[i - start].set(now)
        return states, values, swaps + jnp.sum(info.extra["swap_prob"], axis=0), accepted + jnp.sum(info.accept_prob, axis=0)

    rungs = len(kernel.betas)
    empty = (jnp.zeros((CHUNK, 2, len(keys), rungs)), jnp.zeros(rungs - 1), jnp.zeros(rungs))
    states, values, *sums = jax.lax.fori_loop(start, stop, body, (states, *empty))
    return states, values, tuple(sums)
