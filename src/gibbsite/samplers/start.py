"""Before the first step: what is observed, where chains start, on which devices they live."""

from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, Key, PyTree

from gibbsite.core import (
    BATCHES,
    AbstractEnergy,
    AbstractKernel,
    AbstractObserver,
    Mean,
    Sampleable,
    Start,
    capability,
    need,
    reference,
    require,
)
from gibbsite.core.keys import POSITION, STATE, chain_keys, step_keys
from gibbsite.core.sums import zeros
from gibbsite.samplers.checks import check_start, unsound
from gibbsite.samplers.loop import Carry, Lost, Problem
from gibbsite.samplers.report import Run
from gibbsite.samplers.shapes import shape_of_info

Observe = Function | AbstractObserver | dict[str, Any]

ATTEMPTS = 100  # draws of the base among which a chain takes the first of finite energy


def observers_of(observe: Observe | None) -> dict[str, AbstractObserver]:
    """Observers by name; the energy comes first, read from the kernel's own cache.

    Raises:
        TypeError, ValueError: one is no function, or is called "energy".
    """
    named = observe if isinstance(observe, dict) else {} if observe is None else {_name(observe): observe}
    for name, one in named.items():
        if not callable(one) and not isinstance(one, AbstractObserver):
            raise TypeError(f"observe has {name} = {one!r}: give a function of x, an observer, or a dict of them.")
    if "energy" in named:
        raise ValueError("observe has an entry named 'energy', which every run observes already; give it another name.")
    wrapped = {name: obs if isinstance(obs, AbstractObserver) else Mean(obs) for name, obs in named.items()}
    return {"energy": Mean(_identity)} | wrapped


def _identity(x: Array) -> Array:
    return x


def _name(observe: Any) -> str:
    return getattr(observe, "__name__", type(observe).__name__.lower())


def given_chains(init: "PyTree | Run | None") -> int | None:
    """As many chains as there are starts, where there are any."""
    if init is None or isinstance(init, Run):
        return None if init is None else init.chains
    shape = np.shape(jax.tree.leaves(init)[0])
    return shape[0] if shape else None


def start(
    kernel: AbstractKernel,
    energy: AbstractEnergy,
    observers: dict[str, AbstractObserver],
    init: "PyTree | Run | None",
    chains: int,
    key: Key[Array, ""],
) -> tuple[Problem, Carry, int]:
    """What the loop needs, over all devices, and the number of steps already made.

    Raises:
        ValueError: a chain starts where the energy or its slope is not finite.
    """
    keys = chain_keys(key, chains)
    kernel, states, made = _placed(kernel, energy, init, keys)
    return Problem(energy, observers, spread(keys, chains)), Carry(kernel, spread(states, chains)), made


def _placed(kernel: AbstractKernel, energy: AbstractEnergy, init: "PyTree | Run | None", keys: Array) -> tuple[AbstractKernel, PyTree, int]:
    """The kernel, the states and the number of steps already made."""
    if isinstance(init, Run):
        return _continue(init, energy, len(keys))
    if init is None:
        return kernel, _wide(kernel, energy, keys), 0
    xs = require(energy.space, init, "init", batched=True)
    if (n := len(jax.tree.leaves(xs)[0])) != len(keys):
        raise ValueError(f"init holds {n} configurations for chains={len(keys)}; give one per chain.")
    states, energies = _init(kernel, energy, xs, keys)
    check_start(energy, energies, states, xs, "Give init inside the support.")
    return kernel, states, 0


def _wide(kernel: AbstractKernel, energy: AbstractEnergy, keys: Array) -> PyTree:
    """States at starts of the energy's own, or draws of the base; a chain behind a wall (infinite energy, no finite slope) draws again."""
    xs = _born(energy, keys)
    states, energies = _init(kernel, energy, xs, keys)
    for attempt in range(1, ATTEMPTS):
        behind = unsound(energies, states) & ~np.isnan(energies)
        if not behind.any():
            break
        again = _born(energy, keys, jnp.asarray(attempt))
        xs = jax.tree.map(lambda old, new, at=behind: jnp.where(at.reshape(-1, *(1,) * (old.ndim - 1)), new, old), xs, again)
        states, energies = _init(kernel, energy, xs, keys)
    check_start(energy, energies, states, xs, "Give init= where the energy is finite, or the energy a space with these bounds (Box).")
    return states


