"""`sample`: means within their stated errors, shapes, continuation, statuses and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import Impatient

from gibbsite.core import Binary, Callable, Evidence, Histogram, Independent, Normal, Reals, Repeat, Spins, Status
from gibbsite.energies import Copies, GaussianMixture, Ising, NeuralEnergy
from gibbsite.nets import MLP
from gibbsite.samplers import (
    HMC,
    MALA,
    ULA,
    Gibbs,
    GibbsWithGradients,
    Metropolis,
    ParallelTempering,
    RandomWalk,
    Silent,
    Stretch,
    choose,
    loop,
    name_of,
    sample,
    stderr,
)
from gibbsite.samplers.checks import check_counts, check_parts
from gibbsite.testing import problems

KEY = jax.random.key(8)
Z = 5.6
MIX = problems.mixture()


def first(x):
    return x[0]


def test_mixture_means_agree_with_exact_draws() -> None:
    run = sample(MALA(0.3), MIX.energy, chains=256, warmup=200, draws=2400, observe=first, key=KEY)
    xs = jax.vmap(lambda k: MIX.sample(key=k))(jax.random.split(KEY, 2**17))
    energies = np.asarray(jax.vmap(MIX.energy)(xs), np.float64)
    assert run.status is Status.OK, str(run)
    assert abs(run["first"].value + 2 / 3) < Z * run["first"].stderr < Z * 0.03
    error = np.hypot(run.energy.stderr, energies.std() / np.sqrt(len(energies)))
    assert abs(run.energy.value - energies.mean()) < Z * error
    assert 0.5 < run.acceptance < 0.65
    assert "first" in str(run) and "<table>" in run._repr_html_()
    assert "?" not in str(run) and str(run).endswith(Status.OK.value)


def test_keep_and_thin() -> None:
    run = sample(ULA(0.1), MIX.energy, chains=4, warmup=0, draws=10, keep=3, progress=Silent(), key=KEY)
    whole = sample(ULA(0.1), MIX.energy, chains=4, warmup=0, draws=10, keep=1, progress=Silent(), key=KEY)
    assert run.samples.shape == (4, 3, 2)
    np.testing.assert_array_equal(run.samples, whole.samples[:, 2::3])
    assert sample(ULA(0.1), MIX.energy, chains=4, warmup=0, draws=2, key=KEY).samples is None


@pytest.mark.parametrize("kernel", [MALA(0.2), ParallelTempering.over(MALA(0.2), [0.4, 1.0])], ids=["mala", "pt"])
def test_continued_run_is_one_long_run(kernel) -> None:
    def draw(draws, **options):
        return sample(kernel, MIX.energy, chains=8, draws=draws, keep=1, progress=Silent(), key=KEY, **options)

    head = draw(5, warmup=20)
    tail = draw(7, warmup=0, init=head)
    whole = draw(12, warmup=20)
    np.testing.assert_array_equal(np.concatenate([head.samples, tail.samples], axis=1), whole.samples)
    assert tail.steps == whole.steps == 32


def test_until_the_error_is_small_enough_is_one_long_run() -> None:
    def draw(draws, **options):
        return sample(MALA(0.3), MIX.energy, chains=32, warmup=20, draws=draws, observe=first, progress=Silent(), key=KEY, **options)

    run = draw(60, until=stderr("first") < 0.05)
    doublings = np.log2(run.draws / 64)  # 60 draws do not fill 32 batches evenly
    assert doublings == int(doublings) >= 2 and run["first"].stderr < 0.05 and run.reached
    assert draw(run.draws // 2)["first"].stderr >= 0.05
    whole = draw(run.draws)
    assert whole.reached is None
    for name in ("first", "energy"):
        assert run[name].value == pytest.approx(whole[name].value, rel=1e-6)
        assert run[name].stderr == pytest.approx(whole[name].stderr, rel=1e-5)
        assert run.rows[name].rhat == pytest.approx(whole.rows[name].rhat, rel=1e-6)


def test_traces_are_the_values_of_observables_spread_over_the_draws() -> None:
    run = sample(MALA(0.3), MIX.energy, chains=4, warmup=5, draws=50, observe=first, keep=5, trace=10, progress=Silent(), key=KEY)
    np.testing.assert_array_equal(run.traces["first"], run.samples[:, :, 0])
    assert run.traces["energy"].shape == (4, 10)
    np.testing.assert_allclose(run.traces["energy"][:, -1], jax.vmap(MIX.energy)(run.samples[:, -1]), rtol=1e-5)
    uneven = sample(MALA(0.3), MIX.energy, chains=4, warmup=5, draws=50, observe=first, keep=6, trace=9, progress=Silent(), key=KEY)
    assert uneven.every == 6 and uneven.traces["first"].shape == (4, 8)  # to the end, not nine values of the beginning
    np.testing.assert_array_equal(uneven.traces["first"], uneven.samples[:, :, 0])
    long = sample(MALA(0.3), MIX.energy, chains=4, warmup=5, draws=32, most=64, until=stderr() < 1e-6, trace=8, progress=Silent(), key=KEY)
    whole = sample(MALA(0.3), MIX.energy, chains=4, warmup=5, draws=64, trace=8, progress=Silent(), key=KEY)
    np.testing.assert_array_equal(long.traces["energy"], whole.traces["energy"])
    assert sample(MALA(0.3), MIX.energy, chains=4, draws=4, progress=Silent(), key=KEY).traces == {}


def test_until_ends_where_draws_are_of_no_use_or_too_many() -> None:
    flat = Callable(lambda params, x: jnp.zeros(()), None, Spins(2))
    held = sample(MALA(0.3), MIX.energy, chains=4, draws=32, most=100, until=stderr() < 1e-6, progress=Silent(), key=KEY)
    assert held.draws == 64 and held.energy.stderr > 1e-6 and not held.reached
    told = "! The error of energy is not known to be below 1e-06, as was asked, after 64 draws of each chain: more than `most` are needed."
    assert told in str(held)
    stuck = sample(GibbsWithGradients(), flat, chains=4, draws=32, until=stderr() < 1e-6, progress=Silent(), key=KEY)
    assert stuck.draws == 32 and stuck.energy.status is Status.CONSTANT
    with pytest.raises(KeyError, match="'first', which is not observed; there are energy"):
        sample(MALA(0.3), MIX.energy, until=stderr("first") < 0.1, key=KEY)
    with pytest.raises(ValueError, match="give a positive limit"):
        assert stderr("energy") < 0.0
    with pytest.raises(ValueError, match="the number of draws is not known beforehand"):
        sample(MALA(0.3), MIX.energy, until=stderr() < 0.1, keep=1, key=KEY)


@pytest.mark.parametrize(
    ("energy", "kernel", "why"),
    [
        (Ising(4, 0.4), "Cycle(Gibbs, SwendsenWang)", "favours equal sites"),
        (Ising(4, -0.4), "Gibbs", "exact conditionals"),
        (problems.rbm().energy, "BlockGibbs", "hidden units"),
        (problems.xy().energy, "Cycle(RotorHeatBath, Overrelaxation)", "rotors"),
        (NeuralEnergy(MLP(4, (8,), key=KEY), Spins(4)), "GibbsWithGradients", "by the gradient"),
        (MIX.energy, "AdaptiveHMC", "tuned in warm-up"),
    ],
)
def test_auto_chooses_and_says_why(energy, kernel: str, why: str) -> None:
    run = sample("auto", energy, chains=4, warmup=4, draws=4, progress=Silent(), key=KEY)
    assert name_of(run.kernel) == kernel
    assert why in run.why and f"{kernel} was chosen: {run.why}." in str(run)
    assert name_of(choose(Independent((energy, energy))).kernel) == f"PerPart({kernel}, {kernel})"


def test_unmixed_chains_are_flagged() -> None:
    far = GaussianMixture([[-8.0, 0.0], [8.0, 0.0]], [1.0, 1.0], [0.25, 0.75])
    init = jnp.where(jnp.arange(32)[:, None] < 16, -8.0, 8.0) * jnp.array([1.0, 0.0])
    run = sample(MALA(0.5), far, chains=32, warmup=50, draws=200, observe=first, init=init, key=KEY)
    assert run.rows["first"].rhat > 2 and run.status is Status.NOT_MIXED
    assert f"{run['first']} ?" in str(run) and str(run).endswith("\n? " + Status.NOT_MIXED.value)
    assert f"<td>{run['first']} ?</td>" in run._repr_html_() and "<p>? Chains disagree" in run._repr_html_()


def test_parallel_tempering_finds_the_masses() -> None:
    far = GaussianMixture([[-8.0, 0.0], [8.0, 0.0]], [1.0, 1.0], [0.25, 0.75])
    kernel = ParallelTempering.over(MALA(0.5), [0.03, 0.1, 0.3, 1.0])
    run = sample(kernel, far, chains=64, warmup=300, draws=2000, observe={"right": lambda x: jnp.asarray(x[0] > 0, float)}, key=KEY)
    right = run["right"]
    assert abs(right.value - 0.75) < Z * right.stderr < 0.12, str(run)
    assert run.infos["round_trip"] > 0


def test_ising_energy_at_the_critical_point() -> None:
    """8 x 8 torus: E/N = -1.49158910744 (Kaufman)."""
    critical = float(np.log(1 + np.sqrt(2)) / 2)
    run = sample(Gibbs(), Ising(8, critical), chains=256, warmup=300, draws=600, progress=Silent(), key=KEY)
    exact = -1.49158910744 * 64 * critical
    assert abs(run.energy.value - exact) < Z * run.energy.stderr < Z * 0.1, str(run)


def test_nan_energies_are_reported() -> None:
    hole = Callable(lambda _, x: jnp.where(x[0] > 0.5, jnp.nan, jnp.sum(x**2)), None, Reals(2))
    run = sample(ULA(0.3), hole, chains=16, warmup=0, draws=64, init=jnp.zeros((16, 2)), key=KEY)
    assert run.status is Status.NON_FINITE


def test_a_frozen_chain_is_reported() -> None:
    run = sample(MALA(1e12), MIX.energy, chains=16, warmup=0, draws=64, key=KEY)
    assert run.status is Status.NO_MOVES
    assert f"{run.energy} ?" in str(run) and "? Hardly any proposal" in str(run)
    assert run.energy.evidence is Evidence.NOT_ESTABLISHED and run.energy.status is Status.NO_MOVES


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chains": 0}, ValueError, "chains=0"),
        ({"draws": 0}, ValueError, "draws=0"),
        ({"keep": 0}, ValueError, "keep=0"),
        ({"init": np.zeros((3, 2))}, ValueError, "3 configurations for chains=4"),
        ({"init": np.zeros((4, 5))}, ValueError, r"shape \(4, 5\)"),
        ({"init": np.full((4, 2), np.nan)}, ValueError, "row 0 of init"),
        ({"observe": {"energy": first}}, ValueError, "already"),
        ({"kernel": Gibbs()}, TypeError, "Conditionals"),
        ({"energy": Callable(lambda _, x: x, None, Reals(2))}, ValueError, "must be a scalar"),
        ({"energy": Ising(4)}, TypeError, "not on Spins"),
        ({"keep": 5}, ValueError, "keep=5"),
    ],
)
def test_bad_input(options, error, message) -> None:
    given = {"kernel": MALA(0.1), "energy": MIX.energy, "chains": 4, "warmup": 0, "draws": 4} | options
    with pytest.raises(error, match=message):
        sample(given.pop("kernel"), given.pop("energy"), **given, key=KEY)


def test_wrong_types_are_named() -> None:
    for counts, message in (({"draws": 1e3}, "draws=1000.0"), ({"chains": "8"}, "chains=8")):
        with pytest.raises(ValueError, match=message):
            check_counts(**counts)
    for kernel, energy, message in ((MALA, MIX.energy, "not a kernel"), (MALA(0.1), first, "Callable")):
        with pytest.raises(TypeError, match=message):
            check_parts(kernel, energy)
    with pytest.raises(ValueError, match="every side"):
        Reals(-1)
    assert Reals(np.int64(2)).shape == (2,) and Ising(np.int64(8)).side == (8, 8)


def test_an_unknown_observable_is_named() -> None:
    run = sample(MALA(0.1), MIX.energy, chains=2, warmup=0, draws=1, key=KEY)
    with pytest.raises(KeyError, match="it has energy"):
        run["magnetisation"]
    assert run.status is Status.TOO_SHORT


@pytest.mark.parametrize(("kernel", "energy", "programs"), [(HMC(0.3, steps=2), MIX.energy, 2), (Metropolis(), Ising((3, 3), 0.4), 1)])
def test_chunks_run_one_program(kernel, energy, programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for a warm-up that tunes, one for the draws: whatever types the kernel's first states have."""
    traces = []
    step = loop._step
    monkeypatch.setattr(loop, "_step", lambda *args: (traces.append(1), step(*args))[1])
    sample(kernel, energy, chains=3, warmup=4, draws=13, chunk=5, progress=False, key=KEY)
    assert len(traces) == programs


