"""Packed spins: the generator is the published one, its bits fall below thresholds as often as they should, and the sweep is exact."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Repeat, Tempered
from gibbsite.energies import Copies, Ising, Offset
from gibbsite.samplers import Multispin, Silent, lanes, sample
from gibbsite.samplers.lanes import FINE, Lanes, below, digits
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start
from gibbsite.testing.law import Z, bounded, chi_square
from gibbsite.thermo import kaufman

KEY = jax.random.key(12)
MASK = 0xFFFFFFFF
K_C = 0.440686793509771513
ENERGY_AT_K_C = -1.49158910744  # a site of the 8 x 8 torus, by Kaufman's sum


def reference(state: list[int], words: int) -> list[int]:
    """xoshiro128++ word by word, as its authors write it."""

    def turned(x: int, k: int) -> int:
        return ((x << k) | (x >> (32 - k))) & MASK

    s, out = list(state), []
    for _ in range(words):
        out.append((turned((s[0] + s[3]) & MASK, 7) + s[0]) & MASK)
        t = (s[1] << 9) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = turned(s[3], 11)
    return out


def test_the_words_are_those_of_xoshiro() -> None:
    seeds = [[1, 2, 3, 4], [0xDEADBEEF, 0, 7, 0x80000001], [MASK, MASK, 1, 0x12345678]]
    state = Lanes(*jnp.asarray(np.array(seeds, np.uint32).T))
    found = []
    for _ in range(50):
        word, state = lanes.advance(state)
        found.append(np.asarray(word))
    np.testing.assert_array_equal(np.stack(found, axis=1), [reference(seed, 50) for seed in seeds])


def test_bits_fall_below_thresholds_as_often_as_they_should() -> None:
    """2^22 bits each, at probabilities from rare to certain, and of two at one place the lower implies the higher."""
    chances = (0.0, 1e-3, 0.171, 0.5, 0.9, 1.0)
    words, _ = below(tuple(digits(jnp.asarray(p)) for p in chances), lanes.lanes((2**17,), key=KEY))
    for p, low, high in zip(chances, words, (*words[1:], None), strict=True):
        share = float(jnp.mean(jax.lax.population_count(low)) / 32)
        bounded("below", f"share at {p}", share - p, Z * np.sqrt(p * (1 - p) / 2**22) + 2.0**-FINE)
        assert high is None or not np.any(np.asarray(low & ~high))


def test_copies_and_places_do_not_know_of_each_other() -> None:
    """Bits of one word, of neighbouring lanes and of two draws in a row agree half of the time."""
    state = lanes.lanes((2**16,), key=KEY)
    (first,), state = below((digits(jnp.asarray(0.5)),), state)
    (second,), _ = below((digits(jnp.asarray(0.5)),), state)
    pairs = {"copies": first ^ (first >> 1 | first << 31), "lanes": first ^ jnp.roll(first, 1), "draws": first ^ second}
    for name, unlike in pairs.items():
        share = float(jnp.mean(jax.lax.population_count(unlike)) / 32)
        bounded("below", f"unlike bits of {name}", share - 0.5, Z * 0.5 / np.sqrt(2**21))


@pytest.mark.parametrize("number", [100, 2**18 + 7])
def test_words_drawn_at_once_are_random(number: int) -> None:
    """Every binary digit is 1 half of the time, and so often unlike that of the next word, of the next lane, of another key."""
    drawn, other = (np.asarray(lanes.words((number,), key=key)) for key in jax.random.split(KEY))
    turns = math.isqrt(number) // 2
    lags = {"all": None, "next": 1, "lane": turns, "place": -(-number // turns)}
    pairs = {name: drawn if lag is None else drawn ^ np.roll(drawn, lag) for name, lag in lags.items()} | {"key": drawn ^ other}
    for name, words in pairs.items():
        share = np.mean((words[:, None] >> np.arange(32, dtype=np.uint32)) & 1, axis=0)
        bounded("words", f"digits, {name}", share - 0.5, Z * 0.5 / np.sqrt(number))


def test_uniform_numbers_are_uniform() -> None:
    drawn = np.asarray(lanes.uniform((2**10, 2**10), key=KEY), np.float64)
    assert drawn.shape == (2**10, 2**10) and drawn.min() >= 0 and drawn.max() < 1
    chi_square("uniform", "numbers in 1000 cells", np.bincount((1000 * drawn.ravel()).astype(int), minlength=1000), np.full(1000, 1e-3))


def test_packing_is_undone_by_unpacking() -> None:
    x = jnp.where(jax.random.bernoulli(KEY, 0.3, (32, 6, 8)), 1.0, -1.0)
    np.testing.assert_array_equal(Multispin().unpack(Multispin().pack(x)), x)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_energy_at_the_critical_point(sign: int) -> None:
    """8 x 8, and its antiferromagnet, which has the same law on one colour turned over."""
    torus = Copies(Ising(8, sign * K_C), 32)
    run = sample(Multispin(), torus, chains=32, warmup=500, draws=2000, progress=Silent(), key=KEY)
    bounded("Multispin", "energy a site", run.energy.value / (32 * 64) - K_C * ENERGY_AT_K_C, Z * run.energy.stderr / (32 * 64))
    assert run.energy.stderr / (32 * 64) < 3e-4 and run.rows["energy"].rhat < 1.01


def magnetisations(rows: int, cols: int, coupling: float) -> tuple[np.ndarray, np.ndarray]:
    """The magnetisations of a site and their probabilities on a torus of `rows x cols` spins, exact.

    Z in fields `i theta` at the roots of unity is the Fourier transform of the law of M, and a trace of powers of the transfer
    matrix between two rows of spins.
    """
    sites = rows * cols
    spins = 2.0 * (np.arange(2**cols)[:, None] >> np.arange(cols) & 1) - 1
    within = np.sum(spins * np.roll(spins, 1, axis=1), axis=1)
    bonds = np.exp(coupling * (spins @ spins.T + within))
    up = np.sum(spins > 0, axis=1)
    turns = np.exp(2j * np.pi * np.arange(sites + 1) / (sites + 1))
    z = [np.trace(np.linalg.matrix_power(bonds * turn**up, rows)) for turn in turns]
    law = np.real(np.fft.fft(z))
    return 2 * np.arange(sites + 1) / sites - 1, law / np.sum(law)


def binder(second, fourth):
    return 1 - fourth / (3 * second**2)


def test_magnetisations_are_those_of_enumeration() -> None:
    m, law = magnetisations(4, 4, K_C)
    assert m**2 @ law == pytest.approx(0.761358908569, rel=1e-11) and binder(m**2 @ law, m**4 @ law) == pytest.approx(
        0.617199318412, rel=1e-11
    )


@pytest.mark.long
def test_binders_cumulant_at_the_critical_point() -> None:
    """8 x 8 to 1e-4, errors by leaving out one chain at a time."""
    m, law = magnetisations(8, 8, K_C)
    truth = binder(m**2 @ law, m**4 @ law)

    def moments(x):
        return {n: jnp.mean(jnp.mean(x, axis=(1, 2)) ** n) for n in (2, 4)}

    observed = {f"m^{n}": functools.partial(lambda x, n: moments(x)[n], n=n) for n in (2, 4)}
    run = sample(
        Repeat(Multispin(), 16),
        Copies(Ising(8, K_C), 32),
        chains=64,
        warmup=100,
        draws=12_000,
        observe=observed,
        trace=12_000,
        progress=Silent(),
        key=KEY,
    )
    second, fourth = (np.mean(run.traces[f"m^{n}"], axis=1, dtype=np.float64) for n in (2, 4))
    without = binder(*((np.sum(a) - a) / (len(a) - 1) for a in (second, fourth)))
    found, error = binder(second.mean(), fourth.mean()), np.sqrt((len(without) - 1) * np.var(without))
    print(f"U4 {found:.6f} +- {error:.6f}, exact {truth:.6f}")
    assert abs(found - truth) < 4 * error < 4e-4, (found, error, truth)


def test_infinite_temperature_turns_every_spin() -> None:
    torus = Copies(Ising(4, 0.0), 32)
    x = problems.torus().sample(key=KEY)
    state, _ = Multispin().step(torus, Multispin().init(torus, x, key=KEY), key=KEY)
    assert np.mean(np.asarray(Multispin().position(state) == -x)) > 0.999


class Colder(Multispin):
    """Turns spins as if bonds were twice as strong."""

    def step(self, energy, state, *, key):
        return Multispin.step(self, Copies(Ising(4, 2 * energy.energy.coupling), 32), state, key=key)


def test_exact_start_catches_another_temperature() -> None:
    with pytest.raises(LawViolation, match="exact-start law"):
        check_exact_start(Colder(), problems.torus(), draws=2**11, key=KEY)


@pytest.mark.parametrize(
    ("energy", "error", "sentence"),
    [
        (Copies(Ising(5, 0.3), 32), ValueError, "give Copies"),
        (Copies(Ising(4, 0.3), 8), ValueError, "give Copies"),
        (Ising(4, 0.3), ValueError, "give Copies"),
        (Copies(Ising(4, 0.3, 0.1), 32), TypeError, "UniformBonds"),
        (Copies(Ising((4, 4, 4), 0.3), 32), TypeError, "UniformBonds"),
        (Copies(Ising(4, 0.3, periodic=False), 32), TypeError, "UniformBonds"),
    ],
)
def test_what_cannot_be_packed_is_refused(energy, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        sample(Multispin(), energy, chains=2, draws=2, key=KEY)


def test_kaufman_has_this_energy() -> None:
    """The number that the sweep is held to, again by the slope of log Z."""
    above, below_ = (float(kaufman(8, 8, K_C + step).value) for step in (1e-5, -1e-5))
    assert -(above - below_) / 2e-5 / 64 == pytest.approx(ENERGY_AT_K_C, abs=1e-7)


@pytest.mark.parametrize("wrap", [lambda e: Copies(Offset(e, 5.0), 32), lambda e: Offset(Copies(e, 32), 160.0)], ids=["of each", "of all"])
def test_a_constant_is_part_of_the_energy(wrap) -> None:
    energy, kernel = wrap(Tempered(Ising(8), 0.4)), Multispin()
    x = jnp.where(jax.random.bernoulli(jax.random.key(6), 0.4, (32, 8, 8)), 1.0, -1.0)
    found = kernel.energy(energy, kernel.init(energy, x, key=jax.random.key(7)))
    assert abs(float(found) - float(energy(x))) < 1e-4 * abs(float(energy(x)))
