"""The number of states of the Ising torus at each energy, as whole numbers.

Kaufman's Z is a polynomial in x = e^{-2K} whose coefficient g_u counts the states with u unsatisfied bonds (Beale, Physical Review
Letters 76, 1996, 78):

    Z e^{-2KN} = sum_u g_u x^u = [prod_odd c_q + prod_odd s_q + prod_even c_q + prod_even s_q] / 2,    q = 0, ..., 2 rows - 1,

and with a_q = (1 + x^2)^2 - 2 x (1 - x^2) cos(pi q / rows), b = x^2 (1 - x^2)^2,

    c_q^2, s_q^2 = Q_cols +- 2 (x - x^3)^cols,    Q_0 = 2,  Q_1 = a_q,  Q_{m+1} = a_q Q_m - b Q_{m-1},
    c_0, s_0 = (1 - x)^cols +- (x + x^2)^cols,    c_rows, s_rows = (1 + x)^cols +- (x - x^2)^cols.

Beale expands this in a computer algebra. Here it is done modulo primes p = 1 mod 2 rows, where cos(pi q / rows) is a whole number too,
`(w^q + w^{-q}) / 2` with w of order 2 rows; as many primes as the number of all states needs give each g_u by the Chinese remainder
theorem, without any rounding.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Int

from gibbsite.thermo.density import DensityOfStates

MOST_SITES = 1024
PRIMES_BELOW = 2**31  # so that products of remainders fit into 64 bits

Polynomial = Int[np.ndarray, "_"]  # modulo a prime, lowest power first


class IsingLevels(DensityOfStates):
    """The exact density of states of a lattice whose energies are in units of J: `counts` of states, whole numbers of any length."""

    counts: tuple[int, ...]

    def __init__(self, energies: Sequence[int], counts: Sequence[int]):
        super().__init__(energies, [math.log(count) for count in counts])
        self.counts = tuple(counts)


def ising_levels(rows: int, cols: int) -> IsingLevels:
    """The density of states of `E = -sum s s'` on a rows x cols torus, in whole numbers, up to 1024 sites.

    Raises:
        ValueError: a side below 3, or too many sites.
    """
    sites = rows * cols
    if min(rows, cols) < 3 or sites > MOST_SITES:
        raise ValueError(f"A {rows} x {cols} torus: ising_levels needs sides of at least 3 and at most {MOST_SITES} sites in all.")
    counts, modulus = [0] * (2 * sites + 1), 1
    for p in _primes(2 * rows):
        counts = _joined(counts, modulus, _modulo(rows, cols, p), p)
        modulus *= p
        if modulus > 2**sites:
            break
    if sum(counts) != 2**sites:
        raise AssertionError(f"The levels of a {rows} x {cols} torus hold {sum(counts)} states, not 2^{sites}.")
    held = [(2 * broken - 2 * sites, count) for broken, count in enumerate(counts) if count]
    return IsingLevels(*zip(*held, strict=True))


def _joined(counts: list[int], modulus: int, remainders: Polynomial, p: int) -> list[int]:
    """The numbers below `modulus * p` with these remainders (the Chinese remainder theorem)."""
    inverse = pow(modulus, -1, p)
    return [a + modulus * ((int(r) - a) * inverse % p) for a, r in zip(counts, remainders, strict=True)]


def _primes(order: int) -> Iterator[int]:
    """Primes p = 1 mod `order`, falling."""
    divisors = np.arange(2, math.isqrt(PRIMES_BELOW) + 1)
    for p in range(PRIMES_BELOW - (PRIMES_BELOW - 1) % order, order, -order):
        if np.all(p % divisors != 0):
            yield p


def _modulo(rows: int, cols: int, p: int) -> Polynomial:
    """The polynomial of all g_u modulo p."""
    w = _root(2 * rows, p)
    cosines = [(pow(w, q, p) + pow(w, 2 * rows - q, p)) * pow(2, -1, p) % p for q in range(rows + 1)]
    total = np.zeros(2 * rows * cols + 1, np.int64)
    for first in (1, 0):
        for sign in (1, -1):
            factors = [_factor(q, rows, cols, cosines[q], sign, p) for q in range(first, rows + 1, 2)]
            product = functools.reduce(functools.partial(_times, p=p), factors)
            total = (total + np.pad(product, (0, len(total) - len(product)))) % p
    return total * pow(2, -1, p) % p


def _root(order: int, p: int) -> int:
    """A number of this multiplicative order."""
    for base in range(2, p):
        w = pow(base, (p - 1) // order, p)
        if all(pow(w, order // prime, p) != 1 for prime in range(2, order + 1) if order % prime == 0):
            return w
    raise AssertionError  # the multiplicative group of a prime is cyclic


def _factor(q: int, rows: int, cols: int, cosine: int, sign: int, p: int) -> Polynomial:
    """c_q (sign 1) or s_q (-1) for q = 0 and q = rows, which stand alone; for others the square, as q and 2 rows - q are alike."""
    if q in (0, rows):
        turn = -1 if q == 0 else 1
        return _plus(_power([1, turn], cols, p), _power([0, 1, -turn], cols, p), sign, p)
    a = np.array([1, -2 * cosine, 2, 2 * cosine, 1], object) % p
    b = np.array([0, 0, 1, 0, p - 2, 0, 1], np.int64)
    before, now = np.array([2], np.int64), a.astype(np.int64)
    for _ in range(cols - 1):
        before, now = now, _plus(_times(now, a.astype(np.int64), p=p), _times(before, b, p=p), -1, p)
    return _plus(now, _power([0, 1, 0, -1], cols, p), 2 * sign, p)


def _power(base: Iterable[int], exponent: int, p: int) -> Polynomial:
    factor = np.array([c % p for c in base], np.int64)
    return functools.reduce(functools.partial(_times, p=p), [factor] * exponent)


def _plus(one: Polynomial, other: Polynomial, factor: int, p: int) -> Polynomial:
    """`one + factor * other`."""
    n = max(len(one), len(other))
    return (np.pad(one, (0, n - len(one))) + factor * np.pad(other, (0, n - len(other)))) % p


def _times(one: Polynomial, other: Polynomial, *, p: int) -> Polynomial:
    long, short = (one, other) if len(one) >= len(other) else (other, one)
    product = np.zeros(len(long) + len(short) - 1, np.int64)
    for place, coefficient in enumerate(short):
        part = slice(place, place + len(long))
        product[part] = (product[part] + coefficient * long) % p  # below 2^62 + 2^31
    return product
