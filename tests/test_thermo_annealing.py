"""Annealing, forward and reverse, against exact constants; broken twins must fail."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import Impatient, NoShadow, SelfReversed, Site, not_a_number

from gibbsite.core import (
    Coins,
    Cycle,
    Estimate,
    Evidence,
    Geometric,
    Linear,
    Normal,
    Repeat,
    Spins,
    Status,
    Tempering,
    Trajectory,
    as_float,
    draw,
    reference,
    schedule,
)
from gibbsite.energies import GaussianMixture, Ising
from gibbsite.samplers import MALA, ULA, Gibbs, ParallelTempering, sample
from gibbsite.testing.crooks import TwoSpins, check_crooks, spins
from gibbsite.testing.estimator import check_coverage
from gibbsite.testing.law import LawViolation
from gibbsite.thermo import Annealing, Ladder, anneal, anneal_reverse, bar, exponential_average, kaufman, log_mean

KEY = jax.random.key(20240613)
K_C = math.log(1 + math.sqrt(2)) / 2
ISING_8 = 60.14178078906915  # Kaufman
Z = 5.6


def exact_draws(energy, count, key):
    return jax.jit(jax.vmap(lambda k: draw(energy, key=k)))(jax.random.split(key, count))


def errors(estimate: Estimate, truth: float) -> float:
    return abs(estimate.value - truth) / estimate.stderr


@eqx.filter_jit
def move_then_switch(path, kernel, times, xs, key):
    """A broken twin: one loop for both directions, which is not its own mirror image."""
    work = jnp.zeros(len(xs))
    for k in range(len(times) - 1):
        energy = path(times[k])

        def one(x, key, energy=energy, k=k):
            state, info = kernel.step(energy, kernel.init(energy, x, key=key), key=key)
            y = kernel.position(state)
            return y, info.shadow_work + path.work(times[k], times[k + 1], y)

        xs, spent = jax.vmap(one)(xs, jax.random.split(jax.random.fold_in(key, k), len(xs)))
        work += spent
    return xs, work


def same_loop(path, kernel, *, walkers, times, settle, key):
    return same_loop_back(path, kernel, exact_draws(path.base, walkers, key), times=times[::-1], settle=settle, key=key)


def same_loop_back(path, kernel, x, *, times, settle, key):
    xs, work = move_then_switch(path, kernel, as_float(times)[::-1], x, jax.random.fold_in(key, 1))
    return Annealing(log_mean(-work), np.asarray(work, np.float64), xs, np.zeros(0), kernel, 0.0)


class TestCrooks:
    def test_ula(self):
        check_crooks(ULA(0.2), key=KEY)

    def test_ula_next_energy_form(self):
        check_crooks(ULA(0.2), settle="next", key=KEY)

    def test_cycle_of_unequal_parts(self):
        check_crooks(Cycle((ULA(0.2), MALA(0.5))), key=KEY)

    def test_gibbs_sweep_and_cycle_of_sites(self):
        check_crooks(Gibbs(), spins(), key=KEY)
        check_crooks(Cycle((Site(0), Site(1))), spins(), key=KEY)

    @pytest.mark.parametrize("kernel", [Gibbs(), Cycle((Site(0), Site(1)))], ids=["sweep", "cycle"])
    def test_wrong_reversal_fails(self, kernel):
        with pytest.raises(LawViolation, match="no time reversal"):
            check_crooks(SelfReversed(kernel), spins(), key=KEY)

    def test_same_loop_on_the_reversed_path_fails(self):
        with pytest.raises(LawViolation, match="no time reversal"):
            check_crooks(ULA(0.2), forward=same_loop, reverse=same_loop_back, key=KEY)


def test_log_z_of_a_gaussian_with_ula_at_a_large_step():
    """At this step ULA's draws have 1.6 times the variance; leaving the shadow work out is wrong by many errors."""
    base, target = Normal(jnp.zeros(4), jnp.ones(4)), Normal(jnp.full(4, 0.5), jnp.full(4, 0.6), 0.5)
    truth, times = float(target._log_z()), schedule(12)
    out = anneal(Geometric(base, target), ULA(0.25), walkers=20_000, times=times, key=KEY)
    assert errors(out.log_z, truth) < Z
    assert out.log_z.stderr < 0.03
    assert out.log_z.evidence is Evidence.LOWER
    twin = anneal(Geometric(base, target), NoShadow(ULA(0.25)), walkers=20_000, times=times, key=KEY)
    print(f"exact {truth:.4f}, with shadow {out.log_z}, without {twin.log_z}")
    assert errors(twin.log_z, truth) > 2 * Z


