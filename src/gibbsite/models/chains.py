"""Draws from energies that cannot be drawn from exactly: each one ends a chain of its own, born at the base."""

import equinox as eqx
import jax
from jaxtyping import Array, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractPath, draw, schedule


def warmed_draw(
    kernel: AbstractKernel, energy: AbstractEnergy, base: AbstractEnergy, warmup: int, steps: int, *, key: Key[Array, ""]
) -> PyTree:
    """The position after `warmup` steps, during which the chain tunes its kernel, and `steps` more with it fixed."""
    born, start, warm, run = jax.random.split(key, 4)
    state = kernel.init(energy, draw(base, key=born), key=start)
    adaptation = kernel.adaptation()
    if adaptation is not None:
        kernel, state = _tuned(kernel, energy, state, warmup, key=warm)
        warmup = 0

    def step(state: PyTree, key: Key[Array, ""]) -> tuple[PyTree, None]:
        return kernel.step(energy, state, key=key)[0], None

    return kernel.position(jax.lax.scan(step, state, jax.random.split(run, warmup + steps))[0])


def _tuned(
    kernel: AbstractKernel, energy: AbstractEnergy, state: PyTree, warmup: int, *, key: Key[Array, ""]
) -> tuple[AbstractKernel, PyTree]:
    adaptation = kernel.adaptation()
    assert adaptation is not None
    arrays, static = eqx.partition(kernel, eqx.is_array)

    def step(carry: PyTree, key: Key[Array, ""]) -> tuple[PyTree, None]:
        arrays, adapt, state = carry
        kernel = eqx.combine(arrays, static)
        state, info = kernel.step(energy, state, key=key)
        alone = jax.tree.map(lambda a: a[None], (info, kernel.position(state)))
        kernel, adapt = adaptation.update(kernel, adapt, *alone)
        return (eqx.filter(kernel, eqx.is_array), adapt, state), None

    carry = (arrays, adaptation.init(kernel), state)
    (arrays, adapt, state), _ = jax.lax.scan(step, carry, jax.random.split(key, warmup))
    return adaptation.final(eqx.combine(arrays, static), adapt), state


def annealed_draw(path: AbstractPath, kernel: AbstractKernel, times: int, steps: int, *, key: Key[Array, ""]) -> PyTree:
    """The position after one step at each of `times` points of the path, from an exact draw of its base, and `steps` at its end."""
    assert path.base is not None
    born, start, run = jax.random.split(key, 3)
    ts = jax.numpy.concatenate([schedule(times)[1:], jax.numpy.ones(steps)])
    state = kernel.init(path(ts[0]), draw(path.base, key=born), key=start)

    def step(state: PyTree, now: tuple[Array, Key[Array, ""]]) -> tuple[PyTree, None]:
        t, key = now
        energy = path(t)
        return kernel.step(energy, kernel.refresh(energy, state), key=key)[0], None

    return kernel.position(jax.lax.scan(step, state, (ts, jax.random.split(run, len(ts))))[0])