def test_another_step_size_traces_nothing_anew() -> None:
    """Neither the programs that run nor the shapes that are looked at before."""
    traces = []

    def counted(centre, x):
        traces.append(1)
        return jnp.sum((x - centre) ** 2)

    energy = Callable(counted, 1.0, Reals(3))
    for step in (0.3, 0.2):
        before = len(traces)
        sample(MALA(step), energy, chains=2, warmup=2, draws=4, progress=Silent(), key=KEY)
    assert 0 < before == len(traces)


def test_interruption_closes_the_bar() -> None:
    bar = Impatient()
    with pytest.raises(KeyboardInterrupt):
        sample(ULA(0.1), MIX.energy, chains=2, warmup=0, draws=4, progress=bar, key=KEY)
    assert bar.closed


def test_chains_that_never_leave_a_mode_establish_nothing() -> None:
    """All 16 in the smaller of two far modes: the share on the right is 0 in every draw, and no error is stated for it."""
    far = GaussianMixture([[-9.0, 0.0], [9.0, 0.0]], [1.0, 1.0], [0.25, 0.75])
    init = jnp.array([-9.0, 0.0]) + jax.random.normal(KEY, (16, 2))
    right = {"right": lambda x: jnp.asarray(x[0] > 0, float)}
    run = sample(MALA(0.5), far, chains=16, warmup=50, draws=400, observe=right, init=init, progress=False, key=KEY)
    assert run["right"].value == 0.0 and run["right"].status is Status.CONSTANT
    assert run["right"].evidence is Evidence.NOT_ESTABLISHED and run["right"].ess is None and np.isnan(run["right"].stderr)
    assert run.status is Status.CONSTANT and "0 ?" in str(run).replace("(nan)", "")


