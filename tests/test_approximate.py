"""Approximations of log Z: on the side that they say, and as near as their order."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Callable, Coins, Evidence, Normal, Reals, Spins, Status, Tempered
from gibbsite.energies import XY, BoltzmannMachine, DenseBoltzmannMachine, DoubleWell, Gaussian, Ising, Phi4, Potts, sherrington_kirkpatrick
from gibbsite.testing import check_exact, problems
from gibbsite.thermo import (
    bethe,
    enumerate_log_z,
    gibbs_bogoliubov,
    high_temperature_series,
    ising_series,
    laplace,
    low_temperature_series,
    mean_field,
    onsager,
    tap,
    variable_elimination,
)
from gibbsite.thermo.exact.limits import mean_field_magnetisation

KEY = jax.random.key(4)
TREE = [[0, 1], [1, 2], [1, 3], [3, 4], [5, 3], [6, 7]]

BOUNDED = {
    "ferromagnet": Ising((3, 4), 0.5),
    "in a field": problems.ising().energy,
    "glass": problems.glass().energy,
    "potts": problems.potts().energy,
    "machine of bits": problems.machine().energy,
    "blume capel": problems.blume_capel().energy,
    "glass of all": sherrington_kirkpatrick(8, key=KEY),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_mean_field_is_below(name) -> None:
    found, truth = mean_field(BOUNDED[name]), enumerate_log_z(BOUNDED[name])
    assert found.evidence is Evidence.LOWER
    assert found.hi == math.inf
    assert found.lo < found.value < truth.value
    assert found.value > truth.value - 2.5


def test_independent_sites_are_exact() -> None:
    field = np.array([0.3, -0.8, 0.5])
    truth = float(np.sum(np.log(2 * np.cosh(field))))
    for approximation in (mean_field, tap, bethe):
        assert approximation(Coins(Spins(3), field)).value == pytest.approx(truth, abs=1e-6)


def test_mean_field_of_curie_weiss() -> None:
    """It is the saddle point: `n [H(m) + beta m^2 / 2]` at the m of the limit."""
    n, beta = 40, 1.4
    machine = DenseBoltzmannMachine(Spins(n), beta / n * (1 - np.eye(n)))
    x = mean_field_magnetisation(beta * (n - 1) / n).value  # of n - 1 neighbours
    p = (1 + x) / 2
    truth = -n * (p * math.log(p) + (1 - p) * math.log(1 - p)) + beta * (n - 1) * x**2 / 2
    assert mean_field(machine).value == pytest.approx(truth, abs=2e-5)


@pytest.mark.parametrize(("approximation", "order"), [(mean_field, 2), (tap, 3), (bethe, 3)])
def test_errors_vanish_with_their_order(approximation, order) -> None:
    """Four spins on a ring with one diagonal, in fields: halving the bonds divides the error by 2^order (Bethe misses cycles of three)."""
    edges, bonds = [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]], np.array([0.8, 0.6, 0.9, 0.5, 0.7])

    def error(scale):
        machine = BoltzmannMachine(Spins(4), edges, scale * bonds, [0.4, -0.3, 0.5, 0.2])
        return abs(approximation(machine).value - variable_elimination(machine).value)

    with jax.enable_x64(True):
        ratio = math.log2(error(0.05) / error(0.025))
    assert ratio == pytest.approx(order, abs=0.2)


def test_tap_says_that_it_is_no_bound() -> None:
    glass = Tempered(sherrington_kirkpatrick(12, key=KEY), 0.5)  # twice as hot as its transition
    found, truth = tap(glass), enumerate_log_z(glass).value
    assert found.evidence is Evidence.NOT_ESTABLISHED
    assert found.status is Status.OK
    assert found.stderr is None
    assert found.lo is None
    assert abs(found.value - truth) < abs(mean_field(glass).value - truth)


def test_tap_that_does_not_settle_says_so() -> None:
    couplings = 2.5 * np.asarray(sherrington_kirkpatrick(12, key=KEY).couplings)
    found = tap(DenseBoltzmannMachine(Spins(12), couplings))
    assert found.value is None
    assert found.status is Status.NOT_CONVERGED


def test_bethe_is_exact_without_cycles() -> None:
    trees = BoltzmannMachine(Spins(8), TREE, np.linspace(-1.5, 1.2, 6), np.linspace(0.4, -0.9, 8))
    check_exact(bethe(trees), enumerate_log_z(trees).value, limit=2e-5)
    chain = Potts((7,), 3, 0.9, np.linspace(0, 1, 21).reshape(7, 3), periodic=False)
    check_exact(bethe(chain), enumerate_log_z(chain).value, limit=2e-5)


@pytest.mark.parametrize("field", [0.0, 0.15])
@pytest.mark.parametrize("coupling", [0.2, 0.45, 0.7])
def test_bethe_is_below_where_bonds_attract(coupling, field) -> None:
    torus = Ising((3, 4), coupling, field)
    found, truth = bethe(torus), enumerate_log_z(torus).value
    assert found.evidence is Evidence.LOWER
    assert found.value < truth
    assert found.value > mean_field(torus).value


def test_bethe_with_cycles_that_repel_is_no_bound() -> None:
    """On a triangle that frustrates it is above the truth, and does not say otherwise."""
    triangle = BoltzmannMachine(Spins(3), [[0, 1], [1, 2], [2, 0]], -0.6)
    found = bethe(triangle)
    assert found.evidence is Evidence.NOT_ESTABLISHED
    assert found.stderr is None
    assert found.value > enumerate_log_z(triangle).value + 0.1


def test_only_levels_are_taken() -> None:
    for approximation in (mean_field, tap, bethe):
        with pytest.raises(TypeError, match="continuum of values"):
            approximation(XY((4,), 0.5))
        with pytest.raises(TypeError, match="does not say which pairs"):
            approximation(problems.rbm().energy)


def test_gibbs_bogoliubov() -> None:
    """Between Gaussians the gap is their divergence; from the law itself it is none."""
    law, base = Gaussian([0.5, -0.3], [[2.0, 0.6], [0.6, 1.0]]), Normal(jnp.zeros(2), jnp.array([0.8, 1.1]))
    cov, precision, mean = np.diag([0.64, 1.21]), np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([0.5, -0.3])
    kl = 0.5 * (np.trace(precision @ cov) + mean @ precision @ mean - 2 - np.linalg.slogdet(precision @ cov)[1])
    truth = float(law._log_z())
    found = gibbs_bogoliubov(law, base, key=KEY)
    assert found.evidence is Evidence.LOWER
    assert abs(found.value - (truth - kl)) < 5.6 * found.stderr
    assert found.stderr < 0.05
    assert found.value < truth - 0.3
    own = gibbs_bogoliubov(base, base, samples=64, key=KEY)
    assert own.value == pytest.approx(float(base._log_z()), abs=1e-6)
    with pytest.raises(ValueError, match="samples=1"):
        gibbs_bogoliubov(law, base, samples=1, key=KEY)
    with pytest.raises(TypeError, match="Normalised"):
        gibbs_bogoliubov(law, Phi4((2,), 1.0, 1.0), key=KEY)


def test_laplace() -> None:
    """Exact for a Gaussian; of two wells it counts the one that it starts in."""
    law = Gaussian([0.5, -0.3], [[2.0, 0.6], [0.6, 1.0]])
    assert laplace(law, [4.0, -7.0]).value == pytest.approx(float(law._log_z()), abs=1e-5)
    right, left = (laplace(DoubleWell(), [x]) for x in (1.0, -1.0))
    assert right.evidence is Evidence.NOT_ESTABLISHED
    assert right.stderr is None
    for found, (x, share) in ((right, (1.7528, 0.8443)), (left, (-1.7109, 0.1557))):
        assert 0.01 < math.log(11784.509 * share) - found.value < 0.03
        curvature = 12 * x**2 - 12
        assert found.value == pytest.approx(-(x**4 - 6 * x**2 - x / 2) + 0.5 * math.log(2 * math.pi / curvature), abs=1e-3)


def test_laplace_that_finds_no_minimum_says_so() -> None:
    flat = laplace(Callable(lambda p, x: 0.0 * jnp.sum(x), None, Reals(2)), [0.0, 0.0])
    saddle = laplace(Callable(lambda p, x: x[0] ** 2 - x[1] ** 2, None, Reals(2)), [1.0, 0.0])
    for found in (flat, saddle):
        assert found.value is None
        assert found.status is Status.NOT_CONVERGED
    assert laplace(Callable(lambda p, x: jnp.log(x[0]), None, Reals(1)), [-1.0]).status is Status.NON_FINITE
    with pytest.raises(ValueError, match="start has shape"):
        laplace(DoubleWell(), [0.0, 0.0])
    with pytest.raises(TypeError, match="real numbers"):
        laplace(Ising(3, 0.3), np.zeros((3, 3)))


def test_series_of_the_square_lattice() -> None:
    assert ising_series(14) == [0, 0, 1, 2, Fraction(9, 2), 12, Fraction(112, 3), 130]
    assert ising_series(2) == [0, 0]
    for k in (0.1, 0.3):
        for order in (8, 14):
            found = high_temperature_series(k, order=order)
            following = float(ising_series(order + 2)[-1]) * math.tanh(k) ** (order + 2)
            assert 0 < onsager(k).value - found.value < 2 * following
    cold = low_temperature_series(0.6)
    assert cold.value == pytest.approx(onsager(0.6).value, abs=1e-5)
    assert cold.evidence is Evidence.NOT_ESTABLISHED
    with pytest.raises(ValueError, match="order=7"):
        high_temperature_series(0.3, order=7)
    with pytest.raises(ValueError, match="coupling=-1"):
        low_temperature_series(-1.0)
