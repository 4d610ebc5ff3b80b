"""Observers: exact means within the stated error, merge, coverage of the error bar, honest R-hat and tau."""

import dataclasses
import functools
import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.observers import OBSERVERS
from scipy.signal import lfilter

from gibbsite.core import BATCHES, Diagnosis, Estimate, Evidence, Mean, Moments, Normal, Status, diagnose
from gibbsite.core.observer import split_rhat
from gibbsite.samplers import MALA, Independence, loop, sample
from gibbsite.testing import LawViolation, check_coverage, problems

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


REPLICATES = 2000


@jax.jit
def replicated(key, rho, steps):
    """Moments (32 batches, replicates) of `REPLICATES` series, 32 * `steps` draws each; one program for all cases.

    The noise is uniform, of unit variance: the mean of so many draws is Gaussian all the same.
    """

    def draw(i, carry):
        key, x, acc = carry
        noise = jax.random.uniform(jax.random.fold_in(key, i), (REPLICATES,), minval=-jnp.sqrt(3.0), maxval=jnp.sqrt(3.0))
        x = rho * x + jnp.sqrt(1 - rho**2) * noise
        return key, x, OBSERVER.update(acc, x, jnp.ones(()))

    def batch(x, key):
        _, x, acc = jax.lax.fori_loop(0, steps, draw, (key, x, OBSERVER.init(x)))
        return x, acc

    start, moves = jax.random.split(key)
    return jax.lax.scan(batch, jax.random.normal(start, (REPLICATES,)), jax.random.split(moves, 32))[1]


