"""Two Lennard-Jones particles: the first correction to the ideal gas."""

import math

from scipy.optimize import brentq
from scipy.special import gamma, gammaln

from gibbsite.core import Estimate, exact

TERMS = 400


def lennard_jones_b2(temperature: float) -> Estimate:
    """The second virial coefficient over sigma^3, of the pair energy `4 [(sigma / r)^12 - (sigma / r)^6]` at kT = `temperature`.

        B2 / sigma^3 = -(2 pi / 3) sum_j 2^{j - 3/2} Gamma(j / 2 - 1/4) / j! T^{-(2 j + 1) / 4}

    (Lennard-Jones 1924; Hirschfelder, Curtiss & Bird 1954, eq. 3.6-6), which is `-2 pi int (e^{-u / T} - 1) r^2 dr`.

    Raises:
        ValueError: a temperature below 0.01, where the terms are as large as e^100 and more, or not finite.
    """
    if not (0.01 <= temperature < math.inf):
        raise ValueError(f"temperature={temperature}: give a finite kT of at least 0.01, in units of the depth.")
    first = 2**-1.5 * float(gamma(-0.25)) * temperature**-0.25  # the only negative one
    others = [
        math.exp((j - 1.5) * math.log(2) + gammaln(j / 2 - 0.25) - gammaln(j + 1) - (2 * j + 1) / 4 * math.log(temperature))
        for j in range(1, TERMS)
    ]
    return exact(-2 * math.pi / 3 * math.fsum([first, *others]))


def lennard_jones_boyle() -> float:
    """The temperature at which `lennard_jones_b2` vanishes, and a dilute gas is ideal: 3.417928."""
    return float(brentq(lambda t: float(lennard_jones_b2(t)), 3.0, 4.0, xtol=1e-14))
