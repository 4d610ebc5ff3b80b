"""Random words by the billion: many small generators side by side, in registers while a program runs.

A cryptographic generator costs more than the move it is drawn for, where a move is a few operations on bits. Each lane here is
a xoshiro128++ (Blackman & Vigna, ACM Trans. Math. Softw. 47, 2021), started from 128 bits of JAX's own generator: lanes of
period 2^128 - 1 that start at random come within 2^40 words of each other with a probability of about 2^-87 a pair.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int8, Key, UInt32

Words = UInt32[Array, "*lanes"]
WORD = 32  # bits
FINE = 24  # binary digits of a probability
FEW_TURNS = 8  # words of a lane for which it is not worth starting


class Lanes(NamedTuple):
    """The four words of every lane's state."""

    a: Words
    b: Words
    c: Words
    d: Words


def lanes(shape: tuple[int, ...], *, key: Key[Array, ""]) -> Lanes:
    """Generators of that shape, each from 128 random bits."""
    return Lanes(*jax.random.bits(key, (4, *shape), jnp.uint32))


def advance(state: Lanes) -> tuple[Words, Lanes]:
    """The next word of every lane, and its state after that."""
    a, b, c, d = state
    word = _turned(a + d, 7) + a
    shifted = b << 9
    c, d = c ^ a, d ^ b
    b, a = b ^ c, a ^ d
    return word, Lanes(a, b, c ^ shifted, _turned(d, 11))


def _turned(word: Words, by: int) -> Words:
    return (word << by) | (word >> (32 - by))


def digits(probability: Float[Array, ""]) -> UInt32[Array, ""]:
    """A probability as a whole number of `FINE` binary digits, the nearest; of 1 the nearest below, which has so many."""
    return jnp.minimum(jnp.round(probability * 2**FINE), 2**FINE - 1).astype(jnp.uint32)


def below(
    thresholds: tuple[UInt32[Array, ""], ...], state: Lanes, places: range = range(FINE), behind: tuple[Words, ...] | None = None
) -> tuple[tuple[Words, ...], Lanes]:
    """For each threshold a word of bits, each set where a uniform number of `FINE` digits of its own lies below the threshold.

    All thresholds are held against the same numbers: of two bits at one place the one of the lower threshold implies the other.
    Digits are compared from the last to the first: a number is below where its digit is, or where digits agree and the rest is.
    Only the digits of `places` are drawn, counted from the last; what is known of the digits `behind` them comes in.
    """
    found = behind or tuple(jnp.zeros_like(state.a) for _ in thresholds)
    for place in places:
        word, state = advance(state)
        ones = tuple(-((threshold >> place) & 1) for threshold in thresholds)  # all bits of a word alike
        # digit 1: below where the number's digit is 0, or what lies behind is; digit 0: where both hold
        found = tuple((one & (~word | was)) | (~one & (~word & was)) for one, was in zip(ones, found, strict=True))
    return found, state


def words(shape: tuple[int, ...], *, key: Key[Array, ""]) -> Words:
    """Random words at once, from lanes of their own wherever these come cheaper than JAX's generator.

    To start a lane costs that generator four words, and to advance all lanes once as much as to start some sixteen.
    """
    number = math.prod(shape)
    turns = math.isqrt(number) // 2
    if turns < FEW_TURNS:
        return jax.random.bits(key, shape, jnp.uint32)
    state = lanes((-(-number // turns),), key=key)
    _, drawn = jax.lax.scan(lambda state, _: advance(state)[::-1], state, None, length=turns)
    return drawn.ravel()[:number].reshape(shape)


def coins(shape: tuple[int, ...], *, key: Key[Array, ""]) -> Int8[Array, "*shape"]:
    """0 or 1, a bit of a word each."""
    number = math.prod(shape)
    drawn = words((-(-number // WORD),), key=key)
    bits = (drawn[:, None] >> jnp.arange(WORD, dtype=jnp.uint32)) & 1
    return bits.astype(jnp.int8).ravel()[:number].reshape(shape)


def uniform(shape: tuple[int, ...], *, key: Key[Array, ""]) -> Float[Array, "*shape"]:
    """Numbers of `FINE` binary digits from 0 to below 1."""
    return (words(shape, key=key) >> (32 - FINE)).astype(jnp.result_type(float)) * 2.0**-FINE
