"""The variational autoencoder: masses of modes, the bounds of its likelihood against closed forms, and what broken ones look like."""

import dataclasses
import importlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import objectives as lessons
from registry import ppca

from gibbsite.core import Binary, Evidence, Marginal, Normal, Over, Reals, Status, draw, log_prob, need, schedule
from gibbsite.data import load as load_data
from gibbsite.metrics import mode_masses, total_variation
from gibbsite.models import VAE, vae_for
from gibbsite.models.vae import FLOOR, positive
from gibbsite.objectives import ELBO, count
from gibbsite.objectives.gradient import gradient
from gibbsite.testing.bounds import check_bound
from gibbsite.testing.law import LawViolation, Z
from gibbsite.testing.model import Summed, check_model
from gibbsite.testing.objective import check_objective
from gibbsite.thermo import importance_bound, marginal, sandwich
from gibbsite.train import fit, load, save

KEY = jax.random.key(17)
TIMES = schedule(16)  # one shape of program for most tests
ROWS, TRAIN = ppca.rows(64), ppca.rows(4000, seed=3)
LOG_P = ppca.log_p(ROWS)
EXACT, ROUGH = ppca.linear_vae().as_energy(), ppca.linear_vae(1.5, 0.2).as_energy()


@pytest.fixture(autouse=True)
def _one_shape(monkeypatch):
    """Chunks of 64 rows of 16 walkers, so that tests share their programs."""
    monkeypatch.setattr(_module(), "CHAINS", 64 * 16)


def _module():
    return importlib.import_module("gibbsite.thermo.marginal")


def test_the_exact_posterior_as_the_guess_gives_the_exact_marginal():
    """Every weight is log p(x) itself, so one draw is enough, and there is nothing to anneal."""
    for samples in (1, 16):
        found = importance_bound(EXACT, ROWS, samples=samples, key=KEY)
        np.testing.assert_allclose(found.rows.value, LOG_P, atol=2e-5)
    found = marginal(EXACT, ROWS, times=TIMES, key=KEY)
    np.testing.assert_allclose(found.rows.value, LOG_P, atol=1e-4)
    assert found.mean.evidence is Evidence.LOWER
    assert found.acceptance > 0.8


def test_bounds_close_in_order():
    """ELBO <= importance-weighted bound <= annealing = truth, over rows; the gap of the ELBO is a KL of Gaussians."""
    xs = ppca.rows(1000, seed=1)
    rows = [importance_bound(ROUGH, xs, samples=k, key=KEY).rows.value for k in (1, 4)]
    rows.append(marginal(ROUGH, xs, times=TIMES, key=KEY).rows.value)
    elbo, weighted, annealed = (ppca.log_p(xs) - values for values in rows)
    width = 1 / np.sqrt(np.diag(ppca._PRECISION))
    kl = np.sum((1.5**2 + (0.2 / width) ** 2 - 1) / 2 - np.log(1.5))
    assert abs(np.mean(elbo) - kl) < _bar(elbo)
    assert np.mean(elbo - weighted) > _bar(elbo - weighted)
    assert np.mean(weighted - annealed) > _bar(weighted - annealed)
    assert abs(np.mean(annealed)) < _bar(annealed) + 0.01
    assert _bar(annealed) < 0.03


def _bar(values):
    """5.6 standard errors of the mean of independent rows."""
    return Z * np.std(values) / np.sqrt(len(values))


def test_the_truth_lies_between_annealing_there_and_back():
    found = sandwich(ROUGH, rows=256, times=TIMES, key=KEY)
    assert found.mean.evidence is Evidence.INTERVAL
    assert found.mean.lo < -ppca.ENTROPY < found.mean.hi
    assert found.forward.mean.evidence is Evidence.LOWER
    assert found.reverse.mean.evidence is Evidence.UPPER
    assert found.gap.evidence is Evidence.UPPER
    assert -Z * found.gap.stderr < found.gap.value < 0.03 + Z * found.gap.stderr


def test_errors_of_rows_are_those_of_their_walkers():
    """Standardised errors of 64 rows have about unit spread: 16 weights make the log of their mean a little skew."""
    found = marginal(ROUGH, ROWS, times=TIMES, key=KEY)
    z = (found.rows.value - LOG_P) / found.rows.stderr
    assert abs(np.mean(z)) < Z / 8
    assert 0.5 < np.std(z) < 1.5


def test_a_mixture_prior_and_a_posterior_of_two_humps():
    """A prior of separate parts and an encoder that knows nothing, against the sum over a grid, on bits."""
    model = VAE.on(Binary(3), 1, (5,), components=2, key=jax.random.key(8))
    energy = eqx.tree_at(lambda e: e.prior.means, model.as_energy(), jnp.array([[-0.9], [0.7]]))
    xs = np.asarray(_pairs(energy, jax.random.split(KEY, 64))[0])
    truth = -np.asarray(jax.vmap(Summed(energy))(jnp.asarray(xs)), np.float64)
    off = marginal(energy, xs, walkers=256, times=TIMES, key=KEY).rows.value - truth
    assert abs(np.mean(off)) < _bar(off) + 1e-4
    assert np.sqrt(np.mean(off**2)) < 0.1


