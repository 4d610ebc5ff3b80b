"""Models solved in the limit of infinite size: what finite ones tend to."""

import math

from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ellipkm1, erf

from gibbsite.core import Estimate, Evidence, exact

ISING_CRITICAL = math.log(1 + math.sqrt(2)) / 2  # coupling of the square lattice: sinh 2K = 1 (Kramers & Wannier 1941)


def potts_critical(levels: int) -> float:
    """The coupling `log(1 + sqrt q)` at which the Potts model of the square lattice orders, for any q >= 2 (Potts 1952).

    Raises:
        ValueError: fewer than two levels.
    """
    if levels < 2:
        raise ValueError(f"levels={levels}: a Potts model has at least 2.")
    return math.log(1 + math.sqrt(levels))


def onsager(coupling: float) -> Estimate:
    """log Z a site of the infinite square lattice of Ising spins, at K = beta J (Onsager, Physical Review 65, 1944).

    log z = log(2 cosh 2K) + (1 / pi) int_0^{pi/2} log((1 + sqrt(1 - k^2 sin^2 t)) / 2) dt,    k = 2 sinh 2K / cosh^2 2K
    """
    k = _modulus(coupling)
    rest = _squared_complement(coupling)

    def term(t: float) -> float:
        return math.log((1 + math.sqrt(rest + k**2 * math.cos(t) ** 2)) / 2)  # 1 - k^2 sin^2 t, without its loss of digits

    integral, error = quad(term, 0, math.pi / 2, epsabs=1e-14, epsrel=1e-13, limit=200)
    return Estimate(_log_two_cosh(2 * coupling) + integral / math.pi, error / math.pi, evidence=Evidence.EXACT)


def onsager_energy(coupling: float) -> Estimate:
    """Mean energy a site, in units of J: `-coth 2K [1 + (2 / pi) (2 tanh^2 2K - 1) K_1(k)]`; `-sqrt 2` at the critical coupling."""
    tanh, rest = math.tanh(2 * _coupling(coupling)), _squared_complement(coupling)
    # As 2 tanh^2 2K - 1 goes as sqrt(1 - k^2), the logarithm of K_1 at k = 1 does not count.
    bend = (2 * tanh**2 - 1) * float(ellipkm1(rest)) if rest > 0 else 0.0
    return exact(-(1 + 2 / math.pi * bend) / tanh)


def onsager_magnetisation(coupling: float) -> Estimate:
    """The spontaneous magnetisation `(1 - sinh^{-4} 2K)^{1/8}`, 0 below the critical coupling (Yang, Physical Review 85, 1952)."""
    s = math.sinh(min(2 * _coupling(coupling), 350.0))
    return exact((1 - s**-4) ** 0.125 if s > 1 else 0.0)


def mean_field_magnetisation(beta: float, field: float = 0.0) -> Estimate:
    """The largest root of `m = tanh(beta (m + field))`, the magnetisation of `curie_weiss` of many spins; without field 0 up to beta = 1.

    Raises:
        ValueError: a negative or infinite number.
    """
    if not (math.isfinite(beta) and beta >= 0 and math.isfinite(field) and field >= 0):
        raise ValueError(f"mean_field_magnetisation of beta={beta}, field={field}: give finite numbers of at least 0.")
    if field == 0 and beta <= 1:
        return exact(0.0)

    def gap(m: float) -> float:
        return m - math.tanh(beta * (m + field))

    low = math.sqrt(3 * (beta - 1) / beta**3) / 2 if field == 0 else 0.0  # half of tanh's first two terms, below the root
    return exact(float(brentq(gap, low, 1.0, xtol=1e-15, rtol=1e-15)))


def hopfield_capacity() -> tuple[float, float]:
    """The most patterns a spin that a Hopfield network recalls, and the overlap there: replica symmetric, at temperature 0.

    With y = m / sqrt(2 alpha r) the saddle point is `m = erf y` and

        sqrt(2 alpha) = erf(y) / y - (2 / sqrt pi) e^{-y^2},

    and a solution exists up to the largest alpha, 0.1379 (Amit, Gutfreund & Sompolinsky, Annals of Physics 173, 1987).
    """
    found = minimize_scalar(lambda y: -_hopfield_load(y), bounds=(1.0, 2.0), method="bounded", options={"xatol": 1e-12})
    # A maximum is found to half the digits, the zero of the slope to all.
    y = float(brentq(_hopfield_slope, found.x - 1e-3, found.x + 1e-3, xtol=1e-15))
    return _hopfield_load(y), float(erf(y))


def hopfield_overlap(load: float) -> Estimate:
    """The overlap m of the recalled state with its pattern at `load` patterns a spin, of the branch that recalls; 0 beyond capacity.

    Raises:
        ValueError: a load that is not positive.
    """
    if not load > 0:
        raise ValueError(f"load={load}: give a positive number of patterns a spin.")
    if load > hopfield_capacity()[0]:
        return exact(0.0)
    most = minimize_scalar(lambda y: -_hopfield_load(y), bounds=(1.0, 2.0), method="bounded").x
    y = brentq(lambda y: _hopfield_load(y) - load, most, 1.0 / math.sqrt(2 * load) + 1.0, xtol=1e-15)
    return exact(float(erf(y)))


def sherrington_kirkpatrick_annealed(n: int, beta: float) -> Estimate:
    """`log E[Z] = n log 2 + beta^2 (n - 1) / 4` of n spins with couplings of variance 1 / n: an upper bound of `E[log Z]`."""
    if n < 1 or not math.isfinite(beta):
        raise ValueError(f"n={n}, beta={beta}: give at least one spin, and a finite number.")
    return exact(n * math.log(2) + beta**2 * (n - 1) / 4)


def _hopfield_load(y: float) -> float:
    return 0.5 * (float(erf(y)) / y - 2 / math.sqrt(math.pi) * math.exp(-(y**2))) ** 2


def _hopfield_slope(y: float) -> float:
    """The derivative of `erf(y) / y - (2 / sqrt pi) e^{-y^2}`."""
    bell = 2 / math.sqrt(math.pi) * math.exp(-(y**2))
    return bell / y - float(erf(y)) / y**2 + 2 * y * bell


def _coupling(coupling: float) -> float:
    if not (math.isfinite(coupling) and coupling > 0):
        raise ValueError(f"coupling={coupling}: give a positive, finite K = beta J.")
    return coupling


def _log_two_cosh(a: float) -> float:
    return a + math.log1p(math.exp(-2 * a))


def _modulus(coupling: float) -> float:
    return 2 * math.tanh(2 * _coupling(coupling)) / math.cosh(min(2 * coupling, 350.0))


def _squared_complement(coupling: float) -> float:
    """`1 - k^2 = ((1 - sinh^2 2K) / cosh^2 2K)^2 = (2 / cosh^2 2K - 1)^2`."""
    return (2 / math.cosh(min(2 * coupling, 350.0)) ** 2 - 1) ** 2
