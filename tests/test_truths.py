"""Exact answers that the literature gives, met to the digits that it gives.

| what is known | test |
|---|---|
| Ising torus: K_c; log Z, energy, heat capacity | `test_kaufman` in test_thermo_exact.py, `test_the_torus_by_every_route` |
| <abs(m)>, <m^2>, U4 of 3 x 3 and 4 x 4 | `test_moments_of_small_tori` |
| densities of states of 4 x 4 and 8 x 8 | `test_densities_of_states` |
| Onsager: log z and energy at K_c, magnetisation at 0.5, the limit | `test_onsager`, `test_large_lattices_tend_to_onsager` |
| Ising ring in a field, Potts ring, Potts 3 x 3 torus and its bonds, q-state K_c | `test_ring_and_torus`, `test_potts_bonds` |
| Curie-Weiss: log Z, <abs(m)>, m of the limit | `test_curie_weiss` |
| Nishimori's line, averaged over all disorder of a small graph | `test_nishimori_line` |
| Sherrington-Kirkpatrick: E[Z], averaged over the disorder of three spins | `test_annealed_average_of_a_glass` |
| Hopfield: capacity and the overlap there | `test_hopfield_capacity` |
| XY chain: log Z and neighbours' cosine | `test_xy_chain` |
| phi^4 rings of 4 and 16 sites, 2 x 2 torus: log Z and <phi^2> | `test_field_theory` |
| free field | `test_free_field` |
| RBM by its hidden layer | `test_hidden_layer` in test_exact_routes.py |
| double well, its right half, Many-Well-32, funnel, Gaussian | `test_double_well`, `test_funnel`, `test_gaussian` |
| one-step exponential averaging between harmonic wells: variance, infinite or not | `test_variance_of_one_step` |
| Bennett's ratio between unit Gaussians: n Var | `test_information_of_bennetts_ratio` |
| Gaussian work; the dragged trap, continuous and in jumps | `test_gaussian_work`, `test_dragged_trap` |
| Lennard-Jones B2 at T = 1, Boyle temperature | `test_second_virial_coefficient` |
| the teacher of the 50-dimensional mixture | `test_teacher` |

Not exact, and so tested where they are drawn: cluster sizes, the finite-size law of the SK model, the XY transition.
Energies are built inside `double`, where their numbers are float64.
"""

import math
from itertools import combinations_with_replacement, permutations, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import i0e, ive

from gibbsite.core import Box, Callable, Evidence, Reals, need
from gibbsite.core.energy import Normalised
from gibbsite.energies import XY, DoubleWell, Funnel, Gaussian, GaussianMixture, Ising, ManyWell, Phi4, Potts
from gibbsite.thermo import (
    ISING_CRITICAL,
    curie_weiss,
    curie_weiss_magnetisation,
    enumerate_log_z,
    enumerate_mean,
    exact_routes,
    free_field,
    hopfield_capacity,
    hopfield_overlap,
    ising_levels,
    kaufman,
    kaufman_energy,
    lennard_jones_b2,
    lennard_jones_boyle,
    mean_field_magnetisation,
    onsager,
    onsager_energy,
    onsager_magnetisation,
    potts_critical,
    quadrature,
    sherrington_kirkpatrick_annealed,
    variable_elimination,
)
from gibbsite.thermo.exact.elimination import sum_out
from gibbsite.thermo.exact.pairs import Pairs

K_C = ISING_CRITICAL


@pytest.fixture
def double():
    """Numbers of energies are float64."""
    with jax.enable_x64(True):
        yield


def near(value, digits=1e-10):
    return pytest.approx(value, rel=digits, abs=digits)


def slope(f, at, h=1e-2):
    """f' by six points; the error is h^6 f^(7) / 140."""
    terms = ((3 / 4, 1), (-3 / 20, 2), (1 / 60, 3))
    return sum(c * (float(f(at + n * h)) - float(f(at - n * h))) for c, n in terms) / h


# ---- lattices ----


def test_critical_coupling() -> None:
    assert near(0.440686793509771513, 1e-15) == K_C
    assert potts_critical(2) == near(2 * K_C, 1e-15)
    with pytest.raises(ValueError, match="levels=1"):
        potts_critical(1)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("side", "coupling", "log_z"), [(4, 0.4, 14.56109302384404), (8, 0.5, 66.34458187922781)])
