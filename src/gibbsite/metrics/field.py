"""Is a score the gradient of anything? The antisymmetric part of its Jacobian says how far it is from an energy."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import Z95, Estimate, Evidence, Status
from gibbsite.metrics.rows import check_rows, flat, unknown

EXACT = 64  # up to so many axes the whole Jacobian is formed
PROBES = 16
CHUNK = 128
LIMIT = 1000


def curl(
    score: Callable[[Float[Array, " d"]], Float[Array, " d"]], xs: Float[np.ndarray, "n d"], *, limit: int = LIMIT, key: Key[Array, ""]
) -> Estimate:
    """`<|J - J^T|^2> / (4 <|J|^2>)` over rows, J the Jacobian of `score` and |.| the Frobenius norm.

    The share of the Jacobian that is antisymmetric: 0 where the score is the gradient of some energy, 1 for a rotation
    about the origin. A network whose output is a vector need not be a gradient, and then no energy has its draws.

    Up to 64 axes J is formed, one forward derivative an axis. Beyond, `E|J v - J^T v|^2` and `E|J v|^2` over 16 random
    signs v give both norms without bias (Hutchinson 1990), at two derivatives each. The error is that of the ratio of
    two means over rows.
    """
    xs = flat(xs, limit)
    check_rows(4, xs=xs)
    norms = _exact if xs.shape[1] <= EXACT else _probed
    turning, whole = np.asarray(_both(norms, score, jnp.asarray(xs), jax.random.split(key, len(xs))), np.float64)
    n = float(len(xs))
    if not (np.isfinite(turning).all() and np.isfinite(whole).all()):
        return unknown(n)
    if not whole.any():
        return unknown(n, Status.CONSTANT)
    value = turning.mean() / whole.mean()
    stderr = float(np.std(turning - value * whole, ddof=1) / (math.sqrt(n) * whole.mean()))
    lo, hi = max(0.0, value - Z95 * stderr), min(1.0, value + Z95 * stderr)
    return Estimate(float(value), stderr, lo=float(lo), hi=float(hi), ess=n, evidence=Evidence.UNBIASED)


@eqx.filter_jit
def _both(
    norms: Callable, score: Callable, xs: Float[Array, "n d"], keys: Key[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    return jax.lax.map(lambda row: norms(score, *row), (xs, keys), batch_size=min(CHUNK, len(xs)))


def _exact(score: Callable, x: Float[Array, " d"], key: Key[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    jacobian = jax.jacfwd(score)(x)
    return jnp.sum((jacobian - jacobian.T) ** 2) / 4, jnp.sum(jacobian**2)


def _probed(score: Callable, x: Float[Array, " d"], key: Key[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    signs = jax.random.rademacher(key, (PROBES, len(x)), x.dtype)
    _, pushed = jax.linearize(score, x)
    _, pulled = jax.vjp(score, x)
    along = jax.vmap(pushed)(signs)
    back = jax.vmap(lambda v: pulled(v)[0])(signs)
    return jnp.sum((along - back) ** 2) / (4 * PROBES), jnp.sum(along**2) / PROBES
