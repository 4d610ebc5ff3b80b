"""Diffusion: against the exact score of mixtures the flow, its density and the reverse process are exact; then learned."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import objectives as lessons

from gibbsite.core import Repeat, exact, log_prob, schedule
from gibbsite.data import load
from gibbsite.energies import GaussianMixture
from gibbsite.metrics import kl_to_truth, mode_masses, total_variation
from gibbsite.models import Diffusion, ProbabilityFlow, probability_flow
from gibbsite.models.diffusion import diffusion_energy_for, diffusion_for
from gibbsite.models.noising import AbstractField, Cosine
from gibbsite.models.probability_flow import divergence
from gibbsite.objectives import NoisePrediction, count
from gibbsite.objectives.diffusion import stratified
from gibbsite.samplers import ULA
from gibbsite.testing.law import LawViolation, bounded, chi_square, z_test
from gibbsite.testing.model import check_model
from gibbsite.testing.objective import check_objective
from gibbsite.thermo import Ladder, anneal, annealed_langevin
from gibbsite.train import fit

KEY = jax.random.key(17)
BOX = (np.full(1, -5.0), np.full(1, 5.0))
SCHEDULE = Cosine()
MIX = GaussianMixture([[0.9, 0.6], [-1.4, 0.2], [0.2, -1.1]], [0.4, 0.25, 0.3], [0.55, 0.3, 0.15])


def noised(mixture, t):
    """The mixture seen through the noise of time t."""
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    return GaussianMixture(alpha * mixture.means, jnp.hypot(alpha * mixture.scales, sigma), mixture.weights)


class Exact(AbstractField):
    """The velocity of a mixture: responsibilities times the mean of the data in each component."""

    mixture: GaussianMixture

    def __call__(self, x, t):
        alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
        shares = jax.nn.softmax(noised(self.mixture, t).log_parts(x))
        pull = (alpha * self.mixture.scales**2 / ((alpha * self.mixture.scales) ** 2 + sigma**2))[:, None]
        data = shares @ (self.mixture.means + pull * (x - alpha * self.mixture.means))
        return (alpha * x - data) / sigma


MODEL = Diffusion(Exact(MIX), 2)
LINE = GaussianMixture([[0.9], [-1.1]], [0.5, 0.25], [0.55, 0.45])


@eqx.filter_jit
def values(fn, xs):
    return jax.vmap(fn)(xs)


@eqx.filter_jit
def draws(sample, keys):
    return jax.vmap(lambda key: sample(key=key))(keys)


def test_the_schedule_keeps_the_variance_and_solves_its_equation():
    ts = jnp.linspace(0.05, 0.95, 19)
    alpha, sigma = (jax.vmap(f)(ts) for f in (SCHEDULE.alpha, SCHEDULE.sigma))
    np.testing.assert_allclose(alpha**2 + sigma**2, 1.0, rtol=1e-6)
    # dx = -beta x / 2 dt makes alpha fall by beta alpha / 2 a unit of time.
    beta = np.pi * np.tan(np.pi * np.asarray(ts) / 2)
    np.testing.assert_allclose(jax.vmap(jax.grad(SCHEDULE.alpha))(ts), -beta / 2 * alpha, rtol=1e-5)


@pytest.mark.parametrize("t", [0.02, 0.3, 0.7, 0.99])
def test_velocity_noise_data_and_score_are_one(t):
    xs = jax.vmap(lambda key: noised(MIX, t)._sample(key=key))(jax.random.split(KEY, 64))
    score = -jax.vmap(jax.grad(noised(MIX, t)))(xs)
    found, noise, clean = (jax.vmap(lambda x, f=f: f(x, t))(xs) for f in (MODEL.score, MODEL.noise, MODEL.clean))
    scale = float(jnp.abs(score).max())
    np.testing.assert_allclose(found, score, atol=3e-5 * scale)
    np.testing.assert_allclose(noise, -SCHEDULE.sigma(t) * score, atol=3e-5 * scale)
    np.testing.assert_allclose(SCHEDULE.alpha(t) * clean + SCHEDULE.sigma(t) * noise, xs, atol=3e-5)


def test_the_flow_of_the_exact_score_is_the_smoothed_law():
    xs = jax.vmap(lambda key: MIX._sample(key=key))(jax.random.split(KEY, 512))
    truth = noised(MIX, SCHEDULE.t_min)
    # The law at t = 1 is the Gaussian itself, so all that is left is the steps' error.
    np.testing.assert_allclose(values(MODEL.as_energy(), xs), values(truth, xs), atol=2e-3)


def test_draws_of_the_flow_follow_its_density():
    check_model(Diffusion(Exact(LINE), 1), box=BOX, key=KEY)


class ForgottenVolume(ProbabilityFlow):
    """The Gaussian's density where the flow ends, without the change of volume."""

    def __call__(self, x):
        end = probability_flow._integrate(self._slope, x, self._data_end(), jnp.zeros(()), self.steps)
        return -log_prob(self._gaussian(), end)