def test_the_torus_by_every_route(side, coupling, log_z) -> None:
    routes = exact_routes(Ising(side, coupling))
    assert set(routes) == {"kaufman", "transfer matrix"} | ({"enumeration"} if side == 4 else set())
    for route in routes.values():
        found = route()
        assert found.value == near(log_z, 1e-13)
        assert found.evidence is Evidence.EXACT
        assert found.stderr < 1e-12


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("cols", [3, 4])
def test_brute_force_equals_kaufman(cols) -> None:
    assert enumerate_log_z(Ising((3, cols), 0.3)).value == near(kaufman(3, cols, 0.3).value, 1e-14)


MOMENTS = [
    (3, 0.3, 0.636502270011, 0.502084540174, 0.484200429538),
    (4, K_C, 0.843860444813, 0.761358908569, 0.617199318412),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("side", "coupling", "first", "second", "binder"), MOMENTS)
def test_moments_of_small_tori(side, coupling, first, second, binder) -> None:
    found = enumerate_mean(Ising(side, coupling), absolute_moments)
    m1, m2, m4 = found.value
    assert m1 == near(first, 1e-11)
    assert m2 == near(second, 1e-11)
    assert 1 - m4 / (3 * m2**2) == near(binder, 1e-11)
    assert np.all(found.stderr < 1e-13)


def absolute_moments(x):
    m = jnp.mean(x)
    return jnp.stack([jnp.abs(m), m**2, m**4])


def test_densities_of_states() -> None:
    four, eight = ising_levels(4, 4), ising_levels(8, 8)
    half = [2, 0, 32, 64, 424, 1728, 6688, 13568]
    held = dict(zip(four.energies, four.counts, strict=True))
    assert [held.get(-32 + 4 * k, 0) for k in range(17)] == [*half, 20524, *half[::-1]]
    assert dict(zip(eight.energies, eight.counts, strict=True))[0] == 2627978003957146636
    assert sum(eight.counts) == 2**64
    assert eight.counts == eight.counts[::-1]


def test_onsager() -> None:
    assert onsager(K_C).value == near(0.929695398341610, 1e-14)
    assert onsager_energy(K_C).value == near(-math.sqrt(2), 1e-14)
    assert onsager_magnetisation(0.5).value == near(0.911319377877496, 1e-14)
    assert onsager_magnetisation(0.44).value == 0
    for k in (0.2, 0.4, 0.6):
        assert slope(lambda k: onsager(k).value, k, 1e-3) == near(-onsager_energy(k).value, 1e-9)
    assert onsager(200.0).value == near(400.0, 1e-14)
    with pytest.raises(ValueError, match="coupling=0"):
        onsager(0.0)


def test_large_lattices_tend_to_onsager() -> None:
    """Away from K_c as e^{-L / xi}; at it log z by a term of order 1 / L^2 and the energy by one of order 1 / L."""
    assert kaufman(128, 128, 0.35).value / 128**2 == near(onsager(0.35).value, 1e-14)
    assert (kaufman(128, 128, 0.5).value - math.log(2)) / 128**2 == near(onsager(0.5).value, 1e-13)
    gaps = [kaufman(n, n, K_C).value / n**2 - onsager(K_C).value for n in (32, 64)]
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=1e-2)
    gaps = [kaufman_energy(n, n, K_C).value - onsager_energy(K_C).value for n in (32, 64)]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=1e-2)


@pytest.mark.usefixtures("double")
def test_ring_and_torus() -> None:
    assert variable_elimination(Ising((10,), 0.7, 0.3)).value == near(10.627232294499589, 1e-14)
    assert variable_elimination(Potts((8,), 3, 0.9)).value == near(11.960741506844332, 1e-14)
    torus = variable_elimination(Potts(3, 3, potts_critical(3))).value
    assert torus == near(19.688939731847, 1e-13)


@pytest.mark.usefixtures("double")
def test_potts_bonds() -> None:
    bonds = slope(lambda k: variable_elimination(Potts(3, 3, k)).value, potts_critical(3)) / 9
    assert bonds == near(1.742122214653, 1e-10)


