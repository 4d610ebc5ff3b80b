"""The units in which a kernel moves, `x = scale q`: one number, one a coordinate, or a matrix on the flattened x (lower-triangular, or a
`LowRank`)."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from gibbsite.core import ArrayLike
from gibbsite.core.energy import check_values
from gibbsite.samplers.low_rank import LowRank

Scale = Float[Array, "*s"] | LowRank


def stretched(scale: Scale, q: Float[Array, "*x"]) -> Float[Array, "*x"]:
    """`scale q`, a way in units of scale, in those of x."""
    if isinstance(scale, LowRank):
        return scale.stretched(q)
    if not is_matrix(scale, q.shape):
        return scale * q
    # Not by a matrix product, which rounds otherwise on another number of devices.
    return jnp.sum(scale * q.ravel(), axis=-1).reshape(q.shape)


def pulled(scale: Scale, grad: Float[Array, "*x"]) -> Float[Array, "*x"]:
    """`scale' grad`, the slope along q."""
    if isinstance(scale, LowRank):
        return scale.pulled(grad)
    if not is_matrix(scale, grad.shape):
        return scale * grad
    return jnp.sum(scale * grad.ravel()[:, None], axis=0).reshape(grad.shape)


def shrunk(scale: Scale, rows: Float[Array, "chains *x"]) -> Float[Array, "chains *x"]:
    """`scale^-1 x` of each chain."""
    if isinstance(scale, LowRank):
        return jax.vmap(scale.shrunk)(rows)
    if not is_matrix(scale, rows.shape[1:]):
        return rows / scale
    return solve_triangular(scale, rows.reshape(len(rows), -1).T, lower=True).T.reshape(rows.shape)


def is_matrix(scale: Float[Array, "*s"], shape: tuple[int, ...]) -> bool:
    """Whether a scale acts on an x of this shape as a matrix."""
    return scale.shape not in ((), shape)


def check_units(user: str, scale: ArrayLike | LowRank) -> None:
    """Raises ValueError where a scale is not positive, and a matrix not lower-triangular."""
    if isinstance(scale, LowRank):
        check_values(user, "scale.widths", scale.widths, lambda s: s > 0, "positive numbers, in units of x, one a coordinate")
        check_values(user, "scale.stretch", scale.stretch, lambda s: s > 0, "positive numbers, one a direction")
        return
    remedy = "positive numbers, in units of x: one, one a coordinate, or a lower-triangular matrix with such a diagonal"
    check_values(user, "scale", scale, _is_scale, remedy)


def check_matrix(user: str, scale: ArrayLike | LowRank, shape: tuple[int, ...]) -> None:
    """Raises ValueError where a scale acts on an x of this shape as a matrix that is not lower-triangular, such as a covariance."""
    if isinstance(scale, LowRank) or np.ndim(scale) != 2 or not is_matrix(jnp.asarray(scale), shape):
        return
    check_values(user, "scale", scale, _is_triangular, "a lower-triangular matrix, such as the Cholesky factor of a covariance")


def check_shape(user: str, scale: Scale, x: Float[Array, "*x"]) -> None:
    """Raises ValueError where a scale does not fit x."""
    shapes = ((), x.shape, (x.size, x.size))
    if scale.shape not in shapes:
        raise ValueError(f"{user} has scale of shape {scale.shape}: x of shape {x.shape} needs one of {shapes}.")


def _is_scale(scale: np.ndarray) -> bool:
    return bool(np.all(scale > 0)) or _is_triangular(scale)


def _is_triangular(scale: np.ndarray) -> bool:
    return scale.ndim == 2 and bool(not np.any(np.triu(scale, 1)) and np.all(np.diagonal(scale) > 0))