@functools.cache
def diagnoses(chains: int, rho: float, steps: int) -> list[Diagnosis]:
    """One diagnosis a replicate."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(chains), int(100 * rho)), chains)
    acc = jax.tree.map(lambda *a: np.stack(a), *(replicated(key, rho, steps) for key in keys))
    weight, *sums = acc
    return [diagnose(Moments(weight, *jax.tree.map(operator.itemgetter((..., r)), sums))) for r in range(REPLICATES)]


def stderr_of_mean(chains: int, rho: float, steps: int) -> float:
    """sqrt(tau / n) of an autoregressive series of unit variance, its finite length allowed for."""
    n = 32 * steps
    tau = (1 + rho) / (1 - rho) - 2 * rho * (1 - rho**n) / (n * (1 - rho) ** 2)
    return float(np.sqrt(tau / (n * chains)))


def hold_bar(found: list[Diagnosis], truth: float, scale=lambda d: 1.0) -> float:
    """Of the estimates of 0 that say OK, nearly all do, bars scaled by `scale` cover as often as they say and are near `truth`.

    With 1800 estimates a coverage of 0.95 is known to 0.005: bounds at z = 5.6 are 0.921 and 0.979, and a bar of true
    coverage 0.90 fails with probability 0.998. The root mean squares of stated and actual errors are known to 0.004 and
    0.017 of themselves: bounded at 1.1, an honest bar passes at z = 5.6, one wider by a fifth fails.
    """
    kept = [widened(d.estimate, scale(d)) for d in found if d.estimate.status is Status.OK]
    assert len(kept) > 0.85 * len(found)
    return check_coverage(kept, 0.0, limit=1.1 * truth, name="diagnose")


def widened(estimate: Estimate, factor: float) -> Estimate:
    lo, hi = (estimate.value + factor * (end - estimate.value) for end in (estimate.lo, estimate.hi))
    return dataclasses.replace(estimate, stderr=factor * estimate.stderr, lo=lo, hi=hi)


# 12 autocorrelation times a batch; 64 chains need no batches, only an R-hat below 1.05.
@pytest.mark.parametrize(
    ("chains", "rho", "steps"),
    [
        (1, 0.0, 20),
        (1, 0.5, 40),
        (1, 0.9, 250),
        (1, 0.98, 1250),
        (4, 0.0, 20),
        (4, 0.5, 30),
        (4, 0.9, 180),
        (4, 0.98, 900),
        (64, 0.0, 20),
        (64, 0.5, 20),
        (64, 0.9, 20),
        (64, 0.98, 80),
    ],
)
def test_coverage_of_the_error_bar(chains: int, rho: float, steps: int) -> None:
    hold_bar(diagnoses(chains, rho, steps), stderr_of_mean(chains, rho, steps))


@pytest.mark.parametrize(("chains", "steps"), [(1, 40), (4, 30), (64, 20)])
def test_broken_error_bars_fail(chains: int, steps: int) -> None:
    """Autocorrelation ignored (tau = 3); bars twice as wide, and wider by a fifth, which coverage alone may pass."""
    found, truth = diagnoses(chains, 0.5, steps), stderr_of_mean(chains, 0.5, steps)
    for scale, said in ((lambda d: d.tau**-0.5, "too narrow"), (lambda d: 2.0, "too wide"), (lambda d: 1.2, "too wide|stated error")):
        with pytest.raises(LawViolation, match=said):
            hold_bar(found, truth, scale)


@pytest.mark.parametrize("chains", [1, 4, 64])
def test_too_few_draws_say_so(chains: int) -> None:
    """640 draws at rho = 0.98 are 6 autocorrelation times: no error bar, and the estimate says it is not established."""
    said = [d.estimate for d in diagnoses(chains, 0.98, 20)]
    short = [e.status in (Status.TOO_SHORT, Status.NOT_MIXED) and e.evidence is Evidence.NOT_ESTABLISHED for e in said]
    assert np.mean(short) > 0.99


def test_large_offsets_lose_nothing() -> None:
    found = diagnose(accumulate(1000 + autoregressive(0.0, 64, 640, 5)))
    assert abs(found.estimate.value - 1000) < Z * found.estimate.stderr
    assert 0.5 < found.tau < 2


def test_chains_apart_raise_rhat() -> None:
    series = autoregressive(0.0, 8, 640, 6) + np.where(np.arange(8) < 4, 0.0, 3.0)[:, None]
    found = diagnose(accumulate(series))
    assert found.rhat > 1.5 and found.estimate.status is Status.NOT_MIXED


def test_split_rhat_of_draws() -> None:
    """var+ / W of 8 halves of 50 draws, as it is printed in Bayesian Data Analysis (equations 11.1 to 11.4)."""
    rng = np.random.default_rng(7)
    draws = rng.normal(size=(4, 101, 3)) + rng.normal(size=(4, 1, 3))
    halves = draws[:, :100].reshape(8, 50, 3)
    within, between = halves.var(axis=1, ddof=1).mean(axis=0), 50 * halves.mean(axis=1).var(axis=0, ddof=1)
    np.testing.assert_allclose(split_rhat(draws), np.sqrt((49 / 50 * within + between / 50) / within), rtol=1e-12)
    assert split_rhat(np.ones((4, 50))) == 1 and split_rhat(np.repeat(np.arange(4.0)[:, None], 50, 1)) == math.inf
    assert math.isnan(split_rhat(np.full((4, 50), math.nan))) and math.isnan(split_rhat(draws[:, :3, 0]))


@pytest.mark.parametrize("total", [1, 31, 32, 33, 993, 1000, 1985])
def test_batches_are_alike(total: int) -> None:
    """All draws in turn, and in no batch more than one more than in another: a short one would count as much as a long one."""
    batches = np.asarray(jax.vmap(lambda i: loop._batch(i, jnp.asarray(total)))(jnp.arange(total)))
    held = np.bincount(batches, minlength=BATCHES)
    assert np.all(np.diff(batches) >= 0) and len(held) == BATCHES and np.ptp(held) <= 1


@pytest.mark.parametrize("draws", [962, 993])
def test_the_error_of_independent_draws_is_theirs_whatever_their_number(draws: int) -> None:
    """480 batch means know a standard error to 3.3 %; a last batch of a single draw would make it 1.37 and 1.38 times too large."""
    law = Normal([2.0], [3.0])
    run = sample(
        Independence(law), law, chains=15, warmup=0, draws=draws, observe={"x": lambda x: x[0]}, progress=False, key=jax.random.key(5)
    )
    assert abs(run["x"].stderr / (3.0 / math.sqrt(15 * draws)) - 1) < Z / math.sqrt(2 * 15 * (BATCHES - 1))
