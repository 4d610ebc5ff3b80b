"""The law of maps that carry a Gaussian over."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, Normalised, Pushforward, need
from gibbsite.testing.law import bounded, energies_of, name_of, rounding

STEEPEST = 1e3


def check_pushforward(energy: AbstractEnergy, view: Pushforward, xs: Float[Array, "n *x"]) -> None:
    """The map leads back to where its inverse came from, tells its own determinant, and carries N(0, I) to the law of the energy.

    What rounding may do to a map grows with its condition number, the ratio of the most to the least that it stretches a direction by;
    no more than that of `STEEPEST` is allowed for, lest the law of a map that is nearly singular hold whatever it does.
    """
    size, log_z = energy.space.size, need(energy, Normalised, "check_pushforward").log_z()

    def one(x: Array) -> tuple[Array, ...]:
        z = view.inverse(x)
        there, log_slope = view.forward(z)
        jacobian = jax.jacfwd(lambda z: view.forward(z)[0])(z).reshape(size, size)
        carried = -jnp.sum(z**2) / 2 - size / 2 * jnp.log(2 * jnp.pi) - log_slope
        return there - x, jnp.linalg.slogdet(jacobian)[1] - log_slope, carried, jnp.linalg.cond(jacobian), jnp.sum(z**2)

    back, slope, carried, condition, square = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(one))(xs))
    name, energies = name_of(energy), np.asarray(energies_of(energy, xs), np.float64)
    condition = np.minimum(condition, STEEPEST)
    lost = condition * rounding(np.sqrt(square))
    bounded(name, "map and inverse of a Pushforward", back.T, condition * rounding(np.abs(xs).T.max(axis=0)))
    bounded(name, "determinant of a Pushforward", slope, size * lost)
    bounded(name, "density of a Pushforward", carried + energies + float(log_z), rounding(energies) + lost * (size + np.sqrt(square)))