@pytest.mark.parametrize("value", [0.1, 0.3, -7.7, 1e4, 0.0])
def test_what_never_varies_has_no_error_though_its_squares_are_rounded(value: float) -> None:
    run = sample(
        MALA(0.3), MIX.energy, chains=16, warmup=0, draws=50, observe={"it": lambda _: jnp.asarray(value)}, progress=False, key=KEY
    )
    assert run["it"].status is Status.CONSTANT and np.isnan(run["it"].stderr)


def test_a_small_spread_on_a_large_mean_is_no_constant() -> None:
    """A spread of 0.01 on 100, whose square lies below the rounding of squares: the mean is still seen to vary."""
    small = {"it": lambda x: 100 + 0.01 * x[0]}
    run = sample(MALA(0.3), Normal(jnp.zeros(2), jnp.ones(2)), chains=64, warmup=50, draws=200, observe=small, progress=False, key=KEY)
    assert run["it"].status is not Status.CONSTANT and abs(run["it"].value - 100) < Z * run["it"].stderr < 0.005


def test_the_last_bin_holds_its_upper_edge() -> None:
    bins = Histogram(lambda x: x, jnp.array([-1.0, 0.0, 1.0]))
    acc = bins.init(jnp.zeros(()))
    for x in (-1.0, 1.0, 1.0, 2.0):
        acc = bins.update(acc, jnp.asarray(x), jnp.ones(()))
    assert np.allclose(acc.first.float64(), [1, 2])