def test_curie_weiss() -> None:
    assert curie_weiss(20, 0.8).value == near(14.559930325705, 1e-13)
    assert curie_weiss_magnetisation(20, 0.8).value == near(0.328580899171, 1e-11)
    assert mean_field_magnetisation(1.2).value == near(0.658569660406, 1e-11)
    assert mean_field_magnetisation(1.0).value == 0
    m = mean_field_magnetisation(0.7, 0.1).value
    assert m == near(math.tanh(0.7 * (m + 0.1)), 1e-14)
    assert mean_field_magnetisation(1 + 1e-8).value == pytest.approx(math.sqrt(3e-8), rel=1e-4)
    # Many spins have the magnetisation of the limit, up to 1 / n.
    assert curie_weiss_magnetisation(4000, 1.2).value == pytest.approx(0.658569660406, abs=2e-3)
    with pytest.raises(ValueError, match="n=0"):
        curie_weiss(0, 1.0)
    with pytest.raises(ValueError, match="beta=-1"):
        mean_field_magnetisation(-1.0)


def test_nishimori_line() -> None:
    """Over all 2^5 signs of a ring of four with a diagonal the mean energy of a bond, in units of J, is -(2 p - 1)."""
    p, edges = 0.8, np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]])

    def log_z(signs, k):
        bond = k * np.array(signs)[:, None, None] * np.array([[1.0, -1.0], [-1.0, 1.0]])
        return sum_out(Pairs(np.zeros((4, 2)), edges, bond), [1, 3, 0, 2])

    k = math.log(p / (1 - p)) / 2
    mean = sum(
        p ** signs.count(1) * (1 - p) ** signs.count(-1) * -slope(lambda k, signs=signs: log_z(signs, k), k)
        for signs in product((1, -1), repeat=5)
    )
    assert mean / 5 == near(-(2 * p - 1), 1e-10)


def test_annealed_average_of_a_glass() -> None:
    """Three spins, three Gaussian couplings by ten Hermite nodes each, in any order."""
    beta, n = 1.3, 3
    nodes, weights = np.polynomial.hermite_e.hermegauss(10)
    weights = weights / weights.sum()
    edges, order = np.array([[0, 1], [0, 2], [1, 2]]), [0, 1, 2]
    mean = log_mean = 0.0
    for index in combinations_with_replacement(range(10), 3):
        bond = beta * nodes[list(index), None, None] / math.sqrt(n) * np.array([[1.0, -1.0], [-1.0, 1.0]])
        orders = len(set(permutations(index)))
        log_z, weight = sum_out(Pairs(np.zeros((3, 2)), edges, bond), order), orders * float(np.prod(weights[list(index)]))
        mean, log_mean = mean + weight * math.exp(log_z), log_mean + weight * log_z
    assert math.log(mean) == near(sherrington_kirkpatrick_annealed(n, beta).value, 1e-12)
    assert log_mean < math.log(mean) - 0.05


def test_hopfield_capacity() -> None:
    alpha, m = hopfield_capacity()
    assert alpha == near(0.137905566495, 1e-11)
    assert m == near(0.967417116, 1e-9)
    assert hopfield_overlap(alpha * (1 - 1e-10)).value == pytest.approx(m, abs=1e-4)
    assert hopfield_overlap(alpha * 1.001).value == 0
    assert hopfield_overlap(0.05).value > 0.999
    with pytest.raises(ValueError, match="load=0"):
        hopfield_overlap(0.0)


@pytest.mark.usefixtures("double")
def test_xy_chain() -> None:
    def log_z(k):
        return variable_elimination(XY((6,), k, periodic=False)).value

    k = 1.0
    assert log_z(k) == near(6 * math.log(2 * math.pi) + 5 * (math.log(i0e(k)) + k), 1e-13)
    assert slope(log_z, k) / 5 == near(0.446389965897, 1e-11)
    assert ive(1, k) / ive(0, k) == near(0.446389965897, 1e-11)


FIELDS = [
    ((4,), -2.0, 1.0, 4.000642057523, 0.739324923344),
    ((16,), -2.0, 1.0, 14.953253482640, 0.667641060755),
    ((2, 2), -4.75, 5.1, 2.814291995134, 0.346661967536),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("side", "m2", "lam", "log_z", "square"), FIELDS)
def test_field_theory(side, m2, lam, log_z, square) -> None:
    def found(m2):
        return exact_routes(Phi4(side, m2, lam))["transfer matrix"]().value

    assert found(m2) == near(log_z, 1e-12)
    assert -slope(found, m2) / math.prod(side) == near(square, 1e-10)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("side", [(5,), (2, 2)])
