"""The laws of models: draws follow the density that the model claims, in the units it claims them in."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractModel, Evidence, Normalised, Reals, Sampleable, capability, log_prob, two_valued
from gibbsite.testing.law import LawViolation, bounded, chi_square
from gibbsite.testing.problems import states

CELLS = 40  # a side of the grid on the plane


def check_model(
    model: AbstractModel,
    *,
    box: tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]] | None = None,
    draws: int = 8192,
    key: Key[Array, ""],
) -> None:
    """Draws lie in the space; where they can be counted (bits up to 2^10 states, the plane within `box`) they follow
    `as_energy()`; a model that says EXACT knows its constant and it is right.

    Raises:
        LawViolation: names the model, the law, the measured value and its bound.
    """
    name = type(model).__name__
    energy = model.as_energy()
    xs = _draws(model, jax.random.split(key, draws))
    if energy.space.shape != model.space.shape or not bool(jnp.all(jax.vmap(model.space.contains)(xs))):
        raise LawViolation(f"{name}: draws of shape {xs.shape[1:]} leave the space {model.space}; the bound is none outside.")
    view = capability(energy, Normalised)
    if model.evidence is Evidence.EXACT and (view is None or capability(energy, Sampleable) is None):
        raise LawViolation(f"{name}: evidence EXACT, but as_energy() knows no constant or no exact draws; say INTERVAL or IMPLICIT.")
    if two_valued(energy.space) and energy.space.size <= 10:
        logits = -jax.vmap(energy)(states(energy))
        total = float(jax.nn.logsumexp(logits))
        index = np.asarray(_rows(xs, states(energy)))
        chi_square(name, "draws against the density", np.bincount(index, minlength=len(logits)), np.exp(np.asarray(logits) - total))
    elif isinstance(energy.space, Reals) and energy.space.size <= 2 and box is not None:
        total = _check_plane(name, model, np.asarray(xs), box)
    else:
        return
    if view is not None:
        bounded(name, "log Z against the sum", float(view.log_z()) - total, 5e-3)
        bounded(name, "log_prob against energy", float(log_prob(energy, xs[0]) + energy(xs[0]) + view.log_z()), 1e-3)


@eqx.filter_jit
def _draws(model: AbstractModel, keys: Array) -> Array:
    return jax.vmap(lambda k: model.sample(key=k))(keys)


def _rows(xs: Array, table: Array) -> Array:
    flat = table.reshape(len(table), -1)
    return jnp.argmin(jnp.sum(jnp.abs(xs.reshape(len(xs), 1, -1) - flat), axis=-1), axis=1)


def _check_plane(name: str, model: AbstractModel, xs: np.ndarray, box: tuple) -> float:
    """Counts in cells against the density, summed on a grid 8 times finer; returns log Z by that sum."""
    fine = 8
    edges = [np.linspace(lo, hi, CELLS + 1) for lo, hi in zip(np.atleast_1d(box[0]), np.atleast_1d(box[1]), strict=True)]
    widths = [(e[1] - e[0]) / fine for e in edges]
    axes = [e[0] + w * (np.arange(CELLS * fine) + 0.5) for e, w in zip(edges, widths, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    energy = model.as_energy()
    u = eqx.filter_jit(lambda e, x: jax.lax.map(e, x, batch_size=8192))(energy, jnp.asarray(points, jnp.float32))
    log_p = -np.asarray(u, np.float64)
    top = log_p.max()
    mass = np.exp(log_p - top).reshape([n for _ in axes for n in (CELLS, fine)]).sum(axis=tuple(range(1, 2 * len(axes), 2)))
    counts, _ = np.histogramdd(xs, bins=edges)
    missed = 1 - counts.sum() / len(xs)
    bounded(name, "share of draws outside the box", missed, 2e-3)
    chi_square(name, "draws against the density", counts.ravel(), (mass / mass.sum()).ravel())
    return float(np.log(mass.sum()) + top + np.sum(np.log(widths)))