def test_unadjusted_means_establish_nothing() -> None:
    """At h = 0.4 the mean energy of a unit Gaussian on the plane is 1.25, not 1."""
    run = sample(ULA(0.4), Normal(jnp.zeros(2), jnp.ones(2)), chains=256, warmup=50, draws=400, progress=False, key=KEY)
    assert abs(run.energy.value - 1.25) < Z * run.energy.stderr
    assert run.status is run.energy.status is Status.UNADJUSTED and run.energy.evidence is Evidence.NOT_ESTABLISHED


def test_estimates_of_one_run_are_not_added_as_if_independent() -> None:
    run = sample(MALA(0.3), MIX.energy, chains=16, warmup=50, draws=40, observe=first, progress=False, key=KEY)
    with pytest.raises(ValueError, match="share a source"):
        run.energy - run["first"]


def test_two_chains_that_always_accept_tune_upward() -> None:
    """The pooled acceptance of 2 chains is 1, not an overflow."""
    from gibbsite.samplers.adapt import pooled

    for chains in (1, 2, 3, 64, 4096):
        assert abs(float(pooled(jnp.ones(chains))) - 1) < 1e-6


def test_discrete_spaces_start_in_their_support() -> None:
    for space in (Spins(3), Binary(3)):
        run = sample(_Flat(), Callable(lambda _, x: 0.0 * jnp.sum(x), None, space), chains=4, warmup=0, draws=1, keep=1, key=KEY)
        assert bool(jax.vmap(space.contains)(run.samples[:, 0]).all())


