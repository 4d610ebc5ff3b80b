"""Populations along a path against exact constants, and the error bars of single runs; broken twins must fail."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import not_a_number

from gibbsite.core import Callable, Estimate, Evidence, Geometric, Normal, Reals, Status, Tempering, reference, schedule
from gibbsite.core.keys import POPULATION, chain_keys
from gibbsite.energies import Gaussian, Ising, ManyWell
from gibbsite.samplers import BAOAB, HMC, MALA, ULA, Gibbs, ParallelTempering, Silent
from gibbsite.testing.estimator import check_coverage
from gibbsite.testing.law import LawViolation, z_test
from gibbsite.thermo import Ladder, anneal, enumerate_log_z, kaufman, log_mean, multinomial, residual, smc, ssp, systematic
from gibbsite.thermo.annealing import draw_base

KEY = jax.random.key(2006)
K_C = math.log(1 + math.sqrt(2)) / 2
MANY_WELL = 164.695675313182  # sixteen wells of log 11784.5092651278267 and as many unit Gaussians
RIGHT = 0.8443  # of the mass of a double well
Z = 5.6

# Moved, stretched and tilted against its base.
TILTED = Gaussian(jnp.array([0.9, -0.8]), np.array([[2.0, 0.7], [0.7, 1.0]]))
PATH = Geometric(Normal(jnp.array([-0.5, 0.0]), jnp.array([1.0, 1.5]), 0.3), TILTED)
TRUTH = math.log(2 * math.pi) - 0.5 * math.log(2.0 * 1.0 - 0.7**2)


def run(path=PATH, kernel=None, **options):
    return smc(path, kernel or MALA(0.3), **{"walkers": 2000, "key": KEY, "progress": Silent(), **options})


def replicates(count: int, **options):
    return [run(key=k, **options) for k in jax.random.split(KEY, count)]


def errors(found: Estimate, truth: float) -> float:
    return abs(found.value - truth) / found.stderr


def right_wells(out) -> np.ndarray:
    """The weighted share of walkers in the right well of each pair."""
    weights = np.exp(out.log_weights - out.log_weights.max())
    return weights @ (np.asarray(out.positions)[:, ::2] > 0) / weights.sum()


def test_one_step_is_importance_sampling() -> None:
    out = run(times=(0.0, 1.0))
    xs = draw_base(PATH.base, chain_keys(jax.random.fold_in(KEY, POPULATION), 2000))
    direct = log_mean(-jax.vmap(lambda x: PATH.work(jnp.zeros(()), jnp.ones(()), x))(xs)) + out.base_log_z
    assert out.log_z.value == pytest.approx(direct.value, abs=1e-5)
    assert out.log_z.stderr == pytest.approx(direct.stderr, rel=1e-5)
    assert out.log_z.ess == pytest.approx(direct.ess, rel=1e-5)
    assert out.rho_t[0] == pytest.approx(2000 / direct.ess, rel=1e-5)


# Moves so small that an ancestor is remembered over all stages.
SLOW = {"kernel": MALA(0.03), "walkers": 1500, "moves": 1, "times": schedule(5), "tune": False}


@pytest.fixture(scope="module")
def fixed():
    return {rule: replicates(200, resample=rule, ess=share, **SLOW) for rule, share in ((multinomial, 1.0), (systematic, 0.5))}


@pytest.mark.parametrize("rule", [multinomial, systematic], ids=lambda f: f.__name__)
def test_fixed_ladders_are_unbiased_and_their_error_bars_cover(fixed, rule) -> None:
    """E Z is exact, and one run tells its error, slow moves and resampling of any kind included."""
    runs = fixed[rule]
    assert all(out.log_z.evidence is Evidence.LOWER for out in runs)
    assert sum(out.log_z.status is Status.OK for out in runs) >= 190  # others are left with few families
    z_test("smc", "Z at fixed temperatures", np.exp([[out.log_z.value - TRUTH] for out in runs]), 1.0)
    check_coverage([out.log_z for out in runs], TRUTH, limit=0.2, name="smc")
    stated = math.sqrt(np.mean([out.log_z.stderr**2 for out in runs]))
    # 5.6 errors of the standard deviation of 200 runs are 28 %.
    assert stated == pytest.approx(np.std([out.log_z.value for out in runs]), rel=0.28)


def test_errors_without_memory_are_too_narrow(fixed) -> None:
    """Broken twins: stages as if independent, and the weights of the last stage alone."""
    for rule in (multinomial, systematic):
        alone = [Estimate(out.log_z.value, math.sqrt((1500 / out.ess[-1] - 1) / 1499)) for out in fixed[rule]]
        with pytest.raises(LawViolation, match="too narrow"):
            check_coverage(alone, TRUTH, limit=1.0)
    stages = [Estimate(out.log_z.value, math.sqrt(np.sum(1500 / out.ess - 1) / 1499)) for out in fixed[multinomial]]
    with pytest.raises(LawViolation, match="too narrow"):
        check_coverage(stages, TRUTH, limit=1.0)


@pytest.mark.parametrize("options", [{}, {"walkers": 400, "chains": 200, "cess": 0.6}], ids=["all moved", "waste-free"])
def test_ladders_and_steps_that_walkers_choose(options) -> None:
    runs = replicates(200, **{"walkers": 200, **options})
    check_coverage([out.log_z for out in runs], TRUTH, limit=0.2, name="smc")
    out = runs[0]
    assert out.log_z.evidence is Evidence.INTERVAL
    assert out.times[0] == 0
    assert out.times[-1] == 1
    assert np.all(np.diff(out.times) > 0)
    assert len(out.ess) == len(out.acceptance) == len(out.rho_t) == len(out.times) - 1
    assert np.all(out.ess >= 0.4 * len(out.log_weights))
    assert np.mean([o.acceptance[-1] for o in runs]) == pytest.approx(0.574, abs=0.15)


def test_conditional_ess_is_met() -> None:
    """After weighing even walkers the share of effective ones is what was asked for, at every stage but the last."""
    out = run(cess=0.7, ess=1.0)
    assert np.allclose(out.ess[:-1] / 2000, 0.7, atol=1e-3)
    assert out.ess[-1] / 2000 >= 0.7


@pytest.mark.parametrize("rule", [residual, ssp], ids=lambda f: f.__name__)
def test_other_rules(rule) -> None:
    assert errors(run(resample=rule, ess=1.0).log_z, TRUTH) < Z


def test_a_tuned_ladder_runs_again_and_anneals() -> None:
    """The second run chooses nothing, so its Z is unbiased; the same ladder serves annealing."""
    first = run()
    assert isinstance(first.kernel, Ladder)
    again = run(kernel=first.kernel, times=first.times, key=jax.random.fold_in(KEY, 1))
    annealed = anneal(PATH, first.kernel, walkers=2000, times=first.times, progress=Silent(), key=KEY)
    for out in (again, annealed):
        assert out.log_z.evidence is Evidence.LOWER
        assert errors(out.log_z, TRUTH) < Z
    assert again.kernel is first.kernel
    assert abs(again.acceptance[-1] - 0.574) < 0.1


@pytest.mark.parametrize("kernel", [ULA(0.1), BAOAB(0.4)], ids=["ULA", "BAOAB"])
@pytest.mark.parametrize("chains", [None, 500], ids=["all moved", "waste-free"])
def test_unadjusted_moves_are_weighted_by_their_work(kernel, chains) -> None:
    out = run(kernel=kernel, times=schedule(8), moves=2, chains=chains)
    assert errors(out.log_z, TRUTH) < Z
    assert 0.005 < out.log_z.stderr < 0.1


def test_ising_4x4_along_the_ladder() -> None:
    """Population annealing: log Z at every temperature, from the free spins on."""
    ising = Ising(4, K_C, jnp.linspace(-0.1, 0.2, 16).reshape(4, 4))
    path = Tempering(ising, reference(ising.space))
    out = run(path, Gibbs(), walkers=4000, ess=1.0, moves=3)
    assert errors(out.log_z, float(enumerate_log_z(ising).value)) < Z
    assert out.log_z.stderr < 0.03
    half = len(out.times) // 2
    exact = enumerate_log_z(Ising(4, K_C * out.times[half], out.times[half] * ising.field)).value
    assert out.log_zs[half] == pytest.approx(exact, abs=Z * out.log_z.stderr)


def test_ising_8x8_at_the_critical_point() -> None:
    ising = Ising(8, K_C)
    out = run(Tempering(ising, reference(ising.space)), Gibbs(), walkers=1000, times=schedule(25), ess=1.0)
    assert out.log_z.evidence is Evidence.LOWER
    assert errors(out.log_z, float(kaufman(8, 8, K_C).value)) < Z
    assert out.log_z.stderr < 0.06
    # Families only die out; their entropy is that of a population in equilibrium, many more than a hundred families.
    assert np.all(out.rho_t >= 1)
    assert out.rho_t[-1] > out.rho_t[0]
    assert math.log(100) < out.family_entropy < math.log(1000)
    assert out.family_entropy == pytest.approx(math.log(len(out.families) / out.rho_t[-1]), abs=1.0)


def many_well(pairs: int, **options):
    """From the unit Gaussian as steep at the origin as the target, so that the right wells hold about as much all the way."""
    wells = ManyWell(pairs)
    base = Normal(-jax.grad(wells)(jnp.zeros(2 * pairs)), jnp.ones(2 * pairs))
    return run(Geometric(base, wells), HMC(0.2, steps=5), **options)


def test_many_well_of_four_pairs() -> None:
    out = many_well(4, walkers=1000, cess=0.98, moves=2)
    assert errors(out.log_z, MANY_WELL / 4) < Z
    assert out.log_z.stderr < 0.06
    # 4 x 1000 / rho_t independent wells; rho_t is below 4 here.
    assert right_wells(out).mean() == pytest.approx(RIGHT, abs=Z * math.sqrt(RIGHT * (1 - RIGHT) / 1000))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_many_well_32(seed) -> None:
    """2000 walkers: log Z within 0.03 (three errors), the mean mass of the right wells within 0.01."""
    out = many_well(16, walkers=2000, cess=0.9999, moves=3, most=2000, key=jax.random.key(seed))
    mass = right_wells(out).mean()
    print(f"log Z error {out.log_z.value - MANY_WELL:+.4f}, stated {out.log_z.stderr:.4f}; right wells {mass:.4f}; {len(out.ess)} stages")
    assert abs(out.log_z.value - MANY_WELL) <= 0.03
    assert abs(mass - RIGHT) <= 0.01
    assert out.log_z.stderr < 0.012
    assert out.log_z.status is Status.OK


class TestStatus:
    def test_collapsed_weights(self) -> None:
        far = Geometric(Normal(jnp.zeros(50), jnp.ones(50)), Normal(jnp.full(50, 8.0), jnp.full(50, 0.3)))
        out = run(far, MALA(1e-3), walkers=64, times=(0.0, 0.5, 1.0), tune=False)
        assert out.log_z.status is Status.LOW_ESS
        assert out.log_z.hi == math.inf
        assert repr(out).endswith(f"\n? {Status.LOW_ESS.value}")

    def test_a_single_family(self) -> None:
        """Even weights at every stage, and all of one ancestor: no error bar can be had from that."""
        out = run(kernel=MALA(1e-6), walkers=20, times=schedule(400), resample=multinomial, ess=1.0, moves=1, tune=False)
        assert np.min(out.ess) > 15
        assert out.log_z.status is Status.LOW_ESS

    def test_heavy_tails_of_a_given_step(self) -> None:
        wide = Geometric(Normal(jnp.zeros(1), jnp.ones(1)), Normal(jnp.zeros(1), jnp.full(1, 1.7)))
        assert run(wide, walkers=20_000, times=(0.0, 1.0)).log_z.status is Status.INFINITE_VARIANCE
        assert run(wide, walkers=20_000).log_z.status is Status.OK

    def test_not_a_number(self) -> None:
        broken = Geometric(Normal(jnp.zeros(2), jnp.ones(2)), not_a_number())
        out = run(broken, walkers=8)
        assert out.log_z.value is None
        assert out.log_z.status is Status.NON_FINITE

    def test_stages_run_out(self) -> None:
        out = run(cess=0.99, most=3)
        assert out.log_z.value is None
        assert out.log_z.status is Status.NOT_CONVERGED
        assert len(out.times) == 4

    def test_walls_kill_walkers(self) -> None:
        """Half of a Gaussian: infinite energies are weights of zero."""
        half = Callable(lambda c, x: jnp.where(x[0] > c, x[0] ** 2 / 2, jnp.inf), 0.0, Reals((1,)))
        out = run(Geometric(Normal(jnp.zeros(1), jnp.ones(1)), half), ess=1.0)
        assert errors(out.log_z, 0.5 * math.log(math.pi / 2)) < Z
        assert np.all(np.asarray(out.positions) > 0)


def test_stages_of_many_runs_compile_once() -> None:
    """Steps, shares and moves are numbers that the programs take."""
    module = sys.modules[smc.__module__]  # its name is that of the function
    programs = [module._weighed, module._moved]
    run()
    held = [fn._cached._cache_size() for fn in programs]
    run(kernel=MALA(0.7), cess=0.8, ess=0.9, moves=3)
    assert [fn._cached._cache_size() for fn in programs] == held


def test_one_key_one_population() -> None:
    first, again = run(), run()
    assert first.log_z.value == again.log_z.value
    assert np.array_equal(first.positions, again.positions)


def test_refusals_name_the_remedy() -> None:
    with pytest.raises(TypeError, match="ParallelTempering does not report its work"):
        run(kernel=ParallelTempering.over(MALA(0.1), [0.5, 1.0]))
    with pytest.raises(TypeError, match="Tempering has no base"):
        run(Tempering(TILTED))
    with pytest.raises(ValueError, match="give times= it was made for"):
        run(kernel=Ladder.over(MALA(0.1), schedule(3)))
    for options, named in (
        ({"walkers": 1}, "walkers=1"),
        ({"cess": 1.0}, "cess=1"),
        ({"ess": 1.5}, "ess=1.5"),
        ({"moves": 0}, "moves=0"),
        ({"walkers": 100, "chains": 30}, "chains=30"),
        ({"times": (0.0, 0.5)}, "increasing numbers from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=named):
            run(**options)


def test_it_prints_as_one_line() -> None:
    out = run()
    assert repr(out).startswith(f"log Z = {out.log_z}, interval; {len(out.ess)} stages; ESS ")
    assert "of 2000 walkers; acceptance 0." in repr(out)
    assert "\n" not in repr(out)
