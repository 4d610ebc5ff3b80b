"""Couplings by pseudo-likelihood: each site is explained by all others, a convex problem a site, all sites in one program."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gibbsite.core import AbstractSpace, ArrayLike, Status, as_float
from gibbsite.core.energy import Scalar
from gibbsite.thermo.inverse.inferred import Inferred
from gibbsite.thermo.inverse.sites import sites

ROUNDS = 60  # of Newton's method, which needs about six
SMALL = 1e-4  # a step of Newton's method after which the next would be below rounding
LONGEST = 2.0  # of a step, so that it cannot overshoot where the curvature is small
BATCH = 64  # rows whose influence is taken at once


def pseudo_likelihood(samples: ArrayLike, space: AbstractSpace, *, l2: float = 0.0) -> Inferred:
    """The couplings of largest pseudo-likelihood, `sum_i log p(x_i | all others)`, and their errors.

    (Besag, The Statistician 24, 1975; Ravikumar, Wainwright & Lafferty, Annals of Statistics 38, 2010; of levels, Ekeberg et al., PRE 87,
    2013.) Site i alone is a logistic regression on the features of the others (see `sites`), with `l2 (|J_i|^2 + |h_i|^2) / 2` added to
    its mean loss, solved by Newton's method. A pair is seen from both its ends, and its coupling is the mean of both. Consistent, but not
    the most efficient: `boltzmann_learning` is, and costs more.

    Errors are those of the sandwich, `A^-1 B A^-1 / rows`: with the score s and curvature A of each site, a row moves the parameters by
    `A^-1 s`, both ends of a pair together, and rows are independent. Draws of a chain must be thinned until they are. With `l2` couplings
    are drawn to 0, and that bias is not in the error.

    Raises:
        TypeError, ValueError: as `sites` has them, few rows and levels never taken being allowed with l2; l2 is negative.
    """
    if not 0 <= l2 < np.inf:
        raise ValueError(f"l2={l2}: give 0 or a positive number, such as 0.01.")
    data = sites(samples, space, "pseudo_likelihood", regular=l2 > 0)
    phi, matrix = as_float(data.phi), as_float(data.contrast)
    fit = _fit(phi, matrix, as_float(l2))
    theta = np.asarray(fit.theta, np.float64)
    couplings, fields = _both_ends(theta), theta[:, 0]
    sound = bool(np.all(np.asarray(fit.step) < SMALL) and np.all(np.isfinite(theta)))
    if not sound:
        return Inferred.of("pseudo-likelihood", data, couplings, fields, status=Status.NOT_CONVERGED)
    squares = _influence(phi, matrix, as_float(l2), fit)
    shapes = (data.couplings(couplings).shape, data.fields(fields).shape)
    errors = [np.sqrt(np.asarray(a, np.float64) / len(phi)).reshape(shape) for a, shape in zip(squares, shapes, strict=True)]
    return Inferred.of("pseudo-likelihood", data, couplings, fields, errors=(errors[0], errors[1]))


class _Fit(NamedTuple):
    """Per site: fields (first) and couplings to the features of the others, the inverse curvature, and Newton's last step."""

    theta: Float[Array, "sites p k"]
    inverse: Float[Array, "sites pk pk"]
    step: Float[Array, " sites"]


def _both_ends(theta: Float[np.ndarray, "sites p k"]) -> Float[np.ndarray, "sites sites k k"]:
    """`J[i, j, a, b]`, feature a of site i with feature b of site j: the mean of what both say."""
    n, _, k = theta.shape
    seen = theta[:, 1:].reshape(n, n, k, k).transpose(0, 1, 3, 2)
    return (seen + seen.transpose(1, 0, 3, 2)) / 2


def _inputs(phi: Float[Array, "rows sites k"], site: Int[Array, ""]) -> tuple[Float[Array, "rows p"], Float[Array, " p"]]:
    """A one and the features of all sites but this one, which are 0; and where those zeros stand."""
    rows, n, k = phi.shape
    own = jnp.arange(n) == site
    others = jnp.where(own[:, None], 0.0, phi).reshape(rows, n * k)
    return jnp.concatenate([jnp.ones((rows, 1)), others], axis=1), jnp.append(0.0, jnp.repeat(1.0 * own, k))


