"""Observers: exact means within the stated error, merge, coverage of the error bar, honest R-hat and tau."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.observers import OBSERVERS
from scipy.signal import lfilter

from gibbsite.core import Mean, Status, diagnose
from gibbsite.samplers import MALA, sample
from gibbsite.testing import problems

Z = 5.6
OBSERVER = Mean(lambda x: x)


@pytest.mark.parametrize("name", OBSERVERS)
def test_mean_in_a_run(name: str) -> None:
    observer, truth = OBSERVERS[name]
    run = sample(MALA(0.4), problems.mixture().energy, chains=256, warmup=200, draws=1200, observe={name: observer}, key=jax.random.key(1))
    z = (run[name].value - np.asarray(truth)) / run[name].stderr
    assert np.max(np.abs(z)) < Z, str(run)
    assert np.max(run[name].stderr) < 0.05


@pytest.mark.parametrize("name", OBSERVERS)
def test_merge_is_addition(name: str) -> None:
    observer, _ = OBSERVERS[name]
    xs = jax.random.normal(jax.random.key(2), (6, 2))

    def gather(rows):
        acc = observer.init(xs[0])
        for x in rows:
            acc = observer.update(acc, x, jnp.ones(()))
        return acc

    whole, parts = gather(xs), observer.merge(gather(xs[:2]), gather(xs[2:]))
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@jax.jit
@jax.vmap
@jax.vmap
def feed(batch):
    """Moments of one batch of draws."""

    def body(acc, x):
        return OBSERVER.update(acc, x, jnp.ones(())), None

    return jax.lax.scan(body, OBSERVER.init(batch[0]), batch)[0]


def accumulate(series: np.ndarray, batches: int = 32):
    """Moments of `series` (chains, draws) as the runner keeps them."""
    return feed(jnp.asarray(series, jnp.float32).reshape(len(series), batches, -1))


def autoregressive(rho: float, chains: int, draws: int, seed: int) -> np.ndarray:
    """x_i = rho x_{i-1} + sqrt(1 - rho^2) e_i from its stationary law, one row a chain."""
    noise = np.random.default_rng(seed).normal(size=(chains, draws + 1))
    start, moves = noise[:, :1], np.sqrt(1 - rho**2) * noise[:, 1:]
    return lfilter([1.0], [1.0, -rho], moves, axis=1, zi=rho * start)[0]


def test_tau_of_an_autoregressive_series() -> None:
    """tau = (1 + rho) / (1 - rho) = 9 for rho = 0.8; the variance of 512 chain means is known to 1/sqrt(256)."""
    found = diagnose(accumulate(autoregressive(0.8, 512, 3200, 0)))
    assert abs(found.tau / 9 - 1) < Z / 16 + 0.01
    assert abs(found.estimate.value) < Z * found.estimate.stderr
    assert found.rhat < 1.01 and found.estimate.status is Status.OK


@pytest.mark.parametrize("chains", [1, 4, 64])
def test_coverage_of_the_error_bar(chains: int) -> None:
    found = [diagnose(accumulate(autoregressive(0.5, chains, 640, seed))).estimate for seed in range(200)]
    hits = np.array([abs(e.value) <= e.hi - e.value for e in found])
    assert abs(hits.mean() - 0.95) < Z * np.sqrt(0.95 * 0.05 / 200)


def test_large_offsets_lose_nothing() -> None:
    found = diagnose(accumulate(1000 + autoregressive(0.0, 64, 640, 5)))
    assert abs(found.estimate.value - 1000) < Z * found.estimate.stderr
    assert 0.5 < found.tau < 2


def test_chains_apart_raise_rhat() -> None:
    series = autoregressive(0.0, 8, 640, 6) + np.where(np.arange(8) < 4, 0.0, 3.0)[:, None]
    found = diagnose(accumulate(series))
    assert found.rhat > 1.5 and found.estimate.status is Status.NOT_MIXED