@eqx.filter_jit
def _born(energy: AbstractEnergy, keys: Array, attempt: Int[Array, ""] | None = None) -> PyTree:
    base = capability(energy, Start) or need(reference(energy.space), Sampleable, "sample")
    drawn = step_keys(keys, jnp.asarray(POSITION))
    return jax.vmap(lambda k: base.sample(key=k))(drawn if attempt is None else step_keys(drawn, attempt))


def _continue(run: Run, energy: AbstractEnergy, chains: int) -> tuple[AbstractKernel, PyTree, int]:
    if run.chains != chains:
        raise ValueError(f"init is a run of {run.chains} chains; give chains={run.chains} to continue it.")
    there = jax.tree.map(lambda s: s.shape[1:], eqx.filter_eval_shape(jax.vmap(run.kernel.position), run.states))
    if there != energy.space.shape:
        raise ValueError(f"init is a run of an x of shape {there}, and the energy takes {energy.space.shape}: give that run's energy.")
    # A cache is rebuilt only where the energy changed: a recomputed gradient may differ in its last bit.
    same = bool(eqx.tree_equal(run.target, energy))
    return run.kernel, run.states if same else _refresh(run.kernel, energy, run.states), run.steps


@eqx.filter_jit
def _init(kernel: AbstractKernel, energy: AbstractEnergy, xs: PyTree, keys: Array) -> tuple[PyTree, Array]:
    """States at these positions, and their energies."""
    states = jax.vmap(lambda x, k: kernel.init(energy, x, key=k))(xs, step_keys(keys, jnp.asarray(STATE)))
    return states, jax.vmap(lambda s: kernel.energy(energy, s))(states)


@eqx.filter_jit
def _refresh(kernel: AbstractKernel, energy: AbstractEnergy, states: PyTree) -> PyTree:
    return jax.vmap(lambda s: kernel.refresh(energy, s))(states)


def spread(tree: PyTree, chains: int, *, axis: int = 0) -> PyTree:
    """The chains of `tree`, on that axis, over all devices, where their number divides; one device is left alone."""
    devices = jax.devices()
    if len(devices) == 1 or chains % len(devices):
        return tree
    mesh = jax.make_mesh((len(devices),), ("chains",), axis_types=(AxisType.Auto,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec(*(None,) * axis, "chains")))


def counting(problem: Problem, carry: Carry) -> Carry:
    """Empty sums of infos `chains *info`."""
    chains = len(problem.keys)
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), carry.states)
    infos = jax.tree.map(lambda s: zeros((chains, *s.shape)), shape_of_info(carry.kernel, problem.energy, one))
    return carry._replace(infos=spread(infos, chains))


def with_buffers(problem: Problem, carry: Carry, *, kept: int, traced: int) -> Carry:
    """Empty accumulators `batches chains *acc`, sums of infos `chains *info`, room for `kept` draws and `traced` values of every chain."""
    carry, struct = counting(problem, carry), problem.energy.space.struct()
    seen = {name: jax.ShapeDtypeStruct((), jnp.result_type(float)) if name == "energy" else struct for name in problem.observers}
    accs = {name: jax.eval_shape(observer.init, seen[name]) for name, observer in problem.observers.items()}
    values = {name: jax.eval_shape(obs.fn, seen[name]) for name, obs in problem.observers.items() if isinstance(obs, Mean)}
    return carry._replace(
        accs=_empty(problem, accs, BATCHES),
        kept=_empty(problem, struct, kept) if kept else None,
        traces=_empty(problem, values, traced) if traced and values else None,
        lost=_unlost(problem) if "divergent" in carry.infos.extra else None,
    )


def _empty(problem: Problem, struct: PyTree, slots: int) -> PyTree:
    """Zeros `slots chains *a`."""
    chains = len(problem.keys)
    return spread(jax.tree.map(lambda s: jnp.zeros((slots, chains, *s.shape), s.dtype), struct), chains, axis=1)


def _unlost(problem: Problem) -> Lost:
    chains = len(problem.keys)
    places = jax.tree.map(lambda s: jnp.zeros((chains, *s.shape), s.dtype), problem.energy.space.struct())
    return spread(Lost(jnp.full(chains, -1, jnp.int32), places), chains)
