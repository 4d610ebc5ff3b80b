"""The compiled part of training: some steps, and a look at the held-out data. The bounds are arguments, so any number
of steps at a time runs the same program and gives the same bits.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from gibbsite.core import AbstractModel, AbstractObjective, as_float
from gibbsite.objectives import join, split

ROUNDS = 40  # looks at the held-out data
SMOOTHING = 0.3  # weight of the newest score in the running mean that early stopping follows
CLIP = 10.0  # norm of the gradient
Constants = tuple[PyTree, PyTree]  # of the model and of the objective's state


class Carry(NamedTuple):
    """All that training carries from step to step, arrays only; what is checkpointed."""

    params: PyTree
    average: PyTree
    best: PyTree
    smooth_score: Float[Array, ""]
    best_score: Float[Array, ""]
    stale: Int[Array, ""]
    optimiser: PyTree
    objective: PyTree
    order: Int[Array, " n"]
    step: Int[Array, ""]
    good: Bool[Array, ""]
    logged: dict[str, Float[Array, ""]]


class Plan(eqx.Module):
    """The fixed things of one training run."""

    objective: AbstractObjective
    steps: Int[Array, ""] = eqx.field(converter=jnp.asarray)
    learning_rate: Float[Array, ""] = eqx.field(converter=as_float)
    ema: Float[Array, ""] = eqx.field(converter=as_float)
    batch_size: int = eqx.field(static=True)

    @property
    def cost(self) -> int:
        """Evaluations of one step."""
        return self.objective.evaluations(self.batch_size)

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """Adam on clipped gradients, before it is multiplied by `rate`."""
        return optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam())

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The learning rate at a step: a short rise, then a cosine to zero (Loshchilov & Hutter, arXiv 1608.03983)."""
        rise = jnp.maximum(1, self.steps // 20)
        fall = jnp.clip((step - rise) / jnp.maximum(1, self.steps - rise), 0.0, 1.0)
        return self.learning_rate * jnp.minimum((step + 1) / rise, 0.5 * (1 + jnp.cos(jnp.pi * fall)))

    @property
    def round_size(self) -> Int[Array, ""]:
        """Steps of a round."""
        return -(-self.steps // ROUNDS)

    def round_end(self, step: int) -> int:
        """The step at which the round of `step` ends."""
        size = int(self.round_size)
        return min(int(self.steps), (step // size + 1) * size)


def plan_for(objective: AbstractObjective, rows: int, *, budget: int, batch_size: int, learning_rate: float, ema: float) -> Plan:
    """How many steps the budget pays for.

    Raises:
        ValueError: not one step; names the price.
    """
    size = min(batch_size, rows)
    cost = objective.evaluations(size)
    if budget < cost:
        raise ValueError(f"budget={budget} evaluations pays for no step, which costs {cost}: give more, or a smaller batch_size.")
    return Plan(objective, jnp.asarray(budget // cost), as_float(learning_rate), as_float(ema), size)


@eqx.filter_jit
def start(plan: Plan, model: AbstractModel, train: Float[Array, "n *x"], *, key: Key[Array, ""]) -> tuple[Carry, Constants]:
    """The carry before the first step, and what stays as it is."""
    params, constants = split(model)
    state, fixed = eqx.partition(plan.objective.init(model, train, key=_key(key, 0, 0)), eqx.is_array)
    size = plan.batch_size
    logged = jax.eval_shape(lambda s: plan.objective.gradients(model, train[:size], eqx.combine(s, fixed), key=key)[2], state)
    carry = Carry(
        params=params,
        average=params,
        best=params,
        smooth_score=as_float(jnp.nan),
        best_score=as_float(jnp.inf),
        stale=jnp.zeros((), int),
        optimiser=plan.optimiser.init(params),
        objective=state,
        order=jnp.arange(len(train)),
        step=jnp.zeros((), int),
        good=jnp.asarray(True),
        logged={name: jnp.zeros(()) for name in logged},
    )
    return carry, (constants, fixed)


@eqx.filter_jit
def _advance(
    plan: Plan, carry: Carry, constants: Constants, train: Float[Array, "n *x"], stop: Int[Array, ""], key: Key[Array, ""]
) -> Carry:
    def body(carry: Carry) -> Carry:
        return _step(plan, carry, constants, train, key)

    return jax.lax.while_loop(lambda c: (c.step < stop) & c.good, body, carry)


def advance(plan: Plan, carry: Carry, constants: Constants, train: Float[Array, "n *x"], stop: int, key: Key[Array, ""]) -> Carry:
    """Steps up to `stop`, or up to the first that is not finite."""
    return _advance(plan, carry, constants, train, jnp.asarray(stop, carry.step.dtype), key)


def _step(plan: Plan, carry: Carry, constants: Constants, train: Float[Array, "n *x"], key: Key[Array, ""]) -> Carry:
    """One minibatch: gradient, update, running average. A step that is not finite changes nothing but `good`."""
    order, batch = _batch(carry, train, plan.batch_size, key)
    state = eqx.combine(carry.objective, constants[1])
    model = join(carry.params, constants[0])
    grads, state, logged = plan.objective.gradients(model, batch, state, key=_key(key, 2, carry.step))
    updates, optimiser = plan.optimiser.update(grads, carry.optimiser, carry.params)
    rate = plan.rate(carry.step)
    params = eqx.apply_updates(carry.params, jax.tree.map(lambda u: -rate * u, updates))
    good = _finite((params, grads, logged))
    keep = jnp.minimum(plan.ema, (1 + carry.step) / (10 + carry.step))
    average = jax.tree.map(lambda a, p: keep * a + (1 - keep) * p, carry.average, params)
    new = carry._replace(
        params=params,
        average=average,
        optimiser=optimiser,
        objective=eqx.filter(state, eqx.is_array),
        order=order,
        step=carry.step + 1,
        logged={name: carry.logged[name] + value for name, value in logged.items()},
    )
    kept = jax.tree.map(lambda n, o: jnp.where(good, n, o), new, carry)
    return kept._replace(good=good)


def _batch(carry: Carry, train: Float[Array, "n *x"], size: int, key: Key[Array, ""]) -> tuple[Int[Array, " n"], Float[Array, "b *x"]]:
    """The next rows of this epoch's permutation; an epoch ends before a batch that would not be full."""
    per_epoch = len(train) // size
    epoch, place = carry.step // per_epoch, carry.step % per_epoch
    fresh = jax.random.permutation  # drawn anew from the identity, so that it depends on the epoch alone
    order = jax.lax.cond(place == 0, lambda: fresh(_key(key, 1, epoch), len(train)).astype(carry.order.dtype), lambda: carry.order)
    return order, train[jax.lax.dynamic_slice(order, (place * size,), (size,))]


@eqx.filter_jit
def look(
    plan: Plan, carry: Carry, constants: Constants, validation: Float[Array, "m *x"], key: Key[Array, ""]
) -> tuple[Carry, dict[str, Array]]:
    """The row of this round: the score of the averaged model (same noise each time) and the means of what was logged."""
    model = join(carry.average, constants[0])
    state = eqx.combine(carry.objective, constants[1])
    score = plan.objective.score(model, validation, state, key=_key(key, 3, 0))
    # A score that rests on walkers is noisy: one lucky round must not be taken for the best model.
    smooth = jnp.where(jnp.isnan(carry.smooth_score), score, carry.smooth_score + SMOOTHING * (score - carry.smooth_score))
    better = smooth < carry.best_score
    best = jax.tree.map(lambda a, b: jnp.where(better, a, b), carry.average, carry.best)
    steps = jnp.maximum((carry.step - 1) % plan.round_size + 1, 1)
    row = {"step": carry.step, "evaluations": carry.step.astype(float) * plan.cost, "score": score}
    row |= {name: total / steps for name, total in carry.logged.items()}
    zero = {name: jnp.zeros(()) for name in carry.logged}
    stale = jnp.where(better, 0, carry.stale + 1)
    return carry._replace(
        best=best, smooth_score=smooth, best_score=jnp.where(better, smooth, carry.best_score), stale=stale, logged=zero
    ), row


def _key(key: Key[Array, ""], use: int, number: Array | int) -> Key[Array, ""]:
    return jax.random.fold_in(jax.random.fold_in(key, use), number)


def _finite(tree: PyTree) -> Bool[Array, ""]:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))
