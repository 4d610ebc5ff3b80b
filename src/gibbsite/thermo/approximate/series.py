"""Series of the Ising model on the infinite square lattice, from both ends of temperature.

With `t = tanh K` at high temperature and `t = e^{-2K}` at low, the same numbers serve (Kramers & Wannier, Physical Review 60, 1941):

    log z = log(2 cosh^2 K) + sum_n a_n t^n = 2 K + sum_n a_n t^n,    sum_n a_n t^n = t^4 + 2 t^6 + (9/2) t^8 + 12 t^10 + ...

At low temperature t^u counts broken bonds. Each a_n is found exactly: it is the coefficient in `log(sum_u g_u t^u / 2) / N` of a torus of N
sites so wide that no pair of walls of n bonds in all winds around it (g_u of `ising_levels`).
"""

import math
from fractions import Fraction

from gibbsite.core import Estimate, Evidence
from gibbsite.thermo.exact.beale import ising_levels

MOST_ORDER = 30


def high_temperature_series(coupling: float, *, order: int = 14) -> Estimate:
    """log Z a site at K = beta J, up to `tanh(K)^order`; no bound, and no error bar. Good below the critical coupling 0.4407.

    Raises:
        ValueError: an order that is odd or beyond 30, or a coupling that is not positive.
    """
    _check(coupling, order)
    return _told(math.log(2 * math.cosh(coupling) ** 2), math.tanh(coupling), order)


def low_temperature_series(coupling: float, *, order: int = 14) -> Estimate:
    """log Z a site at K = beta J, up to `exp(-2 K order)`; no bound, and no error bar. Good above the critical coupling 0.4407.

    Raises:
        ValueError: an order that is odd or beyond 30, or a coupling that is not positive.
    """
    _check(coupling, order)
    return _told(2 * coupling, math.exp(-2 * coupling), order)


def ising_series(order: int) -> list[Fraction]:
    """`a_0, a_2, a_4, ..., a_order`, exactly.

    With c_u = g_u / 2 the logarithm's coefficients l_u follow from `u c_u = sum_{v <= u} v l_v c_{u - v}`.
    """
    side = max(order // 2 + 1, 4)  # a wall around the torus, and the one back, have 2 side bonds
    levels = ising_levels(side, side)
    by_broken = {int(energy + 2 * side**2) // 2: Fraction(count, 2) for energy, count in zip(levels.energies, levels.counts, strict=True)}
    c = [by_broken.get(u, Fraction(0)) for u in range(0, order + 1, 2)]
    logs = [Fraction(0)]
    for u in range(1, len(c)):
        logs.append(c[u] - sum((Fraction(v, u) * logs[v] * c[u - v] for v in range(1, u)), Fraction(0)))
    return [coefficient / side**2 for coefficient in logs]


def _told(leading: float, t: float, order: int) -> Estimate:
    value = leading + math.fsum(float(a) * t ** (2 * n) for n, a in enumerate(ising_series(order)))
    return Estimate(value, None, evidence=Evidence.NOT_ESTABLISHED)


def _check(coupling: float, order: int) -> None:
    if not (math.isfinite(coupling) and coupling > 0):
        raise ValueError(f"coupling={coupling}: give a positive, finite K = beta J.")
    if order % 2 or not 0 <= order <= MOST_ORDER:
        raise ValueError(f"order={order}: give an even number up to {MOST_ORDER}.")
