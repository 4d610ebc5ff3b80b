"""Metrics against closed forms, with the coverage of their error bars (fixed keys, bounds at z = 5.6)."""

import math

import jax
import numpy as np
import pytest

from gibbsite.core import Binary, Coins, Estimate, Evidence, Normal, Status, exact
from gibbsite.data import Modes, load
from gibbsite.energies import GaussianMixture
from gibbsite.metrics import bits_per_dim, energy_distance, kl_to_truth, mmd, mode_masses, nll, noise_floor, total_variation

Z = 5.6


def gaussian(mean: float, scale: float) -> GaussianMixture:
    return GaussianMixture(np.full((1, 2), mean), np.array([scale]), np.ones(1))


def off(estimate: Estimate, value: float) -> float:
    return abs(estimate.value - value) / estimate.stderr


def test_nll_is_the_entropy() -> None:
    d = load("gaussians8")
    # The components are 6.1 deviations apart; their overlap, by quadrature of the mixture, is within 0.006 nats.
    p = np.arange(1, 9) / 36
    apart = -(p * np.log(p)).sum() + math.log(2 * math.pi * math.e * (0.5 / 1.414) ** 2)
    estimate = nll(d.truth, exact(0.0), np.concatenate([d.train, d.test]))
    assert estimate.value < apart + Z * estimate.stderr
    assert abs(estimate.value - apart) < Z * estimate.stderr + 0.006
    assert estimate.stderr < 0.02 and estimate.evidence is Evidence.UNBIASED


def test_nll_inherits_the_evidence_of_log_z() -> None:
    x = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float32)
    energy = Normal(np.zeros(3), np.ones(3))
    log_z = Estimate(1.5 * math.log(2 * math.pi), 0.03, ess=40.0, evidence=Evidence.LOWER)
    estimate = nll(energy, log_z, x)
    assert estimate.evidence is Evidence.LOWER and estimate.ess == 40
    np.testing.assert_allclose(estimate.stderr, math.hypot(0.03, math.sqrt(1.5 / 5000)), rtol=0.05)
    assert off(estimate, 1.5 * (math.log(2 * math.pi) + 1)) < Z
    broken = nll(energy, log_z, np.where(np.arange(5000)[:, None] == 3, np.nan, x))
    assert broken.value is None and broken.status is Status.NON_FINITE


def test_kl_of_gaussians() -> None:
    """KL(N(a, s) || N(b, t)) = d [log(t/s) + (s^2 + (a-b)^2) / (2 t^2) - 1/2]."""
    truth, model = gaussian(0.0, 1.0), gaussian(0.5, 1.3)
    x = np.random.default_rng(1).standard_normal((20_000, 2)).astype(np.float32)
    value = 2 * (math.log(1.3) + (1 + 0.25) / (2 * 1.69) - 0.5)
    estimate = kl_to_truth(truth, model, exact(0.0), x)
    assert off(estimate, value) < Z and estimate.stderr < 0.01
    assert kl_to_truth(truth, truth, exact(0.0), x).value == 0
    unnormalised = GaussianMixture(np.full((1, 2), 0.5), np.array([1.3]), np.array([7.0]))
    np.testing.assert_allclose(kl_to_truth(truth, unnormalised, exact(math.log(7)), x).value, estimate.value, rtol=1e-4)
    np.testing.assert_allclose(
        kl_to_truth(unnormalised, truth, exact(0.0), x).value, -estimate.value, rtol=1e-4
    )  # same draws: the constant of the truth is counted


def test_bits_per_dim() -> None:
    """Fair coins cost one bit each; a uniform density on [0, 1) costs log2(17) bits for 17 levels."""
    space = Binary((64,))
    bits = np.random.default_rng(0).integers(0, 2, (10, 64)).astype(np.float32)
    fair = nll(Coins(space, np.zeros(64)), exact(64 * math.log(2)), bits)
    np.testing.assert_allclose(bits_per_dim(fair, 64).value, 1.0, rtol=1e-6)
    np.testing.assert_allclose(bits_per_dim(exact(0.0), 64, dequantised=1 / 17).value, math.log2(17), rtol=1e-12)
    assert bits_per_dim(Estimate(1.0, 0.5, evidence=Evidence.LOWER), 2).evidence is Evidence.LOWER


def mmd_of_gaussians(shift: float, width: float, d: int) -> float:
    """E exp(-|U|^2 / (2 w^2)) for U ~ N(m, 2 I) is (w^2 / (w^2 + 2))^{d/2} exp(-|m|^2 / (2 (w^2 + 2)))."""
    norm = (width**2 / (width**2 + 2)) ** (d / 2)
    return 2 * norm * (1 - math.exp(-d * shift**2 / (2 * (width**2 + 2))))


def energy_of_gaussians(shift: float) -> float:
    """On the line, E|N(m, 2)| = 2/sqrt(pi) exp(-m^2/4) + m erf(m/2)."""
    mean = 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    return 2 * mean - 4 / math.sqrt(math.pi)


