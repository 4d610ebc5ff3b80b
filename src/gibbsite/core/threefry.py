"""JAX's own random bits, and keys made of keys, the rounds of its generator written out.

On a CPU, JAX loops over the rounds of Threefry (Salmon et al., SC 2011: two words of 32 bits, 20 rounds), and each turn of the loop takes
all numbers through memory. Written out, a number stays in a register until it is done: the same bits, two to three times sooner,
and the same keys made of keys, five times.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import random
from jaxtyping import Array, Key, UInt32

TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))


def written_out(key: Key[Array, "*n"]) -> Key[Array, "*n"]:
    """The key with the same bits, drawn sooner on a CPU; a key of another generator, or for another device, as it is."""
    same = jax.random.key_impl(key) == "threefry2x32" and jax.default_backend() == "cpu"
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_generator()) if same else key


@functools.cache
def _generator() -> Any:
    jaxs = random.threefry_prng_impl
    return random.define_prng_impl(
        key_shape=jaxs.key_shape,
        seed=jaxs.seed,
        split=_split,
        fold_in=_fold_in,
        random_bits=_bits,
        name="threefry2x32_written_out",
        tag="fry",
    )


def _bits(key: UInt32[Array, " 2"], width: int, shape: tuple[int, ...]) -> Array:
    if width != 32 or not _counted(shape):
        return random.threefry_prng_impl.random_bits(key, width, shape)
    first, second = _numbered(key, shape)
    return first ^ second


@functools.partial(jax.jit, static_argnames="shape")
def _split(key: UInt32[Array, " 2"], shape: tuple[int, ...]) -> Array:
    return jnp.stack(_numbered(key, shape), axis=-1) if _counted(shape) else random.threefry_prng_impl.split(key, shape)


@jax.jit
def _fold_in(key: UInt32[Array, " 2"], number: UInt32[Array, ""]) -> Array:
    return jnp.stack(_block(key[0], key[1], jnp.zeros_like(number), number))


def _counted(shape: tuple[int, ...]) -> bool:
    """Whether JAX draws each word from its own count, of 32 bits."""
    counted: bool = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    return counted and math.prod(shape) < 2**32


def _numbered(key: UInt32[Array, " 2"], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Two words for each place of the shape."""
    count = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    return _block(key[0], key[1], jnp.zeros_like(count), count)


def _block(k0: Array, k1: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Two words of the counter (a, b) under the key (k0, k1)."""
    keys = k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)
    a, b = a + k0, b + k1
    for group in range(1, 6):
        for by in TURNS[(group - 1) % 2]:
            a = a + b
            b = (b << by | b >> (32 - by)) ^ a
        a, b = a + keys[group % 3], b + keys[(group + 1) % 3] + np.uint32(group)
    return a, b
