"""One density of states from runs at many temperatures: against exact densities, Bennett's method, and itself."""

import dataclasses
import math

import numpy as np
import pytest

from gibbsite.core import Estimate, Evidence, Status
from gibbsite.testing import LawViolation, check_coverage
from gibbsite.thermo import MultiHistogram, bar, kaufman, multi_histogram
from gibbsite.thermo.jackknife import covariance, jackknife, leave_one_out

Z = 5.6
STATES = [2, 0, 32, 64, 424, 1728, 6688, 13568, 20524]  # of the 4 x 4 torus from E = -32 up in steps of 4, symmetric
LEVELS, DENSITY = np.arange(-32.0, 33.0, 4.0), np.array(STATES + STATES[-2::-1], float)
BETAS = np.array([0.2, 0.3, 0.38, 0.45, 0.6])


def law(beta: float) -> np.ndarray:
    weights = DENSITY * np.exp(-beta * LEVELS)
    return weights / weights.sum()


def exact_log_z(beta: float) -> float:
    return math.log(float(np.sum(DENSITY * np.exp(-beta * LEVELS))))


def energies(rng: np.random.Generator, chains: int, draws: int, betas: np.ndarray = BETAS) -> np.ndarray:
    """Independent draws of the exact law, `chains rungs draws`."""
    return np.stack([rng.choice(LEVELS, size=(chains, draws), p=law(beta)) for beta in betas], axis=1)


def heat(found: MultiHistogram, beta: float) -> Estimate:
    return found.of(lambda mean, log_z, betas: betas**2 * (mean("energy^2") - mean("energy") ** 2), beta)


def exact_heat(beta: float) -> float:
    p = law(beta)
    return beta**2 * float(p @ LEVELS**2 - (p @ LEVELS) ** 2)


def test_the_density_is_that_of_kaufmans_torus() -> None:
    assert exact_log_z(0.4) == pytest.approx(float(kaufman(4, 4, 0.4).value), abs=1e-12)


def test_log_z_and_means_between_the_runs() -> None:
    """At every beta between, from 16 chains of 400 draws a temperature; the observable E^2 + 1 goes the way of any other."""
    drawn = energies(np.random.default_rng(1), 16, 400)
    found, fine = multi_histogram(BETAS, drawn, {"square": drawn**2 + 1}), np.linspace(0.2, 0.6, 41)
    assert found.status is Status.OK
    truths = {
        "log_z": [exact_log_z(b) - exact_log_z(0.2) for b in fine],
        "energy": [law(b) @ LEVELS for b in fine],
        "square": [law(b) @ LEVELS**2 + 1 for b in fine],
    }
    for name, truth in truths.items():
        made = found.log_z(fine) if name == "log_z" else found.mean(name, fine)
        away = np.abs(made.value - truth) / np.where(made.stderr > 0, made.stderr, 1e-12)
        assert np.max(away[1:]) < Z, name
        assert made.evidence is Evidence.INTERVAL and np.max(made.stderr) < {"log_z": 0.1, "energy": 0.3, "square": 6}[name]
    assert found.log_z(0.2).value == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(found.mean("square", fine).value, found.of(lambda mean, z, b: mean("energy^2"), fine).value + 1)


def test_two_temperatures_are_bennetts_method() -> None:
    drawn = energies(np.random.default_rng(2), 4, 300, BETAS[[1, 3]])
    step = BETAS[3] - BETAS[1]
    found = multi_histogram(BETAS[[1, 3]], drawn).log_z(BETAS[3])
    assert found.value == pytest.approx(float(bar(step * drawn[:, 0].ravel(), -step * drawn[:, 1].ravel()).value), abs=1e-9)


def test_the_equations_hold() -> None:
    """`exp(-f_k) = sum_E g(E) exp(-beta_k E)` to rounding, in every replicate; a density from one wrong f does not."""
    found = multi_histogram(BETAS, energies(np.random.default_rng(3), 3, 200))

    def off(found: MultiHistogram) -> float:
        with np.errstate(divide="ignore"):
            sums = [np.log(np.sum(np.exp(row[:, None] - found.levels[:, None] * found.betas), axis=0)) for row in found.log_density]
        return float(np.max(np.abs(np.stack(sums) - found.log_zs)))

    assert off(found) < 1e-8
    bent = found.log_density + 0.01 * found.levels
    assert off(dataclasses.replace(found, log_density=bent)) > 0.05


def slow(seed: int) -> MultiHistogram:
    """Eight chains in which each draw stands five times, as it would for a slow sampler."""
    drawn = energies(np.random.default_rng(seed), 8, 40, BETAS[1:4])
    return multi_histogram(BETAS[1:4], np.repeat(drawn, 5, axis=2))


