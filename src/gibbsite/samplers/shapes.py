"""What energies, states and reports look like, without any arithmetic: traced once a process for kernels and energies of one kind."""

import equinox as eqx
import jax
from jaxtyping import Array, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, Info


def shape_of_energy(energy: AbstractEnergy) -> PyTree:
    """What the energy of one configuration is, a scalar as it should be or not."""
    return eqx.filter_eval_shape(_energy, energy, energy.space.struct())


def shape_of_state(kernel: AbstractKernel, energy: AbstractEnergy) -> PyTree:
    """A state, as `ShapeDtypeStruct`s."""
    return eqx.filter_eval_shape(_init, kernel, energy, energy.space.struct(), _key())


def shape_of_info(kernel: AbstractKernel, energy: AbstractEnergy, state: PyTree) -> Info:
    """What a step from such a state tells, as `ShapeDtypeStruct`s."""
    return eqx.filter_eval_shape(_step, kernel, energy, state, _key())


def _key() -> jax.ShapeDtypeStruct:
    return jax.eval_shape(_first)


def _first() -> Key[Array, ""]:
    return jax.random.key(0)


# Compiled functions that are never run: they remember what they traced.
@eqx.filter_jit
def _energy(energy: AbstractEnergy, x: PyTree) -> PyTree:
    return energy(x)


@eqx.filter_jit
def _init(kernel: AbstractKernel, energy: AbstractEnergy, x: PyTree, key: Key[Array, ""]) -> PyTree:
    return kernel.init(energy, x, key=key)


@eqx.filter_jit
def _step(kernel: AbstractKernel, energy: AbstractEnergy, state: PyTree, key: Key[Array, ""]) -> Info:
    return kernel.step(energy, state, key=key)[1].told()