def test_rows_do_not_depend_on_chunking(monkeypatch):
    """Ten rows in four chunks, the last one padded, against ten of the 64 that go together."""
    whole = importance_bound(ROUGH, ROWS, samples=16, key=KEY)
    monkeypatch.setattr(_module(), "CHAINS", 48)
    parts = importance_bound(ROUGH, ROWS[:10], samples=16, key=KEY)
    np.testing.assert_allclose(parts.rows.value, whole.rows.value[:10], rtol=1e-5)


@pytest.fixture(scope="module")
def fitted():
    return fit(VAE.linear(4, 2, key=KEY), TRAIN, budget=400_000, learning_rate=1e-2, patience=99, key=KEY).model


def test_training_finds_the_principal_components(fitted):
    """A linear VAE under `fit` against the maximum of the likelihood in closed form (Tipping & Bishop 1999, eqs. 7, 8, 12)."""
    test = ppca.rows(500, seed=4)
    seen = _trained_rows(TRAIN)
    scale, place = seen.std(axis=0), seen.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(((seen - place) / scale).T, bias=True))
    noise = np.mean(values[:2])
    top = vectors[:, 2:]
    covariance = np.outer(scale, scale) * (top @ np.diag(values[2:] - noise) @ top.T + noise * np.eye(4))
    best = ppca.log_p(test, place, covariance)
    found = importance_bound(fitted.as_energy(), test, samples=64, key=KEY)
    assert abs(np.mean(found.rows.value) - np.mean(best)) < 1e-3