class WithoutVolume(Diffusion):
    """Its density forgets the volume."""

    def as_energy(self):
        flow = Diffusion.as_energy(self)
        return ForgottenVolume(flow.field, flow.schedule, flow.dim, flow.steps)


class CoarseReverse(Diffusion):
    """Claims the flow's density for draws of a few steps of the reverse process."""

    def sample(self, *, key):
        return self.ancestral(steps=6, key=key)


class ExactPotential(Exact):
    """The same velocity as a gradient; the energies of the noised mixture lack log 2 pi."""

    def potential(self, x, t):
        alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
        return sigma / alpha * (noised(self.mixture, t)(x) - jnp.log(2 * jnp.pi) - jnp.sum(x**2) / 2)


def masses_off(xs):
    """Total variation between the masses of the components and the shares of draws next to them, draws of the mixture held against it."""
    exact = draws(noised(MIX, 0.1)._sample, jax.random.split(jax.random.key(1), 2**15))
    near = [np.argmin(np.sum((np.asarray(rows)[:, None] - np.asarray(MIX.means)) ** 2, axis=-1), axis=1) for rows in (xs, exact)]
    shares = [np.bincount(rows, minlength=3) / len(rows) for rows in near]
    return np.abs(shares[0] - shares[1]).sum() / 2


def test_annealed_langevin_follows_the_noise_and_its_weights_know_the_bias():
    """log Z of the last energy is log 2 pi, whatever the steps; steps that do not grow with the noise leave draws behind."""
    path = Diffusion(ExactPotential(MIX), 2, Cosine(0.1)).path()
    times = schedule(24)
    ladder = annealed_langevin(path.sigma(times), step_size=0.01, steps=3)
    step_sizes = ladder.kernel.kernel.step_size
    np.testing.assert_allclose(step_sizes, 0.01 * (SCHEDULE.sigma(0.1) ** (times - 1)) ** 2, rtol=1e-5)
    np.testing.assert_allclose(path(jnp.zeros(()))(jnp.array([1.0, 2.0])), 2.5, atol=1e-3)
    found = anneal(path, ladder, walkers=2**13, times=times, key=KEY)
    bounded("annealed Langevin", "log Z", found.log_z.value - np.log(2 * np.pi), 5.6 * found.log_z.stderr)
    still = anneal(path, Ladder.over(Repeat(ULA(0.01), 3), times), walkers=2**13, times=times, key=KEY)
    bounded("annealed Langevin", "log Z", still.log_z.value - np.log(2 * np.pi), 5.6 * still.log_z.stderr)
    assert masses_off(found.positions) < 0.5 * masses_off(still.positions)
    with pytest.raises(TypeError, match="free vector field"):
        Diffusion.of_noise(2, (4,), key=KEY).path()
    with pytest.raises(ValueError, match="sigmas="):
        annealed_langevin([1.0, 0.0], step_size=0.1)


@pytest.mark.parametrize(("broken", "law"), [(WithoutVolume, "log Z against the sum|draws against"), (CoarseReverse, "draws against")])
def test_models_that_lie_are_found_out(broken, law):
    with pytest.raises(LawViolation, match=law):
        check_model(broken(Exact(LINE), 1), box=BOX, key=KEY)