def test_free_field(side) -> None:
    """The determinant against the sum over sites, and against the matrix itself on a larger lattice."""
    routes = exact_routes(Phi4(side, 0.7, 0.0))
    assert routes["free field"]().value == near(routes["transfer matrix"]().value, 1e-12)
    n = 4
    step = np.eye(n) - np.roll(np.eye(n), 1, axis=1)
    ring = step.T @ step
    matrix = np.kron(ring, np.eye(n)) + np.kron(np.eye(n), ring) + 0.3 * np.eye(n * n)
    assert free_field((n, n), 0.3).value == near(0.5 * (n * n * math.log(math.pi) - np.linalg.slogdet(matrix)[1]), 1e-13)
    with pytest.raises(ValueError, match="Z is infinite"):
        free_field((4, 4), 0.0)


# ---- continuous targets, free energies, work ----


def quartic(tilt, x):
    return x[0] ** 4 - 6 * x[0] ** 2 - tilt * x[0]


@pytest.mark.usefixtures("double")
def test_double_well() -> None:
    well = Callable(quartic, jnp.asarray(0.5), Reals(1))
    whole = quadrature(well, low=-5, high=5, rtol=1e-13)
    assert whole.value == near(math.log(11784.5092651278267), 1e-14)
    right = quadrature(Callable(quartic, jnp.asarray(0.5), Box([0.0], [5.0])), rtol=1e-13)
    assert math.exp(right.value - whole.value) == pytest.approx(0.8443, abs=5e-5)
    own = float(need(DoubleWell(), Normalised, "test").log_z())
    assert own == near(whole.value, 1e-14)
    many = float(need(ManyWell(), Normalised, "test").log_z())
    assert many == near(164.695675313182, 1e-13)
    assert many == near(16 * (whole.value + math.log(2 * math.pi) / 2), 1e-14)


@pytest.mark.usefixtures("double")
def test_funnel() -> None:
    """Two of its axes, widths from e^-3 to e^3 in one box, which adaptive boxes find; the others are Gaussian at every neck."""
    assert float(need(Funnel(10), Normalised, "test").log_z()) == 0
    found = quadrature(Funnel(2, 1.0), low=[-6, -60], high=[6, 60], rtol=1e-7)
    assert abs(found.value) < found.stderr
    assert found.stderr < 1e-6


@pytest.mark.usefixtures("double")
def test_gaussian() -> None:
    a, b = np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([0.7, -0.4])
    truth = math.log(2 * math.pi) - 0.5 * math.log(np.linalg.det(a)) + 0.5 * b @ np.linalg.solve(a, b)
    tilted = Callable(linear_quadratic, (jnp.asarray(a), jnp.asarray(b)), Reals(2))
    assert quadrature(tilted, low=-12, high=12, rtol=1e-12).value == near(truth, 1e-12)
    centred = float(need(Gaussian(np.linalg.solve(a, b), a), Normalised, "test").log_z())
    assert centred + 0.5 * b @ np.linalg.solve(a, b) == near(truth, 1e-14)


def linear_quadratic(params, x):
    a, b = params
    return x @ a @ x / 2 - b @ x


def harmonic(k, x):
    return k * x[0] ** 2 / 2


@pytest.mark.usefixtures("double")
def test_variance_of_one_step() -> None:
    """The relative variance of weights `e^{U0 - U1}` is `Z(2 U1 - U0) Z(U0) / Z(U1)^2 - 1`: infinite, where 2 k1 <= k0."""

    def log_z(k, half=40.0):
        return quadrature(Callable(harmonic, jnp.asarray(k), Reals(1)), low=-half, high=half, rtol=1e-13)

    k0, k1 = 1.0, 2.0
    variance = math.expm1(float(log_z(2 * k1 - k0)) + float(log_z(k0)) - 2 * float(log_z(k1)))
    assert variance == near(k1 / math.sqrt(k0 * (2 * k1 - k0)) - 1, 1e-11)
    assert variance == near(0.154700538, 1e-8)
    assert float(log_z(k1)) - float(log_z(k0)) == near(-0.5 * math.log(k1 / k0), 1e-13)
    assert log_z(2 * 0.4 - 1.0, 10.0).stderr > 0.5  # all on the rim


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("apart", "truth", "digits"), [(1.0, 0.51273, 1e-5), (2.0, 2.4484, 2e-5)])
def test_information_of_bennetts_ratio(apart, truth, digits) -> None:
    """`n Var -> 1 / int p0 p1 / (p0 + p1) - 2`, the integral as the Z of `-log(p0 p1 / (p0 + p1))`."""
    overlap = quadrature(Callable(harmonic_mean, jnp.asarray(apart), Reals(1)), low=-12, high=14, rtol=1e-12)
    assert math.exp(-overlap.value) - 2 == pytest.approx(truth, rel=digits)


