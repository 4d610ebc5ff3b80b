"""A battery for the random bits of packed kernels: each stream for itself, and copies, lanes and moments against each other.

`words` has axes `time lanes`: bit b of lane l is a stream in time, and the 32 bits of a word belong to 32 copies of a lattice. Every
statistic is a z-score of binomial counts, held to 6 standard deviations, or has its quantile of the same rate: 2 in 10^9. A good
generator fails one of the 300 with a probability of 6 x 10^-7, and keys are fixed. On 2^23 bits a share that is off by 0.001 is seen.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import chdtri, pdtrik

from gibbsite.samplers import lanes
from gibbsite.samplers.lanes import digits
from gibbsite.samplers.multispin import TOGETHER, Generators, _chances

KEY = jax.random.key(29)
BOUND = 6.0  # standard deviations: 2 in 10^9
RATE = 2e-9
LAGS = (1, 2, 3, 4, 8, 16, 31)
GAPS = 64  # of a stream; longer ones than 256 bits have them but once in 10^15


def share(ones: np.ndarray | int, total: int) -> np.ndarray:
    """How far counts of fair bits lie from half, in standard deviations."""
    return (np.asarray(ones, np.float64) - total / 2) / np.sqrt(total / 4)


def ones(words: np.ndarray) -> int:
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def by_copy(words: np.ndarray) -> np.ndarray:
    return np.array([ones(words & np.uint32(1 << b)) for b in range(32)])


def monobit(words: np.ndarray) -> dict[str, np.ndarray]:
    """The share of ones: of all, of each of the 32 copies."""
    return {"ones": share(ones(words), 32 * words.size), "ones of a copy": share(by_copy(words), words.size)}


def serial(words: np.ndarray) -> dict[str, np.ndarray]:
    """How often a bit is unlike another: later in its stream, in another copy, in another lane, in another lane later or earlier."""
    found = {}
    for lag in LAGS:
        later = words[lag:] ^ words[:-lag]
        found[f"unlike {lag} steps on"] = share(ones(later), 32 * later.size)
        found[f"unlike {lag} steps on, of a copy"] = share(by_copy(later), later.size)
        turned = words ^ (words >> np.uint32(lag) | words << np.uint32(32 - lag))
        found[f"unlike {lag} copies on"] = share(ones(turned), 32 * turned.size) / np.sqrt(2 if lag == 16 else 1)  # each pair twice
        beside = words ^ np.roll(words, lag, axis=1)
        found[f"unlike {lag} lanes on"] = share(ones(beside), 32 * beside.size)
        slanted = words[1:] ^ np.roll(words, lag, axis=1)[:-1]
        found[f"unlike {lag} lanes on and a step back"] = share(ones(slanted), 32 * slanted.size)
    return found


def lengths(bits: np.ndarray) -> np.ndarray:
    """Of each stream (time on axis 0) the first `GAPS` distances from one to the next: independent and geometric."""
    time, streams = np.nonzero(bits.T)[1], np.count_nonzero(bits, axis=0)
    assert streams.min() > GAPS, "a stream has too few ones for its gaps to be told"
    first = np.concatenate([[0], np.cumsum(streams)[:-1]])
    return np.diff(time[first[:, None] + np.arange(GAPS + 1)], axis=1)


def gaps(words: np.ndarray) -> dict[str, np.ndarray]:
    """Gaps between ones, and runs (gaps between changes), against the geometric law: chi-square over lengths 1 to 11 and beyond."""
    found = {}
    for b in (0, 7, 16, 31):
        bits = (words >> np.uint32(b)) & 1
        for name, stream in (("gaps", bits), ("runs", bits[1:] ^ bits[:-1])):
            seen = np.bincount(np.minimum(lengths(stream), 12).ravel(), minlength=13)[1:]
            due = seen.sum() * np.append(0.5 ** np.arange(1, 12), 0.5**11)
            found[f"{name} of copy {b}"] = BOUND * np.sum((seen - due) ** 2 / due) / chdtri(11, RATE)
    return found


def collisions(words: np.ndarray) -> dict[str, np.ndarray]:
    """Words that were seen before, at any place and time: lanes that walk through one stretch of the sequence give a whole lane of them."""
    n = words.size
    repeated = n - len(np.unique(words))
    expected = n + 2.0**32 * np.expm1(n * np.log1p(-(2.0**-32)))  # exact; the count is close to a Poisson number
    return {"words seen before": BOUND * np.asarray(repeated / np.ceil(pdtrik(1 - RATE, expected) + 1))}


def battery(words: np.ndarray) -> None:
    """Raises AssertionError with the worst statistic where any is out of bounds."""
    words = np.asarray(words, np.uint32)
    for test in (monobit, serial, gaps, collisions):
        for name, z in test(words).items():
            assert np.max(np.abs(z)) < BOUND, f"{name}: {np.max(np.abs(z)):.1f} standard deviations off, of {BOUND:g}"


def streamed(step: Callable, state, steps: int) -> np.ndarray:
    """The words of a generator, `steps lanes`, step by step in one compiled loop."""
    return np.asarray(jax.jit(lambda s: jax.lax.scan(lambda c, _: step(c)[::-1], s, length=steps)[1])(state)).reshape(steps, -1)


def moved(state):
    """The bits that one colour of a lattice draws in a sweep, at a chance of one half."""
    chance, state = _chances((digits(jnp.asarray(0.5)), digits(jnp.asarray(0.25))), state)
    return chance[0], state


def lattice(rows: int, places: int):
    alone, shared = jax.random.split(KEY)
    return Generators(lanes.lanes((rows, places), key=alone), lanes.lanes((rows // TOGETHER, places), key=shared))


def test_words_of_the_lanes_pass() -> None:
    battery(streamed(lanes.advance, lanes.lanes((1024,), key=KEY), 256))


def test_bits_of_a_sweep_pass() -> None:
    battery(streamed(moved, lattice(32, 16), 256))


@pytest.mark.long
def test_half_a_billion_bits_pass() -> None:
    battery(streamed(lanes.advance, lanes.lanes((2**14,), key=KEY), 2**10))
    battery(streamed(moved, lattice(128, 64), 2**10))


GOOD = np.random.Generator(np.random.PCG64(5)).integers(0, 2**32, size=(256, 1024), dtype=np.uint32)


def congruential() -> np.ndarray:
    """`x' = 1664525 x + 1013904223 mod 2^32` (Numerical Recipes): bit b has the period 2^(b + 1)."""
    words = np.empty((256, 1024), np.uint32)
    state = GOOD[0].copy()
    for t in range(256):
        state = state * np.uint32(1664525) + np.uint32(1013904223)
        words[t] = state
    return words


def shared_by_copies() -> np.ndarray:
    """Copies 16 to 31 are given the bits of copies 0 to 15."""
    low = GOOD & np.uint32(0xFFFF)
    return low | low << np.uint32(16)


def shared_by_lanes() -> np.ndarray:
    """Every second lane is its neighbour, three steps later."""
    words = GOOD.copy()
    words[3:, 1::2] = words[:-3, ::2]
    return words


def sticky() -> np.ndarray:
    """One bit in a hundred is that of the step before."""
    words, rng = GOOD.copy(), np.random.Generator(np.random.PCG64(6))
    masks = rng.random((256, 1024, 32)) < 0.01
    kept = np.packbits(masks, axis=-1, bitorder="little").view(np.uint32)[..., 0]
    for t in range(1, 256):
        words[t] = words[t] & ~kept[t] | words[t - 1] & kept[t]
    return words


def lopsided() -> np.ndarray:
    """Ones in 0.51 of copy 9 only."""
    rng = np.random.Generator(np.random.PCG64(7))
    return GOOD | np.where(rng.random(GOOD.shape) < 0.02, np.uint32(1 << 9), np.uint32(0))


@pytest.mark.parametrize(
    ("twin", "statistic"),
    [
        (congruential, "unlike"),
        (shared_by_copies, "unlike 16 copies on"),
        (shared_by_lanes, "words seen before"),
        (sticky, "unlike 1 steps on"),
        (lopsided, "ones of a copy"),
    ],
)
def test_the_battery_catches(twin: Callable[[], np.ndarray], statistic: str) -> None:
    with pytest.raises(AssertionError, match=statistic):
        battery(twin())


def test_the_battery_lets_a_good_generator_pass() -> None:
    battery(GOOD)
