"""The law of objectives: the expected gradient is the exact one, in direction and in scale, for every parameter group."""

from collections.abc import Callable as Function
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractModel, AbstractObjective, AbstractSpace, Evidence, Marginal, draw, log_prob, need
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


def reverse_loss(points: Float[Array, "n *x"], log_cells: Float[Array, " n"], energy: AbstractEnergy) -> Loss:
    """`E_q [U + log q]` over the points of a grid with given cells, q the law of the model."""
    target = jax.vmap(energy)(points)

    def loss(model: AbstractModel) -> Array:
        u = jax.vmap(model.as_energy())(points)
        return jax.nn.softmax(log_cells - u) @ (target - u - jax.nn.logsumexp(log_cells - u))

    return loss


def score_loss(points: Float[Array, "n *x"], shares: Float[Array, " n"], smoothed: AbstractEnergy) -> Loss:
    """`E |grad U - grad U_smoothed|^2 / 2` under the smoothed data: denoising score matching but for a constant."""
    slopes = jax.vmap(jax.grad(smoothed))(points)

    def loss(model: AbstractModel) -> Array:
        return shares @ jnp.sum((jax.vmap(jax.grad(model.as_energy()))(points) - slopes) ** 2, axis=-1) / 2

    return loss


def contrast_loss(
    points: Float[Array, "n *x"], shares: Float[Array, " n"], noise: AbstractEnergy, noise_shares: Float[Array, " n"], ratio: float
) -> Loss:
    """`-E_data log P(data | x) - ratio E_noise log P(noise | x)` over a grid, the odds of data being `exp(-U) / (ratio p_noise)`."""
    log_noise = jax.vmap(lambda x: log_prob(noise, x))(points)

    def loss(model: AbstractModel) -> Array:
        log_odds = -jax.vmap(model.as_energy())(points) - log_noise - jnp.log(ratio)
        return shares @ jnp.logaddexp(0.0, -log_odds) + ratio * noise_shares @ jnp.logaddexp(0.0, log_odds)

    return loss


def noise_loss(
    points: Float[Array, "n *x"], times: Float[Array, " k"], weights: Float[Array, " k"], noised: Function[[Array], AbstractEnergy]
) -> Loss:
    """`E |model.noise(x, t) - sigma grad U_t(x)|^2 / 2`, where `U_t = noised(t)` is the energy of the noised data.

    That is noise prediction but for a constant; over a grid of points, and over times with their weights.
    """
    energies = [noised(t) for t in times]
    shares = [jax.nn.softmax(-jax.vmap(energy)(points)) for energy in energies]
    slopes = [jax.vmap(jax.grad(energy))(points) for energy in energies]

    def loss(model: Any) -> Array:
        def at(t: Array, share: Array, slope: Array) -> Array:
            off = jax.vmap(lambda x: model.noise(x, t))(points) - model.schedule.sigma(t) * slope
            return share @ jnp.sum(off**2, axis=-1) / 2

        return weights @ jax.lax.map(lambda now: at(*now), (times, jnp.stack(shares), jnp.stack(slopes)))

    return loss


def game_loss(
    points: Float[Array, "n d"], shares: Float[Array, " n"], zs: Float[Array, "m l"], z_shares: Float[Array, " m"], penalty: float
) -> Loss:
    """What the two sides of a non-saturating game minimise, each the other held: over points of the data and of hidden variables."""

    def loss(model: Any) -> Array:
        still = jax.tree.map(jax.lax.stop_gradient, eqx.filter(model, eqx.is_inexact_array))
        other = eqx.combine(still, eqx.filter(model, eqx.is_inexact_array, inverse=True))
        on_data, on_drawn = jax.vmap(model.critic)(points), jax.vmap(lambda z: model.critic(other.emit(z)))(zs)
        steep = jnp.sum(jax.vmap(jax.grad(model.critic))(points) ** 2, axis=1)
        critic = -shares @ jax.nn.log_sigmoid(on_data) - z_shares @ jax.nn.log_sigmoid(-on_drawn) + penalty / 2 * shares @ steep
        return critic - z_shares @ jax.nn.log_sigmoid(jax.vmap(lambda z: other.critic(model.emit(z)))(zs))

    return loss


def wasserstein_loss(
    points: Float[Array, "n d"], shares: Float[Array, " n"], zs: Float[Array, "m l"], z_shares: Float[Array, " m"], penalty: float
) -> Loss:
    """The same of a Wasserstein game; the penalty is taken between every point and every draw, by eight Gauss-Legendre nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(8)

    def loss(model: Any) -> Array:
        still = jax.tree.map(jax.lax.stop_gradient, eqx.filter(model, eqx.is_inexact_array))
        other = eqx.combine(still, eqx.filter(model, eqx.is_inexact_array, inverse=True))
        drawn = jax.vmap(other.emit)(zs)

        def steep(u: Array) -> Array:
            between = (u * points[:, None] + (1 - u) * drawn).reshape(-1, points.shape[1])
            norm = jnp.linalg.norm(jax.vmap(jax.grad(model.critic))(between), axis=1)
            return shares @ ((norm - 1) ** 2).reshape(len(points), len(zs)) @ z_shares

        between = jnp.asarray(weights / 2, jnp.float32) @ jax.lax.map(steep, jnp.asarray((nodes + 1) / 2, jnp.float32))
        critic = z_shares @ jax.vmap(model.critic)(drawn) - shares @ jax.vmap(model.critic)(points) + penalty * between
        return critic - z_shares @ jax.vmap(lambda z: other.critic(model.emit(z)))(zs)

    return loss


def bound_loss(rows: Float[Array, "n *x"], samples: int, *, nodes: int = 32) -> Loss:
    """`-E log 1/K sum_k p(x, z_k) / q(z_k | x)` over the rows, for one hidden variable with a Gaussian guess: by Gauss-Hermite."""
    noise, weights = np.polynomial.hermite_e.hermegauss(nodes)
    index = np.stack(np.meshgrid(*[np.arange(nodes)] * samples, indexing="ij"), -1).reshape(-1, samples)
    shares = jnp.asarray(np.prod((weights / weights.sum())[index], axis=1), jnp.float32)

    def loss(model: AbstractModel) -> Array:
        energy = model.as_energy()

        def one(x: Array) -> Array:
            guess: Any = need(energy, Marginal, "bound_loss").guess(x)
            zs = guess.loc + guess.scale * jnp.asarray(noise[:, None], jnp.float32)
            log_weights = jax.vmap(lambda z: log_prob(energy, (x, z)) - log_prob(guess, z))(zs)
            return shares @ (jax.nn.logsumexp(log_weights[index], axis=1) - jnp.log(samples))

        return -jnp.mean(jax.vmap(one)(rows))

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
