"""How far one law must be moved to become the other: optimal transport along lines."""

import math
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import Z95, Estimate, Evidence
from gibbsite.metrics.rows import check_rows, finite, flat, unknown

LIMIT = 5000


def sliced_wasserstein(
    x: Float[np.ndarray, "n *x"], y: Float[np.ndarray, "m *y"], *, directions: int = 128, limit: int = LIMIT, key: Key[Array, ""]
) -> Estimate:
    """Squared sliced Wasserstein distance `E_theta W_2^2(<theta, X>, <theta, Y>)`, theta uniform on the sphere, in units of x squared.

    On a line `W_2^2 = integral_0^1 (F^-1(u) - G^-1(u))^2 du` (Rabin et al., SSVM 2011; Bonneel et al., J. Math. Imaging
    Vis. 51, 2015), exact for any two sizes: a shift by v gives `|v|^2 / d`. One key gives one set of directions, so
    models judged with the same key share it.

    `W_2^2` is convex in both laws, so noise makes it larger, never smaller, on average: an upper bound in expectation,
    which belongs beside its noise floor. The error joins the spread over directions with that over rows, whose
    influence is the Kantorovich potential (del Barrio & Loubes, Ann. Probab. 47, 2019). Costs a sort of all rows a
    direction.
    """
    x, y = flat(x, limit), flat(y, limit)
    check_rows(4, x=x, y=y)
    if directions < 2:
        raise ValueError(f"directions={directions}: give at least 2, whose spread is part of the error.")
    n = float(min(len(x), len(y)))
    if not finite(x, y):
        return unknown(n)
    theta = np.asarray(jax.random.normal(key, (directions, x.shape[1])), np.float64)
    theta /= np.linalg.norm(theta, axis=1, keepdims=True)
    lines = _transport(theta @ x.T, theta @ y.T)
    variance = lines.squares.var(ddof=1) / directions + sum(np.var(p, ddof=1) / len(p) for p in lines.potentials)
    value, stderr = float(lines.squares.mean()), math.sqrt(variance)
    return Estimate(value, stderr, lo=max(0.0, value - Z95 * stderr), ess=n, evidence=Evidence.UPPER)


class _Lines(NamedTuple):
    """Squared distances by direction, and the potentials of the rows of both samples, averaged over directions."""

    squares: Float[np.ndarray, " l"]
    potentials: tuple[np.ndarray, np.ndarray]


def _transport(x: Float[np.ndarray, "l n"], y: Float[np.ndarray, "l m"]) -> _Lines:
    """The monotone map between each line of x and that of y: mass moves in pieces between the steps of both quantile functions."""
    n, m = x.shape[1], y.shape[1]
    ends = np.union1d(m * np.arange(1, n + 1), n * np.arange(1, m + 1))  # of pieces, in units of 1 / (n m)
    mass = np.diff(ends, prepend=0) / (n * m)
    i, j = (ends - 1) // m, (ends - 1) // n
    orders = np.argsort(x, axis=1), np.argsort(y, axis=1)
    a, b = (np.take_along_axis(z, order, axis=1) for z, order in zip((x, y), orders, strict=True))
    from_x, to_y = a[:, i], b[:, j]
    squares = np.square(from_x - to_y) @ mass
    images = (
        np.add.reduceat(mass * z, np.searchsorted(k, np.arange(size)), axis=1) * size for z, k, size in ((to_y, i, n), (from_x, j, m))
    )
    slopes = (2 * (z - image) for z, image in zip((a, b), images, strict=True))
    potentials = [_potential(z, slope, order) for z, slope, order in zip((a, b), slopes, orders, strict=True)]
    return _Lines(squares, (potentials[0], potentials[1]))


def _potential(z: Float[np.ndarray, "l n"], slope: Float[np.ndarray, "l n"], order: np.ndarray) -> Float[np.ndarray, " n"]:
    """`phi(z) = integral 2 (t - T(t)) dt` by trapezia along each line, put back in the order of the rows and averaged over lines."""
    steps = np.diff(z, axis=1) * (slope[:, 1:] + slope[:, :-1]) / 2
    phi = np.concatenate([np.zeros((len(z), 1)), np.cumsum(steps, axis=1)], axis=1)
    back = np.empty_like(phi)
    np.put_along_axis(back, order, phi - phi.mean(axis=1, keepdims=True), axis=1)
    return back.mean(axis=0)