@pytest.mark.parametrize("shift", [0.0, 0.4])
@pytest.mark.parametrize("metric", ["mmd", "energy"])
def test_distances_are_unbiased_with_honest_errors(metric: str, shift: float) -> None:
    """Mean over replicates against the closed form; stated against actual spread, neither too small nor wide."""
    rng = np.random.default_rng(5)
    d = 2 if metric == "mmd" else 1
    truth = mmd_of_gaussians(shift, 1.5, 2) if metric == "mmd" else energy_of_gaussians(shift)
    runs = []
    for _ in range(600):
        x, y = rng.standard_normal((60, d)) + shift, rng.standard_normal((90, d))
        runs.append(mmd(x, y, bandwidth=1.5) if metric == "mmd" else energy_distance(x, y))
    values, errors = np.array([r.value for r in runs]), np.array([r.stderr for r in runs])
    spread = values.std(ddof=1)
    assert abs(values.mean() - truth) < Z * spread / math.sqrt(len(values))
    ratio = math.sqrt((errors**2).mean()) / spread
    assert 0.8 < ratio < 1.7, ratio
    # Where the law turns from skewed to Gaussian, two errors cover 0.89: the docstring's figure.
    inside = (np.abs(values - truth) < 2 * errors).mean()
    assert inside > 0.89 - Z * math.sqrt(0.89 * 0.11 / 600), inside


def test_large_samples_and_images() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5000, 2)), rng.standard_normal((2500, 2)) + 1.0
    assert off(mmd(x, y, bandwidth=2.0), mmd_of_gaussians(1.0, 2.0, 2)) < Z
    pictures = (rng.random((200, 8, 8)) < 0.3).astype(np.float32)
    assert abs(mmd(pictures[:100], pictures[100:]).value) < 0.01
    far = 1e3 + rng.standard_normal((300, 2))
    np.testing.assert_allclose(
        energy_distance(far[:150], far[150:]).value, energy_distance(far[:150] - 1e3, far[150:] - 1e3).value, atol=1e-3
    )
    assert mmd(x * np.nan, y).status is Status.NON_FINITE
    with pytest.raises(ValueError, match="All 100 rows are equal"):
        mmd(x, np.ones((100, 2)))
    with pytest.raises(ValueError, match="3 numbers a row and y has 2"):
        mmd(np.ones((9, 3)), y)


def test_noise_floor() -> None:
    """Two halves of one sample: zero within its error; another law is far above it."""
    x = load("gaussians8").test
    for metric in (mmd, energy_distance):
        floor = noise_floor(metric, x, key=jax.random.key(0))
        assert abs(floor.value) < Z * floor.stderr
        apart = metric(x + 0.5, x)
        assert apart.value > 10 * (abs(floor.value) + floor.stderr)


def test_mode_masses() -> None:
    modes = Modes(np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], np.float32), np.array([0.5, 0.3, 0.2]))
    rng = np.random.default_rng(0)
    which = rng.choice(3, size=1000, p=modes.masses)
    x = modes.centres[which] + rng.standard_normal((1000, 2))
    masses = mode_masses(x, modes)
    np.testing.assert_array_equal(masses.value, np.bincount(which, minlength=3) / 1000)
    np.testing.assert_allclose(masses.stderr, np.sqrt(masses.value * (1 - masses.value) / 1000), rtol=0.01)
    assert (np.abs(masses.value - modes.masses) < Z * masses.stderr).all()
    one = mode_masses(np.zeros((50, 2)), modes)
    assert (one.stderr > 0).all() and one.value.tolist() == [1, 0, 0] and one.hi.max() == 1 and one.lo.min() == 0
    np.testing.assert_allclose(mode_masses(x, modes, ess=250).stderr / masses.stderr, 2, rtol=0.02)
    lost = mode_masses(np.where(np.arange(1000)[:, None] < 100, np.inf, x), modes)
    assert lost.status is Status.NON_FINITE and abs(lost.value.sum() - 0.9) < 1e-9
    assert total_variation(lost, modes.masses).value >= 0.1 - 1e-9


def test_total_variation_exact_cases() -> None:
    p = np.array([0.5, 0.5, 0.0])

    def at(q: list[float]) -> Estimate:
        return total_variation(Estimate(p, np.zeros(3), ess=1e6), np.array(q))

    for q, value in (([0.5, 0.5, 0.0], 0.0), ([0.0, 0.0, 1.0], 1.0), ([0.25, 0.5, 0.25], 0.25)):
        np.testing.assert_allclose(at(q).value, value, atol=1e-12)
    assert at([0.5, 0.5, 0.0]).evidence is Evidence.UPPER
    with pytest.raises(ValueError, match=r"shape \(3,\) and truth \(2,\)"):
        at([0.5, 0.5])


@pytest.mark.parametrize("truth", [[0.5, 0.3, 0.2], [0.3, 0.3, 0.4]])
def test_total_variation_error_bar(truth: list[float]) -> None:
    """The stated error is the spread; the bias is positive and below the bound of the docstring."""
    p, q, n = np.array([0.5, 0.3, 0.2]), np.array(truth), 400
    rng = np.random.default_rng(2)
    runs = [total_variation(Estimate(rng.multinomial(n, p) / n, np.zeros(3), ess=float(n)), q) for _ in range(400)]
    values = np.array([r.value for r in runs])
    spread, bias = values.std(ddof=1), values.mean() - 0.5 * np.abs(p - q).sum()
    ratio = np.mean([r.stderr for r in runs]) / spread
    assert 0.8 < ratio < 1.4, ratio
    slack = Z * spread / math.sqrt(len(values))
    assert -slack < bias < 0.5 * np.sqrt(2 * p * (1 - p) / (math.pi * n)).sum() + slack
