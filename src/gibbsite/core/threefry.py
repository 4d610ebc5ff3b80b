"""JAX's own random bits, the rounds of its generator written out.

On a CPU, JAX loops over the rounds of Threefry (Salmon et al., SC 2011: two words of 32 bits, 20 rounds), and each turn of the loop takes
all numbers through memory. Written out, a number stays in a register until it is done: the same bits, two to three times sooner.
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
        split=jaxs.split,
        fold_in=jaxs.fold_in,
        random_bits=_bits,
        name="threefry2x32_written_out",
        tag="fry",
    )


def _bits(key: UInt32[Array, " 2"], width: int, shape: tuple[int, ...]) -> Array:
    counted: bool = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]  # each word from its own count
    if width != 32 or not counted or math.prod(shape) >= 2**32:
        return random.threefry_prng_impl.random_bits(key, width, shape)
    count = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    first, second = _block(key[0], key[1], jnp.zeros_like(count), count)
    return first ^ second


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
