"""A Gaussian around a minimum."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize

from gibbsite.core import AbstractEnergy, ArrayLike, Estimate, Evidence, Reals, Status
from gibbsite.thermo.exact.summed import nothing

MOST_AXES = 2000  # of which the matrix of second derivatives has four million
POLISH = 4  # steps of Newton after the search
FLAT = 1e-2  # nats: what Newton's decrement may leave


def laplace(energy: AbstractEnergy, start: ArrayLike) -> Estimate:
    """`log Z ~ -U(x*) + (d / 2) log 2 pi - (1 / 2) log det U''(x*)` around the minimum x* found from `start` (Laplace 1774).

    Exact for a Gaussian; of several wells it counts one. No bound, and no error bar. The status is NOT_CONVERGED where the search ended on
    a slope, a saddle or a flat place.

    Raises:
        TypeError: x is no array of real numbers.
        ValueError: too many axes, or a start of another shape.
    """
    space = energy.space
    if not isinstance(space, Reals):
        raise TypeError(f"laplace needs real numbers without walls; {type(space).__name__} has other ones: see energies.Transformed.")
    x0 = np.asarray(start, np.float64)
    if x0.shape != space.shape:
        raise ValueError(f"start has shape {x0.shape}; {type(energy).__name__} needs {space.shape}.")
    if space.size > MOST_AXES:
        raise ValueError(f"{type(energy).__name__} has {space.size} axes; laplace takes up to {MOST_AXES}: use anneal.")
    found = minimize(
        lambda x: _host(_value_and_slope(energy, _device(x))), x0.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 10_000}
    )
    return _around(energy, found.x)


def _around(energy: AbstractEnergy, x: Float[np.ndarray, " d"]) -> Estimate:
    """Newton's last steps, and the volume of the well there."""
    for _ in range(POLISH):
        value, slope, curvature = _host(_well(energy, _device(x)))
        if not (np.isfinite(value) and np.all(np.isfinite(slope)) and np.all(np.isfinite(curvature))):
            return nothing()
        widths = np.linalg.eigvalsh(curvature)
        if widths[0] <= 0:
            return Estimate(None, None, status=Status.NOT_CONVERGED, evidence=Evidence.NOT_ESTABLISHED)
        step = np.linalg.solve(curvature, slope)
        decrement, x = float(step @ slope) / 2, x - step
    log_z = -float(value) + decrement + 0.5 * (len(x) * math.log(2 * math.pi) - float(np.sum(np.log(widths))))
    status = Status.OK if decrement < FLAT else Status.NOT_CONVERGED
    return Estimate(log_z, None, status=status, evidence=Evidence.NOT_ESTABLISHED)


def _device(x: np.ndarray) -> Array:
    return jnp.asarray(x, jnp.result_type(float))


def _host(parts: tuple) -> tuple:
    return tuple(np.asarray(part, np.float64) for part in parts)


@eqx.filter_jit
def _value_and_slope(energy: AbstractEnergy, x: Float[Array, " d"]) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda x: energy(x.reshape(energy.space.shape)))(x)


@eqx.filter_jit
def _well(energy: AbstractEnergy, x: Float[Array, " d"]) -> tuple[Array, Array, Array]:
    def flat(x: Array) -> Array:
        return energy(x.reshape(energy.space.shape))

    return *jax.value_and_grad(flat)(x), jax.hessian(flat)(x)
