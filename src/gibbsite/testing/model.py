"""The laws of models: draws follow the density that the model claims, in the units it claims them in."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractModel,
    AbstractSpace,
    Capability,
    Evidence,
    Normalised,
    Over,
    Product,
    Reals,
    Sampleable,
    capability,
    draw,
    log_prob,
    reference,
    two_valued,
)
from gibbsite.core.energy import Scalar
from gibbsite.testing.law import LawViolation, bounded, chi_square
from gibbsite.testing.problems import states

CELLS = 40  # a side of the grid on the plane
NODES = np.linspace(-8.0, 8.0, 161)  # of a hidden variable: the rectangle rule is exact for what has died out at the ends


class Summed(AbstractEnergy):
    """`U(x) = -log int exp(-joint(x, z)) dz` of an energy of pairs, for one hidden variable."""

    joint: AbstractEnergy

    @property
    def space(self) -> AbstractSpace:
        assert isinstance(self.joint.space, Product)
        return self.joint.space.parts[0]

    def __call__(self, x: Array) -> Scalar:
        zs = jnp.asarray(NODES[:, None], jnp.float32)
        return -jax.nn.logsumexp(-jax.vmap(lambda z: self.joint((x, z)))(zs)) - jnp.log(NODES[1] - NODES[0])

    def views(self) -> tuple[Capability, ...]:
        own = [view for view in self.joint.views() if isinstance(view, Normalised)]
        return (*own, Sampleable(lambda *, key: draw(self.joint, key=key)[0]))


def check_model(
    model: AbstractModel,
    *,
    box: tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]] | None = None,
    draws: int = 8192,
    key: Key[Array, ""],
) -> None:
    """Draws lie in the space; where they can be counted (bits up to 2^10 states, the plane within `box`) they follow
    `as_energy()` (summed over one hidden variable, if it has any); a model that says EXACT knows its constant and it is right.

    Raises:
        LawViolation: names the model, the law, the measured value and its bound.
    """
    name = type(model).__name__
    if model.over is Over.LATENT:
        _check_implicit(name, model, key)
        return
    energy = Summed(model.as_energy()) if model.over is Over.JOINT else model.as_energy()
    xs = _draws(model, jax.random.split(key, draws))
    if energy.space.shape != model.space.shape or not bool(jnp.all(jax.vmap(model.space.contains)(xs))):
        raise LawViolation(f"{name}: draws of shape {xs.shape[1:]} leave the space {model.space}; the bound is none outside.")
    view = capability(energy, Normalised)
    if model.evidence is Evidence.EXACT and (view is None or capability(energy, Sampleable) is None):
        raise LawViolation(f"{name}: evidence EXACT, but as_energy() knows no constant or no exact draws; say NOT_ESTABLISHED or IMPLICIT.")
    if two_valued(energy.space) and energy.space.size <= 10:
        logits = -jax.vmap(energy)(states(energy.space))
        total = float(jax.nn.logsumexp(logits))
        index = np.asarray(_rows(xs, states(energy.space)))
        chi_square(name, "draws against the density", np.bincount(index, minlength=len(logits)), np.exp(np.asarray(logits) - total))
    elif isinstance(energy.space, Reals) and energy.space.size <= 2 and box is not None:
        total = _check_plane(name, energy, np.asarray(xs), box)
    else:
        return
    if view is not None:
        bounded(name, "log Z against the sum", float(view.log_z()) - total, 5e-3)
        bounded(name, "log_prob against energy", float(log_prob(energy, xs[0]) + energy(xs[0]) + view.log_z()), 1e-3)


def _check_implicit(name: str, model: AbstractModel, key: Key[Array, ""]) -> None:
    """A model whose energy is one of hidden variables has no density of x, says so, and generates x in its space."""
    if model.evidence is not Evidence.IMPLICIT:
        raise LawViolation(
            f"{name}: an energy of hidden variables is no density of x, yet evidence is {model.evidence.name}; say IMPLICIT."
        )
    zs = jax.vmap(lambda k: draw(reference(model.as_energy().space), key=k))(jax.random.split(key, 64))
    for xs in (jax.vmap(model.emit)(zs), _draws(model, jax.random.split(key, 64))):
        if xs.shape[1:] != model.space.shape or not bool(jnp.all(jax.vmap(model.space.contains)(xs))):
            raise LawViolation(f"{name}: draws of shape {xs.shape[1:]} leave the space {model.space}; the bound is none outside.")


def check_emission(
    model: AbstractModel,
    truth: AbstractEnergy,
    *,
    box: tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]],
    draws: int = 8192,
    key: Key[Array, ""],
) -> None:
    """The law of the energy of (at most two) hidden variables, taken to x by `emit`, is the truth; where the critic is the exact
    log ratio of the densities of data and draws, its log Z is 0 as well.

    Raises:
        LawViolation: names the model, the law, the measured value and its bound.
    """
    name, energy = type(model).__name__, model.as_energy()
    axis = np.linspace(-6.0, 6.0, 601)
    cell = axis[1] - axis[0]
    nodes = np.stack(np.meshgrid(*[axis] * energy.space.size, indexing="ij"), -1).reshape(-1, energy.space.size)
    log_p = -np.asarray(jax.lax.map(energy, jnp.asarray(nodes, jnp.float32), batch_size=8192), np.float64)
    total = float(jax.nn.logsumexp(log_p)) + energy.space.size * np.log(cell)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    mass = np.exp(log_p - log_p.max())
    chosen = nodes[rng.choice(len(nodes), draws, p=mass / mass.sum())] + cell * (rng.random((draws, energy.space.size)) - 0.5)
    _check_plane(name, truth, np.asarray(jax.vmap(model.emit)(jnp.asarray(chosen, jnp.float32))), box)
    bounded(name, "log Z of the hidden variables", total, 5e-3)


@eqx.filter_jit
def _draws(model: AbstractModel, keys: Array) -> Array:
    return jax.vmap(lambda k: model.sample(key=k))(keys)


def _rows(xs: Array, table: Array) -> Array:
    flat = table.reshape(len(table), -1)
    return jnp.argmin(jnp.sum(jnp.abs(xs.reshape(len(xs), 1, -1) - flat), axis=-1), axis=1)


def _check_plane(name: str, energy: AbstractEnergy, xs: np.ndarray, box: tuple) -> float:
    """Counts in cells against the density, summed on a grid 8 times finer; returns log Z by that sum."""
    fine = 8
    edges = [np.linspace(lo, hi, CELLS + 1) for lo, hi in zip(np.atleast_1d(box[0]), np.atleast_1d(box[1]), strict=True)]
    widths = [(e[1] - e[0]) / fine for e in edges]
    axes = [e[0] + w * (np.arange(CELLS * fine) + 0.5) for e, w in zip(edges, widths, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    u = eqx.filter_jit(lambda e, x: jax.lax.map(e, x, batch_size=8192))(energy, jnp.asarray(points, jnp.float32))
    log_p = -np.asarray(u, np.float64)
    top = log_p.max()
    mass = np.exp(log_p - top).reshape([n for _ in axes for n in (CELLS, fine)]).sum(axis=tuple(range(1, 2 * len(axes), 2)))
    counts, _ = np.histogramdd(xs, bins=edges)
    missed = 1 - counts.sum() / len(xs)
    bounded(name, "share of draws outside the box", missed, 2e-3)
    chi_square(name, "draws against the density", counts.ravel(), (mass / mass.sum()).ravel())
    return float(np.log(mass.sum()) + top + np.sum(np.log(widths)))