def _trained_rows(xs):
    """Those that `fit` does not hold out."""
    order = np.random.default_rng(0).permutation(len(xs))
    return xs[order[len(xs) // 10 :]].astype(np.float64)


@pytest.mark.parametrize(
    ("budget", "seeds"), [(500_000, (0,)), pytest.param(3_500_000, range(4), marks=pytest.mark.long)], ids=["short", "long"]
)
def test_masses_of_modes_are_learned(budget, seeds):
    data = load_data("gaussians8")
    for seed in seeds:
        model = vae_for(data, 1400, jax.random.key(seed))
        fitted = fit(model, data, budget=budget, key=jax.random.key(100 + seed)).model
        xs = np.asarray(_draws(fitted, jax.random.split(KEY, 10_000)))
        found = total_variation(mode_masses(xs, data.modes), data.modes.masses)
        assert found.value <= 0.05 + 3 * found.stderr, (seed, found)


@eqx.filter_jit
def _pairs(energy, keys):
    return jax.vmap(lambda k: draw(energy, key=k))(keys)


@eqx.filter_jit
def _draws(model, keys):
    return jax.vmap(lambda k: model.sample(key=k))(keys)


def test_the_builder_meets_the_number_of_parameters():
    for name, wanted in (("gaussians8", 1400), ("gaussians8", 4000), ("digits-binary", 4000), ("digits", 8000)):
        model = vae_for(load_data(name), wanted, KEY)
        assert wanted / 1.5 <= count(model) <= 1.5 * wanted
        assert model.over is Over.JOINT


def test_a_fitted_model_comes_back_from_its_file(fitted, tmp_path):
    save(fitted, tmp_path)
    held, again = (importance_bound(m.as_energy(), ROWS, samples=16, key=KEY) for m in (fitted, load(tmp_path)))
    np.testing.assert_array_equal(held.rows.value, again.rows.value)


def test_no_scale_is_below_the_floor():
    """So one row cannot buy any density it likes: `log p(x_i | z)` is at most that of the narrowest Gaussian."""
    assert float(positive(jnp.asarray(-1e9))) == pytest.approx(FLOOR)
    model = VAE.on(Reals(2), 1, (4,), key=KEY)
    narrow = jax.tree.map(lambda a: 1e6 * a if eqx.is_inexact_array(a) else a, model.energy.decoder)
    energy = eqx.tree_at(lambda m: m.energy.decoder, model, narrow).as_energy()
    heights = -jax.vmap(energy)(_pairs(energy, jax.random.split(KEY, 256)))
    assert float(jnp.max(heights)) < 2 * -np.log(FLOOR * np.sqrt(2 * np.pi)) + 2


# What breaks the law of bounds.


def says(evidence, bound):
    """An estimator whose evidence is another."""
    return lambda key: dataclasses.replace(bound(key), evidence=evidence)


def elbo(key):
    return importance_bound(ROUGH, ROWS, samples=1, key=key).mean


def forgotten_entropy(key):
    """The guess's density left out: the mean of log p(x, z) plus the spread it is good for."""
    guess = need(ROUGH, Marginal, "test").guess

    def one(x, key):
        z = draw(guess(x), key=key)
        return log_prob(ROUGH, (x, z)) - log_prob(Normal(jnp.zeros(2), 4 * jnp.ones(2)), z)

    values = np.asarray(jax.vmap(one)(jnp.asarray(ROWS), jax.random.split(key, 64)), np.float64)
    return dataclasses.replace(elbo(key), value=float(np.mean(values)))


def forgotten_mean(key):
    """The sum of 16 weights for their mean."""
    found = importance_bound(ROUGH, ROWS, samples=16, key=key).mean
    return dataclasses.replace(found, value=found.value + np.log(16))


LIARS = {
    "an ELBO that says exact": (says(Evidence.EXACT, elbo), "says exact"),
    "an ELBO that says unbiased": (says(Evidence.UNBIASED, elbo), "says unbiased"),
    "an ELBO that says upper bound": (says(Evidence.UPPER, elbo), "says upper bound"),
    "an ELBO that says nothing": (says(Evidence.NOT_ESTABLISHED, elbo), "says not established"),
    "an ELBO that says interval": (says(Evidence.INTERVAL, elbo), "says interval"),
    "weights that are summed": (forgotten_mean, "says lower bound"),
    "a density of the guess left out": (forgotten_entropy, "says lower bound"),
    "an ELBO that should be close": (elbo, "the limit is"),
}


@pytest.mark.parametrize("name", LIARS)
def test_bounds_that_lie_are_found_out(name):
    bound, message = LIARS[name]
    with pytest.raises(LawViolation, match=message):
        check_bound(bound, float(np.mean(LOG_P)), limit=0.1, replicates=24, key=KEY)


def test_an_elbo_that_says_what_it_is_keeps_the_law():
    assert check_bound(elbo, float(np.mean(LOG_P)), limit=5.0, replicates=24, key=KEY) < -0.5


class OtherPrior(VAE):
    """Draws z from twice the prior's width."""

    def sample(self, *, key):
        energy, (hidden, visible) = self.as_energy(), jax.random.split(key)
        return energy.decoder.sample(2 * draw(energy.prior, key=hidden), key=visible)


def test_draws_from_another_prior_are_found_out():
    model = OtherPrior.on(Binary(4), 1, (4,), key=jax.random.key(5))
    louder = eqx.tree_at(lambda m: m.energy.decoder, model, jax.tree.map(lambda a: 2 * a if eqx.is_array(a) else a, model.energy.decoder))
    with pytest.raises(LawViolation, match="draws against the density"):
        check_model(louder, key=KEY)


# What breaks the law of objectives.


class _Broken(ELBO):
    """One altered step of `-mean [log p(x, z) - log q(z | x)]`."""

    how: str = eqx.field(static=True, default="")

    def gradients(self, model, batch, state, *, key):
        def loss(m):
            energy = m.as_energy()

            def one(x, key):
                guess = need(energy, Marginal, "test").guess(x)
                z = draw(guess, key=key)
                log_q, log_p = log_prob(guess, z), log_prob(energy, (x, z))
                return log_p + {"sign": log_q, "entropy": 0.0, "batch": -log_q}[self.how]

            total = -jnp.mean(jax.vmap(one)(batch, jax.random.split(key, len(batch))))
            return total / (len(batch) if self.how == "batch" else 1)

        return gradient(loss, model)[1], state, {}


@pytest.mark.parametrize("how", ["sign", "entropy", "batch"])
def test_broken_objectives_fail(how):
    with pytest.raises(LawViolation, match=r"(?<!resolution of the scale of )gradient of"):
        check_objective(_Broken(how=how), lessons.OBJECTIVES["elbo"][1], key=KEY)


def test_an_example_costs_as_many_evaluations_as_draws():
    assert ELBO().evaluations(32) == 32
    assert ELBO(5).evaluations(32) == 160


def test_refusals_name_the_remedy():
    with pytest.raises(ValueError, match="at least one draw"):
        ELBO(0)
    with pytest.raises(ValueError, match="give at least one"):
        importance_bound(ROUGH, ROWS, samples=0, key=KEY)
    with pytest.raises(TypeError, match="needs the capability Marginal"):
        marginal(Normal(jnp.zeros(2), jnp.ones(2)), ROWS, times=TIMES, key=KEY)
    with pytest.raises(TypeError, match="flatten the rows"):
        VAE.on(Reals((2, 2)), 1, (4,), key=KEY)
    with pytest.raises(ValueError, match="increasing numbers from 0 to 1"):
        marginal(ROUGH, ROWS, times=[0.0, 0.5], key=KEY)


def test_weights_that_are_not_finite_give_a_status():
    found = importance_bound(eqx.tree_at(lambda e: e.decoder.net.raw, ROUGH, jnp.full(1, jnp.nan)), ROWS, samples=16, key=KEY)
    assert found.mean.status is Status.NON_FINITE
    assert found.mean.value is None


def test_scatter_that_outweighs_the_error_bar_is_told():
    """Few draws of a bad guess: the bound lies further below than its error says."""
    few = importance_bound(ppca.linear_vae(3.0, 1.0).as_energy(), ppca.rows(2000), samples=16, key=KEY)
    assert few.mean.status is Status.LOW_ESS
    assert importance_bound(EXACT, ROWS, samples=16, key=KEY).mean.status is Status.OK
