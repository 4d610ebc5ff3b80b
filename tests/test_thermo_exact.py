"""Sums made outright, against closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Box, Callable, Coins, Evidence, Normal, Reals, Spins, Status, Uniform
from gibbsite.energies import GaussianMixture
from gibbsite.testing.crooks import TwoSpins
from gibbsite.testing.estimator import check_exact
from gibbsite.testing.law import LawViolation
from gibbsite.thermo import enumerate_log_z, kaufman, kaufman_energy, kaufman_heat_capacity, quadrature
from gibbsite.thermo.weights import log_sum_exp

K_C = math.log(1 + math.sqrt(2)) / 2

# side, coupling, log Z, energy per site, heat capacity per site
TORUS = [
    (4, 0.4, 14.56109302384404, -1.37911648226, 0.8125152294),
    (4, K_C, 15.52191545875528, -1.56562378764, 0.7832668259),
    (8, 0.4, 56.59938876042537, -1.22232064325, 1.100475889),
    (8, K_C, 60.14178078906915, -1.49158910744, 1.145559240),
    (8, 0.5, 66.34458187922781, -1.74568317029, 0.7141226029),
    (32, K_C, 952.6480795485428, -1.43365846615, 1.846767590),
]


def test_the_log_of_a_sum_of_exponentials():
    a = np.array([[1000.0, 1001.0, -np.inf], [-np.inf, -np.inf, -np.inf]])
    assert log_sum_exp(a) == pytest.approx(1001 + math.log1p(math.exp(-1)), rel=1e-15)
    np.testing.assert_allclose(log_sum_exp(a, axis=0), a[0])
    np.testing.assert_allclose(log_sum_exp(a, axis=1), [log_sum_exp(a), -np.inf])
    assert log_sum_exp(np.zeros(0)) == -math.inf and log_sum_exp(np.array([math.inf, 1.0])) == math.inf
    assert math.isnan(log_sum_exp(np.array([math.nan, 1000.0])))


@pytest.mark.parametrize(("side", "coupling", "log_z", "energy", "heat"), TORUS)
def test_kaufman(side, coupling, log_z, energy, heat):
    assert kaufman(side, side, coupling).value == pytest.approx(log_z, rel=1e-12)
    assert kaufman_energy(side, side, coupling).value == pytest.approx(energy, rel=1e-11)
    assert kaufman_heat_capacity(side, side, coupling).value == pytest.approx(heat, rel=1e-9)


@pytest.mark.parametrize("coupling", [0.1, 0.3, 0.7, 20.0])
def test_kaufman_does_not_care_which_side_is_which(coupling):
    for function in (kaufman, kaufman_energy):
        assert function(3, 7, coupling).value == pytest.approx(function(7, 3, coupling).value, rel=1e-12)


def test_kaufman_derivatives_are_those_of_log_z():
    h, k = 1e-4, 0.43
    up, here, down = (kaufman(5, 6, k + s).value for s in (h, 0.0, -h))
    assert -(up - down) / (2 * h) / 30 == pytest.approx(kaufman_energy(5, 6, k).value, rel=1e-6)
    assert k**2 * (up - 2 * here + down) / h**2 / 30 == pytest.approx(kaufman_heat_capacity(5, 6, k).value, rel=1e-5)


def torus(coupling, x):
    return -coupling * (jnp.sum(x * jnp.roll(x, 1, 0)) + jnp.sum(x * jnp.roll(x, 1, 1)))


@pytest.mark.parametrize(("rows", "cols"), [(3, 3), (3, 5), (4, 4)])
def test_enumeration_meets_kaufman(rows, cols):
    energy = Callable(torus, jnp.asarray(0.3), Spins((rows, cols)))
    check_exact(enumerate_log_z(energy), kaufman(rows, cols, float(np.float32(0.3))).value, limit=2e-5)


def test_enumeration_over_many_chunks():
    field = np.linspace(-1, 1, 18).astype(np.float32)
    check_exact(enumerate_log_z(Coins(Spins(18), field)), float(np.sum(np.log(2 * np.cosh(field.astype(float))))), limit=5e-6)
    check_exact(enumerate_log_z(TwoSpins(0.0, (0.0, 0.0))), math.log(4), limit=1e-6)


def double_well(params, x):
    return x[0] ** 4 - 6 * x[0] ** 2 - x[0] / 2


def test_quadrature_of_a_double_well():
    check_exact(quadrature(Callable(double_well, None, Reals(1)), low=-5, high=5), math.log(11784.5092651278267), limit=3e-6)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_quadrature_of_unequal_gaussians(d):
    means = jnp.zeros((2, d)).at[:, 0].set(jnp.array([2.0, -2.0]))
    mixture = GaussianMixture(means, jnp.array([0.5, 0.7]), jnp.array([1.0, 2.0]))
    check_exact(quadrature(mixture, low=-7, high=7), math.log(3), limit=5e-6)


def test_quadrature_of_a_box_needs_no_bounds_and_has_no_rim():
    check_exact(quadrature(Uniform(Box([0.0, 1.0], [2.0, 4.0]))), math.log(6), limit=1e-6)


def test_quadrature_says_what_a_short_box_leaves_out():
    unit = Normal(jnp.zeros(1), jnp.ones(1))
    estimate = quadrature(unit, low=-2, high=2)
    assert abs(estimate.value - float(unit._log_z())) > 0.01
    assert estimate.stderr > 1e-4


def spike(params, x):
    return jnp.log(jnp.abs(x[0]) + 1e-30) * 0.9


def test_quadrature_that_does_not_converge_says_so():
    estimate = quadrature(Callable(spike, None, Box([-1.0], [1.0])), rtol=1e-9)
    assert estimate.status is Status.NOT_CONVERGED
    assert estimate.evidence is Evidence.NOT_ESTABLISHED


def test_nan_energies_give_a_status():
    estimate = quadrature(Callable(lambda p, x: jnp.sqrt(x[0]), None, Reals(1)), low=-1, high=1)
    assert estimate.value is None
    assert estimate.status is Status.NON_FINITE


def test_a_wrong_constant_fails_the_law():
    with pytest.raises(LawViolation, match="misses"):
        check_exact(kaufman(8, 8, K_C) + 1e-6, TORUS[3][2], limit=1e-3)


def test_refusals_name_the_remedy():
    with pytest.raises(ValueError, match="at least 3 rows"):
        kaufman(2, 4, 0.4)
    with pytest.raises(ValueError, match=r"coupling=-0\.4"):
        kaufman(4, 4, -0.4)
    with pytest.raises(TypeError, match="use quadrature"):
        enumerate_log_z(Normal(jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(ValueError, match=r"2\^30 states"):
        enumerate_log_z(Coins(Spins(30), jnp.zeros(30)))
    with pytest.raises(ValueError, match="needs low= and high="):
        quadrature(Normal(jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(ValueError, match="one to four dimensions"):
        quadrature(Normal(jnp.zeros(5), jnp.ones(5)), low=-1, high=1)
    with pytest.raises(ValueError, match="low below high"):
        quadrature(Normal(jnp.zeros(1), jnp.ones(1)), low=1, high=-1)
    assert jax.config.jax_enable_x64 is False


def test_kaufman_far_below_the_transition() -> None:
    """All sites alike: log 2 + 2 N K, where sinh 2K has long overflowed."""
    for coupling in (99.0, 101.0, 1000.0):
        assert kaufman(4, 5, coupling).value == pytest.approx(math.log(2) + 40 * coupling, rel=1e-14)
        assert kaufman_energy(4, 5, coupling).value == pytest.approx(-2.0, rel=1e-14)
        assert kaufman_heat_capacity(4, 5, coupling).value == pytest.approx(0.0, abs=1e-12)
