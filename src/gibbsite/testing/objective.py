"""The law of objectives: the expected gradient is the exact one, in direction and in scale, for every parameter group."""

from collections.abc import Callable as Function
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractModel, AbstractObjective, AbstractSpace, Evidence, draw
from gibbsite.energies import Rescaled
from gibbsite.testing.law import LawViolation, Z, bounded, z_test

ROUNDING = 5e-6  # of float32 gradients
Loss = Function[[AbstractModel], Array]


class Shifted(AbstractModel):
    """An energy in shifted and stretched coordinates; shift and scale are constants that training must not touch."""

    energy: AbstractEnergy
    shift: Float[Array, "*x"] | None = eqx.field(converter=paramax.NonTrainable, default=None)
    scale: Float[Array, "*x"] | None = eqx.field(converter=paramax.NonTrainable, default=None)

    evidence = Evidence.EXACT

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def as_energy(self) -> AbstractEnergy:
        model = paramax.unwrap(self)
        return model.energy if model.shift is None else Rescaled(model.energy, model.shift, model.scale)

    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        return draw(self.as_energy(), key=key)

    def objective(self) -> AbstractObjective:
        raise TypeError("Shifted is a model for tests; give the objective yourself.")


@dataclass(frozen=True)
class Lesson:
    """A model, exact draws of the data and of the model, and `loss(model)`: the exact value of what is minimised.

    Of a game between two groups of parameters it is the sum of what each minimises, the other held by `stop_gradient`.
    """

    model: AbstractModel
    data: Function[..., PyTree]
    draws: Function[..., PyTree]
    loss: Loss


def likelihood_loss(points: Float[Array, "n *x"], log_cells: Float[Array, " n"], shares: Float[Array, " n"]) -> Loss:
    """`E_data U + log Z` over the states of a discrete space or the points of a grid with given cells."""

    def loss(model: AbstractModel) -> Array:
        u = jax.vmap(model.as_energy())(points)
        return shares @ u + jax.nn.logsumexp(log_cells - u)

    return loss


def score_loss(points: Float[Array, "n *x"], shares: Float[Array, " n"], smoothed: AbstractEnergy) -> Loss:
    """`E |grad U - grad U_smoothed|^2 / 2` under the smoothed data: denoising score matching but for a constant."""
    slopes = jax.vmap(jax.grad(smoothed))(points)

    def loss(model: AbstractModel) -> Array:
        return shares @ jnp.sum((jax.vmap(jax.grad(model.as_energy()))(points) - slopes) ** 2, axis=-1) / 2

    return loss


def check_objective(
    objective: AbstractObjective,
    lesson: Lesson,
    *,
    batches: tuple[int, int] = (8, 32),
    replicates: int = 2048,
    resolution: float = 0.05,
    key: Key[Array, ""],
) -> None:
    """Mean gradients over fresh batches (and, where there are walkers, walkers drawn from the model) against the exact one.

    Each entry within 5.6 standard errors; the scale along the exact gradient of every top-level group within 5.6 of its
    errors from 1, and that error at most `resolution`, so that noise cannot hide a wrong factor.

    Raises:
        LawViolation: names the objective, the group, the measured value and its bound.
    """
    name = type(objective).__name__
    params, constants = eqx.partition(lesson.model, eqx.is_inexact_array, is_leaf=lambda n: isinstance(n, paramax.NonTrainable))

    def exact_loss(params: PyTree) -> Array:
        return lesson.loss(paramax.unwrap(eqx.combine(params, constants, is_leaf=_constant)))

    exact = eqx.filter_jit(eqx.filter_grad(exact_loss))(params)
    starts, moves = (jax.random.split(leg, replicates) for leg in jax.random.split(key))
    rows, states = _starts(objective, lesson, max(batches), starts)
    for size in batches:
        grads = _gradients(objective, lesson.model, rows[:, :size], states, moves)
        found = dict(jax.tree.leaves_with_path(grads))
        if found.keys() != {path for path, _ in jax.tree.leaves_with_path(exact)}:
            raise LawViolation(f"{name}: gradients must be None at constants and arrays at all trained leaves.")
        for path, mean in jax.tree.leaves_with_path(exact):
            drawn = np.asarray(found[path], np.float64).reshape(replicates, -1)
            _check_group(f"{name}, batch {size}", jax.tree_util.keystr(path), drawn, np.asarray(mean, np.float64).ravel(), resolution)


def _constant(node: object) -> bool:
    return isinstance(node, paramax.NonTrainable)


def _starts(objective: AbstractObjective, lesson: Lesson, size: int, keys: Key[Array, " n"]) -> tuple[Float[Array, "n b *x"], PyTree]:
    """A batch and a state, walkers and all, for each key."""

    def one(key: Key[Array, ""]) -> tuple[Array, PyTree]:
        rows, walkers, start = jax.random.split(key, 3)
        batch = jax.vmap(lambda k: lesson.data(key=k))(jax.random.split(rows, size))
        own = jax.vmap(lambda k: lesson.draws(key=k))(jax.random.split(walkers, 64))
        return batch, objective.init(lesson.model, own, key=start)

    # A lesson holds functions and is closed over: it is one program a lesson anyway.
    return eqx.filter_jit(eqx.filter_vmap(one))(keys)


@eqx.filter_jit
def _gradients(
    objective: AbstractObjective, model: AbstractModel, batches: Float[Array, "n b *x"], states: PyTree, keys: Key[Array, " n"]
) -> PyTree:
    """One gradient a key, each from a batch and walkers of its own."""

    def one(batch: Array, state: PyTree, key: Key[Array, ""]) -> PyTree:
        return objective.gradients(model, batch, state, key=key)[0]

    return eqx.filter_vmap(one)(batches, states, keys)


def _check_group(part: str, group: str, rows: Float[np.ndarray, "n p"], exact: Float[np.ndarray, " p"], resolution: float) -> None:
    # Constant directions (the weight of a lone component) have no spread but that of float32, which the floor allows for.
    z = Z * rows.std(axis=0) / np.sqrt(len(rows)) + ROUNDING * (1 + np.abs(exact).max())
    bounded(part, f"gradient of {group}", rows.mean(axis=0) - exact, z)
    if (norm := exact @ exact) > ROUNDING:
        scale = rows @ exact / norm
        z_test(part, f"scale of the gradient of {group}", scale, 1.0)
        bounded(part, f"resolution of the scale of {group}", scale.std() / np.sqrt(len(scale)), resolution)
