"""Directions in which a law is much wider or narrower than its widths say, learned from where chains are and from the slopes there."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core.energy import Scalar
from gibbsite.samplers.fisher import GROWTH, MEMORY, AbstractScales, balanced, balanced_widths, finite
from gibbsite.samplers.low_rank import LowRank
from gibbsite.samplers.slope import SlopeState
from gibbsite.samplers.spreads import Cloud, joined

ROWS = 8  # draws that are remembered, for each direction
CLEAR = 2.0  # a direction that is neither so many times too wide nor too narrow (in variance) is left alone


class _Remembered(NamedTuple):
    """Clouds of coordinates, and the last rows, draws and slopes, of all chains."""

    start: Float[Array, "*x"]
    draws: Cloud
    slopes: Cloud
    xs: Float[Array, "rows size"]
    gs: Float[Array, "rows size"]
    due: Scalar


class Spikes(AbstractScales):
    """Sets a `LowRank` scale: widths as `FisherScales` finds them, and in units of these the few directions that differ most.

    With X the draws and A the slopes in these units, the directions are the leading ones of X (too wide) and of A (too narrow), half of
    the rank each, found from the rows of every second chain. Within their span, S and G are the covariances of the *other* rows, so that
    a direction that only looked wide does not count twice, and `S # G^-1` (Seyboldt, Carlson & Carpenter, arXiv 2603.18845) says by how
    much each is stretched; one whose variance is right within a factor of two is left alone.
    """

    def init(self, kernel: Any) -> _Remembered:
        scale = kernel.scale
        nothing = Cloud(jnp.zeros(kernel.step_size.shape), jnp.zeros_like(scale.widths), jnp.zeros_like(scale.widths))
        *rungs, size, rank = scale.axes.shape
        rows = jnp.zeros((*rungs, ROWS * rank, size))
        return _Remembered(scale.widths, nothing, nothing, rows, rows, jnp.full(kernel.step_size.shape, float(ROWS * rank)))

    @staticmethod
    def learned(scale: LowRank, state: _Remembered, now: SlopeState) -> tuple[LowRank, _Remembered]:
        """Directions are found anew whenever there are a tenth more draws."""
        state, seen = _with(state, now)
        widths = balanced_widths(state.draws, state.slopes, state.start, seen)
        due = seen >= state.due
        found = jax.lax.cond(due, lambda: _spikes(widths, state), lambda: scale)
        early = state.due <= len(state.xs)  # no directions so far, which would have to be kept with the widths that they are relative to
        found = eqx.tree_at(lambda s: s.widths, found, jnp.where(early & ~due, widths, found.widths))
        return found, state._replace(due=jnp.where(due, GROWTH * seen, state.due))


def _with(state: _Remembered, now: SlopeState) -> tuple[_Remembered, Scalar]:
    """One more draw of each chain is remembered; and how many were seen."""
    xs, gs = now.position, finite(now.grad)
    chains, seen = len(xs), len(xs) * state.draws.updates
    places = (seen.astype(int) + jnp.arange(min(chains, len(state.xs)))) % len(state.xs)
    state = state._replace(
        draws=joined(state.draws, xs, jnp.square, MEMORY),
        slopes=joined(state.slopes, gs, jnp.square, MEMORY),
        xs=state.xs.at[places].set(xs.reshape(chains, -1)[: len(places)]),
        gs=state.gs.at[places].set(gs.reshape(chains, -1)[: len(places)]),
    )
    return state, seen + chains


def _spikes(widths: Float[Array, "*x"], state: _Remembered) -> LowRank:
    """Widths, and the directions that stand out in units of them."""
    rank = len(state.xs) // ROWS
    xs, gs = (state.xs - jnp.mean(state.xs, axis=0)) / widths.ravel(), (state.gs - jnp.mean(state.gs, axis=0)) * widths.ravel()
    span = jnp.linalg.qr(jnp.concatenate([_leading(xs[::2], rank - rank // 2), _leading(gs[::2], rank // 2)], axis=1))[0]
    others = xs[1::2] @ span, gs[1::2] @ span
    draws, slopes = (rows.T @ rows / len(rows) for rows in others)
    factor = balanced(jnp.eye(rank), draws, slopes, jnp.ones(()))
    values, turn = jnp.linalg.eigh(factor @ factor.T)
    clear = (values > CLEAR) | (values < 1 / CLEAR)
    axes, stretch = span @ turn, jnp.where(clear, jnp.sqrt(values), 1.0)
    sound = jnp.all(jnp.isfinite(axes)) & jnp.all(jnp.isfinite(stretch))
    return LowRank(widths, jnp.where(sound, axes, jnp.eye(*axes.shape)), jnp.where(sound, stretch, 1.0))


def _leading(rows: Float[Array, "n size"], count: int) -> Float[Array, "size count"]:
    """The directions in which rows spread most, by the eigenvectors of their products."""
    values, vectors = jnp.linalg.eigh(rows @ rows.T)
    most = slice(len(values) - count, None)  # of none, none: -0 would be all
    return rows.T @ (vectors[:, most] / jnp.sqrt(jnp.maximum(values[most], 1e-6 * values[-1])))