def harmonic_mean(apart, x):
    log_p0 = -(x[0] ** 2) / 2 - 0.5 * math.log(2 * math.pi)
    log_p1 = -((x[0] - apart) ** 2) / 2 - 0.5 * math.log(2 * math.pi)
    return jnp.logaddexp(log_p0, log_p1) - log_p0 - log_p1


def work_law(params, w):
    mean, variance = params
    return (w[0] - mean) ** 2 / (2 * variance) + 0.5 * jnp.log(2 * jnp.pi * variance) + w[0]


@pytest.mark.usefixtures("double")
def test_gaussian_work() -> None:
    found = quadrature(Callable(work_law, (jnp.asarray(1.3), jnp.asarray(0.8)), Reals(1)), low=-12, high=12, rtol=1e-13)
    assert -found.value == near(1.3 - 0.8 / 2, 1e-13)


@pytest.mark.parametrize(("steps", "truth", "digits"), [(5, 4.49541, 1e-6), (50, 4.01173, 2e-6)])
def test_dragged_trap(steps, truth, digits) -> None:
    """A jump of the trap by delta costs `-k delta (x - c) + k delta^2 / 2`, then x relaxes: mean and covariance, jump by jump."""
    k = g = v = 1.0
    t = 5.0
    dt = t / steps
    delta, a = v * dt, math.exp(-k * dt / g)
    mean, variance, covariance, work, square = 0.0, 1 / k, 0.0, 0.0, 0.0  # of y = x - c, of (y, W) and of W
    for _ in range(steps):
        work += -k * delta * mean + k * delta**2 / 2
        square += k**2 * delta**2 * variance - 2 * k * delta * covariance
        covariance += -k * delta * variance
        mean, covariance = a * (mean - delta), a * covariance
        variance = a**2 * variance + (1 - a**2) / k
    formula = k * delta**2 * (steps / 2 + a / (1 - a) * (steps - (1 - a**steps) / (1 - a)))
    assert work == near(formula, 1e-13)
    assert work == pytest.approx(truth, rel=digits)
    assert square == near(2 * work, 1e-13)  # so Delta F = <W> - Var / 2 = 0
    tr = g / k
    continuous = g * v**2 * (t - tr * (1 - math.exp(-t / tr)))
    assert continuous == near(4.006737946999, 1e-12)
    assert abs(work - continuous) < 0.5 * dt**2


def core(t, r):
    """`-log[(1 - e^{-u / T}) r^2]` inside of sigma."""
    u = 4 * (r[0] ** -12 - r[0] ** -6) / t
    return -jnp.log(-jnp.expm1(-u)) - 2 * jnp.log(r[0])


def tail(t, s):
    """`-log[(e^{-u / T} - 1) r^2 dr / ds]` outside, at r = 1 / s."""
    u = 4 * (s[0] ** 12 - s[0] ** 6) / t
    return -jnp.log(jnp.expm1(-u)) + 4 * jnp.log(s[0])


@pytest.mark.usefixtures("double")
def test_second_virial_coefficient() -> None:
    """The series against the integral, made of two positive ones."""

    def integral(t):
        inside, outside = (quadrature(Callable(f, jnp.asarray(t), Box([0.0], [1.0])), rtol=1e-13) for f in (core, tail))
        return 2 * math.pi * (math.exp(inside.value) - math.exp(outside.value))

    assert lennard_jones_b2(1.0).value == near(-5.31574512026, 1e-11)
    for t in (0.7, 1.0, 3.4, 20.0):
        assert lennard_jones_b2(t).value == near(integral(t), 1e-10)
    assert lennard_jones_boyle() == pytest.approx(3.417928, abs=5e-7)
    with pytest.raises(ValueError, match="temperature=0"):
        lennard_jones_b2(0.0)


@pytest.mark.usefixtures("double")
def test_teacher() -> None:
    """Two unit Gaussians in 50 dimensions, the second three times as heavy."""
    means = jnp.zeros((2, 50)).at[:, 0].set(jnp.array([-10.0, 6.0]))
    teacher = GaussianMixture(means, jnp.ones(2), (2 * math.pi) ** 25 * jnp.array([1.0, 3.0]))
    assert exact_routes(teacher)["closed form"]().value == near(47.3332210213535, 1e-14)
