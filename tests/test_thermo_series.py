"""Correlated samples: how many are worth one, where a run has forgotten its start, and error bars that stay honest."""

import math

import numpy as np
import pytest
from wells_in_a_row import wells

from gibbsite.testing.estimator import check_coverage
from gibbsite.testing.law import LawViolation
from gibbsite.thermo import decorrelate, equilibrium, mbar, statistical_inefficiency
from gibbsite.thermo.reweighting.series import independent


def walk(seed: int, shape: tuple[int, ...], memory: float, *, start: float = 0.0) -> np.ndarray:
    """Gaussian series of unit variance with C(t) = memory^t, so g = (1 + memory) / (1 - memory); along the last axis."""
    noise = np.random.default_rng(seed).normal(size=shape)
    x = noise.copy()
    x[..., 0] += start
    for t in range(1, shape[-1]):
        x[..., t] = memory * x[..., t - 1] + math.sqrt(1 - memory**2) * noise[..., t]
    return x


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_inefficiency_of_known_series(memory: float) -> None:
    """The mean over 100 series of 4000 lies within z = 5.6 of the truth, and 3 % more for where the sum is cut off."""
    found = np.array([statistical_inefficiency(x) for x in walk(1, (100, 4000), memory)])
    truth = (1 + memory) / (1 - memory)
    assert abs(found.mean() - truth) < 5.6 * found.std() / 10 + 0.03 * truth
    assert found.std() < 0.3 * truth


def test_inefficiency_is_the_sum_of_the_definition() -> None:
    x = walk(2, (300,), 0.7)
    a, n = x - x.mean(), len(x)
    c = [float(a[: n - t] @ a[t:]) / (n - t) / float(np.mean(a**2)) for t in range(n)]
    stop = next(t for t in range(4, n) if c[t] <= 0)
    assert statistical_inefficiency(x) == pytest.approx(1 + 2 * sum((1 - t / n) * c[t] for t in range(1, stop)), rel=1e-10)
    assert statistical_inefficiency(-3 * x + 1e4) == pytest.approx(statistical_inefficiency(x), rel=1e-6)
    assert statistical_inefficiency(np.tile([1.0, -1.0], 50)) == 1.0
    assert statistical_inefficiency(np.full(50, 0.1)) == 50.0 and statistical_inefficiency([3.0]) == 1.0


def test_a_transient_is_left_out() -> None:
    x = walk(3, (2000,), 0.5) + 20 * np.exp(-np.arange(2000) / 50)
    found = equilibrium(x)
    assert 100 <= found.start <= 600
    assert found.effective == pytest.approx((2000 - found.start) / found.inefficiency)
    assert equilibrium(x).effective > 3 * 2000 / statistical_inefficiency(x)
    still = equilibrium(walk(4, (2000,), 0.5))
    assert still.start < 500 and 2 < still.inefficiency < 4.5
    assert equilibrium(np.ones(30)) == (0, 30.0, 1.0)


def test_positions_are_so_far_apart_that_a_fiftieth_of_the_memory_is_left() -> None:
    found = equilibrium(np.ones(100))._replace(start=10)
    kept = independent(100, found._replace(inefficiency=2.5))  # 3/7 a step: 4.62 steps
    assert kept[0] == 10 and kept[-1] < 100 and len(kept) == 20
    assert set(np.diff(kept)) == {4, 5}
    for g in (1.0, 1.04):
        np.testing.assert_array_equal(independent(100, found._replace(inefficiency=g)), np.arange(10, 100))


def correlated(seed: int, memory: float = 0.9):
    """Three wells with 600, 400, 800 samples of correlated walks."""
    row = wells(0, [600, 400, 800])
    parts = [walk(10 * seed + k, (n,), memory) for k, n in enumerate(row.counts)]
    own = np.repeat(np.arange(3), row.counts)
    return row._replace(x=row.centres[own] + np.concatenate(parts) / np.sqrt(row.stiffness[own]))


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.long)])
def test_errors_of_correlated_samples_are_honest_once_thinned(count: int) -> None:
    """g is 4, so all samples together claim half the error; those that are kept cover the truth."""
    rows = [correlated(seed, 0.6) for seed in range(count)]
    kept = [decorrelate(row.u, row.counts) for row in rows]
    check_coverage((mbar(found.u_kn, found.counts).difference(2) for found in kept), rows[0].f[2], limit=0.3)
    with pytest.raises(LawViolation, match="too narrow"):
        check_coverage((mbar(row.u, row.counts).difference(2) for row in rows), rows[0].f[2], limit=0.3)


def test_decorrelation_keeps_what_it_says() -> None:
    row = correlated(5)
    found = decorrelate(row.u, row.counts)
    assert found.counts.sum() == len(found.kept) == found.u_kn.shape[1]
    np.testing.assert_array_equal(found.u_kn, row.u[:, found.kept])
    ends = np.cumsum(row.counts)
    for k, state in enumerate(found.states):
        mine = found.kept[(found.kept >= ends[k] - row.counts[k]) & (found.kept < ends[k])]
        assert len(mine) == found.counts[k] and 8 < state.inefficiency < 45


def test_states_without_samples_or_neighbours() -> None:
    row = correlated(6)
    lonely = decorrelate(np.stack([row.u[0, :600], np.full(600, np.inf)]), [600, 0])
    assert lonely.states[1] is None and lonely.counts[1] == 0 and lonely.states[0].inefficiency > 3
    stuck = decorrelate(np.tile([[1.0], [3.0]], 20), [10, 10])
    assert stuck.counts.tolist() == [1, 1]  # ten samples that never move are worth one
    for bad, sentence in {(): "shape", ((1.0, np.nan),): "not finite", (((1.0,),),): "shape"}.items():
        with pytest.raises(ValueError, match=sentence):
            statistical_inefficiency(*bad or ([],))