def copied(seed: int) -> MultiHistogram:
    """Every chain four times, as if they were independent: half the error that is due."""
    drawn = energies(np.random.default_rng(seed), 8, 40, BETAS[1:4])
    return multi_histogram(BETAS[1:4], np.tile(drawn, (4, 1, 1)))


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.long)])
def test_coverage_of_the_jackknife(count: int) -> None:
    """The stated 95 % hold, and of chains that are no chains of their own they do not (0.67)."""
    step = exact_log_z(BETAS[3]) - exact_log_z(BETAS[1])
    made = [slow(seed) for seed in range(count)]
    check_coverage([heat(found, 0.42) for found in made], exact_heat(0.42), limit=1.0, name="heat capacity")
    check_coverage([found.log_z(BETAS[3]) for found in made], step, limit=0.1, name="log Z")
    with pytest.raises(LawViolation, match="too narrow"):
        check_coverage([copied(seed).log_z(BETAS[3]) for seed in range(80)], step, limit=0.1)


def test_a_continuum_of_energies_is_binned() -> None:
    """Ten harmonic oscillators, `E ~ Gamma(5) / beta`: log Z = -5 log beta; 24,000 different energies in 8192 bins."""
    rng, betas = np.random.default_rng(5), np.array([1.0, 1.3, 1.7])
    drawn = rng.gamma(5.0, size=(8, 3, 1000)) / betas[:, None]
    found, fine = multi_histogram(betas, drawn), np.linspace(1.0, 1.7, 8)
    assert len(found.levels) <= 8192
    z, u = found.log_z(fine), found.mean("energy", fine)
    assert np.max(np.abs(z.value + 5 * np.log(fine))[1:] / z.stderr[1:]) < Z
    assert np.max(np.abs(u.value - 5 / fine) / u.stderr) < Z and np.max(u.stderr) < 0.05


def test_what_does_not_overlap_has_no_number() -> None:
    rng = np.random.default_rng(6)
    apart = np.stack([rng.normal(0, 1, (8, 100)), rng.normal(-400, 1, (8, 100))], axis=1)
    found = multi_histogram([0.1, 1.0], apart)
    assert found.status is Status.NO_OVERLAP and found.log_z(0.5).value is None
    assert found.log_z(0.5).evidence is Evidence.NOT_ESTABLISHED
    still = multi_histogram([0.1, 0.2], np.full((4, 2, 30), -3.0))
    assert still.mean("energy", 0.15).status is Status.CONSTANT and still.mean("energy", 0.15).evidence is Evidence.NOT_ESTABLISHED


@pytest.mark.parametrize(
    ("betas", "values", "sentence"),
    [
        ([0.1, 0.2], np.zeros((1, 2, 9)), "give two or more that are independent"),
        ([0.2, 0.1], np.zeros((3, 2, 9)), "numbers that increase"),
        ([0.1, np.nan], np.zeros((3, 2, 9)), "numbers that increase"),
        ([0.1, 0.2], np.zeros((3, 3, 9)), r"give \(chains, rungs, draws\)"),
        ([0.1, 0.2], np.full((3, 2, 9), np.nan), "energies holds what is not finite"),
    ],
)
def test_bad_input_is_a_sentence(betas: list[float], values: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        multi_histogram(betas, values)


def test_outside_and_unknown_are_refused() -> None:
    drawn = energies(np.random.default_rng(7), 3, 100)
    found = multi_histogram(BETAS, drawn)
    with pytest.raises(ValueError, match=r"the runs reach from 0\.2 to 0\.6"):
        found.mean("energy", [0.3, 0.7])
    with pytest.raises(KeyError, match="it has energy"):
        found.mean("m", 0.3)
    with pytest.raises(ValueError, match="m has shape"):
        multi_histogram(BETAS, drawn, {"m": drawn[:, :, :5]})


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    """Of a mean it is exact; of a product of means, the covariance of two such means is the sample's over n."""
    x = np.random.default_rng(8).normal(size=(20, 2)) @ np.array([[1.0, 0.7], [0.0, 0.5]])
    rows = leave_one_out(np.ones(20), x)
    np.testing.assert_allclose(jackknife(rows).stderr, x.std(axis=0, ddof=1) / math.sqrt(20))
    np.testing.assert_allclose(covariance(rows), np.cov(x.T) / 20)
    weighted = leave_one_out(np.array([1.0, 3.0]), np.array([2.0, 4.0]))
    np.testing.assert_allclose(weighted, [3.5, 4.0, 2.0])
    with pytest.raises(ValueError, match="two independent parts"):
        jackknife(rows[:2])
    assert jackknife(np.array([1.0, np.nan, 2.0])).value is None
