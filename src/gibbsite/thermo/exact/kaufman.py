"""The Ising torus solved: `E = -sum s s'` over the bonds of a periodic rows x cols lattice, at coupling K = beta J.

Kaufman, Physical Review 76 (1949) 1232: with s = sinh 2K and cosh g_q = s + 1/s - cos(pi q / rows),

    Z = (2 s)^(rows cols / 2) [prod_odd 2 cosh + prod_odd 2 sinh + prod_even 2 cosh + prod_even 2 sinh](cols g_q / 2) / 2

over q = 0..2 rows - 1, where g_0 = 2K + log tanh K is negative below the critical coupling.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from gibbsite.core import Estimate, exact

FROZEN = 100.0  # beyond, all but the two ground states weigh e^-800


class _Jet(NamedTuple):
    """Functions of K with their first two derivatives: float64 numbers, or arrays over q."""

    value: Any
    first: Any
    second: Any


def kaufman(rows: int, cols: int, coupling: float) -> Estimate:
    """log Z of the rows x cols Ising torus, exact to float64."""
    return exact(_log_z(rows, cols, coupling).value)


def kaufman_energy(rows: int, cols: int, coupling: float) -> Estimate:
    """Mean energy per site, `-d log Z / dK / N`."""
    return exact(-_log_z(rows, cols, coupling).first / (rows * cols))


def kaufman_heat_capacity(rows: int, cols: int, coupling: float) -> Estimate:
    """Heat capacity per site, `K^2 d^2 log Z / dK^2 / N`."""
    return exact(coupling**2 * _log_z(rows, cols, coupling).second / (rows * cols))


def _log_z(rows: int, cols: int, coupling: float) -> _Jet:
    """log Z and its derivatives in K."""
    if rows < 3 or cols < 3:
        raise ValueError(f"A {rows} x {cols} torus: Kaufman's formula needs at least 3 rows and 3 columns.")
    if not (math.isfinite(coupling) and coupling > 0):
        raise ValueError(f"coupling={coupling}: give a positive, finite K = beta J.")
    if coupling > FROZEN:
        return _Jet(math.log(2) + 2 * rows * cols * coupling, 2 * rows * cols, 0.0)
    g = _spectrum(rows, coupling)
    odd, even = (_Jet(*(part[start::2] for part in g)) for start in (1, 0))
    products = [_log_cosh(odd, cols), _log_sinh(odd, cols), _log_cosh(even, cols)]
    top = max(float(p.value) for p in products)
    terms = [_exp(p, top) for p in products] + [_even_sinh(even, cols, top)]
    z, z1, z2 = (sum(float(part[i]) for part in terms) for i in range(3))
    half, coth = rows * cols / 2, 1 / math.tanh(2 * coupling)
    value = half * math.log(2 * math.sinh(2 * coupling)) - math.log(2) + top + math.log(z)
    return _Jet(value, 2 * half * coth + z1 / z, 4 * half * (1 - coth**2) + z2 / z - (z1 / z) ** 2)


def _spectrum(rows: int, coupling: float) -> _Jet:
    """g_q: with d = cosh g - 1 = (1 - s)^2 / s + 2 sin^2(pi q / 2 rows), g = 2 asinh sqrt(d / 2) loses no digits.

    At q = 0 it is g = 2K + log tanh K, with g' = 2 + 2 / s and g'' = -4 cosh 2K / s^2.
    """
    s, c = math.sinh(2 * coupling), math.cosh(2 * coupling)
    q = np.arange(2 * rows)
    d = (1 - s) ** 2 / s + 2 * np.sin(np.pi * q / (2 * rows)) ** 2
    # d' and d'' from d = s + 1/s - ..., with s' = 2c and s'' = 4s.
    d1 = 2 * c * (1 - 1 / s**2)
    d2 = 4 * s * (1 - 1 / s**2) + 8 * c**2 / s**3
    sinh_g = np.sqrt(d * (d + 2))
    sinh_g[0] = 1.0  # q = 0 is set below
    first = d1 / sinh_g
    second = (d2 - (1 + d) * first**2) / sinh_g
    value = 2 * np.arcsinh(np.sqrt(d / 2))
    value[0] = 2 * math.asinh((s - 1) / math.sqrt(2 * s))
    first[0], second[0] = 2 + 2 / s, -4 * c / s**2
    return _Jet(value, first, second)


def _log_cosh(g: _Jet, cols: int) -> _Jet:
    """sum log(2 cosh(cols g / 2))."""
    half = cols / 2
    a, t = np.abs(half * g.value), np.tanh(half * g.value)
    value = a + np.log1p(np.exp(-2 * a))
    return _Jet(np.sum(value), np.sum(half * t * g.first), np.sum(half**2 * (1 - t**2) * g.first**2 + half * t * g.second))


def _log_sinh(g: _Jet, cols: int) -> _Jet:
    """sum log(2 sinh(cols g / 2)), for positive g."""
    half = cols / 2
    a, t = half * g.value, 1 / np.tanh(half * g.value)
    value = a + np.log(-np.expm1(-2 * a))
    return _Jet(np.sum(value), np.sum(half * t * g.first), np.sum(half**2 * (1 - t**2) * g.first**2 + half * t * g.second))


def _exp(log: _Jet, top: float) -> _Jet:
    """exp(log - top)."""
    p = np.exp(log.value - top)
    return _Jet(p, p * log.first, p * (log.second + log.first**2))


def _even_sinh(g: _Jet, cols: int, top: float) -> _Jet:
    """prod 2 sinh(cols g / 2) e^-top, whose factor q = 0 changes sign at the critical point: apart from the others."""
    half = cols / 2
    rest = _log_sinh(_Jet(*(part[1:] for part in g)), cols)
    a = half * g.value[0]
    shrunk = np.exp(rest.value + abs(a) - top)  # the factor times e^-|a| cannot overflow
    sinh, cosh = -np.sign(a) * np.expm1(-2 * abs(a)), 1 + np.exp(-2 * abs(a))
    u1, u2 = half * g.first[0], half * g.second[0]
    first, second = cosh * u1, sinh * u1**2 + cosh * u2
    return _Jet(
        shrunk * sinh,
        shrunk * (first + sinh * rest.first),
        shrunk * (second + 2 * first * rest.first + sinh * (rest.second + rest.first**2)),
    )
