"""Resampling: the law of unbiased counts for every rule, noise where theory orders it; broken twins must fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.testing.law import LawViolation
from gibbsite.testing.resampling import WEIGHTS, check_resampling
from gibbsite.thermo import multinomial, residual, ssp, systematic
from gibbsite.thermo.resampling import _at, _copies, _normalised, _split

KEY = jax.random.key(1999)
RULES = {"multinomial": multinomial, "systematic": systematic, "residual": residual, "ssp": ssp}
W = np.array(WEIGHTS)
VALUES = np.sin(1.7 * np.arange(len(W)))  # of a function of the walkers, in no order


@pytest.fixture(scope="module")
def counts():
    return {name: check_resampling(rule, key=KEY) for name, rule in RULES.items()}


@pytest.mark.parametrize("name", RULES)
def test_counts_are_unbiased(counts, name: str) -> None:
    assert all(found.sum(axis=1).tolist() == [n] * len(found) for n, found in counts[name].items())


@pytest.mark.parametrize("name", ["systematic", "ssp"])
def test_counts_are_due_rounded_up_or_down(counts, name: str) -> None:
    for n, found in counts[name].items():
        assert np.all(np.abs(found - n * W) < 1 + 1e-5)


def test_residual_keeps_whole_copies(counts) -> None:
    for n, found in counts["residual"].items():
        assert np.all(found >= np.floor(n * W - 1e-5))


def test_noise_stands_in_the_order_of_theory(counts) -> None:
    """Of a function's sum over copies: n Var_w f for multinomial, the remainder's for residual, and less where counts are rounded.

    A variance from 20,000 replicates has an error of sqrt(2 / 20,000) = 1 %, with the kurtosis of these sums up to 1.2 %.
    """
    due = 12 * W
    exact = {name: m.sum() * np.cov(VALUES, aweights=m, bias=True) for name, m in (("multinomial", due), ("residual", due % 1))}
    found = {name: np.var(c[12] @ VALUES) for name, c in counts.items()}
    for name in exact:
        assert found[name] == pytest.approx(exact[name], rel=0.07)
    assert exact["residual"] < exact["multinomial"]
    assert max(found["ssp"], found["systematic"]) < found["residual"]


def test_copies_of_one_walker_are_negatively_associated(counts) -> None:
    """The property behind the consistency of ssp; 5.6 errors of a covariance of 20,000 counts are 0.01."""
    assert np.all(np.cov(counts["ssp"][12].T) - np.diag(np.var(counts["ssp"][12], axis=0)) < 0.01)


def test_one_walker_takes_all() -> None:
    alone = jnp.where(jnp.arange(7) == 4, 3.0, -jnp.inf)
    for rule in RULES.values():
        assert np.all(np.asarray(rule(alone, 9, key=KEY)) == 4)


def fixed_comb(log_weights, n, *, key):
    """A broken twin: the comb always lies in the middle."""
    return _at(_normalised(log_weights), (jnp.arange(n) + 0.5) / n)


def even_remainder(log_weights, n, *, key):
    """A broken twin: what is left after whole copies is shared without looking at the weights."""
    whole, _ = _split(log_weights, n)
    drawn = jax.random.choice(key, jnp.nonzero(jnp.asarray(WEIGHTS) > 1e-30, size=8)[0], (n,))
    return _copies(whole.at[drawn].add((jnp.arange(n) < n - jnp.sum(whole)).astype(int)), n)


def fair_pairs(log_weights, n, *, key):
    """A broken twin: two walkers meet with even chances."""
    whole, part = _split(log_weights, n)
    i, p, counts = 0, part[0], whole
    for j, u in zip(range(1, len(part)), jax.random.uniform(key, (len(part) - 1,)), strict=True):
        s, stays = p + part[j], (u < 0.5) & (p > 0) | (part[j] == 0)
        counts = counts.at[jnp.where(stays, j, i)].add((s >= 1).astype(int))
        i, p = jnp.where(stays, i, j), s - (s >= 1)
    return _copies(counts.at[i].add(n - jnp.sum(counts)), n)


def left_ends(log_weights, n, *, key):
    """A broken twin: cumulated weights are off by one walker."""
    reached = jnp.cumsum(_normalised(log_weights))
    return jnp.searchsorted(reached, (jnp.arange(n) + jax.random.uniform(key)) / n) - 1


@pytest.mark.parametrize("twin", [fixed_comb, even_remainder, fair_pairs, left_ends], ids=lambda f: f.__name__)
def test_broken_twins_fail(twin) -> None:
    with pytest.raises(LawViolation):
        check_resampling(twin, replicates=5000, key=KEY)