@pytest.fixture(scope="module")
def mixture():
    target = GaussianMixture(jnp.array([[2.0, 0.0], [-2.0, 0.0]]), jnp.array([0.5, 0.7]), jnp.array([1.0, 2.0]))
    path = Geometric(Normal(jnp.zeros(2), 2 * jnp.ones(2)), target)
    return path, target, anneal(path, MALA(1.0), walkers=2**14, times=schedule(8), tune=32, key=KEY)


def test_tuned_ladder_recovers_log_z_both_ways(mixture):
    path, target, out = mixture
    assert isinstance(out.kernel, Ladder)
    steps = np.asarray(out.kernel.kernel.step_size)
    assert steps.shape == (9,)
    assert steps[1] > 1.5 * steps[-1]
    assert np.all(np.abs(out.acceptance - 0.574) < 0.15)
    assert errors(out.log_z, math.log(3)) < Z
    back = anneal_reverse(path, out.kernel, exact_draws(target, 2**14, KEY), times=schedule(8), key=KEY)
    assert back.log_z.evidence is Evidence.UPPER
    both = bar(out.work, back.work) + out.base_log_z
    assert errors(both, math.log(3)) < Z
    assert both.stderr < 0.02


@pytest.fixture(scope="module")
def replicates():
    """2000 anneals of 200 walkers each, in one go: walkers are independent."""
    base, target = Normal(jnp.zeros(2), jnp.ones(2)), Normal(jnp.array([1.0, -1.0]), jnp.array([0.7, 1.2]), 0.5)
    out = anneal(Geometric(base, target), MALA(0.5), walkers=400_000, times=schedule(6), key=KEY)
    return out.work.reshape(2000, 200) - out.base_log_z, float(target._log_z())


def test_error_bars_of_annealing_cover(replicates):
    works, truth = replicates
    check_coverage((log_mean(-work) for work in works), truth, limit=0.1, name="anneal")


def test_mean_of_log_weights_is_no_log_z(replicates):
    """A broken twin: the average of log-weights instead of the log of the average."""
    works, truth = replicates
    twins = (Estimate(-work.mean(), work.std() / math.sqrt(len(work))) for work in works)
    with pytest.raises(LawViolation, match="too narrow"):
        check_coverage(twins, truth, limit=0.1)


def test_ising_8x8_at_the_critical_point():
    """AIS and BAR against Kaufman.

    The reverse walk starts from annealed walkers, resampled and then swept 100 times with checkerboard Gibbs at K_c: no
    exact draws, but their bias is far below the error asked for.
    """
    ising = Ising(8, K_C)
    path, times = Geometric(reference(ising.space), ising), schedule(250)
    out = anneal(path, Gibbs(), walkers=1024, times=times, key=KEY)
    weights = np.exp(out.log_weights - out.log_weights.max())
    chosen = jax.random.choice(KEY, len(weights), (1024,), p=jnp.asarray(weights / weights.sum()))
    mixed = sample(Gibbs(), ising, chains=1024, warmup=0, draws=100, keep=100, init=out.positions[chosen], key=KEY)
    back = anneal_reverse(path, Gibbs(), mixed.samples[:, -1], times=times, key=jax.random.fold_in(KEY, 1))
    both = bar(out.work, back.work) + out.base_log_z
    print(f"8x8 at K_c: exact {ISING_8:.6f}, AIS {out.log_z}, reverse {back.log_z}, BAR {both}")
    for estimate in (out.log_z, both):
        assert estimate.status is Status.OK
        assert estimate.stderr <= 0.05
        assert errors(estimate, ISING_8) < 4


def test_weights_spread_over_a_thousand_nats():
    """log-sum-exp on the host; a raw exp of the weights gives minus infinity."""
    log_weights = np.linspace(-2000.0, -1000.0, 1001)
    estimate = log_mean(log_weights)
    assert estimate.value == pytest.approx(-1000 + math.log(1 / (1 - math.exp(-1))) - math.log(1001), rel=1e-12)
    assert estimate.status is Status.LOW_ESS
    assert estimate.hi == math.inf
    with np.errstate(divide="ignore"):
        assert np.log(np.mean(np.exp(log_weights))) == -np.inf
    path = Geometric(Normal(jnp.zeros(50), jnp.ones(50)), Normal(jnp.full(50, 8.0), jnp.full(50, 0.3)))
    out = anneal(path, ULA(1e-3), walkers=64, times=(0.0, 0.5, 1.0), key=KEY)
    assert np.ptp(out.work) > 1000
    assert math.isfinite(out.log_z.value)
    assert out.log_z.status is Status.LOW_ESS
    assert out.log_z.lo < float(path.target._log_z())


