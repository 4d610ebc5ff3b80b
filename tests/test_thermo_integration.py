"""Thermodynamic integration and the length of paths, against closed forms; broken twins must fail."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import Anew, not_a_number

from gibbsite.core import Evidence, Geometric, Linear, Normal, Status, Tempering, as_float, reference, schedule
from gibbsite.energies import Gaussian, GaussianMixture, Ising
from gibbsite.samplers import HMC, MALA, ULA, Gibbs, Silent
from gibbsite.thermo import (
    anneal,
    enumerate_log_z,
    gauss,
    respaced,
    thermodynamic_integration,
    thermodynamic_length,
    trapezoid,
)
from gibbsite.thermo.integration import slope

KEY = jax.random.key(1935)
Z = 5.6

# Moved, stretched and tilted against its base.
TILTED = Gaussian(jnp.array([0.9, -0.8]), np.array([[2.0, 0.7], [0.7, 1.0]]))
PATH = Geometric(Normal(jnp.array([-0.5, 0.0]), jnp.array([1.0, 1.5]), 0.3), TILTED)
TRUTH = math.log(2 * math.pi) - 0.5 * math.log(2.0 * 1.0 - 0.7**2)


def springs(stiff: float):
    """From x^2 / 2 to stiff x^2 / 2: at t the stiffness is k = 1 + (stiff - 1) t, and log Z falls by log(stiff) / 2."""
    return Geometric(Normal(jnp.zeros(1), jnp.ones(1)), Normal(jnp.zeros(1), jnp.full(1, stiff**-0.5)))


def of_springs(stiff: float) -> float:
    return 0.5 * math.log(2 * math.pi / stiff)


def integrate(path=PATH, kernel=None, **options):
    kernel = kernel or HMC(0.4, steps=4)
    return thermodynamic_integration(path, kernel, **{"rule": gauss(7), "draws": 300, "progress": Silent(), "key": KEY, **options})


def errors(found, truth) -> float:
    return float(np.max(np.abs(np.asarray(found.value) - truth) / found.stderr))


class TestRules:
    @pytest.mark.parametrize("nodes", [3, 4, 7, 15])
    def test_gauss_is_exact_for_polynomials(self, nodes) -> None:
        rule = gauss(nodes)
        for power in range(2 * nodes):
            assert rule.weights @ rule.times**power == pytest.approx(1 / (power + 1), rel=1e-12)
        for power in range((nodes + 1) // 2):
            assert rule.coarse @ rule.times**power == pytest.approx(1 / (power + 1), rel=1e-10)
        assert abs(rule.coarse @ rule.times ** (2 * nodes - 1) * 2 * nodes - 1) > 1e-6
        assert np.all(rule.coarse[1::2] == 0)

    def test_trapezoid_is_exact_for_lines(self) -> None:
        for times in (schedule(4), np.array([0.0, 0.1, 0.5, 1.0])):
            rule = trapezoid(times)
            for weights in (rule.weights, rule.coarse):
                assert weights @ (2 + 3 * rule.times) == pytest.approx(3.5, rel=1e-12)
        assert trapezoid(schedule(4)).weights @ np.linspace(0, 1, 5) ** 2 == pytest.approx(1 / 3 + 1 / 96, rel=1e-12)

    def test_refusals_name_the_remedy(self) -> None:
        for bad in (2, 40):
            with pytest.raises(ValueError, match="from 3 to 31"):
                gauss(bad)
        for times in ((0.0, 1.0), (0.0, 0.5, 0.5, 1.0), (0.1, 0.5, 1.0)):
            with pytest.raises(ValueError, match="increasing times from 0 to 1"):
                trapezoid(times)


class TestLength:
    def test_of_springs(self) -> None:
        """g = (k'/k)^2 / 2, so L = log(k_1 / k_0) / sqrt 2, and equal lengths are equal ratios of stiffness."""
        times = schedule(200, power=3.0)
        stiffness = 1 + 99 * np.asarray(times, np.float64)
        metric = (99 / stiffness) ** 2 / 2
        assert thermodynamic_length(times, metric) == pytest.approx(math.log(100) / math.sqrt(2), rel=1e-3)
        even = respaced(times, metric, steps=10)
        assert even[0] == 0
        assert even[-1] == 1
        np.testing.assert_allclose(np.diff(np.log(1 + 99 * even)), math.log(100) / 10, rtol=2e-3)

    def test_a_constant_metric_changes_nothing(self) -> None:
        np.testing.assert_allclose(respaced([0.2, 0.7], [3.0, 3.0], steps=4), np.linspace(0, 1, 5), atol=1e-12)

    def test_even_lengths_lower_the_variance_of_annealing(self) -> None:
        """A width that shrinks a hundredfold, linearly in t: the last of 60 even steps is a factor of 2.6.

        Every move is an exact draw, so the work is a sum of independent terms, and nothing but the spacing matters.
        """
        start = Normal(jnp.zeros(2), jnp.ones(2))
        path = Linear(start, start, Normal(jnp.zeros(2), jnp.full(2, 0.01)))
        rule = trapezoid(1 - np.asarray(schedule(30, power=3.0))[::-1])
        pilot = thermodynamic_integration(path, Anew(), rule=rule, warmup=1, draws=50, progress=Silent(), key=KEY)
        assert pilot.length == pytest.approx(2 * math.log(100), rel=0.1)
        times = respaced(pilot.times, pilot.metric, steps=60)
        even, uneven = (anneal(path, Anew(), walkers=2000, times=t, progress=Silent(), key=KEY) for t in (times, schedule(60)))
        assert errors(even.log_z, 2 * math.log(0.01) + math.log(2 * math.pi)) < Z
        assert np.var(even.work) < 1.5 * pilot.length**2 / 60
        assert np.var(uneven.work) > 4 * np.var(even.work)
        assert even.log_z.ess > 2 * uneven.log_z.ess

    def test_refusals_name_the_remedy(self) -> None:
        with pytest.raises(ValueError, match="steps=0"):
            respaced([0.0, 1.0], [1.0, 1.0], steps=0)
        for times, metric, said in (
            ([0.0, 1.0], [1.0], "one number a time"),
            ([1.0, 0.0], [1.0, 1.0], "rising times"),
            ([0.0, 1.0], [0.0, 0.0], "not all zero"),
            ([0.0, 1.0], [1.0, np.nan], "finite"),
        ):
            with pytest.raises(ValueError, match=said):
                thermodynamic_length(times, metric)


def test_slope_of_a_path_that_is_not_linear_in_t() -> None:
    start, stop = Normal(jnp.zeros(2), jnp.ones(2)), Normal(jnp.array([1.0, -2.0]), jnp.array([0.5, 2.0]))
    path, x, t = Linear(start, start, stop), jnp.array([0.7, 0.2]), as_float(0.3)
    by_hand = (path(t + 1e-2)(x) - path(t - 1e-2)(x)) / 2e-2
    assert slope(path, t, x) == pytest.approx(float(by_hand), rel=2e-3)


def test_a_tilted_gaussian() -> None:
    out = integrate()
    assert errors(out.log_z, TRUTH) < Z
    assert out.log_z.evidence is Evidence.INTERVAL
    assert out.log_z.status is Status.OK
    assert out.log_z.stderr < 0.05
    assert out.log_z.stderr == pytest.approx(math.hypot(out.statistical, out.quadrature))


def test_the_curve_of_springs() -> None:
    """Mean slope (k_1 - k_0) / 2 k, its variance the square of that times 2, at every node."""
    out = integrate(springs(9.0), draws=1000)
    stiffness = 1 + 8 * out.times
    assert errors(out.slopes, 4 / stiffness) < Z
    np.testing.assert_allclose(out.metric, 32 / stiffness**2, rtol=0.25)
    assert out.length == pytest.approx(math.log(9) / math.sqrt(2), rel=0.1)
    assert errors(out.log_z, of_springs(9.0)) < Z
    assert out.quadrature < 0.1


def test_a_rule_that_is_too_coarse_says_so() -> None:
    """Six straight lines under a curve that falls a hundredfold: as if the means were all, the error would be too small by far."""
    out = integrate(springs(100.0), HMC(0.1, steps=4), rule=trapezoid(schedule(6)))
    assert out.quadrature > 5 * out.statistical
    assert out.log_z.lo < of_springs(100.0) < out.log_z.hi
    assert abs(out.log_z.value - of_springs(100.0)) > Z * out.statistical


def test_optimal_effort_goes_where_slopes_are_wide() -> None:
    """The spread of slopes goes as 1 / k: of the variance of the sum, known in closed form, much less is left than of even effort."""
    out = integrate(springs(400.0), HMC(0.05, steps=4), effort="optimal")
    assert errors(out.log_z, of_springs(400.0)) < Z
    assert np.sum(out.chains) == 7 * 16
    assert np.min(out.chains) >= 2
    terms = (gauss(7).weights / (1 + 399 * out.times)) ** 2
    assert np.sum(terms / out.chains) < 0.6 * np.sum(terms / 16)


@pytest.mark.long
def test_pilot_walkers_tune_the_kernel_of_every_time() -> None:
    """Stiffness 1 to 400: one step size is too long for one end, or too short for the other."""
    plain, tuned = (integrate(springs(400.0), HMC(0.1, steps=4), rule=gauss(15), draws=1000, tune=tune) for tune in (0, 32))
    assert errors(tuned.log_z, of_springs(400.0)) < Z
    assert tuned.statistical < plain.statistical


def test_ising_4x4_by_heat_bath() -> None:
    ising = Ising(4, 0.44, jnp.linspace(-0.1, 0.2, 16).reshape(4, 4))
    out = integrate(Tempering(ising, reference(ising.space)), Gibbs(), warmup=50)
    assert errors(out.log_z, float(enumerate_log_z(ising).value)) < Z
    assert out.log_z.stderr < 0.05


class TestStatus:
    def test_chains_that_never_meet(self) -> None:
        """Two modes forty widths apart, and steps too small to leave either."""
        apart = GaussianMixture(jnp.array([[20.0, 0.0], [-20.0, 0.0]]), jnp.ones(2), jnp.array([1.0, 2.0]))
        out = integrate(Geometric(Normal(jnp.array([1.0, 0.0]), jnp.full(2, 20.0)), apart), MALA(0.05))
        assert out.log_z.status is Status.NOT_MIXED
        assert out.log_z.evidence is Evidence.NOT_ESTABLISHED
        assert repr(out).endswith(f"\n? {Status.NOT_MIXED.value}")

    def test_not_a_number(self) -> None:
        out = integrate(Geometric(Normal(jnp.zeros(2), jnp.ones(2)), not_a_number()))
        assert out.log_z.value is None
        assert out.log_z.status is Status.NON_FINITE

    def test_nothing_ever_varies(self) -> None:
        base = Normal(jnp.zeros(2), jnp.ones(2))
        out = integrate(Geometric(base, Normal(jnp.zeros(2), jnp.ones(2), 1.0)))
        assert out.log_z.status is Status.CONSTANT
        assert out.log_z.value == pytest.approx(math.log(2 * math.pi) - 1, abs=1e-5)

    def test_unadjusted_moves(self) -> None:
        assert integrate(kernel=ULA(0.05)).log_z.status is Status.UNADJUSTED


def test_runs_of_other_lengths_compile_once() -> None:
    """Steps, times, warm-up and draws are numbers that the programs take."""
    module = sys.modules[thermodynamic_integration.__module__]
    programs = [module._led, module._observed]
    integrate()
    held = [fn._cached._cache_size() for fn in programs]
    integrate(kernel=HMC(0.3, steps=4), rule=trapezoid(schedule(6)), warmup=30, draws=40)
    integrate(effort="optimal")
    assert [fn._cached._cache_size() for fn in programs] == held


def test_one_key_one_integral() -> None:
    assert integrate(draws=20).log_z.value == integrate(draws=20).log_z.value


def test_it_prints_as_one_line() -> None:
    out = integrate()
    assert repr(out).startswith(f"log Z = {out.log_z}, interval; 7 nodes, 112 chains; errors 0.0")
    assert "\n" not in repr(out)


def test_refusals_name_the_remedy() -> None:
    with pytest.raises(TypeError, match="Tempering has no base"):
        integrate(Tempering(TILTED))
    with pytest.raises(TypeError, match="needs the capability"):
        integrate(Geometric(not_a_number(), TILTED))
    for options, said in (
        ({"chains": 1}, "chains=1"),
        ({"warmup": 0}, "warmup=0"),
        ({"draws": 0}, "draws=0"),
    ):
        with pytest.raises(ValueError, match=said):
            integrate(**options)
