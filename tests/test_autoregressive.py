"""The autoregressive model: each conditional sees what it may and all of it, the density integrates to one, training finds masses."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Binary, Normalised, Reals, Sampleable, Spins, capability, exact
from gibbsite.data import load
from gibbsite.metrics import kl_to_truth, mode_masses, total_variation
from gibbsite.models import Autoregressive, AutoregressiveEnergy, InDataUnits, autoregressive_for
from gibbsite.models.autoregressive import FLOOR, MixtureOfGaussians
from gibbsite.nets import MaskedMLP
from gibbsite.objectives import count
from gibbsite.testing.law import LawViolation
from gibbsite.testing.model import check_model
from gibbsite.thermo import enumerate_log_z, quadrature
from gibbsite.train import fit

KEY = jax.random.key(17)


def louder(model, factor=3.0):
    """The same model with larger weights, so that what hangs together hangs together clearly."""
    return jax.tree.map(lambda a: factor * a, model)


@pytest.mark.parametrize("widths", [(), (5,), (7, 4)])
def test_outputs_see_all_that_comes_before_and_nothing_else(widths):
    net = louder(MaskedMLP(5, widths, 3, key=KEY))
    slopes = jax.jacobian(net)(jax.random.normal(KEY, (5,)))  # coordinate, number, input
    seen = np.abs(np.asarray(slopes)).max(axis=1) > 0
    assert np.array_equal(seen, np.tril(np.ones((5, 5), bool), -1))


def test_every_weight_is_alive():
    net = louder(MaskedMLP(4, (6, 6), 2, key=KEY))
    grads = jax.vmap(jax.grad(lambda n, x: jnp.sum(jnp.sin(n(x)))), in_axes=(None, 0))(net, jax.random.normal(KEY, (64, 4)))
    for path, leaf in jax.tree.leaves_with_path(grads):
        assert np.all(np.abs(np.asarray(leaf)).max(axis=0) > 0), jax.tree_util.keystr(path)


class SeesItself(eqx.Module):
    """A mask one too generous: each coordinate sees those before it and itself."""

    net: MaskedMLP

    def __call__(self, x):
        return self.net(jnp.append(x, 0.0))[1:]


@pytest.mark.parametrize(("space", "box"), [(Reals(2), (np.full(2, -12.0), np.full(2, 12.0))), (Binary(4), None)], ids=["reals", "bits"])
def test_a_coordinate_that_sees_itself_is_found_out(space, box):
    conditional = Autoregressive.on(space, (), components=2, key=KEY).energy.conditional
    leaky = SeesItself(louder(MaskedMLP(space.size + 1, (6,), conditional.size, key=KEY), 2.0))
    with pytest.raises(LawViolation, match="draws against the density"):
        check_model(Autoregressive(AutoregressiveEnergy(leaky, conditional, space)), box=box, key=KEY)


def test_bits_sum_to_one():
    energy = louder(Autoregressive.on(Binary(8), (12, 12), key=KEY)).as_energy()
    assert abs(float(enumerate_log_z(energy))) < 1e-5


def test_no_point_has_any_density():
    mixture = MixtureOfGaussians(2)
    worst = mixture.log_prob(jnp.array([0.0, 0.0, 0.0, 0.5, 0.5, -1e4, -1e4]), jnp.asarray(0.0))
    assert float(worst) <= -np.log(FLOOR * np.sqrt(2 * np.pi)) + 1e-5


def test_other_spaces_are_refused_by_name():
    for space in (Spins(4), Reals((2, 2))):
        with pytest.raises(TypeError, match="Reals or Binary of one axis"):
            Autoregressive.on(space, (4,), key=KEY)


@pytest.mark.parametrize(("data", "parameters"), [("gaussians8", 300), ("gaussians8", 1400), ("digits-binary", 4000), ("digits", 11_000)])
def test_the_builder_meets_the_number_of_parameters(data, parameters):
    model = autoregressive_for(load(data), parameters, KEY)
    assert parameters / 1.5 <= count(model) <= 1.5 * parameters


def test_one_column_gets_a_mixture():
    data = SimpleNamespace(standard_space=Reals(1))
    model = louder(autoregressive_for(data, 60, KEY))
    assert 40 <= count(model) <= 90
    check_model(model, box=(np.array([-12.0]), np.array([12.0])), key=KEY)


@pytest.fixture(scope="module")
def trained():
    """The default model on eight Gaussians of masses 1:2:...:8, after a third of a second's worth of steps."""
    data = load("gaussians8")
    return data, fit(autoregressive_for(data, 1400, KEY), data, budget=500_000, learning_rate=1e-2, key=KEY).model


def test_a_trained_density_integrates_to_one(trained):
    data, model = trained
    assert isinstance(model, InDataUnits)
    for energy in (model.as_energy(), InDataUnits(autoregressive_for(data, 300, KEY), data.shift, data.scale).as_energy()):
        assert capability(energy, Normalised) is not None
        assert capability(energy, Sampleable) is not None
        log_z = quadrature(energy, low=-16.0, high=16.0, rtol=1e-4)
        assert abs(float(log_z)) < 1e-3


def test_masses_are_found(trained):
    """About five times the error at 3.5 million evaluations is allowed for a seventh of them."""
    data, model = trained
    xs = jax.vmap(lambda k: model.sample(key=k))(jax.random.split(KEY, 8192))
    distance = total_variation(mode_masses(np.asarray(xs), data.modes), data.modes.masses)
    assert distance.value <= 0.05 + 3 * distance.stderr, distance
    kl = kl_to_truth(data.truth, model.as_energy(), exact(0.0), data.test)
    assert -5.6 * kl.stderr < kl.value < 0.06 + 5.6 * kl.stderr, kl
