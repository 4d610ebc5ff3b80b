"""Scales learned from where the chains are: the width of each coordinate or, where a kernel takes a matrix, correlations too."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from gibbsite.core import AbstractAdaptation, Info
from gibbsite.samplers.adapt import SCALE, DualAveraging, Together, pooled

MEMORY = 4  # the last quarter of the steps carries two thirds of the weight of a spread
PRIOR_DRAWS = 10  # that the scale one began with is worth


class _Spread(NamedTuple):
    updates: Float[Array, ""]
    start: Float[Array, "*s"]
    mean: Float[Array, "*s"]
    variance: Float[Array, "*s"]


class Spreads(AbstractAdaptation):
    """Sets `kernel.scale` to the standard deviation of the chains, coordinate by coordinate.

    A `scale` that does not have the axes of x is a matrix, and becomes the Cholesky factor of the covariance (Haario, Saksman
    & Tamminen, Bernoulli 7, 2001, here of all chains together).

    Mean and variance are pooled over chains and averaged over steps (Welford, Technometrics 4, 1962; West, Commun. ACM
    22, 1979) with weights that grow as `step^(MEMORY - 1)`: what counts is the last part of warm-up, where the chains
    have found their law, and no window has to end in time. While few draws are in, log scale (of a matrix also each
    correlation) stays near where it began.
    """

    def init(self, kernel: Any) -> _Spread:
        return _Spread(jnp.zeros(()), kernel.scale, jnp.zeros_like(kernel.scale), jnp.zeros_like(kernel.scale))

    def update(self, kernel: Any, state: _Spread, info: Info, positions: PyTree) -> tuple[Any, _Spread]:
        matrix = positions.shape[1:] != kernel.scale.shape
        rows, square, spread = (_rows(positions, kernel.scale), _outer, _factor) if matrix else (positions, jnp.square, _widths)
        count = state.updates + 1
        fade = MEMORY / (count + MEMORY - 1)
        centre = pooled(rows)
        here = pooled(square(rows - centre))
        moved = centre - state.mean
        variance = (1 - fade) * (state.variance + fade * square(moved)) + fade * here
        state = _Spread(count, state.start, state.mean + fade * moved, variance)
        found = spread(state, len(rows) * count - 1)
        return eqx.tree_at(SCALE, kernel, jnp.where(jnp.isfinite(found), found, kernel.scale)), state

    def final(self, kernel: Any, state: _Spread) -> Any:
        return kernel


def _rows(positions: Float[Array, "chains *x"], scale: Float[Array, "*s"]) -> Float[Array, "chains *s"]:
    """Matrices with x in every row."""
    flat = positions.reshape(len(positions), *scale.shape[:-2], 1, scale.shape[-1])
    return jnp.broadcast_to(flat, (len(positions), *scale.shape))


def _outer(rows: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """`x x'` of matrices with x in every row."""
    return rows * rows.mT


def _widths(state: _Spread, draws: Float[Array, ""]) -> Float[Array, "*s"]:
    return _blend(jnp.sqrt(state.variance), state.start, draws)


def _blend(found: Float[Array, "*s"], start: Float[Array, "*s"], draws: Float[Array, ""]) -> Float[Array, "*s"]:
    """Between the widths found and those one began with, on the scale of logs; where nothing was found, the latter."""
    trust = jnp.where(found > 0, _trust(draws), 0.0)
    return jnp.where(found > 0, found, 1.0) ** trust * start ** (1 - trust)


def _trust(draws: Float[Array, ""]) -> Float[Array, ""]:
    return draws / (draws + PRIOR_DRAWS)


def _factor(state: _Spread, draws: Float[Array, ""]) -> Float[Array, "*s"]:
    """Widths blended as above, correlations in the same proportion: a mean of two positive matrices is positive."""
    (found, correlated), (start, begun) = (_taken_apart(c) for c in (state.variance, state.start @ state.start.mT))
    trust = _trust(draws)
    root = jnp.linalg.cholesky(trust * correlated + (1 - trust) * begun)
    return _blend(found, start, draws)[..., None] * root


def _taken_apart(covariance: Float[Array, "*s"]) -> tuple[Array, Array]:
    """Standard deviations and correlations."""
    width = jnp.sqrt(jnp.diagonal(covariance, axis1=-2, axis2=-1))
    safe = jnp.where(width > 0, width, 1.0)
    return width, covariance / (safe[..., :, None] * safe[..., None, :])


def has_axes(kernel: Any) -> bool:
    """Whether `kernel.scale` is more than a single number (on each rung, for the kernels of a ladder)."""
    return kernel.scale.ndim > kernel.step_size.ndim


def step_and_scale(kernel: Any, step: DualAveraging) -> AbstractAdaptation:
    """Tunes the step size and, where it is more than a single number, the scale."""
    return Together((step, Spreads())) if has_axes(kernel) else step
