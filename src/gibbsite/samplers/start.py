"""Before the first step: what is observed, where chains start, on which devices they live; errors before compiling."""

from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from gibbsite.core import BATCHES, AbstractEnergy, AbstractKernel, AbstractObserver, Mean, Sampleable, need, reference, require
from gibbsite.core.keys import step_keys
from gibbsite.core.sums import zeros
from gibbsite.samplers.loop import Carry, Problem
from gibbsite.samplers.report import Run

Observe = Function | AbstractObserver | dict[str, Any]

POSITION, STATE = 2**31 - 1, 2**31 - 2  # step numbers whose keys draw the first positions and states


def check_counts(**counts: Any) -> None:
    """Raises ValueError naming the first count that is no whole number or too small (`warmup` and `trace` may be 0)."""
    for name, value in counts.items():
        least = 0 if name in ("warmup", "trace") else 1
        if not hasattr(value, "__index__") or value < least:
            raise ValueError(f"{name}={value}: give a whole number of at least {least}.")


def check_parts(kernel: Any, energy: Any) -> None:
    """Traces energy and kernel once without compiling, so that what does not fit is named at once."""
    for part, kind, wanted in ((kernel, AbstractKernel, "a kernel, such as MALA(0.1)"), (energy, AbstractEnergy, "an energy")):
        if not isinstance(part, kind):
            raise TypeError(f"{part!r} is not {wanted}; a function becomes one by Callable(fn, params, space).")
    x, key = energy.space.struct(), jax.eval_shape(lambda: jax.random.key(0))
    out = eqx.filter_eval_shape(energy, x)
    if getattr(out, "shape", None) != ():
        name, space = type(energy).__name__, type(energy.space).__name__
        raise ValueError(f"{name} returns {out} for one configuration of {space}; it must be a scalar.")
    eqx.filter_eval_shape(lambda x, key: kernel.step(energy, kernel.init(energy, x, key=key), key=key), x, key)


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
    """The kernel, the states and the number of steps already made."""
    if isinstance(init, Run):
        return _continue(init, energy, len(keys))
    if init is None:
        base = need(reference(energy.space), Sampleable, "sample")
        xs = jax.vmap(lambda k: base.sample(key=k))(step_keys(keys, jnp.asarray(POSITION)))
    else:
        xs = require(energy.space, init, "init", batched=True)
        if (n := len(jax.tree.leaves(xs)[0])) != len(keys):
            raise ValueError(f"init holds {n} configurations for chains={len(keys)}; give one per chain.")
    return kernel, _init(kernel, energy, xs, keys), 0


def _continue(run: Run, energy: AbstractEnergy, chains: int) -> tuple[AbstractKernel, PyTree, int]:
    if run.chains != chains:
        raise ValueError(f"init is a run of {run.chains} chains; give chains={run.chains} to continue it.")
    # A cache is rebuilt only where the energy changed: a recomputed gradient may differ in its last bit.
    same = bool(eqx.tree_equal(run.target, energy))
    return run.kernel, run.states if same else _refresh(run.kernel, energy, run.states), run.steps


@eqx.filter_jit
def _init(kernel: AbstractKernel, energy: AbstractEnergy, xs: PyTree, keys: Array) -> PyTree:
    return jax.vmap(lambda x, k: kernel.init(energy, x, key=k))(xs, step_keys(keys, jnp.asarray(STATE)))


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


def with_buffers(problem: Problem, carry: Carry, kept: int, traced: int) -> Carry:
    """Empty accumulators `batches chains *acc`, sums of infos `chains *info`, room for `kept` draws and `traced` values of every chain."""
    chains, struct = len(problem.keys), problem.energy.space.struct()
    seen = {name: jax.ShapeDtypeStruct((), jnp.result_type(float)) if name == "energy" else struct for name in problem.observers}
    accs = {
        name: jax.tree.map(lambda a: jnp.zeros((BATCHES, chains, *a.shape), a.dtype), jax.eval_shape(observer.init, seen[name]))
        for name, observer in problem.observers.items()
    }
    step = jax.vmap(lambda s, k: carry.kernel.step(problem.energy, s, key=k)[1].told())
    infos = jax.tree.map(lambda s: zeros(s.shape), eqx.filter_eval_shape(step, carry.states, problem.keys))
    buffer = jax.tree.map(lambda s: jnp.zeros((kept, chains, *s.shape), s.dtype), struct) if kept else None
    traces = {
        name: jax.tree.map(lambda s: jnp.zeros((traced, chains, *s.shape), s.dtype), jax.eval_shape(observer.fn, seen[name]))
        for name, observer in problem.observers.items()
        if traced and isinstance(observer, Mean)
    }
    carry = carry._replace(accs=spread(accs, chains, axis=1), infos=spread(infos, chains))
    return carry._replace(kept=spread(buffer, chains, axis=1), traces=spread(traces, chains, axis=1) if traces else None)
