"""What would make a run hang or mean nothing, told in a sentence: before compiling, at the start, and after warm-up."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractObserver,
    AbstractSpace,
    Conditionals,
    LocalFields,
    Mean,
    Pairwise,
    Product,
    capability,
    discrete,
)
from gibbsite.core.keys import STATE
from gibbsite.samplers.shapes import shape_of_energy, shape_of_info, shape_of_state
from gibbsite.samplers.slope import SlopeState
from gibbsite.samplers.units import check_matrix

FEW = 4  # coordinates that a sentence tells one by one
MANY = 4096  # coordinates up to which the ones to blame are looked for
MOST = STATE  # steps, whose numbers make their keys
ASKS = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError, jax.errors.TracerIntegerConversionError)
COMPILED = "asks for the value of x, which is not known when it is compiled: say what depends on x with jnp.where, and take jnp for numpy"
HOPELESS = 0.01  # moves accepted by all chains in a whole warm-up, in expectation, below which no run of any length will move


def check_counts(**counts: Any) -> None:
    """Raises ValueError naming the first count that is no whole number, too small (`warmup` and `trace` may be 0) or too large."""
    for name, value in counts.items():
        least = 0 if name in ("warmup", "trace") else 1
        if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= value < MOST:
            raise ValueError(f"{name}={value}: give a whole number from {least} to {MOST - 1}.")


def check_energy(energy: Any) -> None:
    """Raises TypeError where it is no energy on a space."""
    if not isinstance(energy, AbstractEnergy):
        raise TypeError(f"{energy!r} is not an energy; a function becomes one by Callable(fn, params, space).")
    if not isinstance(energy.space, AbstractSpace):
        raise TypeError(f"{type(energy).__name__} has the space {energy.space!r}: give one, such as Reals(3) or Spins((8, 8)).")


def check_parts(kernel: Any, energy: Any) -> None:
    """Traces energy and kernel once without compiling, so that what does not fit is named at once."""
    check_energy(energy)
    if not isinstance(kernel, AbstractKernel):
        raise TypeError(f'{kernel!r} is not a kernel: give one, such as MALA(0.1), or "auto".')
    with _compiling(type(energy).__name__):
        _check_scalar(energy, shape_of_energy(energy))
    _check_views(energy)
    if hasattr(kernel, "scale") and not isinstance(energy.space, Product):
        check_matrix(type(kernel).__name__, kernel.scale, energy.space.shape)
    state = shape_of_state(kernel, energy)
    try:
        shape_of_info(kernel, energy, state)
    except TypeError as error:
        held = {name: value.shape for name, value in vars(kernel).items() if name in ("step_size", "scale")}
        wrong = [f"{name} of shape {shape}" for name, shape in held.items() if shape not in ((), energy.space.shape)]
        if not wrong:
            raise
        shape = energy.space.shape
        raise ValueError(f"{type(kernel).__name__} has {wrong[0]}: x of shape {shape} needs one number, or one a coordinate.") from error


def check_key(key: Any) -> None:
    """Raises TypeError where it is not one random key."""
    typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if (not typed and getattr(key, "dtype", None) != np.uint32) or key.shape != (() if typed else (2,)):
        raise TypeError(f"key={key!r}: give one random key, such as jax.random.key(0).")


def check_observers(observers: Mapping[str, AbstractObserver], energy: AbstractEnergy) -> None:
    """Traces every observable once; raises TypeError where one is no array of real numbers."""
    for name, observer in observers.items():
        if name == "energy" or not isinstance(observer, Mean):
            continue
        with _compiling(f"The observable {name}"):
            out = jax.eval_shape(observer.fn, energy.space.struct())
        kind = getattr(out, "dtype", None)
        if kind is None or not (jnp.issubdtype(kind, jnp.bool_) or jnp.issubdtype(kind, jnp.integer) or jnp.issubdtype(kind, jnp.floating)):
            told = f"numbers of type {kind}" if kind is not None else repr(out)
            raise TypeError(f"The observable {name} gives {told} for one configuration: it must be a real number, or an array of them.")


@contextlib.contextmanager
def _compiling(who: str) -> Iterator[None]:
    """Says what to write in place of what only Python can do."""
    try:
        yield
    except ASKS as error:
        raise TypeError(f"{who} {COMPILED}.") from error


def _check_scalar(energy: AbstractEnergy, out: Any) -> None:
    name, space = type(energy).__name__, type(energy.space).__name__
    if getattr(out, "shape", None) != ():
        raise ValueError(f"{name} returns {_told(out)} for one configuration of {space}; it must be a scalar: sum over what is left.")
    if not jnp.issubdtype(out.dtype, jnp.floating):
        raise ValueError(f"{name} returns a number of type {out.dtype} for one configuration of {space}; it must be a real scalar (float).")


def _told(out: Any) -> str:
    return f"an array of shape {out.shape}" if hasattr(out, "shape") else repr(out)


def _check_views(energy: AbstractEnergy) -> None:
    """Numbers of sites and blocks, which a compiled gather would clip to the next one that exists."""
    name, space = type(energy).__name__, energy.space
    edges, blocks = jax.tree.map(np.asarray, _numbers(energy))
    wrong = np.any((edges < 0) | (edges >= space.size), axis=1)
    if wrong.any():
        first = int(np.argmax(wrong))
        one, other = edges[first]
        raise ValueError(f"{name} has bond {first} from site {one} to {other}: there are {space.size} sites, numbered from 0.")
    for shared in blocks:
        _check_blocks(name, shared, space.shape)


@eqx.filter_jit
def _numbers(energy: AbstractEnergy) -> tuple[Int[Array, "bonds 2"], list[Float[Array, "blocks *x"]]]:
    """The bonds of an energy, those of a grid (which nobody gave) left out, and the blocks of its views."""
    bonds = capability(energy, Pairwise)
    views = (capability(energy, Conditionals), capability(energy, LocalFields))
    given = jnp.zeros((0, 2), int) if bonds is None or bonds.grid is not None else bonds.edges
    return given, [view.blocks for view in views if view is not None]


def _check_blocks(name: str, blocks: np.ndarray, shape: tuple[int, ...]) -> None:
    if blocks.shape[1:] != shape:
        raise ValueError(f"{name} has blocks of shape {blocks.shape}: give (blocks, *x), with x of shape {shape}.")
    if len(blocks) > blocks[0].size:
        raise ValueError(
            f"{name} has {len(blocks)} blocks for {blocks[0].size} sites: each block holds one site at least, each site is in one."
        )
    held = np.sum(blocks > 0, axis=0)
    if np.any(held != 1):
        site = tuple(int(i) for i in np.unravel_index(np.argmax(held != 1), shape))
        raise ValueError(f"{name} has site {site} in {held[site]} of its {len(blocks)} blocks: each site is in exactly one.")


def unsound(energies: Float[Array, " chains"], states: PyTree) -> Bool[np.ndarray, " chains"]:
    """Which chains stand where the energy, or the slope that their kernel goes by, is not finite."""
    bad = ~np.isfinite(energies)
    for slope in _slopes(states):
        bad |= ~np.isfinite(slope).reshape(len(bad), -1).all(axis=1)
    return bad


def _slopes(states: PyTree) -> list[np.ndarray]:
    parts = jax.tree.leaves(states, is_leaf=lambda n: isinstance(n, SlopeState))
    return [np.asarray(part.grad) for part in parts if isinstance(part, SlopeState)]


def check_start(energy: AbstractEnergy, energies: Float[Array, " chains"], states: PyTree, xs: PyTree, remedy: str) -> None:
    """Raises ValueError where a chain starts at no finite energy or slope, with its number, its energy and its place."""
    bad = unsound(energies, states)
    if not bad.any():
        return
    chain, more = int(np.argmax(bad)), int(bad.sum()) - 1
    value, others = float(energies[chain]), f", and {more} more of {len(bad)} likewise" if more else ""
    what = f"the energy is {value}" if not np.isfinite(value) else f"the energy is {value:.4g} and its slope is not finite"
    raise ValueError(f"Chain {chain} starts where {what}{others}; {_place(energy, xs, bad, states)}. {remedy}")


def _place(energy: AbstractEnergy, xs: PyTree, bad: Bool[np.ndarray, " chains"], states: PyTree) -> str:
    """The coordinates to blame, where there is a way to tell; else the first ones of x."""
    if not isinstance(xs, jax.Array | np.ndarray):
        return "its configuration has several parts"
    chain, rows = int(np.argmax(bad)), np.asarray(xs).reshape(len(bad), -1)
    steep = [np.flatnonzero(~np.isfinite(slope.reshape(len(bad), -1)[chain])) for slope in _slopes(states)]
    guilty = _guilty(energy, rows, bad) if not any(map(len, steep)) else steep[0]
    told = guilty if len(guilty) else np.arange(rows.shape[1])
    named = ", ".join(f"x[{', '.join(map(str, np.unravel_index(i, energy.space.shape)))}] = {rows[chain, i]:.4g}" for i in told[:FEW])
    cause = "the cause is " if len(guilty) else "there "
    return f"{cause}{named}" + (f" (and {len(told) - FEW} more coordinates)" if len(told) > FEW else "")


def _guilty(energy: AbstractEnergy, rows: np.ndarray, bad: Bool[np.ndarray, " chains"]) -> np.ndarray:
    """Coordinates of the first bad chain each of which alone, put into a sound chain, takes the finite energy away."""
    if bad.all() or discrete(energy.space) or rows.shape[1] > MANY:
        return np.zeros(0, int)
    sound, wrong = rows[np.argmin(bad)], rows[np.argmax(bad)]
    mixed = np.where(np.eye(len(sound), dtype=bool), wrong, sound).reshape(-1, *energy.space.shape)
    return np.flatnonzero(~np.isfinite(jax.lax.map(energy, jnp.asarray(mixed))))


def check_moves(kernel: AbstractKernel, accepted: np.ndarray, steps: int, name: str) -> None:
    """Raises ValueError where all chains together accepted nothing in a whole warm-up; `accepted` are sums of probabilities."""
    if np.nansum(accepted) >= HOPELESS:
        return
    size = getattr(kernel, "step_size", None)
    told = "" if size is None else f", at the end with step_size={np.array2string(np.asarray(size), precision=3)}"
    remedy = "start from another step size" if size is not None else "take a kernel that proposes less far"
    raise ValueError(
        f"{name}: of {steps} warm-up steps of {len(accepted)} chains none was accepted{told}. The run was stopped: {remedy}, "
        "start elsewhere (init=), or check that the energy and its slope are those of one function."
    )
