"""Energies of real numbers: exact constants and draws, bounds, and what breaks them."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln, gammaln
from scipy.stats import norm

from gibbsite.core import Box, Callable, Normal, Normalised, Reals, Uniform, capability
from gibbsite.energies import (
    Banana,
    DoubleWell,
    Funnel,
    Gaussian,
    ManyWell,
    MuellerBrown,
    Posterior,
    Ring,
    Rosenbrock,
    Transformed,
    gmm40,
)
from gibbsite.energies.gmm40 import CENTRES
from gibbsite.testing.energy import _draws, check_draws, check_log_z
from gibbsite.testing.law import LawViolation, bounded, rounding, z_test
from gibbsite.thermo import quadrature

KEY = jax.random.key(31)


def log_z(energy) -> float:
    return float(capability(energy, Normalised).log_z())


# ---- Gaussians ----

A = np.array([[2.0, 0.6, -0.3], [0.6, 0.5, 0.1], [-0.3, 0.1, 1.5]])
B = np.array([0.7, -1.2, 0.4])


def test_gaussian_integral_with_a_linear_term() -> None:
    """U = x' A x / 2 - b' x has log Z = (d log 2 pi - log det A + b' A^-1 b) / 2; at mean A^-1 b it is a Gaussian less a constant."""
    mean = np.linalg.solve(A, B)
    found = log_z(Gaussian(mean, A)) + B @ mean / 2
    truth = 1.5 * math.log(2 * math.pi) - 0.5 * math.log(np.linalg.det(A)) + 0.5 * B @ np.linalg.inv(A) @ B
    assert found == pytest.approx(truth, abs=2e-6)
    xs = np.random.default_rng(0).normal(size=(8, 3))
    direct = 0.5 * np.einsum("ni,ij,nj->n", xs, A, xs) - xs @ B + B @ mean / 2
    bounded("Gaussian", "quadratic form", jax.vmap(Gaussian(mean, A))(jnp.asarray(xs, jnp.float32)) - direct, rounding(direct))


def test_gaussian_by_covariance_keeps_its_soft_direction() -> None:
    """Variances from 1 to 10^6 along axes that are not those of x: a precision matrix in float32 would be off by a tenth."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    spread = np.array([1.0, 10.0, 1e3, 1e6])
    energy = Gaussian.of_covariance(np.zeros(4), turn * spread @ turn.T)
    assert log_z(energy) == pytest.approx(2 * math.log(2 * math.pi) + 0.5 * np.sum(np.log(spread)), abs=1e-5)
    x = turn[:, 3] * 1e3
    assert float(energy(jnp.asarray(x, jnp.float32))) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ([[1.0, 0.5], [0.4, 1.0]], r"(?s)not symmetric.*\(A \+ A'\) / 2"),
        ([[1.0, 2.0], [2.0, 1.0]], r"eigenvalue -1: add a small multiple of the identity"),
        ([[np.nan, 0.0], [0.0, 1.0]], "not finite"),
        (np.eye(3), r"\(2, 2\)"),
    ],
)
@pytest.mark.parametrize("make", [Gaussian, Gaussian.of_covariance])
def test_matrices_of_no_gaussian_are_refused(make, matrix, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make([0.0, 0.0], np.array(matrix))


def test_forty_gaussians() -> None:
    energy = gmm40()
    centres = np.array(CENTRES)
    assert len(np.unique(centres, axis=0)) == 40 and np.all(np.abs(centres) <= 40)
    check_log_z(energy, (-48.0, 48.0))


# ---- wells and rings ----


def test_one_well() -> None:
    """Constant and mass of the right well by another quadrature, and the mass in draws."""
    left, right = (quad(lambda x: math.exp(-(x**4) + 6 * x**2 + x / 2), *ends, epsabs=0, epsrel=1e-12)[0] for ends in ((-6, 0), (0, 6)))
    assert left + right == pytest.approx(11784.5092651278267, rel=1e-12)
    assert log_z(DoubleWell()) == pytest.approx(math.log(left + right), abs=1e-6)
    assert right / (left + right) == pytest.approx(0.8443, abs=5e-5)
    z_test("DoubleWell", "mass on the right", _draws(DoubleWell(), 2**15, key=KEY) > 0, right / (left + right))


def test_many_well_32() -> None:
    energy = ManyWell()
    assert energy.space.shape == (32,)
    assert log_z(energy) == pytest.approx(164.695675313182, rel=1e-7)
    mass = jnp.mean(_draws(energy, 2**12, key=KEY)[:, ::2] > 0, axis=1)
    z_test("ManyWell", "mass on the right", mass, 0.844297)


@pytest.mark.parametrize(
    ("x", "value", "down"),
    [
        ((-0.558224, 1.441726), -146.6995, 0),
        ((0.623499, 0.028038), -108.1667, 0),
        ((-0.050011, 0.466694), -80.7678, 0),
        ((-0.822002, 0.624313), -40.6648, 1),
        ((0.212487, 0.292988), -72.2489, 1),
    ],
)
def test_stationary_points_of_mueller_and_brown(x: tuple, value: float, down: int) -> None:
    energy, at = MuellerBrown(1.0), jnp.array(x)
    assert float(energy(at)) == pytest.approx(value, abs=2e-4)
    curvature = np.linalg.eigvalsh(np.asarray(jax.jit(jax.hessian(energy))(at), np.float64))
    assert np.sum(curvature < 0) == down
    # the coordinates are printed to six places
    bounded("MuellerBrown", "slope at a stationary point", jax.grad(energy)(at), 1e-6 * curvature[1] + 1e-3)
    assert float(MuellerBrown(20.0)(at)) == pytest.approx(value / 20, rel=1e-5)


@pytest.mark.parametrize(("dim", "radius", "width"), [(1, 1.5, 0.7), (2, 3.0, 0.3), (3, 0.4, 1.1), (40, 5.0, 0.5)])
def test_ring_against_its_radial_integral(dim: int, radius: float, width: float) -> None:
    area = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    integral = quad(lambda r: (r / radius) ** (dim - 1) * math.exp(-(((r - radius) / width) ** 2) / 2), 0, radius + 30 * width, limit=200)[
        0
    ]
    truth = area + (dim - 1) * math.log(radius) + math.log(integral)
    assert log_z(Ring(dim, radius, width)) == pytest.approx(truth, abs=2e-6 * max(10, abs(truth)))


def test_shells_are_drawn_exactly() -> None:
    check_draws(Ring(4, 0.8, 0.6), 2**15, key=KEY)


# ---- funnels and bananas ----


def test_funnel_is_the_law_of_neal() -> None:
    xs = np.asarray(_draws(Funnel(), 64, key=KEY), np.float64)
    truth = -norm.logpdf(xs[:, 0], scale=3.0) - norm.logpdf(xs[:, 1:], scale=np.exp(xs[:, :1] / 2)).sum(axis=1)
    bounded("Funnel", "energy", np.asarray(jax.vmap(Funnel())(jnp.asarray(xs, jnp.float32))) - truth, 4 * rounding(truth))


def test_rosenbrock_on_the_plane() -> None:
    x, y = 0.4, -1.3
    assert float(Rosenbrock()(jnp.array([x, y]))) == pytest.approx((100 * (y - x**2) ** 2 + (1 - x) ** 2) / 20, rel=1e-6)
    check_log_z(Rosenbrock(2, 1, 2.0, 1.5, 0.5), (-16.0, 16.0))


def test_rosenbrock_in_blocks() -> None:
    x = np.array([0.7, 1.1, -0.4, 0.3, 0.9, 0.2, -0.8])  # x_0, then two blocks of three
    chains = ((x[0], *x[1:4]), (x[0], *x[4:]))
    bends = sum((chain[i] - chain[i - 1] ** 2) ** 2 for chain in chains for i in (1, 2, 3))
    energy = Rosenbrock(4, 2, 2.0, 3.0, 0.5)
    assert float(energy(jnp.asarray(x, jnp.float32))) == pytest.approx(2 * (x[0] - 0.5) ** 2 + 3 * bends, rel=1e-6)
    energies = jax.vmap(energy)(_draws(energy, 2**15, key=KEY))
    z_test("Rosenbrock", "energy of draws, of seven squares", energies, 3.5)


def test_banana_of_haario() -> None:
    x = np.array([7.0, -2.0, 0.5])
    bent = x[1] + 0.03 * x[0] ** 2 - 100 * 0.03
    assert float(Banana(3)(jnp.asarray(x, jnp.float32))) == pytest.approx(x[0] ** 2 / 200 + bent**2 / 2 + x[2] ** 2 / 2, rel=1e-6)
    assert log_z(Banana(3)) == pytest.approx(1.5 * math.log(2 * math.pi) + math.log(10), rel=1e-6)


# ---- broken twins: draws or constants that are not those of the energy ----


class EqualWells(DoubleWell):
    def _sample(self, *, key):
        side, move = jax.random.split(key)
        return jnp.abs(DoubleWell._sample(self, key=move)) * jax.random.rademacher(side, (1,), float)


class WellsFirst(ManyWell):
    def _sample(self, *, key):
        return ManyWell._sample(self, key=key).reshape(-1, 2).T.ravel()


class Unweighted(Ring):
    """The radius of a Gaussian, without the factor r of the plane."""

    def _sample(self, *, key):
        along, way = jax.random.split(key)
        angle = 2 * jnp.pi * jax.random.uniform(way)
        return (self.radius + self.width * jax.random.normal(along)) * jnp.stack([jnp.cos(angle), jnp.sin(angle)])


class Untransposed(Gaussian):
    def _sample(self, *, key):
        return self.mean + jnp.linalg.solve(self.factor, jax.random.normal(key, self.mean.shape))


class DeviationsFor(Funnel):
    """Deviations e^{x_0} where variances are meant."""

    def _sample(self, *, key):
        x = Funnel._sample(self, key=key)
        return jnp.append(x[0], x[1:] * jnp.exp(x[0] / 2))


class Halves(Rosenbrock):
    """Variances 1 / b where U has no half."""

    def _sample(self, *, key):
        return Rosenbrock(self.length, self.blocks, self.a / 2, self.b / 2, self.mu)._sample(key=key)


class BentUp(Banana):
    def _sample(self, *, key):
        return Banana(self.dim, -self.bend, self.scale)._sample(key=key)


class ForgetsJacobian(Transformed):
    def log_slope(self, z):
        return jnp.zeros(())


BROKEN = {
    "wells of equal mass": EqualWells(),
    "wells first": WellsFirst(2),
    "radius without its weight": Unweighted(2, 1.5, 0.5),
    "factor for its transpose": Untransposed([1.0, -0.5], [[2.0, 0.6], [0.6, 0.5]]),
    "deviations for variances": DeviationsFor(3, 0.5),
    "half the stiffness": Halves(2, 1, 3.0, 1.5, 0.5),
    "bent up": BentUp(2, 0.4, 1.5),
    "Jacobian forgotten": ForgetsJacobian(Uniform(Box([-1.0], [2.0]))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_draws_that_do_not_follow_are_seen(name: str) -> None:
    with pytest.raises(LawViolation, match="draws"):
        check_draws(BROKEN[name], 2**15, key=KEY)


# ---- Bayes' rule ----


def _gauss(x, data):
    return jnp.sum(-((data - x) ** 2) / 2 - 0.5 * jnp.log(2 * jnp.pi))


def _counts(x, data):
    heads, tails = data
    return heads * jnp.log(x[0]) + tails * jnp.log1p(-x[0])


def test_evidence_of_a_gaussian_mean() -> None:
    """n rows of N(x, 1) with x from N(m, s^2) are Gaussian with covariance 1 + s^2."""
    rows, m, s = np.array([0.3, 1.9, -0.4, 1.1]), 0.5, 1.5
    prior = Normal([m], [s])
    found = quadrature(Posterior(prior, _gauss, rows), low=-12, high=12).value - log_z(prior)
    covariance = np.eye(4) + s**2
    off = rows - m
    truth = -0.5 * (4 * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1] + off @ np.linalg.solve(covariance, off))
    assert found == pytest.approx(truth, abs=1e-5)


def test_evidence_of_a_coin_stays_in_its_box() -> None:
    """Of 7 heads and 3 tails under a uniform prior: B(8, 4), for x between bounds and for its unbounded coordinate alike."""
    posterior = Posterior(Uniform(Box([0.0], [1.0])), _counts, (7, 3))
    assert isinstance(posterior.space, Box)
    assert quadrature(posterior).value == pytest.approx(betaln(8, 4), abs=1e-5)
    assert quadrature(Transformed(posterior), low=-16, high=16).value == pytest.approx(betaln(8, 4), abs=1e-5)


def test_other_data_are_no_other_program() -> None:
    traces = []

    def counted(x, data):
        traces.append(data)
        return _counts(x, data)

    value = eqx.filter_jit(lambda energy, x: energy(x))
    for data in ((7, 3), (np.int64(2), 5), (4, 4)):
        found = value(Posterior(Uniform(Box([0.0], [1.0])), counted, data), jnp.array([0.25]))
        assert float(found) == pytest.approx(-float(data[0] * math.log(0.25) + data[1] * math.log(0.75)), rel=1e-6)
    assert len(traces) == 1


# ---- bounds ----

ENDS = Box([0.0, -np.inf, -np.inf, 2.0], [np.inf, np.inf, 1.0, 5.0])
FOUR = Transformed(Callable(lambda params, x: jnp.sum(x**2), None, ENDS))


def test_there_and_back() -> None:
    zs = 3 * jax.random.normal(KEY, (64, 4))
    xs = jax.vmap(FOUR.forward)(zs)
    assert bool(jnp.all(jax.vmap(ENDS.contains)(xs)))
    # near a wall the distance to it is rounded to a unit in the last place of x
    distance = jnp.minimum(jnp.where(jnp.isfinite(ENDS.low), xs - ENDS.low, 1.0), jnp.where(jnp.isfinite(ENDS.high), ENDS.high - xs, 1.0))
    bounded("Transformed", "back from there", jax.vmap(FOUR.inverse)(xs) - zs, 2e-6 * (1 + np.abs(zs)) + 1e-6 / np.asarray(distance))


def test_jacobian_is_that_of_forward() -> None:
    zs = 2 * jax.random.normal(KEY, (64, 4))
    truth = np.linalg.slogdet(np.asarray(jax.jit(jax.vmap(jax.jacobian(FOUR.forward)))(zs), np.float64))[1]
    bounded("Transformed", "log slope", jax.vmap(FOUR.log_slope)(zs) - truth, 4 * rounding(truth))


def test_walls_are_never_reached() -> None:
    zs = jnp.array([-1e4, -90.0, 90.0, 1e4])[:, None] * jnp.ones(4)
    xs, slopes = jax.jit(jax.vmap(lambda z: (FOUR.forward(z), jax.jacobian(FOUR.forward)(z))))(zs)
    assert bool(jnp.all((xs > ENDS.low) & (xs < ENDS.high))), xs
    assert np.all(np.isfinite(slopes))
    assert np.all(np.isfinite(FOUR.inverse(jnp.array([0.0, 1.0, 1.0, 5.0]))))


def _gamma(params, x):
    return params[1] * x[0] - (params[0] - 1) * jnp.log(x[0])


def _beta(params, x):
    return -(params[0] - 1) * jnp.log(x[0]) - (params[1] - 1) * jnp.log1p(-x[0])


@pytest.mark.parametrize(
    ("energy", "truth"),
    [
        (Callable(_gamma, jnp.array([2.5, 2.0]), Box([0.0], [np.inf])), gammaln(2.5) - 2.5 * math.log(2.0)),
        (Callable(_beta, jnp.array([1.5, 0.8]), Box([0.0], [1.0])), betaln(1.5, 0.8)),
        (Callable(lambda rate, x: -rate * x[0], 3.0, Box([-np.inf], [0.5])), 1.5 - math.log(3.0)),
        (Callable(lambda rate, x: rate * x[0] ** 2, 0.5, Box([-np.inf], [np.inf])), 0.5 * math.log(2 * math.pi)),
    ],
    ids=["gamma", "beta", "turned exponential", "no bounds"],
)
def test_constants_are_kept(energy: Callable, truth: float) -> None:
    assert quadrature(Transformed(energy), low=-30, high=30).value == pytest.approx(float(truth), abs=2e-5)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Transformed(Normal([0.0], [1.0])), TypeError, "ends may be infinite, not on Reals"),
        (lambda: MuellerBrown(0.0), ValueError, "temperature=0.0: give a positive kT"),
        (lambda: Ring(2, -1.0), ValueError, "radius=-1.0"),
        (lambda: Ring(2, 1.0, 0.0), ValueError, "width=0.0"),
        (lambda: Funnel(3, 0.0), ValueError, "scale=0.0"),
        (lambda: Rosenbrock(1), ValueError, "length=1"),
        (lambda: Rosenbrock(2, 1, -1.0), ValueError, "a=-1.0"),
        (lambda: Banana(1), ValueError, "dim=1"),
    ],
)
def test_what_has_no_law_is_refused(make, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        make()


def test_reals_of_any_size() -> None:
    assert Funnel(4).space == Reals(4) and ManyWell(3).space == Reals(6) and Rosenbrock(4, 3).space == Reals(10)