def _miss(z: Float[Array, "rows p"], seen: Float[Array, "rows k"], theta: Float[Array, "p k"], matrix: Float[Array, "q k"]) -> tuple:
    """Features less their means, and their covariances, under `p(x_i | others)`."""
    chance = jax.nn.softmax(z @ theta @ matrix.T, axis=-1)
    mean = chance @ matrix
    return seen - mean, jnp.einsum("sq,qa,qb->sab", chance, matrix, matrix) - mean[:, :, None] * mean[:, None, :]


@eqx.filter_jit
def _fit(phi: Float[Array, "rows sites k"], matrix: Float[Array, "q k"], l2: Scalar) -> _Fit:
    rows, n, k = phi.shape

    def one(site: Int[Array, ""]) -> _Fit:
        z, own = _inputs(phi, site)
        seen = phi[:, site]

        def curvature(theta: Array) -> tuple[Array, Array]:
            miss, covariance = _miss(z, seen, theta, matrix)
            slope = z.T @ miss / rows - l2 * theta
            bend = [[jnp.matmul(z.T * covariance[:, a, b], z) for b in range(k)] for a in range(k)]
            whole = jnp.asarray(bend).transpose(2, 0, 3, 1).reshape(len(own) * k, -1) / rows
            return slope.ravel(), whole + jnp.diag(l2 + jnp.repeat(own, k))  # what is 0 stays 0

        def again(held: tuple) -> Array:
            _, step, count = held
            return (count < ROUNDS) & ~(step < SMALL)

        def newton(held: tuple) -> tuple:
            theta, _, count = held
            slope, bend = curvature(theta)
            way = jnp.linalg.solve(bend, slope).reshape(theta.shape)
            size = jnp.max(jnp.abs(way))
            sound = jnp.isfinite(size)  # without a maximum the curvature vanishes in the end
            further = theta + way * jnp.minimum(1.0, LONGEST / size)
            return jnp.where(sound, further, theta), jnp.where(sound, size, jnp.inf), count + 1

        theta, step, _ = jax.lax.while_loop(again, newton, (jnp.zeros((len(own), k)), jnp.inf * jnp.ones(()), 0))
        return _Fit(theta, jnp.linalg.inv(curvature(theta)[1]), step)

    return jax.lax.map(one, jnp.arange(n))


@eqx.filter_jit
def _influence(phi: Float[Array, "rows sites k"], matrix: Float[Array, "q k"], l2: Scalar, fit: _Fit) -> tuple[Array, Array]:
    """Mean squares over rows of what a row adds to couplings (sites sites q q) and fields (sites q); of spins q counts one."""
    _, n, k = phi.shape
    gauge = jnp.ones((1, 1)) if k == 1 else matrix

    def moved(row: Float[Array, "sites k"]) -> tuple[Array, Array]:
        def one(site: Int[Array, ""], theta: Array, inverse: Array) -> Array:
            z, _ = _inputs(row[None], site)
            miss, _ = _miss(z, row[site][None], theta, matrix)
            return (inverse @ (z.T @ miss - l2 * theta).ravel()).reshape(theta.shape)

        each = jax.vmap(one)(jnp.arange(n), fit.theta, fit.inverse)
        seen = each[:, 1:].reshape(n, n, k, k).transpose(0, 1, 3, 2)
        pairs = (seen + seen.transpose(1, 0, 3, 2)) / 2
        return jnp.einsum("ap,ijpr,br->ijab", gauge, pairs, gauge) ** 2, (each[:, 0] @ gauge.T) ** 2

    squares = jax.lax.map(moved, phi, batch_size=BATCH)
    return jnp.mean(squares[0], axis=0), jnp.mean(squares[1], axis=0)