def test_nan_energies_give_a_status():
    path = Geometric(Normal(jnp.zeros(2), jnp.ones(2)), not_a_number())
    out = anneal(path, ULA(0.1), walkers=8, times=schedule(3), key=KEY)
    assert out.log_z.value is None
    assert out.log_z.status is Status.NON_FINITE


def test_refusals_name_the_remedy():
    base, target = TwoSpins(0.0, (0.0, 0.0)), TwoSpins(1.0, (0.0, 0.0))
    path, times = Linear(base, base, target), schedule(2)
    with pytest.raises(TypeError, match="ParallelTempering does not report its work"):
        anneal(path, ParallelTempering.over(Gibbs(), [0.5, 1.0]), times=times, key=KEY)
    with pytest.raises(TypeError, match="Tempering has no base"):
        anneal(Tempering(target), Gibbs(), times=times, key=KEY)
    with pytest.raises(ValueError, match="increasing numbers from 0 to 1"):
        anneal(path, Gibbs(), times=[0.0, 0.5], key=KEY)
    for kernel in (Gibbs(), Repeat(ULA(0.1), 2)):
        with pytest.raises(ValueError, match="cannot settle a switch"):
            anneal(path, kernel, times=times, settle="next", key=KEY)
    with pytest.raises(ValueError, match="lies outside the support"):
        anneal_reverse(path, Gibbs(), jnp.zeros((4, 2)), times=times, key=KEY)


class TestPerturbation:
    def test_harmonic_relative_variance(self):
        """k: 1 -> 2 has relative variance 0.1547 a sample; the stated error bar must say so."""
        x = np.random.default_rng(0).normal(size=200_000)
        estimate = exponential_average(x**2 / 2)
        assert estimate.value == pytest.approx(-math.log(2) / 2, abs=Z * estimate.stderr)
        assert estimate.stderr**2 * len(x) == pytest.approx(2 / math.sqrt(3) - 1, rel=0.02)
        assert estimate.status is Status.OK

    def test_harmonic_infinite_variance_is_seen(self):
        x = np.random.default_rng(1).normal(size=100_000)
        estimate = exponential_average((0.4 - 1) * x**2 / 2)
        assert estimate.status is Status.INFINITE_VARIANCE
        assert estimate.hi == math.inf
        assert exponential_average((0.8 - 1) * x**2 / 2).status is Status.OK

    @pytest.mark.parametrize(("distance", "variance"), [(1.0, 0.51273), (2.0, 2.4484)])
    def test_bar_between_unit_gaussians(self, distance, variance):
        """n Var -> 1 / int(p0 p1 / (p0 + p1)) - 2, stated and found, and intervals that cover."""
        n, rng = 300, np.random.default_rng(2)
        x0, x1 = rng.normal(size=(2000, n)), rng.normal(distance, size=(2000, n))
        forward, reverse = distance**2 / 2 - distance * x0, distance * x1 - distance**2 / 2
        estimates = [bar(f, r) for f, r in zip(forward, reverse, strict=True)]
        check_coverage(estimates, 0.0, limit=1.1 * math.sqrt(variance / n), name="bar")
        assert n * np.mean([e.stderr**2 for e in estimates]) == pytest.approx(variance, rel=0.03)
        assert n * np.var([e.value for e in estimates]) == pytest.approx(variance, rel=Z * math.sqrt(2 / 2000))

    def test_unequal_numbers(self):
        rng = np.random.default_rng(3)
        estimates = [bar(0.5 - rng.normal(size=100), rng.normal(1, size=900) - 0.5) for _ in range(1000)]
        check_coverage(estimates, 0.0, limit=0.08)

    def test_equal_works_have_no_error(self):
        for estimate in (bar(np.full(10, 3.0), np.full(20, -3.0)), exponential_average(np.full(50, 3.0))):
            assert estimate.value == pytest.approx(-3.0, abs=1e-9)
            assert estimate.status is Status.CONSTANT and estimate.evidence is Evidence.NOT_ESTABLISHED

    def test_no_overlap_is_a_status_not_a_number(self):
        x = np.random.default_rng(4).normal(size=(2, 500))
        estimate = bar(200 - 20 * x[0], 20 * x[1] + 200)
        assert estimate.value is None
        assert estimate.status is Status.NO_OVERLAP
        assert str(estimate) == "not established"

    def test_broken_twins_of_the_error_bar_fail(self):
        """Zero plus or minus zero, as other software answers, and bars so wide that they always cover."""
        x = np.random.default_rng(5).normal(size=(2000, 2, 50))
        good = [bar(0.5 - a, b + 0.5) for a, b in x]
        check_coverage(good, 0.0, limit=0.12)
        with pytest.raises(LawViolation, match="too narrow"):
            check_coverage([Estimate(0.0, 0.0) + 1e-3 for _ in x], 0.0, limit=0.12)
        with pytest.raises(LawViolation, match="too wide"):
            check_coverage([Estimate(e.value, 3 * e.stderr) for e in good], 0.0, limit=0.12)
        noise = np.random.default_rng(6).normal(size=2000)
        with pytest.raises(LawViolation, match="stated error"):
            check_coverage([Estimate(z, 1.0) for z in noise], 0.0, limit=0.12)


