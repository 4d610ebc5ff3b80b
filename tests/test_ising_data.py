"""The Ising data set: exact draws by transfer matrix against enumeration and Kaufman's solution."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite import data
from gibbsite.core import Normalised, Spins, Tempered, need
from gibbsite.data import IsingTorus
from gibbsite.energies import Ising
from gibbsite.metrics import kl_to_truth
from gibbsite.thermo import enumerate_log_z, kaufman, kaufman_energy, kaufman_heat_capacity

Z = 5.6


@pytest.fixture(scope="module")
def spins() -> data.Dataset:
    return data.load("ising")


def bonds(x: np.ndarray) -> np.ndarray:
    """The sum over bonds of s s', a row."""
    x = x.reshape(-1, 8, 8)
    return (x * (np.roll(x, 1, 1) + np.roll(x, 1, 2))).sum(axis=(1, 2))


@pytest.mark.parametrize(("rows", "cols", "coupling"), [(8, 8, 0.4), (3, 5, 0.7), (12, 4, 0.2)])
def test_log_z_is_kaufmans(rows: int, cols: int, coupling: float) -> None:
    log_z = IsingTorus.at(rows, cols, coupling).log_z
    np.testing.assert_allclose(log_z, kaufman(rows, cols, coupling).value, rtol=2e-7)


def test_draws_follow_the_law_state_by_state() -> None:
    """All 4096 states of 3 x 4 spins: Pearson's statistic of 40,000 draws, in deviations from its mean.

    States expected fewer than five times are joined. The same draws refuse a coupling of 0.37 instead of 0.4.
    """
    torus = IsingTorus.at(3, 4, 0.4)
    x = np.asarray(jax.vmap(lambda k: torus.sample(key=k))(jax.random.split(jax.random.key(0), 40_000)))
    counts = np.bincount((x > 0) @ 2 ** np.arange(12), minlength=4096)
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=12)))[:, ::-1]

    def excess(coupling: float) -> float:
        p = np.exp(-np.asarray(jax.vmap(IsingTorus.at(3, 4, coupling))(jnp.asarray(states)), np.float64))
        expected = len(x) * p / p.sum()
        rare = expected < 5
        seen, due = np.append(counts[~rare], counts[rare].sum()), np.append(expected[~rare], expected[rare].sum())
        free = len(due) - 1
        return float((((seen - due) ** 2 / due).sum() - free) / np.sqrt(2 * free))

    assert abs(excess(0.4)) < Z < excess(0.37)


def test_log_z_by_enumeration() -> None:
    np.testing.assert_allclose(IsingTorus.at(3, 4, 0.4).log_z, enumerate_log_z(Ising((3, 4), 0.4)).value, rtol=1e-6)


def test_rows_have_the_exact_energy_and_heat_capacity(spins: data.Dataset) -> None:
    """Means of independent rows within z = 5.6 of Kaufman's, and 20 errors from those of a coupling 5 % off."""
    assert spins.space == Spins((64,)) and spins.image_shape == (8, 8)
    assert (len(spins.train), len(spins.validation), len(spins.test)) == (10_000, 2_000, 4_000)
    found = bonds(np.concatenate([spins.train, spins.validation, spins.test])) / 64
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean() + kaufman_energy(8, 8, 0.4).value) < Z * error
    assert abs(found.mean() + kaufman_energy(8, 8, 0.42).value) > 20 * error
    squares = 64 * 0.4**2 * (found - found.mean()) ** 2
    assert abs(squares.mean() - kaufman_heat_capacity(8, 8, 0.4).value) < Z * squares.std() / np.sqrt(len(found))


def test_up_is_as_likely_as_down_at_every_site(spins: data.Dataset) -> None:
    """64 sites, 16,000 rows: no magnetisation, though most rows have one; neighbours agree alike along both axes."""
    x = np.concatenate([spins.train, spins.validation, spins.test])
    assert np.abs(x.mean(axis=0)).max() < Z / np.sqrt(len(x))
    assert np.abs(x.mean(axis=1)).mean() > 0.5
    x = x.reshape(-1, 8, 8)
    across, down = ((x * np.roll(x, 1, axis)).mean(axis=(1, 2)) for axis in (1, 2))
    assert abs((across - down).mean()) < Z * (across - down).std() / np.sqrt(len(x))


def test_kl_is_exact_on_spins(spins: data.Dataset) -> None:
    """KL(K || K') = (K - K') <bonds> + log Z' - log Z, from Kaufman's solution."""
    other = Tempered(spins.truth, 0.9)
    log_z, mean = kaufman(8, 8, 0.36), -64 * kaufman_energy(8, 8, 0.4).value
    exact = 0.04 * mean + log_z.value - kaufman(8, 8, 0.4).value
    estimate = kl_to_truth(spins.truth, other, log_z, spins.test)
    assert abs(estimate.value - exact) < Z * estimate.stderr and estimate.stderr < 0.1 * exact
    assert need(spins.truth, Normalised, "test").log_z() == spins.truth.log_z


def test_the_seed_decides(spins: data.Dataset) -> None:
    np.testing.assert_array_equal(data.load("ising", seed=0).test, spins.test)
    assert not np.array_equal(data.load("ising", seed=1).test, spins.test)


def test_tables_stay_small() -> None:
    with pytest.raises(ValueError, match="cols=12: give 3 to 10 columns"):
        IsingTorus.at(3, 12, 0.4)