def test_the_reverse_process_draws_the_same_law_where_the_score_is_exact():
    """Means, squares and shares of the components; 500 steps leave less than the errors of 8192 draws."""
    truth = noised(MIX, SCHEDULE.t_min)
    xs = draws(lambda *, key: MODEL.ancestral(steps=500, key=key), jax.random.split(KEY, 8192))
    mean = truth.weights @ truth.means
    square = truth.weights @ (truth.means**2 + truth.scales[:, None] ** 2)
    z_test("ancestral", "mean", xs, mean)
    z_test("ancestral", "mean square", xs**2, square)
    nearest = jnp.argmin(jnp.sum((xs[:, None] - truth.means) ** 2, axis=-1), axis=1)
    other = draws(truth._sample, jax.random.split(jax.random.key(1), 2**18))
    shares = np.bincount(np.argmin(np.sum((np.asarray(other)[:, None] - np.asarray(truth.means)) ** 2, axis=-1), axis=1)) / 2**18
    chi_square("ancestral", "shares", np.bincount(np.asarray(nearest), minlength=3), shares)


class InvertedSign(NoisePrediction):
    """The noise with the wrong sign."""

    def loss(self, model, xs, *, key):
        when, what = jax.random.split(key)
        ts, noise = stratified(model.schedule.t_min, len(xs), key=when), jax.random.normal(what, xs.shape)
        noised = jax.vmap(model.schedule.noised)(xs, noise, ts)
        return jnp.mean(jnp.sum((jax.vmap(model.noise)(noised, ts) + noise) ** 2, axis=-1)) / 2


class DividedTwice(NoisePrediction):
    """Once more by the batch."""

    def loss(self, model, xs, *, key):
        return NoisePrediction.loss(self, model, xs, key=key) / len(xs)


class EarlyTimes(NoisePrediction):
    """Times that crowd near the data."""

    def loss(self, model, xs, *, key):
        when, what = jax.random.split(key)
        ts, noise = stratified(model.schedule.t_min, len(xs), key=when) ** 2, jax.random.normal(what, xs.shape)
        noised = jax.vmap(model.schedule.noised)(xs, noise, ts)
        return jnp.mean(jnp.sum((jax.vmap(model.noise)(noised, ts) - noise) ** 2, axis=-1)) / 2


@pytest.mark.parametrize("broken", [InvertedSign, DividedTwice, EarlyTimes])
def test_broken_objectives_fail(broken):
    with pytest.raises(LawViolation, match=r"(?<!resolution of the scale of )gradient of"):
        check_objective(broken(), lessons.DIFFUSION, key=jax.random.key(3))


def test_times_are_one_in_each_part_and_uniform_in_each_row():
    ts = jax.vmap(lambda key: stratified(jnp.asarray(0.2), 8, key=key))(jax.random.split(KEY, 4096))
    parts = np.floor((np.asarray(ts) - 0.2) / 0.8 * 8).astype(int)
    np.testing.assert_array_equal(np.sort(parts, axis=1), np.tile(np.arange(8), (4096, 1)))
    z_test("times", "mean of each row", ts, 0.6)
    z_test("times", "mean square of each row", ts**2, (1 - 0.2**3) / 2.4)


def test_the_gradient_of_a_network_costs_two_evaluations():
    assert Diffusion.of_noise(2, (8,), key=KEY).objective().evaluations(32) == 32
    assert Diffusion.of_energy(2, (8,), key=KEY).objective().evaluations(32) == 64


def test_another_model_is_refused_in_words():
    from gibbsite.testing.objective import Shifted

    with pytest.raises(TypeError, match=r"noise\(x, t\) and a schedule, and Shifted lacks"):
        NoisePrediction().init(Shifted(MIX), jnp.zeros((4, 2)), key=KEY)


@pytest.fixture(scope="module", params=[diffusion_for, diffusion_energy_for], ids=["noise", "energy"])
def learned(request):
    """Eight Gaussians by some 1,400 parameters, in 2,700 steps."""
    data = load("gaussians8")
    model = request.param(data, 1400, jax.random.key(0))
    return data, fit(model, data, budget=700_000 * model.field.passes, learning_rate=2e-2, key=jax.random.key(1)).model


def test_the_learned_density_integrates_to_one(learned):
    """By the midpoint rule, which is exact but for 1e-6 on a law of width 0.35 at a spacing of 0.08."""
    _, model = learned
    axis, step = np.linspace(-5, 5, 129, retstep=True)
    grid = jnp.asarray(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), jnp.float32)
    mass = np.exp(-np.asarray(values(model.as_energy(), grid), np.float64)).sum() * step**2
    bounded("flow", "mass of the density", mass - 1, 1e-2)


