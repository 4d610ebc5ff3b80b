"""Noise-contrastive estimation: twins that forget a constant are told apart, and the learned constant meets the integral."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import paramax
import pytest
from registry import objectives as lessons

from gibbsite.core import Binary, Coins, Conditionals, Latent, Normal, Normalised, Tempered, capability
from gibbsite.data import load
from gibbsite.energies import GaussianMixture, Offset
from gibbsite.metrics import kl_to_truth, mode_masses, total_variation
from gibbsite.models import contrasted
from gibbsite.models.paradigms import neural
from gibbsite.objectives import NoiseContrastive, count, join, split
from gibbsite.testing import problems
from gibbsite.testing.law import LawViolation
from gibbsite.testing.objective import Shifted, check_objective
from gibbsite.thermo import quadrature
from gibbsite.train import fit

KEY = jax.random.key(29)


class WrongSign(NoiseContrastive):
    """Data and noise exchanged."""

    def log_odds(self, energy, x):
        return -super().log_odds(energy, x)


class ForgottenRatio(NoiseContrastive):
    """As if one draw of noise came with each example."""

    def log_odds(self, energy, x):
        return super().log_odds(energy, x) + jnp.log(self.ratio)


class NoiseWithoutItsConstant(NoiseContrastive):
    """The energy of the noise in place of its density."""

    def log_odds(self, energy, x):
        return -energy(x) + self.noise(x) - jnp.log(self.ratio)


class FewerNoise(NoiseContrastive):
    """The noise averaged and not multiplied by its ratio."""

    def gradients(self, model, batch, state, *, key):
        one = NoiseContrastive(self.noise, 1)
        return one.gradients(model, batch, state, key=key)


class DividedOnceMore(NoiseContrastive):
    """One more division by the batch."""

    def gradients(self, model, batch, state, *, key):
        grads, state, logged = super().gradients(model, batch, state, key=key)
        return jax.tree.map(lambda g: g / len(batch), grads), state, logged


@pytest.mark.parametrize("twin", [WrongSign, ForgottenRatio, NoiseWithoutItsConstant, FewerNoise, DividedOnceMore])
def test_broken_twins_fail(twin):
    with pytest.raises(LawViolation, match=r"(?<!resolution of the scale of )gradient of"):
        check_objective(twin(lessons.NOISE, lessons.RATIO), lessons.CONTRAST, key=KEY)


def test_the_price_and_the_ratio():
    assert NoiseContrastive(lessons.NOISE, 3).evaluations(32) == 128
    with pytest.raises(ValueError, match="ratio=0"):
        NoiseContrastive(lessons.NOISE, 0)


def test_noise_without_a_constant_is_refused_by_name():
    model = Shifted(Offset(problems.mixture().energy))
    with pytest.raises(TypeError, match="NoiseContrastive needs the capability Normalised, which Tempered lacks"):
        NoiseContrastive(Tempered(lessons.NOISE, 0.5)).init(model, jnp.zeros((4, 2)), key=KEY)


def test_the_claim_is_no_capability_and_what_is_known_is_kept():
    mixture, rbm = problems.mixture(), problems.rbm().energy
    view = capability(Offset(mixture.energy, 0.7), Normalised)
    assert abs(float(view.log_z()) - (mixture.log_z - 0.7)) < 1e-6
    assert capability(Offset(Tempered(mixture.energy, 0.5), 0.7), Normalised) is None
    assert capability(Offset(rbm, 0.7), Latent).path is None
    coins = Coins(lessons._RBM.space, 0.3)
    assert capability(Offset(coins, 0.7), Conditionals) is not None


def _error_of_log_z(model, objective, xs, log_z):
    """Standard error of log Z of the fitted U by the sandwich `H^-1 S H^-1 / n`, S from data and noise (van der Vaart 1998, 5.23)."""
    params, constants = split(model)
    flat, unravel = jax.flatten_util.ravel_pytree(params)

    def energy(p):
        return paramax.unwrap(join(unravel(p), constants)).as_energy()

    noise = jax.vmap(lambda k: objective.noise._sample(key=k))(jax.random.split(KEY, len(xs)))

    def one(p, x, y):
        return jax.nn.softplus(-objective.log_odds(energy(p), x)) + jax.nn.softplus(objective.log_odds(energy(p), y))

    slopes = jax.vmap(jax.grad(one), in_axes=(None, 0, 0))(flat, xs, noise)
    curvature = jax.hessian(lambda p: jnp.mean(jax.vmap(one, in_axes=(None, 0, 0))(p, xs, noise)))(flat)
    inverse = np.linalg.pinv(np.asarray(curvature, np.float64), rcond=1e-4, hermitian=True)
    along = np.asarray(jax.grad(log_z)(flat, energy), np.float64)
    return float(np.sqrt(along @ inverse @ np.cov(np.asarray(slopes, np.float64).T) @ inverse @ along / len(xs)))


def test_a_mixture_learns_its_constant():
    """log Z of the fitted U, by quadrature, is zero within 5.6 errors; the error is 0.02, so a constant off by 0.15 shows."""
    truth, noise, n = problems.mixture(), Normal([-0.7, 0.5], [1.8, 1.4], 0.9), 4096
    xs = jax.vmap(lambda k: truth.sample(key=k))(jax.random.split(KEY, n))
    start = GaussianMixture([[0.7, 1.8], [-1.2, -0.3]], [0.6, 0.7], [4.0, 4.0])  # log Z = log 8, the claim is 0
    objective = NoiseContrastive(noise)
    model = Shifted(Offset(start, 0.0), jnp.zeros(2), jnp.ones(2))
    fitted = _trained(model, objective, xs)
    found = quadrature(fitted.as_energy(), low=-10.0, high=10.0, rtol=1e-5)
    inner = quadrature(fitted.energy.energy, low=-10.0, high=10.0, rtol=1e-5)
    assert abs((inner.value - float(fitted.energy.log_z)) - found.value) < 1e-5

    def log_z(p, energy):
        grid = lessons._GRID
        return jax.nn.logsumexp(lessons._CELLS - jax.vmap(energy(p))(grid))

    error = _error_of_log_z(fitted, objective, xs, log_z)
    assert 0.005 < error < 0.03
    assert abs(found.value) < 5.6 * error, (found, error)


def _trained(model, objective, xs):
    """The minimum over the whole sample and one sample of noise, that of `KEY`."""
    params, constants = split(model)
    steps = 600
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-2, steps))

    def step(carry, _):
        params, state = carry
        grads = objective.gradients(join(params, constants), xs, None, key=KEY)[0]
        updates, state = optimiser.update(grads, state)
        return (optax.apply_updates(params, updates), state), optax.tree.norm(grads)

    (params, _), slopes = jax.jit(lambda c: jax.lax.scan(step, c, length=steps))((params, optimiser.init(params)))
    assert float(slopes[-1]) < 1e-3
    return join(params, constants)


def test_a_network_learns_masses_and_its_constant():
    """At half of the usual budget; a claim wrong by 10 per cent of Z would show."""
    data = load("gaussians8")
    plain = neural(data, 1400, KEY)
    model, objective = contrasted(plain)
    assert count(model) == count(plain) + 1
    fitted = fit(model, data, objective=objective, budget=1_750_000, learning_rate=1e-2, key=KEY).model
    log_z = quadrature(fitted.as_energy(), low=-10.0, high=10.0, rtol=1e-4)
    assert abs(log_z.value) < 0.1, log_z
    kl = kl_to_truth(data.truth, fitted.as_energy(), log_z, data.test)
    assert -5.6 * kl.stderr < kl.value < 0.1 + 5.6 * kl.stderr, kl
    xs = jax.vmap(lambda k: fitted.sample(key=k))(jax.random.split(KEY, 2048))
    distance = total_variation(mode_masses(np.asarray(xs), data.modes), data.modes.masses)
    assert distance.value <= 0.06 + 3 * distance.stderr, distance


def test_bits_are_told_from_coins():
    """Eight sites of the digits: all states counted, the claim is right and the law near that of the rows."""
    rows = load("digits-binary").train[:, 18:26]
    data = _Bits(rows)
    model, objective = contrasted(neural(data, 300, KEY))
    fitted = fit(model, rows, objective=objective, budget=300_000, learning_rate=1e-2, key=KEY).model
    table = problems.states(fitted.as_energy().space)
    log_p = -jax.vmap(fitted.as_energy())(table)
    assert abs(float(jax.nn.logsumexp(log_p))) < 0.1
    counts = np.bincount(rows.astype(int) @ 2 ** np.arange(8), minlength=256) / len(rows)
    near = float(0.5 * np.abs(np.exp(np.asarray(log_p)) - counts).sum())
    coins = -jax.vmap(objective.noise)(table)
    far = float(0.5 * np.abs(np.asarray(jax.nn.softmax(coins)) - counts).sum())
    assert near < far / 3, (near, far)


class _Bits:
    def __init__(self, rows):
        self.train, self.standard_space = rows, Binary(rows.shape[1])
