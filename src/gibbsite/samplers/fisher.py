"""Scales learned from where the chains are and from the slopes there."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, PyTree

from gibbsite.core import AbstractAdaptation, Info
from gibbsite.core.energy import Scalar
from gibbsite.samplers.adapt import SCALE
from gibbsite.samplers.slope import SlopeState
from gibbsite.samplers.spreads import Cloud, blend, joined, outer, rows_of, trust
from gibbsite.samplers.units import is_matrix

MEMORY = 8  # the last eighth of the steps carries two thirds of the weight: slopes far from the law are huge, and must be forgotten
GROWTH = 1.1  # a matrix is found anew when there are so many times as many draws
FLOOR = 1e-6  # of the eigenvalues of a product, against the largest: what float32 tells from nothing


class AbstractScales(AbstractAdaptation):
    """Sets `kernel.scale` from where the chains are and from the slopes there; of the rungs of a ladder, each by itself.

    The kernel must tell its slopes: a `Leap` in `info.tuning`.
    """

    @staticmethod
    @abc.abstractmethod
    def learned(scale: Any, state: Any, now: SlopeState) -> tuple[Any, Any]:
        """The scale, and the state, with one more draw of each chain."""

    def update(self, kernel: Any, state: Any, info: Info, positions: PyTree) -> tuple[Any, Any]:
        learn = jax.vmap(self.learned, in_axes=(0, 0, 1)) if kernel.step_size.ndim else self.learned
        scale, state = learn(kernel.scale, state, info.tuning.now)
        return eqx.tree_at(SCALE, kernel, scale), state

    def final(self, kernel: Any, state: Any) -> Any:
        return kernel


class _Seen(NamedTuple):
    start: Float[Array, "*s"]
    draws: Cloud
    slopes: Cloud
    due: Scalar


class FisherScales(AbstractScales):
    """Sets `kernel.scale` such that, in units of it, draws and slopes spread alike (Seyboldt, Carlson & Carpenter, arXiv 2603.18845).

    Of all linear maps to a standard normal law the one of least Fisher divergence has, with S the covariance of the draws and
    G that of the gradients,

        scale^2 = sqrt(S / G) for each coordinate,   scale scale' = S # G^-1 for a matrix,   X = S # G^-1 solves X G X = S.

    For a Gaussian of covariance C, `G = C^-1 S C^-1` wherever the draws are, and X = C: a matrix is right as soon as there are more
    draws than coordinates, long before the chains have found their law. S and G are pooled over chains with weights that grow
    towards the end of warm-up. Each new matrix is found in units of the last, `X = A (A' G A)^{-1/2} A'` with `A A' = S`, both S and
    G blended with the identity while draws are few.
    """

    def init(self, kernel: Any) -> _Seen:
        nothing = Cloud(jnp.zeros(kernel.step_size.shape), jnp.zeros_like(kernel.scale), jnp.zeros_like(kernel.scale))
        return _Seen(kernel.scale, nothing, nothing, jnp.zeros(kernel.step_size.shape))

    @staticmethod
    def learned(scale: Float[Array, "*s"], state: _Seen, now: SlopeState) -> tuple[Float[Array, "*s"], _Seen]:
        slopes = finite(now.grad)
        matrix = is_matrix(scale, now.position.shape[1:])
        square = outer if matrix else jnp.square
        xs, gs = (rows_of(rows, scale) for rows in (now.position, slopes)) if matrix else (now.position, slopes)
        state = state._replace(draws=joined(state.draws, xs, square, MEMORY), slopes=joined(state.slopes, gs, square, MEMORY))
        seen = len(now.position) * state.draws.updates
        if not matrix:
            return balanced_widths(state.draws, state.slopes, state.start, seen), state
        due = seen >= state.due
        scale = jax.lax.cond(due, lambda: balanced(scale, state.draws.variance, state.slopes.variance, trust(seen)), lambda: scale)
        return scale, state._replace(due=jnp.where(due, GROWTH * seen, state.due))


def finite(slopes: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Slopes, 0 where they are no number."""
    return jnp.where(jnp.isfinite(slopes), slopes, 0.0)


def balanced_widths(draws: Cloud, slopes: Cloud, start: Float[Array, "*x"], seen: Scalar) -> Float[Array, "*x"]:
    """The widths in whose units both variances are alike, near those of the start while few draws were seen."""
    found = (draws.variance / slopes.variance) ** 0.25
    return blend(jnp.where(jnp.isfinite(found), found, 0.0), start, seen)


def balanced(scale: Float[Array, "d d"], draws: Float[Array, "d d"], slopes: Float[Array, "d d"], share: Scalar) -> Float[Array, "d d"]:
    """The factor in whose units both covariances are alike; the old one where nothing finite was found."""
    inside = solve_triangular(scale, draws, lower=True)
    inside = solve_triangular(scale, inside.T, lower=True)
    outside = scale.T @ slopes @ scale
    few = (1 - share) * jnp.eye(len(scale))
    root = jnp.linalg.cholesky(share * inside + few)
    values, vectors = jnp.linalg.eigh(root.T @ (share * outside + few) @ root)
    half = root @ (vectors * jnp.maximum(values, FLOOR * values[-1]) ** -0.25)
    found = scale @ jnp.linalg.cholesky(half @ half.T)
    return jnp.where(jnp.all(jnp.isfinite(found)), jnp.tril(found), scale)
