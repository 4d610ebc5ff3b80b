"""Resampling: walkers with weights become walkers without, each with as many copies as its weight is worth on average.

A rule takes log-weights (any constant apart; -inf is weight 0) and a number of copies n, and gives n indices in rising order.
With w the normalised weights and n_i the number of copies of walker i, every rule has `E n_i = n w_i`; they differ in the
noise. Rising order keeps the copies of one walker, and so the offspring of one ancestor, side by side.

| rule | copies of a walker | |
|---|---|---|
| `multinomial` | any number, `Var n_i = n w_i (1 - w_i)` | n independent draws: the noisiest, and what theorems are about |
| `residual` | floor(n w_i) or more | the rest by independent draws: never noisier than `multinomial` |
| `systematic` | floor(n w_i) or one more | one random number; the least noise in practice, no theorem for every order of walkers |
| `ssp` | floor(n w_i) or one more | counts are negatively associated: consistent in every order; a loop over walkers |

Carpenter, Clifford & Fearnhead, IEE Proc. F 146, 1999; Douc, Cappé & Moulines, arXiv cs/0507025; Gerber, Chopin & Whiteley,
Annals of Statistics 47, 2019. Not one of them takes a walker of weight 0.
"""

from collections.abc import Callable as Function

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

Weights = Float[Array, " walkers"]
Rule = Function[..., Int[Array, " copies"]]  # (log_weights, n, *, key) -> indices


def multinomial(log_weights: Weights, n: int, *, key: Key[Array, ""]) -> Int[Array, " n"]:
    """n independent draws, in rising order: uniform numbers are sorted where spacings are exponential."""
    reached = jnp.cumsum(jax.random.exponential(key, (n + 1,)))
    return _at(_normalised(log_weights), reached[:-1] / reached[-1])


def systematic(log_weights: Weights, n: int, *, key: Key[Array, ""]) -> Int[Array, " n"]:
    """The walkers met by a comb of n teeth, `(u + k) / n`, that one uniform number u places on the cumulated weights."""
    return _at(_normalised(log_weights), (jnp.arange(n) + jax.random.uniform(key)) / n)


def residual(log_weights: Weights, n: int, *, key: Key[Array, ""]) -> Int[Array, " n"]:
    """floor(n w) copies of each, and independent draws with what remains of the weights (Liu & Chen, JASA 93, 1998)."""
    whole, part = _split(log_weights, n)
    drawn = _at(part, jax.random.uniform(key, (n,)))
    wanted = jnp.arange(n) < n - jnp.sum(whole)
    return _copies(whole.at[drawn].add(wanted.astype(int)), n)


def ssp(log_weights: Weights, n: int, *, key: Key[Array, ""]) -> Int[Array, " n"]:
    """The Srinivasan sampling process (Gerber, Chopin & Whiteley, Annals of Statistics 47, 2019).

    Walkers have fractions p = n w - floor(n w) to round up or down. One that is open meets the next, q: of p + q < 1 either
    takes all, else either takes 1 and leaves the rest, with chances that keep both means. One of the two is settled then.
    """
    whole, part = _split(log_weights, n)

    def meet(open_: tuple[Array, Array], other: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Bool[Array, ""]]]:
        (i, p), (j, q, u) = open_, other
        up = p + q >= 1
        stays = jnp.where(up, u * (2 - p - q) >= 1 - q, u * (p + q) < p)
        return (jnp.where(stays, i, j), p + q - up), (jnp.where(stays, j, i), up)

    numbers = jnp.arange(len(part))
    others = (numbers[1:], part[1:], jax.random.uniform(key, (len(part) - 1,)))
    (last, _), (settled, up) = jax.lax.scan(meet, (numbers[0], part[0]), others)
    counts = whole.at[settled].add(up.astype(int))
    return _copies(counts.at[last].add(n - jnp.sum(counts)), n)


def _normalised(log_weights: Weights) -> Weights:
    return jax.nn.softmax(log_weights)


def _split(log_weights: Weights, n: int) -> tuple[Int[Array, " walkers"], Weights]:
    """n w in whole copies and fractions."""
    due = n * _normalised(log_weights)
    whole = jnp.floor(due)
    return whole.astype(int), due - whole


def _at(weights: Weights, points: Float[Array, " n"]) -> Int[Array, " n"]:
    """The walkers that points of the unit interval fall on; rounding never leads to one of weight 0, but to its neighbour."""
    reached = jax.lax.cummax(jnp.cumsum(weights))
    found = jnp.searchsorted(reached, points * reached[-1], side="right")
    alive = weights > 0
    nearest = jnp.maximum(jax.lax.cummax(jnp.where(alive, jnp.arange(len(weights)), 0)), jnp.argmax(alive))
    return nearest[jnp.minimum(found, len(weights) - 1)]


def _copies(counts: Int[Array, " walkers"], n: int) -> Int[Array, " n"]:
    return jnp.repeat(jnp.arange(len(counts)), counts, total_repeat_length=n)
