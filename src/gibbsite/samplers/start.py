"""Before the first step: what is observed, where chains start, on which devices they live."""

from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree

from gibbsite.core import BATCHES, AbstractEnergy, AbstractKernel, AbstractObserver, Mean, Sampleable, need, reference, require
from gibbsite.core.keys import step_keys
from gibbsite.core.sums import zeros
from gibbsite.samplers.checks import check_start, unsound
from gibbsite.samplers.loop import Carry, Lost, Problem
from gibbsite.samplers.report import Run

Observe = Function | AbstractObserver | dict[str, Any]

ATTEMPTS = 100  # draws of the base among which a chain takes the first of finite energy
POSITION, STATE = 2**31 - 1, 2**31 - 2  # step numbers whose keys draw the first positions and states


def observers_of(observe: Observe | None) -> dict[str, AbstractObserver]:
    """Observers by name; the energy comes first, read from the kernel's own cache."""
    named = observe if isinstance(observe, dict) else {} if observe is None else {_name(observe): observe}
    if "energy" in named:
        raise ValueError("observe has an entry named 'energy', which every run observes already; give it another name.")
    wrapped = {name: obs if isinstance(obs, AbstractObserver) else Mean(obs) for name, obs in named.items()}
    return {"energy": Mean(_identity)} | wrapped


def _identity(x: Array) -> Array:
    return x


def _name(observe: Any) -> str:
    return getattr(observe, "__name__", type(observe).__name__.lower())


def start(kernel: AbstractKernel, energy: AbstractEnergy, init: "PyTree | Run | None", keys: Array) -> tuple[AbstractKernel, PyTree, int]:
    """The kernel, the states and the number of steps already made.

    Raises:
        ValueError: a chain starts where the energy or its slope is not finite.
    """
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
    """States at draws of the base energy; a chain behind a wall (an infinite energy, no finite slope) draws again."""
    base = need(reference(energy.space), Sampleable, "sample")
    xs = _born(base, keys)
    states, energies = _init(kernel, energy, xs, keys)
    for attempt in range(1, ATTEMPTS):
        behind = unsound(energies, states) & ~np.isnan(energies)
        if not behind.any():
            break
        again = _born(base, keys, jnp.asarray(attempt))
        xs = jax.tree.map(lambda old, new, at=behind: jnp.where(at.reshape(-1, *(1,) * (old.ndim - 1)), new, old), xs, again)
        states, energies = _init(kernel, energy, xs, keys)
    check_start(energy, energies, states, xs, "Give init= where the energy is finite, or the energy a space with these bounds (Box).")
    return states


@eqx.filter_jit
def _born(base: Sampleable, keys: Array, attempt: Int[Array, ""] | None = None) -> PyTree:
    drawn = step_keys(keys, jnp.asarray(POSITION))
    return jax.vmap(lambda k: base.sample(key=k))(drawn if attempt is None else step_keys(drawn, attempt))


def _continue(run: Run, energy: AbstractEnergy, chains: int) -> tuple[AbstractKernel, PyTree, int]:
    if run.chains != chains:
        raise ValueError(f"init is a run of {run.chains} chains; give chains={run.chains} to continue it.")
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
    step = jax.vmap(lambda s, k: carry.kernel.step(problem.energy, s, key=k)[1].told())
    infos = jax.tree.map(lambda s: zeros(s.shape), eqx.filter_eval_shape(step, carry.states, problem.keys))
    return carry._replace(infos=spread(infos, len(problem.keys)))


def with_buffers(problem: Problem, carry: Carry, kept: int, traced: int) -> Carry:
    """Empty accumulators `batches chains *acc`, sums of infos `chains *info`, room for `kept` draws and `traced` values of every chain."""
    chains, struct = len(problem.keys), problem.energy.space.struct()
    seen = {name: jax.ShapeDtypeStruct((), jnp.result_type(float)) if name == "energy" else struct for name in problem.observers}
    accs = {
        name: jax.tree.map(lambda a: jnp.zeros((BATCHES, chains, *a.shape), a.dtype), jax.eval_shape(observer.init, seen[name]))
        for name, observer in problem.observers.items()
    }
    carry = counting(problem, carry)
    buffer = jax.tree.map(lambda s: jnp.zeros((kept, chains, *s.shape), s.dtype), struct) if kept else None
    traces = {
        name: jax.tree.map(lambda s: jnp.zeros((traced, chains, *s.shape), s.dtype), jax.eval_shape(observer.fn, seen[name]))
        for name, observer in problem.observers.items()
        if traced and isinstance(observer, Mean)
    }
    carry = carry._replace(accs=spread(accs, chains, axis=1))
    if "divergent" in carry.infos.extra:
        places = jax.tree.map(lambda s: jnp.zeros((chains, *s.shape), s.dtype), struct)
        carry = carry._replace(lost=spread(Lost(jnp.full(chains, -1), places), chains))
    return carry._replace(kept=spread(buffer, chains, axis=1), traces=spread(traces, chains, axis=1) if traces else None)