def test_an_interrupted_annealing_closes_its_bar() -> None:
    line, bar = Geometric(Normal(jnp.zeros(1), jnp.ones(1)), Normal(jnp.ones(1), jnp.ones(1))), Impatient()
    with pytest.raises(KeyboardInterrupt):
        anneal(line, MALA(0.1), walkers=4, times=schedule(4), progress=bar, key=KEY)
    assert bar.closed


def test_it_prints_as_one_line() -> None:
    """An annealing in the middle of a session shows its number, not its thousand walkers."""
    done = anneal(
        Geometric(Normal(jnp.zeros(1), jnp.ones(1)), Normal(jnp.ones(1), jnp.full(1, 0.5))),
        MALA(0.1),
        walkers=64,
        times=schedule(20),
        key=KEY,
    )
    assert repr(done).startswith(f"log Z = {done.log_z}, lower bound; ESS {done.log_z.ess:.0f} of 64 walkers; acceptance 0.")
    assert "\n" not in repr(done)
    poor = dataclasses.replace(done, log_z=dataclasses.replace(done.log_z, status=Status.LOW_ESS))
    assert repr(poor).endswith(f"\n? {Status.LOW_ESS.value}")


def test_a_path_begins_at_its_base() -> None:
    """Draws and the constant come from the base, works from the start: of another mean, all of log Z would be off."""
    path = Linear(Normal([0.0], [1.0]), Normal([1.0], [1.0]), Normal([2.0], [0.5]))
    with pytest.raises(ValueError, match=r"Linear has a base of energy .* where path\(0\) has"):
        anneal(path, MALA(0.1), walkers=16, times=schedule(4), key=jax.random.key(0))


def test_a_trajectory_passes_its_snapshots_and_recovers_log_z() -> None:
    """Turned on unevenly, as training does; of two snapshots it is the straight line."""
    base, x = Coins(Spins((4, 4)), 0.0), jnp.where(jax.random.bernoulli(jax.random.key(3), 0.4, (4, 4)), 1.0, -1.0)
    couplings = (0.0, 0.1, 0.3, 0.4)
    path = Trajectory(base, [Ising(4, k) for k in couplings])
    for k, coupling in enumerate(couplings):
        assert float(path(as_float(k / 3))(x)) == pytest.approx(float(Ising(4, coupling)(x)), abs=1e-5)
    straight, line = Trajectory(base, [Ising(4, 0.0), Ising(4, 0.4)]), Linear(base, Ising(4, 0.0), Ising(4, 0.4))
    assert float(straight(as_float(0.3))(x)) == pytest.approx(float(line(as_float(0.3))(x)), rel=1e-6)
    found = anneal(path, Gibbs(), walkers=2048, times=schedule(60), key=jax.random.key(4)).log_z
    assert abs(found.value - kaufman(4, 4, 0.4).value) < 5.6 * found.stderr < 0.3


@pytest.mark.parametrize("snapshots", [[Ising(4, 0.1)], [Ising(4, 0.1), Ising(5, 0.1)]], ids=["one", "of two sizes"])
def test_a_trajectory_needs_two_snapshots_of_one_energy(snapshots) -> None:
    with pytest.raises(ValueError, match="Trajectory has"):
        Trajectory(Coins(Spins((4, 4)), 0.0), snapshots)
