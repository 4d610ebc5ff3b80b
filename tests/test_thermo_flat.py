"""Densities of states, exact and sampled, against exact answers; broken twins must fail."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import i0

from gibbsite.core import Evidence, Normal, Pairwise, Status, Tempered, as_float, capability, configurations
from gibbsite.energies import XY, Ising, Potts
from gibbsite.samplers import Silent
from gibbsite.testing import problems
from gibbsite.thermo import DensityOfStates, Levels, kaufman, kaufman_energy, kaufman_heat_capacity, multicanonical, wang_landau
from gibbsite.thermo.flat.moves import Bonded, Whole, move_for
from gibbsite.thermo.flat.walk import learn, measure

KEY = jax.random.key(1992)
K_C = math.log(1 + math.sqrt(2)) / 2
Z = 5.6
HALF = [2, 0, 32, 64, 424, 1728, 6688, 13568]
STATES_4X4 = np.array([*HALF, 20524, *HALF[::-1]], float)  # at E = -32 + 4 k
ENERGIES_4X4 = -32.0 + 4 * np.arange(17)
THERE = STATES_4X4 > 0


def flat(energy, levels=None, *, learning=300, sweeps=1500, **options):
    weights = wang_landau(energy, levels, sweeps=learning, progress=Silent(), key=KEY, **options)
    return weights, multicanonical(energy, weights, sweeps=sweeps, progress=Silent(), key=KEY)


def errors(found, truth) -> float:
    return float(np.max(np.abs(found.value - truth) / found.stderr))


@pytest.fixture(scope="module")
def exact_4x4() -> DensityOfStates:
    return DensityOfStates(ENERGIES_4X4[THERE], np.log(STATES_4X4[THERE]))


@pytest.fixture(scope="module")
def sampled_4x4():
    return flat(Ising(4))


@pytest.fixture(scope="module")
def sampled_8x8():
    return flat(Ising(8), learning=600, sweeps=3000)


class TestExact:
    @pytest.mark.parametrize("coupling", [0.1, 0.4, K_C, 2.0])
    def test_canonical_numbers_of_the_4x4_torus(self, exact_4x4, coupling) -> None:
        assert exact_4x4.log_z(coupling).value == pytest.approx(kaufman(4, 4, coupling).value, rel=1e-13)
        assert exact_4x4.energy(coupling).value == pytest.approx(16 * kaufman_energy(4, 4, coupling).value, rel=1e-11)
        assert exact_4x4.heat_capacity(coupling).value == pytest.approx(16 * kaufman_heat_capacity(4, 4, coupling).value, rel=1e-7)

    def test_one_density_is_exact_at_all_temperatures_at_once(self, exact_4x4) -> None:
        betas = np.array([0.0, 0.3, 0.7])
        found = exact_4x4.log_z(betas)
        assert found.evidence is Evidence.EXACT
        assert np.all(found.stderr == 0)
        assert found.value[0] == pytest.approx(16 * math.log(2), rel=1e-14)
        assert exact_4x4.log_total == pytest.approx(16 * math.log(2), rel=1e-14)
        # F = U - T S, and S falls from that of free spins to that of the two ground states.
        np.testing.assert_allclose(
            exact_4x4.canonical_entropy(betas).value, found.value + betas * exact_4x4.energy(betas).value, rtol=1e-13
        )
        assert exact_4x4.canonical_entropy(20.0).value == pytest.approx(math.log(2), abs=1e-10)

    def test_microcanonical_temperature(self, exact_4x4) -> None:
        found = exact_4x4.inverse_temperature().value
        assert found[0] == pytest.approx(math.log(64 / 2) / 12, rel=1e-13)  # E = -32, -24, -20
        np.testing.assert_allclose(found, -found[::-1], atol=1e-12)  # as many states above as below

    def test_law_of_energies(self, exact_4x4) -> None:
        law = exact_4x4.law(K_C).value
        assert law.sum() == pytest.approx(1.0, rel=1e-14)
        assert law @ exact_4x4.energies == pytest.approx(exact_4x4.energy(K_C).value, rel=1e-13)

    def test_numbers_of_one_density_are_independent_if_they_have_no_error(self, exact_4x4, sampled_4x4) -> None:
        gap = exact_4x4.log_z(0.3) - exact_4x4.log_z(0.2)
        assert gap.evidence is Evidence.EXACT and gap.stderr == 0
        with pytest.raises(ValueError, match="share a source"):
            sampled_4x4[1].log_z(0.3) - sampled_4x4[1].log_z(0.2)


class TestWeights:
    def test_levels_of_equal_bonds(self) -> None:
        ising, potts, against = Levels.of(Ising(4)), Levels.of(Potts(3, 3)), Levels.of(Ising((4, 6), -0.5))
        assert (ising.centres()[0], float(ising.step), ising.count) == (-32.0, 2.0, 33)
        assert (potts.centres()[0], float(potts.step), potts.count) == (-18.0, 1.0, 19)
        assert (against.centres()[0], float(against.step), against.count) == (-24.0, 1.0, 49)
        bins = Levels.bins(-1.0, 3.0, 8)
        assert bins.ends() == (-1.0, 3.0)
        assert bins.width == 0.5
        assert bins.centres()[0] == -0.75

    def test_they_make_the_histogram_flat(self, sampled_4x4) -> None:
        """Factor f falls as one over the visits of each level; what is learnt is right to some percent."""
        weights, density = sampled_4x4
        assert weights.late
        assert weights.factor == pytest.approx(15 / (300 * 16 * 64), rel=1e-5)
        learnt = weights.log_g[::2][THERE]
        assert np.all(np.isneginf(weights.log_g[::2][~THERE]))
        np.testing.assert_allclose(learnt - learnt[7], np.log(STATES_4X4[THERE] / STATES_4X4[THERE][7]), atol=0.3)
        assert len(density.energies) == 15
        assert "15 of 33 levels" in repr(weights)

    def test_a_level_found_late_begins_where_its_walker_came_from(self) -> None:
        """Else it would hold the walker for as long as the others took to grow."""
        weights, _ = flat(Ising(4), learning=40, sweeps=1)
        seen = np.isfinite(weights.log_g)
        assert np.ptp(weights.log_g[seen]) < 15  # nats; the truth is 9.2


class TestSampled:
    def test_entropy_of_every_level(self, sampled_4x4) -> None:
        found = sampled_4x4[1].entropy()
        assert found.evidence is Evidence.INTERVAL
        assert errors(found, np.log(STATES_4X4[THERE])) < Z
        assert np.max(found.stderr) < 0.1

    def test_canonical_numbers_of_the_4x4_torus(self, sampled_4x4) -> None:
        density = sampled_4x4[1]
        for coupling in (0.2, K_C, 0.8):
            assert errors(density.log_z(coupling), kaufman(4, 4, coupling).value) < Z
            assert errors(density.energy(coupling), 16 * kaufman_energy(4, 4, coupling).value) < Z
            assert errors(density.heat_capacity(coupling), 16 * kaufman_heat_capacity(4, 4, coupling).value) < Z
        found = density.log_z(K_C)
        assert found.stderr < 0.03
        assert 32 < found.ess <= 64

    def test_kaufmans_8x8_torus(self, sampled_8x8) -> None:
        """From one density, at three temperatures, to 0.1 % and better."""
        density = sampled_8x8[1]
        for coupling, log_z, energy, heat in (
            (0.4, 56.59938876042537, -1.22232064325, 1.100475889),
            (K_C, 60.14178078906915, -1.49158910744, 1.145559240),
            (0.5, 66.34458187922781, -1.74568317029, 0.7141226029),
        ):
            assert errors(density.log_z(coupling), log_z) < Z
            assert density.log_z(coupling).stderr < 1e-3 * log_z
            assert errors(density.energy(coupling), 64 * energy) < Z
            assert errors(density.heat_capacity(coupling), 64 * heat) < Z

    def test_potts(self) -> None:
        density = flat(Potts(3, 3), sweeps=4000)[1]
        critical = math.log(1 + math.sqrt(3))
        assert density.log_total == pytest.approx(9 * math.log(3), rel=1e-12)
        assert errors(density.log_z(critical), 19.688939731847) < Z
        assert errors(density.energy(critical), -9 * 1.742122214653) < Z
        assert density.log_z(critical).stderr < 0.02

    def test_rotors_in_bins(self) -> None:
        """An open chain of four: Z = (2 pi)^4 I_0(K)^3; the interval holds what the width of bins adds."""
        density = flat(XY((4,), periodic=False), Levels.bins(-3.0001, 3.0001, 30))[1]
        assert density.width == pytest.approx(0.2, rel=1e-3)
        for coupling in (0.5, 1.0):
            found, truth = density.log_z(coupling), 4 * math.log(2 * math.pi) + 3 * math.log(i0(coupling))
            assert -Z * found.stderr < truth - found.value < Z * found.stderr + (coupling * density.width) ** 2 / 8
            assert found.hi - found.value > found.value - found.lo
            assert found.stderr < 0.02

    @pytest.mark.long
    def test_a_slope_in_a_box(self) -> None:
        wedge = problems.wedge()
        density = flat(wedge.energy, Levels.bins(-1.61, 2.31, 49), sweeps=3000)[1]
        found = density.log_z(1.0)
        assert -Z * found.stderr < wedge.log_z - found.value < Z * found.stderr + density.width**2 / 8
        assert found.stderr < 0.02

    @pytest.mark.parametrize("coupling", [0.35, 0.44, 1.0])
    def test_too_few_sweeps_are_told(self, coupling) -> None:
        """Walkers on their first way down the 8 x 8 torus: beyond the levels that one of them has met there are more."""
        density = flat(Ising(8), learning=8, sweeps=20)[1]
        assert density.energies[0] > -128
        found = density.log_z(coupling)
        assert found.status is Status.NOT_CONVERGED
        assert found.evidence is Evidence.NOT_ESTABLISHED


@eqx.filter_jit
def every_site(move, x, here, chance):
    return jax.vmap(lambda site: move(x, here, site, chance))(jnp.arange(x.size))


@pytest.mark.parametrize("name", ["glass", "potts"])
def test_bonds_tell_the_change_of_energy(name) -> None:
    """For every site and every other value, with bonds and fields of all kinds."""
    energy = problems.PROBLEMS[name]().energy
    move, x = move_for(energy, 0.5), configurations(energy.space, jnp.array([237]))[0].ravel()
    assert isinstance(move, Bonded)
    whole = Whole(energy, as_float(0.5))
    here = energy(x.reshape(energy.space.shape))
    for chance in (as_float(0.1), as_float(0.9)):
        one, other = (every_site(m, x, here, chance) for m in (move, whole))
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_allclose(one[1], other[1], atol=1e-5)
        assert np.all(one[0] != x)


def test_forgotten_bonds_are_seen() -> None:
    """A broken twin of the law above: one bond left out."""
    energy = problems.glass().energy
    move, x = move_for(energy, 0.5), configurations(energy.space, jnp.array([237]))[0].ravel()
    twin = eqx.tree_at(lambda m: m.gaps, move, move.gaps.at[0, 0].set(0.0))
    one, other = (every_site(m, x, as_float(0.0), as_float(0.0))[1] for m in (twin, move))
    assert np.max(np.abs(one - other)) > 0.1
    assert capability(energy, Pairwise) is not None


def test_a_forgotten_weight_is_seen(sampled_4x4) -> None:
    """A broken twin: visits as if all states had weighed the same."""
    weights, density = sampled_4x4
    visits = density.shares * np.exp(density.log_g - weights.log_g[np.isfinite(weights.log_g)])
    twin = DensityOfStates.from_counts(density.energies, visits, np.zeros(15), log_total=16 * math.log(2))
    assert errors(twin.log_z(0.4), 14.56109302384404) > Z


def test_another_coupling_is_no_other_program() -> None:
    flat(Ising(4), learning=2, sweeps=2)
    held = [fn._cached._cache_size() for fn in (learn, measure)]
    flat(Ising(4, 0.3), learning=3, sweeps=3)
    assert [fn._cached._cache_size() for fn in (learn, measure)] == held


def test_one_key_one_density(sampled_4x4) -> None:
    again = multicanonical(Ising(4), sampled_4x4[0], sweeps=1500, progress=Silent(), key=KEY)
    assert np.array_equal(again.log_g, sampled_4x4[1].log_g)


def test_refusals_name_the_remedy(sampled_4x4) -> None:
    for energy, levels, kind, said in _refused():
        with pytest.raises(kind, match=said):
            wang_landau(energy, levels, progress=Silent(), key=KEY)
    with pytest.raises(ValueError, match="sweeps=0"):
        wang_landau(Ising(4), sweeps=0, key=KEY)
    with pytest.raises(ValueError, match="scale"):
        wang_landau(Ising(4), scale=2.0, key=KEY)
    with pytest.raises(ValueError, match="two or more"):
        Levels.bins(-8, 8, 0)
    weights = sampled_4x4[0]
    with pytest.raises(ValueError, match="have one walker"):
        multicanonical(Ising(4), dataclasses.replace(weights, positions=weights.positions[:1]), key=KEY)


def _refused():
    yield Normal(jnp.zeros(2), jnp.ones(2)), Levels.bins(0, 9, 9), TypeError, "use a Box or a Torus"
    yield Ising(4, field=0.1), None, ValueError, r"say Levels\(low, step, count\)"
    yield Ising(4, jnp.linspace(0.1, 1.0, 32).reshape(2, 4, 4)), None, ValueError, "bonds of different strengths"
    yield XY((4,)), None, TypeError, "use Levels.bins"
    yield Ising(4), Levels(-8, 4, 5), ValueError, "Give levels that hold all energies"
    yield Tempered(Ising(4), 0.0), None, ValueError, "or none"


def test_densities_that_make_no_sense_are_refused() -> None:
    for energies, log_g, shares, said in (
        ([0.0, 1.0], [0.0], None, "one number a level"),
        ([1.0, 0.0], [0.0, 0.0], None, "do not rise"),
        ([0.0, 1.0], [0.0, -np.inf], None, "leave out levels without states"),
        ([0.0, 1.0], [0.0, 0.0], [[1.0, 1.0]], "two walkers or more"),
        ([0.0, 1.0], [0.0, 0.0], [[0.5, 0.5], [0.4, 0.5]], "do not add up to 1"),
    ):
        with pytest.raises(ValueError, match=said):
            DensityOfStates(np.array(energies), np.array(log_g), None if shares is None else np.array(shares))