def _Flat():  # noqa: N802
    from gibbsite.samplers import GibbsWithGradients

    return GibbsWithGradients()


def test_an_error_bar_of_chains_that_disagree_is_not_reached() -> None:
    """Each of four chains sits in a well of its own: within them errors are small, and say nothing."""
    wells = GaussianMixture([[-40.0], [-10.0], [10.0], [40.0]], jnp.ones(4), jnp.ones(4) / 4)
    start = jnp.array([[-40.0], [-10.0], [10.0], [40.0]])
    run = sample(MALA(0.5), wells, init=start, draws=640, most=1280, observe=first, until=stderr("first") < 1.0, progress=Silent(), key=KEY)
    assert run["first"].stderr < 1.0 and run["first"].status is Status.NOT_MIXED
    assert not run.reached and run.draws == 1280 and "is not known to be below 1" in str(run)


def test_few_draws_of_many_moves_are_moves() -> None:
    run = sample(Repeat(RandomWalk(0.5), 50), MIX.energy, chains=16, warmup=60, draws=32, progress=Silent(), key=KEY)
    assert 3 < run.acceptance * 32 < 10 and run.status is not Status.NO_MOVES


def test_walkers_in_turn_are_no_independent_draws() -> None:
    """Of fewer than 16 chains, errors come from batches, which must hold many rounds of all walkers."""
    energy = Normal([1.0, -2.0], [0.5, 3.0])
    few, many = (sample(Stretch(walkers=8), energy, chains=n, warmup=64, draws=960, progress=Silent(), key=KEY) for n in (4, 16))
    assert few.status is Status.TOO_SHORT and few.energy.evidence is Evidence.NOT_ESTABLISHED
    assert many.status is not Status.TOO_SHORT


def test_copies_move_each_by_itself() -> None:
    assert name_of(choose(Copies(Ising(4, 0.4), 3)).kernel) == "Each(Cycle(Gibbs, SwendsenWang))"
    assert name_of(choose(Copies(MIX.energy, 3)).kernel) == "AdaptiveHMC"
