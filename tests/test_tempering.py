"""Ladders of temperatures: where rungs come to stand, what a run reports of them, walks and tours over them, and glasses on them."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.kernels import GAUSS, exact_rungs
from registry.twins import TurnedWork

from gibbsite.core import Cycle, Normal, Repeat, Tempering, draw, reference
from gibbsite.energies import Copies, GaussianMixture, edwards_anderson
from gibbsite.samplers import (
    GHMC,
    HMC,
    MALA,
    ULA,
    AdaptiveHMC,
    Barker,
    Each,
    Gibbs,
    Houdayer,
    ParallelTempering,
    RandomWalk,
    Silent,
    SimulatedTempering,
    Slice,
    TemperedTransitions,
    enough_rungs,
    ladder,
    sample,
)
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start

KEY = jax.random.key(31)
MIX, GLASSES = problems.mixture(), problems.glasses()
FAR = GaussianMixture([[-8.0, 0.0], [8.0, 0.0]], [1.0, 1.0], [0.25, 0.75])


def right(x):
    return jnp.asarray(x[0] > 0, float)


# ---- steps that suit a temperature ----


@pytest.mark.parametrize(
    "kernel",
    [ULA(0.1), HMC(0.3, steps=3), GHMC(0.7, 0.8), Barker(0.9), RandomWalk(0.8), Slice(1.5), Repeat(MALA(0.3), 2)],
    ids=lambda kernel: type(kernel).__name__,
)
def test_a_tempered_kernel_goes_as_far_in_units_of_the_width(kernel) -> None:
    """On `beta |x|^2 / 2`, which is as wide as `1 / sqrt(beta)`, the moves are those at beta = 1, longer by that factor."""
    beta, x, ends = 0.2, jnp.array([0.7, -0.4]), []
    for move, width in ((kernel, 1.0), (kernel.tempered(jnp.asarray(beta)), 1 / math.sqrt(beta))):
        ends.append(three_moves(move, Normal(jnp.zeros(2), jnp.full(2, width)), width * x) / width)
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-4)
    assert float(jnp.linalg.norm(ends[0] - x)) > 0.05


@eqx.filter_jit
def three_moves(kernel, energy, x):
    state = kernel.init(energy, x, key=KEY)
    return kernel.position(jax.lax.scan(lambda s, k: (kernel.step(energy, s, key=k)[0], None), state, jax.random.split(KEY, 3))[0])


def test_every_rung_has_the_kernel_that_suits_it() -> None:
    over = ParallelTempering.over(Cycle((MALA(0.1), HMC(0.1))), [0.0, 0.25, 1.0], Normal(jnp.zeros(2), jnp.ones(2)))
    mala, hmc = over.kernel.kernels
    np.testing.assert_allclose(mala.step_size, [1.0, 0.4, 0.1], rtol=1e-6)  # as at 0.1, and no further
    np.testing.assert_allclose(hmc.step_size, [0.1 / math.sqrt(0.1), 0.2, 0.1], rtol=1e-6)


# ---- the ladder ----

SIZE, COLDEST = 20, 0.05
WIDE = Normal(jnp.zeros(SIZE), jnp.ones(SIZE))


def rejections(betas) -> float:
    """Their sum over the pairs: of a Gaussian of d axes, `beta U` follows the gamma law of shape d / 2."""
    rng = np.random.default_rng(1)
    hot, cold = rng.gamma(SIZE / 2, size=(2, 2**18))
    gaps = [(b - a) * (cold / b - hot / a) for a, b in itertools.pairwise(betas)]
    return sum(float(np.mean(1 - np.exp(np.minimum(gap, 0.0)))) for gap in gaps)


def test_rungs_of_a_gaussian_become_a_geometric_ladder() -> None:
    """Equal shares of the barrier are equal ratios here, and the rejections are known."""
    kernel = ParallelTempering.over(HMC(0.3, steps=5), jnp.linspace(COLDEST, 1.0, 12), moves=2)
    run = sample(kernel, WIDE, chains=32, warmup=500, draws=400, progress=Silent(), key=KEY)
    wanted = np.geomspace(COLDEST, 1.0, 12)
    np.testing.assert_allclose(np.log(run.kernel.betas), np.log(wanted), atol=0.08)
    found, truth = run.extras["barrier"], rejections(np.asarray(run.kernel.betas, np.float64))
    assert abs(found.value - truth) < 5.6 * found.stderr + 0.02 < 0.3, (str(found), truth)
    assert np.all(np.abs(run.acceptance - 0.8) < 0.1), run.acceptance  # the steps went along
    np.testing.assert_allclose(run.kernel.kernel.step_size * np.sqrt(wanted), run.kernel.kernel.step_size[-1], rtol=0.25)
    assert enough_rungs(found.value) == math.ceil(2 * found.value) + 1
    fixed = sample(ParallelTempering.over(HMC(0.3), kernel.betas, adapt_ladder=False), WIDE, chains=4, warmup=64, draws=8, key=KEY)
    np.testing.assert_array_equal(fixed.kernel.betas, kernel.betas)


def test_levels_are_equal_shares_of_the_barrier() -> None:
    betas = jnp.array([0.1, 0.4, 0.5, 1.0])
    np.testing.assert_allclose(ladder.levelled(betas, jnp.array([0.6, 0.0, 0.3])), [0.1, 0.25, 0.4667, 1.0], atol=1e-3)
    assert bool(jnp.all(jnp.diff(ladder.levelled(betas, jnp.zeros(3))) > 0))


def test_what_lies_between_two_rungs_goes_along() -> None:
    old, new = jnp.array([0.1, 0.4, 1.0]), jnp.array([0.1, 0.55, 1.0])
    tree = (jnp.array([4.0, 2.0, 1.0]), jnp.array([[1.0], [2.0], [6.0]]), jnp.asarray(7.0))
    moved = ladder._carried(tree, old, new, jnp.asarray(True))
    for a, b in zip(moved, ([4.0, 1.75, 1.0], [[1.0], [3.0], [6.0]], 7.0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    for a, b in zip(ladder._carried(tree, old, new, jnp.asarray(False)), tree, strict=True):
        np.testing.assert_array_equal(a, b)


def test_round_trips_are_told_and_missed() -> None:
    """Rejection, barrier and round trips with their errors; where none was made, a caution."""
    kernel = ParallelTempering.over(MALA(0.5), [0.03, 0.1, 0.3, 1.0])
    run = sample(kernel, FAR, chains=32, warmup=300, draws=500, observe=right, progress=Silent(), key=KEY)
    assert run.extras["round_trip"].value > 0 and 0 < run.extras["round_trip"].stderr < run.extras["round_trip"].value
    assert run.extras["swap_prob"].value.shape == (3,)
    assert f"barrier {run.extras['barrier']}" in str(run) and "modes may be missed" not in str(run)
    far = ParallelTempering.over(MALA(0.5), [1e-4, 1.0], adapt_ladder=False)
    missed = sample(far, WIDE, chains=4, warmup=16, draws=32, progress=Silent(), key=KEY)
    assert missed.infos["round_trip"] == 0 and "! No replica went" in str(missed) and "No replica went" in missed._repr_html_()
    assert sample(MALA(0.5), FAR, chains=4, warmup=4, draws=8, progress=Silent(), key=KEY).extras == {}


def test_replicas_travel_where_swaps_take_turns_and_wander_where_a_coin_decides() -> None:
    """Round trips a step: 1 / (2 + 2 s) in turn, 1 / (2 n + 2 s) by coins, s the sum of r / (1 - r) over n pairs (Syed et al. 2022)."""
    for stochastic, gaps in ((False, 1), (True, 19)):
        kernel = ParallelTempering.over(HMC(0.5, steps=3), jnp.geomspace(0.5, 1.0, 20), stochastic=stochastic, adapt_ladder=False)
        run = sample(kernel, GAUSS.energy, chains=16, warmup=400, draws=1000, progress=Silent(), key=KEY)
        swapped = run.infos["swap_prob"]
        assert run.infos["round_trip"] == pytest.approx(1 / (2 * gaps + 2 * np.sum((1 - swapped) / swapped)), rel=0.15)


class TooReady(ParallelTempering):
    """Swaps are accepted as if all rungs were twice as hot."""

    def _whole(self, energy, xs):
        return 0.5 * ParallelTempering._whole(self, energy, xs)


def test_exact_start_catches_a_stochastic_swap_at_another_temperature() -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(TooReady.over(MALA(0.3), [0.3, 0.6, 1.0], stochastic=True), GAUSS, start=exact_rungs, draws=2**16, key=KEY)


# ---- walks and tours ----


class WrongHop(SimulatedTempering):
    """Rungs drawn with the sign of the work turned round."""

    def path(self, energy):
        return TurnedWork(energy)


class WayUpOnly(Tempering):
    def work(self, t0, t1, x):
        return jnp.where(t1 < t0, (t1 - t0) * self.energy(x), 0.0)


class OneWayTour(TemperedTransitions):
    """Counts the switches of the way up only."""

    def path(self, energy):
        return WayUpOnly(energy)


class Forward(Cycle):
    """Says that it is its own time reversal."""

    def reverse(self):
        return self

    def tempered(self, beta):
        return Forward(Cycle.tempered(self, beta).kernels)


BROKEN = {
    "hop against the work": WrongHop.over(MALA(0.3), [0.3, 0.6, 1.0]),
    "switches of one way": OneWayTour.over(MALA(0.3), [0.4, 0.7, 1.0]),
    "not the time reversal": TemperedTransitions.over(Forward((ULA(1.0), MALA(0.3))), [0.5, 0.75, 1.0]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_exact_start_catches(name: str) -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(BROKEN[name], MIX, steps=2, draws=2**17, key=KEY)


def test_weights_level_the_visits_and_masses_come_right() -> None:
    kernel = SimulatedTempering.over(MALA(0.5), [0.02, 0.07, 0.25, 1.0])
    run = sample(kernel, FAR, chains=64, warmup=300, draws=1000, observe=right, init=jnp.full((64, 2), -8.0), progress=Silent(), key=KEY)
    assert abs(run["right"].value - 0.75) < 5.6 * run["right"].stderr < 0.15, str(run)
    np.testing.assert_allclose(run.infos["visits"], 1.0, atol=0.4)
    assert run.infos["home"] > 0.99 and "!" not in str(run)
    short = sample(kernel.over(MALA(0.5), [0.02, 1.0], most=1), FAR, chains=4, warmup=0, draws=64, progress=Silent(), key=KEY)
    assert "! Only" in str(short) or "! No excursion" in str(short)


def test_weights_of_a_gaussian_are_minus_its_log_z() -> None:
    """Of d axes at beta, log Z = -d/2 log beta + const."""
    betas = np.array([0.3, 0.55, 1.0])
    run = sample(SimulatedTempering.over(HMC(0.7, steps=3), betas), WIDE, chains=64, warmup=500, draws=8, progress=Silent(), key=KEY)
    np.testing.assert_allclose(run.kernel.log_weights, SIZE / 2 * np.log(betas), atol=0.2)


def test_tours_find_the_masses() -> None:
    tour = TemperedTransitions.over(Repeat(MALA(0.5), 2), jnp.geomspace(0.02, 1.0, 12))
    run = sample(
        Cycle((MALA(0.5), tour)),
        FAR,
        chains=64,
        warmup=0,
        draws=1000,
        observe=right,
        init=jnp.full((64, 2), -8.0),
        progress=Silent(),
        key=KEY,
    )
    assert abs(run["right"].value - 0.75) < 5.6 * run["right"].stderr < 0.15, str(run)


def test_what_walks_and_tours_need_is_said() -> None:
    with pytest.raises(TypeError, match="needs a reversible kernel, and Gibbs is not"):
        SimulatedTempering.over(Gibbs(), [0.5, 1.0])
    with pytest.raises(ValueError, match="log_weights of shape"):
        SimulatedTempering.over(MALA(0.1), [0.5, 1.0], log_weights=jnp.zeros(3))
    with pytest.raises(TypeError, match="does not report its own"):
        TemperedTransitions.over(NoWork(0.1), [0.5, 1.0])
    with pytest.raises(TypeError, match="lose its memory"):
        TemperedTransitions.over(GHMC(0.1), [0.5, 1.0])
    with pytest.raises(TypeError, match="unexpected keyword"):
        ParallelTempering.over(MALA(0.1), [0.5, 1.0], moove=2)


class NoWork(ULA):
    reports_work = False


# ---- glasses ----

GLASSY = Cycle((Each(Gibbs()), Houdayer()))


class SwapsAll(ParallelTempering):
    """Swaps every copy when the first would."""

    def _swap(self, energy, state, key):
        partner, swap_prob = ParallelTempering._swap(self, energy, state, key)
        return jnp.broadcast_to(partner[:, :1], partner.shape), swap_prob


def test_copies_swap_by_themselves() -> None:
    """Between swaps clusters alone move, which do not heal what a wrong swap has done."""
    from registry.kernels import exact_glasses

    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(SwapsAll.over(Houdayer(), [0.3, 0.6, 1.0]), GLASSES, start=exact_glasses, draws=2**16, key=KEY)


@eqx.filter_jit
def energies_of_bonds(kernel, side: tuple[int, ...], p: float, warmup: int, draws: int, keys):
    """In units of the coupling, the mean over the draws of every disorder; all disorders in one program."""
    k = math.log(p / (1 - p)) / 2

    def one(key):
        disorder, begin, first, run = jax.random.split(key, 4)
        glass = Copies(edwards_anderson(side, k, positive=p, key=disorder), 2)
        state = kernel.init(glass, draw(reference(glass.space), key=begin), key=first)

        def move(i, carry):
            state, total = carry
            state = kernel.step(glass, state, key=jax.random.fold_in(run, i))[0]
            return state, total + jnp.where(i < warmup, 0.0, kernel.energy(glass, state) / (2 * k * len(side) * math.prod(side)))

        return jax.lax.fori_loop(0, warmup + draws, move, (state, jnp.zeros(())))[1] / draws

    return jax.vmap(one)(keys)


def nishimori(side: tuple[int, ...], p: float, betas, disorders: int, warmup: int, draws: int) -> tuple[float, float]:
    """The mean over the disorder, with its error from the spread."""
    kernel = ParallelTempering.over(GLASSY, betas)
    found = np.asarray(energies_of_bonds(kernel, side, p, warmup, draws, jax.random.split(KEY, disorders)), np.float64)
    return float(np.mean(found)), float(np.std(found, ddof=1) / math.sqrt(disorders))


def test_glasses_on_the_line_of_nishimori() -> None:
    """The mean energy of a bond of 4 x 4 glasses is -(2p - 1), exactly, at the temperature of the line."""
    mean, error = nishimori((4, 4), 0.85, [0.3, 0.6, 1.0], 256, 64, 128)
    assert abs(mean + 0.7) < 5 * error < 0.05, (mean, error)


@pytest.mark.long
def test_edwards_anderson_on_the_line_of_nishimori() -> None:
    """Three dimensions, L = 8, +-J, periodic, near the multicritical point (p = 0.77): within 3 errors over 128 disorders."""
    mean, error = nishimori((8, 8, 8), 0.77, [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 128, 200, 400)
    print(f"energy of a bond {mean:.5f} +- {error:.5f}, exact -0.54")
    assert abs(mean + 0.54) < 3 * error < 0.006, (mean, error)


def test_hot_rungs_have_the_steps_that_their_temperatures_ask_for() -> None:
    """1 / beta of MALA, whatever beta is; where a base has a scale of its own, that of 0.1 at the most."""
    betas = jnp.array([0.01, 0.04, 1.0])
    free, held = (ParallelTempering.over(MALA(0.2), betas, base) for base in (None, Normal([0.0], [1.0])))
    np.testing.assert_allclose(free.kernel.step_size, 0.2 / betas, rtol=1e-6)
    np.testing.assert_allclose(held.kernel.step_size, [2.0, 2.0, 0.2], rtol=1e-6)


def test_a_tempered_trajectory_is_longer_in_as_many_steps() -> None:
    cold = AdaptiveHMC(0.1, length=1.5)
    hot = cold.tempered(jnp.asarray(0.25))
    assert (float(hot.step_size), float(hot.length), int(hot.leaps)) == (pytest.approx(0.2), pytest.approx(3.0), int(cold.leaps))