def test_all_modes_get_their_mass(learned):
    data, model = learned
    xs = draws(model.sample, jax.random.split(KEY, 4096))
    found = total_variation(mode_masses(np.asarray(xs), data.modes), data.modes.masses)
    assert found.value <= 0.05 + 3 * found.stderr, found
    kl = kl_to_truth(data.truth, model.as_energy(), exact(0.0), data.test[:1024])
    assert kl.value + 5.6 * kl.stderr < 0.25, kl


@pytest.mark.parametrize("learned", [diffusion_for], ids=["noise"], indirect=True)
def test_twice_the_steps_change_little(learned):
    """The stated tolerance of density and draws: 1e-3, in nats and in standard deviations of the data."""
    data, wrapped = learned
    model, zs = wrapped.model, jnp.asarray(data.standardise(data.test[:256]))
    fine = dataclasses.replace(model, steps=2 * model.steps)
    bounded("flow", "energies by half the steps", values(model.as_energy(), zs) - values(fine.as_energy(), zs), 1e-3)
    keys = jax.random.split(KEY, 256)
    bounded("flow", "draws by half the steps", draws(model.sample, keys) - draws(fine.sample, keys), 1e-3)


def test_an_energy_at_every_level_and_none_of_a_free_field():
    model = Diffusion.of_energy(3, (8, 8), key=KEY)
    x, t = jnp.array([0.3, -1.2, 0.5]), 0.4
    np.testing.assert_allclose(jax.grad(model.at(t))(x), -model.score(x, t), rtol=1e-5, atol=1e-6)
    slope = jax.jacfwd(lambda x: model.score(x, t))(x)
    np.testing.assert_allclose(slope, slope.T, atol=1e-6)
    free = Diffusion.of_noise(3, (8, 8), key=KEY)
    slope = jax.jacfwd(lambda x: free.score(x, t))(x)
    assert float(jnp.abs(slope - slope.T).max()) > 1e-2
    with pytest.raises(TypeError, match="FreeField is a free vector field"):
        free.at(t)


def test_the_energy_at_the_end_is_the_gaussian():
    model, x = Diffusion.of_energy(2, (8,), key=KEY), jnp.array([1.0, -2.0])
    np.testing.assert_allclose(model.at(1.0)(x), 2.5, rtol=1e-5)


DEEP = [(7,), (7, 6), (7, 6, 5)]


@pytest.mark.parametrize("dim", [3, 40])
@pytest.mark.parametrize(("kind", "widths"), [("of_noise", ()), *((kind, w) for kind in ("of_noise", "of_energy") for w in DEEP)])
def test_the_divergence_is_the_trace_of_the_jacobian_on_either_side_of_the_first_layer(kind, dim, widths):
    field, x = getattr(Diffusion, kind)(dim, widths, key=KEY).field, jax.random.normal(KEY, (dim,))
    field = jax.tree.map(lambda leaf: 3 * leaf, field)
    expected = jnp.trace(jax.jacfwd(field)(x, 0.3))
    assert abs(float(expected)) > 1e-2
    np.testing.assert_allclose(divergence(field, x, 0.3), expected, rtol=1e-4)


def test_hundreds_of_dimensions_are_as_exact_as_two():
    wide = GaussianMixture(jnp.full((1, 300), 0.3), [0.8], [1.0])
    model = Diffusion(Exact(wide), 300)
    xs = values(lambda key: wide._sample(key=key), jax.random.split(KEY, 16))
    np.testing.assert_allclose(values(model.as_energy(), xs), values(noised(wide, SCHEDULE.t_min), xs), rtol=1e-4)


@pytest.mark.parametrize("build", [diffusion_for, diffusion_energy_for])
@pytest.mark.parametrize(("name", "parameters"), [("gaussians8", 1400), ("digits", 4000), ("digits", 20_000)])
def test_builders_meet_the_number_of_parameters(build, name, parameters):
    held = count(build(load(name), parameters, KEY))
    assert parameters / 1.1 < held < 1.1 * parameters, held
