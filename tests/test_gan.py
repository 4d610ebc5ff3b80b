"""The GAN: its critic is a log ratio, its energy of hidden variables carries draws to the data, and its gradients keep to their sides."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
import pytest
from registry import objectives as lessons
from registry.twins import Around

from gibbsite.core import AbstractEnergy, Evidence, Normal, draw, log_prob
from gibbsite.data import load
from gibbsite.energies import GaussianMixture, Rescaled
from gibbsite.metrics import energy_distance
from gibbsite.models import GAN, gan_for, refined
from gibbsite.nets import MLP, VectorMLP
from gibbsite.objectives import NonSaturating, count
from gibbsite.objectives.adversarial import held
from gibbsite.objectives.gradient import gradient
from gibbsite.samplers import Silent
from gibbsite.testing.law import LawViolation
from gibbsite.testing.model import check_emission, check_model
from gibbsite.testing.objective import check_objective
from gibbsite.train import fit

KEY = jax.random.key(8)
TRUTH = GaussianMixture([[1.0, 0.6], [-0.8, -0.4]], [0.5, 0.6], [0.35, 0.65])
LOC, SCALE = jnp.array([0.1, -0.2]), jnp.array([1.2, 0.9])
BOX = (np.array([-6.0, -6.0]), np.array([6.0, 6.0]))


class Affine(eqx.Module):
    """`x = loc + scale z`: a generator whose density is known."""

    loc: jax.Array
    scale: jax.Array

    def __call__(self, z):
        return self.loc + self.scale * z


class Ratio(eqx.Module):
    """The exact log ratio of the densities of data and draws."""

    data: AbstractEnergy
    drawn: AbstractEnergy

    def __call__(self, x):
        return log_prob(self.data, x) - log_prob(self.drawn, x)


def exact_gan(kind=GAN):
    return kind(Affine(LOC, SCALE), Ratio(TRUTH, Normal(LOC, SCALE)), Normal(jnp.zeros(2), jnp.ones(2)), 2)


class WithoutBase(GAN):
    """Hidden variables move as the critic likes, their own density forgotten."""

    def as_energy(self):
        return _CriticAlone(GAN.as_energy(self))


class _CriticAlone(Around):
    def __call__(self, z):
        return jnp.log(2 * jnp.pi) - self.energy.critic(self.energy.generator(z))


class WithJacobian(GAN):
    """The change of variables, where none belongs."""

    def as_energy(self):
        return Rescaled(GAN.as_energy(self), jnp.zeros(2), jnp.array([1.1, 0.8]))


class Boastful(GAN):
    """Says that its density is known."""

    evidence = Evidence.EXACT


def test_an_exact_critic_carries_hidden_variables_to_the_data() -> None:
    check_emission(exact_gan(), TRUTH, box=BOX, key=KEY)


@pytest.mark.parametrize("broken", [WithoutBase, WithJacobian])
def test_a_latent_law_without_its_density_is_found_out(broken) -> None:
    with pytest.raises(LawViolation, match=r"draws against the density|outside the box"):
        check_emission(exact_gan(broken), TRUTH, box=BOX, key=KEY)


def test_no_density_of_x_may_be_claimed() -> None:
    with pytest.raises(LawViolation, match="say IMPLICIT"):
        check_model(exact_gan(Boastful), key=KEY)


class Altered(NonSaturating):
    """The game with something done to it."""

    change: str = eqx.field(static=True, default="")

    def gradients(self, model, batch, state, *, key):
        if self.change == "leak":
            return self._leaking(model, batch, key)
        grads, state, logged = NonSaturating.gradients(self, model, batch, state, key=key)
        if self.change == "batch":
            grads = jax.tree.map(lambda g: g / len(batch), grads)
        if self.change == "critic":
            grads = eqx.tree_at(lambda g: g.critic, grads, jax.tree.map(lambda g: -g, grads.critic))
        return grads, state, logged

    def _leaking(self, model, batch, key):
        zs = jax.random.normal(key, (len(batch), model.as_energy().space.size))

        def loss(m):  # the critic learns from what the generator wants
            return self.critic_loss(m.critic, batch, jax.vmap(held(m).emit)(zs), key=key) + self.generator_loss(
                m.critic, jax.vmap(m.emit)(zs)
            )

        return gradient(loss, model)[1], None, {}


@pytest.mark.parametrize("change", ["batch", "critic", "leak"])
def test_broken_games_fail(change: str) -> None:
    with pytest.raises(LawViolation, match=r"(?<!resolution of the scale of )gradient of \.(critic|generator)"):
        check_objective(Altered(0.5, change), lessons.GAME, key=KEY)


def test_a_critic_learns_the_log_ratio_of_known_densities() -> None:
    """The generator held: the critic is within 0.05 nats of the exact log ratio, on average over data and draws."""
    rows = np.asarray(jax.vmap(lambda k: draw(TRUTH, key=k))(jax.random.split(KEY, 204_000)))
    rows, fresh = rows[:-4000], rows[-4000:]
    model = GAN(paramax.NonTrainable(Affine(LOC, SCALE)), MLP(2, (48, 48), key=KEY), Normal(jnp.zeros(2), jnp.ones(2)), 2)
    assert count(model) == count(model.critic)
    fitted = fit(
        model,
        rows,
        objective=NonSaturating(0.0),
        budget=12_000_000,
        batch_size=1024,
        learning_rate=2e-2,
        patience=99,
        progress=Silent(),
        key=KEY,
    )
    inner = fitted.model.model
    units = Rescaled(TRUTH, -fitted.model.shift.tree / fitted.model.scale.tree, 1 / fitted.model.scale.tree)  # standard, as the critic's
    truth, zs = Ratio(units, Normal(LOC, SCALE)), jax.random.normal(jax.random.key(9), (4000, 2))
    points = jnp.concatenate([(fresh - fitted.model.shift.tree) / fitted.model.scale.tree, jax.vmap(inner.emit)(zs)])
    off = np.abs(jax.vmap(inner.critic)(points) - jax.vmap(truth)(points))
    print(f"critic against the log ratio: mean {off.mean():.4f}, 99 % {np.quantile(off, 0.99):.3f}, largest {off.max():.1f} nats")
    assert off.mean() < 0.05
    assert np.quantile(off, 0.99) < 0.5  # the largest are draws far out, where there are no data to learn from
    # Its hidden variables then draw the data: the plain draws are far, those of the energy as near as the noise.
    plain, moved = (eqx.filter_jit(jax.vmap(one))(jax.random.split(KEY, 2000)) for one in (_plain(fitted.model), _refined(fitted.model)))
    before, after = (energy_distance(np.asarray(xs), fresh[:2000]) for xs in (plain, moved))
    print("energy distance, plain and refined:", before, after)
    assert before.value - after.value > 5.6 * np.hypot(before.stderr, after.stderr)
    assert after.value < 5.6 * after.stderr


def _plain(model):
    return lambda key: model.sample(key=key)


def _refined(model):
    return lambda key: refined(model, warmup=120, steps=60, key=key)


def test_a_builder_meets_the_number_of_parameters() -> None:
    for name in ("gaussians8", "digits"):
        model = gan_for(load(name), 11_000, KEY)
        assert 11_000 / 1.2 < count(model) < 1.2 * 11_000
        assert isinstance(model.objective(), NonSaturating)


def test_networks_of_no_layers_are_affine() -> None:
    net = VectorMLP(3, (), 2, key=KEY)
    x, y = jnp.ones(3), jnp.arange(3.0)
    np.testing.assert_allclose(net(x + y) + net(jnp.zeros(3)), net(x) + net(y), rtol=1e-5)
