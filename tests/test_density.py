"""-log p in a comparison: intervals hold the truth, grids find wrong constants, and figures that are soft say so."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import ppca
from report_content import record

from gibbsite.compare import Budget
from gibbsite.compare.constants import chosen, constants, disagreement, on_the_grid
from gibbsite.compare.density import Places, density
from gibbsite.compare.scene import extent, surface
from gibbsite.compare.store import Cell
from gibbsite.compare.summary import verdict
from gibbsite.core import Estimate, Evidence, Normal, Status, Sum, exact
from gibbsite.data import from_array
from gibbsite.data import load as load_data
from gibbsite.energies import GaussianMixture
from gibbsite.models import Flow
from gibbsite.objectives import MaximumLikelihood
from gibbsite.samplers import Silent
from gibbsite.train import fit

KEY = jax.random.key(12)
BUDGET = Budget("", 1, 1, 4, walkers=128, temperatures=120)


def eight(apart: float) -> Sum:
    """Two Gaussians in eight dimensions, unequal, whose constant (0, but for the far-off wall) nobody states."""
    means = jnp.zeros((2, 8)).at[:, 0].set(jnp.array([-apart, apart]))
    return Sum(GaussianMixture(means, [0.6, 1.0], [0.3, 0.7]), Normal(jnp.zeros(8), jnp.full(8, 1e3)))


def rows_of(energy: Sum, n: int) -> np.ndarray:
    return np.asarray(jax.vmap(lambda k: energy.first._sample(key=k))(jax.random.split(KEY, n)))


@eqx.filter_jit
def wall(energy: Sum, xs: jax.Array) -> jax.Array:
    return jnp.log(jnp.mean(jnp.exp(-jax.vmap(energy.second)(xs))))


def test_annealing_both_ways_holds_the_truth() -> None:
    """60 anneals without an exact rival: the 95 % interval, which spans both bounds, holds log Z at least as often."""
    energy = eight(1.0)
    rows = rows_of(energy, 2000)
    truth, held = float(wall(energy, jnp.asarray(rows))), []
    for key in jax.random.split(KEY, 60):
        found = constants(energy, rows, BUDGET, Silent(), key=key)
        best = chosen(found)
        assert set(found) == {"ais", "reverse", "both"} and best is found["both"] and best.evidence is Evidence.INTERVAL
        assert best.lo <= found["ais"].lo and best.hi >= found["reverse"].hi
        assert best.hi - best.lo < 0.6
        held.append(best.lo <= truth <= best.hi)
    assert np.sum(held) >= 60 * 0.95 - 5.6 * np.sqrt(60 * 0.95 * 0.05)
    assert disagreement(found) is None  # there is nothing exact to disagree with


def test_bounds_that_do_not_meet_leave_the_lower_one() -> None:
    """Two temperatures between a broad law and one 30 times narrower: no interval is made of that."""
    narrow = Sum(Normal(jnp.full(8, 5.0), jnp.full(8, 0.03)), Normal(jnp.zeros(8), jnp.full(8, 1e3)))
    short = Budget("", 1, 1, 4, walkers=16, temperatures=2)
    broad = np.random.default_rng(0).normal(size=(100, 8))
    found = constants(narrow, broad, short, Silent(), key=KEY)
    truth = 8 * np.log(0.03 * np.sqrt(2 * np.pi))
    assert set(found) == {"ais", "reverse"} and found["ais"].lo < truth < found["reverse"].hi
    best = chosen(found)
    assert best is found["ais"] and best.evidence is Evidence.LOWER and best.status is Status.LOW_ESS


def test_the_mass_on_a_grid_finds_a_wrong_constant() -> None:
    data = load_data("gaussians8")
    heights, window = surface(data.truth, extent(data)), extent(data)
    right = on_the_grid(heights, window)
    assert abs(right.value) < right.stderr < 0.01
    wrong = on_the_grid(heights - 0.05, window)
    assert wrong.value == pytest.approx(0.05, abs=2e-3)
    assert abs(disagreement({"own": exact(0.0), "grid": right})) < 1
    assert disagreement({"own": exact(0.0), "grid": wrong}) > 4
    cut = tuple(0.5 * end for end in window)  # a window that cuts through the modes says so in its error
    assert on_the_grid(surface(data.truth, cut), cut).stderr > 0.05


def test_the_marginal_of_pairs_is_an_interval_about_the_truth() -> None:
    """Probabilistic PCA, whose marginal is a Gaussian: NLL and the heights of rows, draws and points."""
    xs = ppca.rows(400)
    data = from_array(xs)
    places = Places(data.test, xs[:30], xs[30:50])
    found, heights = density(ppca.linear_vae(1.3, 0.1), data, places, BUDGET, Silent(), key=KEY)
    exact_rows = -ppca.log_p(data.test)
    assert found["nll"].evidence is Evidence.INTERVAL
    assert abs(found["nll"].value - exact_rows.mean()) < 0.02
    assert found["nll"].hi - found["nll"].lo < 2 * 1.96 * np.std(exact_rows) / np.sqrt(len(exact_rows)) + 0.1
    for got, at in zip(heights, places, strict=True):
        np.testing.assert_allclose(got, -ppca.log_p(at), atol=0.3)  # of single rows, from few walkers
        assert abs(np.mean(got + ppca.log_p(at))) < 0.03
    assert found["nll_elbo"].value > found["nll_iwae"].value > exact_rows.mean() - 0.02
    assert found["nll_elbo"].evidence is found["nll_iwae"].evidence is Evidence.UPPER
    assert 0 < found["marginal_gap"].hi < 0.1


def test_a_figure_below_the_best_exact_one_is_explained() -> None:
    """An interval or a bound may lie lower; one that is exact itself needs no explanation."""
    rows = np.random.default_rng(0).exponential(size=200)

    def told(evidence: Evidence) -> str:
        held = {"flow": Estimate(1.0, 0.05), "rbm": Estimate(0.5, 0.05, evidence=evidence)}
        records = [record("d", m, {"nll": e.record(), "log_z": exact(0.0).record()}) for m, e in held.items()]
        arrays = {Cell("d", m, 0): {"energy_data": rows - rows.mean() + e.value} for m, e in held.items()}
        return " ".join(verdict("d", records, arrays).cautions)

    assert "between 0.402 and 0.598 (95 %)" in told(Evidence.INTERVAL)
    assert "estimated, not computed: lower bound" in told(Evidence.LOWER)
    assert "estimated" not in told(Evidence.UNBIASED)


class Counting(MaximumLikelihood):
    """Notes how often it is traced."""

    traces: list = eqx.field(static=True, default_factory=list)

    def loss(self, model, xs, *, key):
        self.traces.append(1)
        return MaximumLikelihood.loss(self, model, xs, key=key)


def test_trials_of_learning_rate_and_length_share_one_program() -> None:
    rows, model = np.random.default_rng(0).normal(size=(200, 2)), Flow.build(dim=2, layers=1, knots=0, width=4, key=KEY)
    objective, counts = Counting(), []
    for rate, steps in ((1e-3, 60), (3e-3, 60), (1e-2, 200)):
        fit(model, rows, objective=objective, budget=64 * steps, batch_size=64, learning_rate=rate, progress=Silent(), key=KEY)
        counts.append(len(objective.traces))
    assert counts[0] > 0 and len(set(counts)) == 1
