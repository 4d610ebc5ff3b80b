"""Objectives: the expected gradient is the exact one, and broken twins are told apart."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from registry import objectives as lessons

from gibbsite.objectives import DenoisingScoreMatching, MaximumLikelihood, PersistentContrastiveDivergence, ReverseKL
from gibbsite.objectives.gradient import gradient
from gibbsite.samplers import MALA, BlockGibbs
from gibbsite.testing.law import LawViolation
from gibbsite.testing.objective import check_objective

KEY = jax.random.key(3)


@pytest.mark.parametrize("name", lessons.OBJECTIVES)
def test_objective_keeps_the_law(name):
    objective, lesson = lessons.OBJECTIVES[name]
    check_objective(objective, lesson, key=KEY)


class Altered(MaximumLikelihood):
    """The exact gradient, with something done to it."""

    factor: float = eqx.field(static=True, default=1.0)
    by_batch: bool = eqx.field(static=True, default=False)

    def gradients(self, model, batch, state, *, key):
        grads, state, logged = MaximumLikelihood.gradients(self, model, batch, state, key=key)
        factor = self.factor / (len(batch) if self.by_batch else 1)
        return jax.tree.map(lambda g: factor * g, grads), state, logged


class SwappedPhases(PersistentContrastiveDivergence):
    """Walkers in the positive phase."""

    def gradients(self, model, batch, state, *, key):
        grads, state, logged = PersistentContrastiveDivergence.gradients(self, model, batch, state, key=key)
        return jax.tree.map(lambda g: -g, grads), state, logged


class InvertedScore(DenoisingScoreMatching):
    """The noise with the wrong sign."""

    def loss(self, model, xs, *, key):
        noise = jax.random.normal(key, xs.shape)
        slope = jax.vmap(jax.grad(model.as_energy()))(xs + self.sigma * noise)
        return jnp.mean(jnp.sum((slope + noise / self.sigma) ** 2, axis=-1)) / 2


class WrongHalfStep(PersistentContrastiveDivergence):
    """Statistics of walkers whose visible units are means, not draws."""

    def gradients(self, model, batch, state, *, key):
        machine = model.as_energy()
        state, _ = self.move(machine, state, key=key)
        xs = jax.vmap(state.kernel.position)(state.states)
        hidden = jax.nn.sigmoid(machine.hidden_bias + xs @ machine.weights)
        xs = jax.nn.sigmoid(machine.visible_bias + (hidden > 0.5) @ machine.weights.T)

        def loss(m):
            return jnp.mean(jax.vmap(m.as_energy())(batch)) - jnp.mean(jax.vmap(m.as_energy())(xs))

        return gradient(loss, model)[1], state, {}


class WithoutDeterminant(ReverseKL):
    """The model's own density forgotten: nothing keeps it from shrinking to a point."""

    def loss(self, model, xs, *, key):
        draws = jax.vmap(lambda k: model.sample(key=k))(jax.random.split(key, len(xs)))
        return jnp.mean(jax.vmap(self.energy)(draws))


class TouchesConstants(MaximumLikelihood):
    """Gradients at every float, constants included."""

    def gradients(self, model, batch, state, *, key):
        _, state, logged = MaximumLikelihood.gradients(self, model, batch, state, key=key)
        return eqx.filter(model, eqx.is_inexact_array), state, logged


BROKEN = {
    "divided once more by the batch": (Altered(by_batch=True), lessons.LIKELIHOOD, "gradient of"),
    "ten per cent too long": (Altered(factor=1.1), lessons.BITS, "gradient of"),
    "swapped phases": (SwappedPhases(MALA(0.1), chains=32), lessons.LIKELIHOOD, "gradient of"),
    "inverted score": (InvertedScore(lessons.SIGMA), lessons.SCORE, "gradient of"),
    "wrong half step": (WrongHalfStep(BlockGibbs(), chains=32), lessons.BITS, "gradient of"),
    "without determinant": (WithoutDeterminant(lessons.REVERSE[0].energy), lessons.REVERSE[1], "gradient of"),
    "touches constants": (TouchesConstants(), lessons.LIKELIHOOD, "must be None at constants"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_objectives_fail(name):
    objective, lesson, law = BROKEN[name]
    with pytest.raises(LawViolation, match=f"(?<!resolution of the scale of ){law}"):
        check_objective(objective, lesson, key=KEY)


@pytest.mark.parametrize(
    "objectives",
    [
        [DenoisingScoreMatching(sigma) for sigma in (0.1, 0.3)],
        [PersistentContrastiveDivergence(MALA(step), chains=4, energy_l2=decay) for step, decay in ((0.1, 0.0), (0.2, 0.1))],
    ],
    ids=["sigma", "step size and energy_l2"],
)
def test_a_sweep_of_numbers_compiles_once(objectives):
    model, data, _ = lessons._TWO
    batch = jax.vmap(lambda k: data(key=k))(jax.random.split(KEY, 4))
    traces, found = [], []

    @eqx.filter_jit
    def gradients(objective):
        traces.append(objective)
        return objective.gradients(model, batch, objective.init(model, batch, key=KEY), key=KEY)[0]

    for objective in objectives:
        found.append(jax.tree.leaves(gradients(objective))[0])
    assert len(traces) == 1
    assert not jnp.array_equal(found[0], found[1])


def test_a_population_step_is_paid_for_rung_by_rung():
    from gibbsite.core import Normal
    from gibbsite.samplers import ParallelTempering

    kernel = ParallelTempering.over(MALA(0.1), jnp.array([0.0, 0.5, 1.0]), Normal(jnp.zeros(2), jnp.ones(2)), moves=2)
    pcd = PersistentContrastiveDivergence(kernel, steps=4, chains=10)
    # gradient 1, 4 steps of 3 x (1 for the swap, 1 for the cache, 2 moves)
    assert pcd.evaluations(32) == 32 + 10 * (1 + 4 * 3 * 4)
    assert DenoisingScoreMatching(0.1).evaluations(32) == 64
