"""The law of maps that carry a Gaussian over."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, Normalised, Pushforward, need
from gibbsite.testing.law import bounded, name_of

LOOSE = 1e-3  # of a map and its inverse in float32, and of a determinant


def check_pushforward(energy: AbstractEnergy, view: Pushforward, xs: Float[Array, "n *x"]) -> None:
    """The map leads back to where its inverse came from, tells its own determinant, and carries N(0, I) to the law of the energy."""
    size, log_z = energy.space.size, need(energy, Normalised, "check_pushforward").log_z()

    def one(x: Array) -> tuple[Array, Array, Array]:
        z = view.inverse(x)
        there, log_slope = view.forward(z)
        jacobian = jax.jacfwd(lambda z: view.forward(z)[0])(z).reshape(size, size)
        carried = -jnp.sum(z**2) / 2 - size / 2 * jnp.log(2 * jnp.pi) - log_slope
        return there - x, jnp.linalg.slogdet(jacobian)[1] - log_slope, carried + energy(x) + log_z

    back, slope, density = (np.asarray(a) for a in jax.jit(jax.vmap(one))(xs))
    name = name_of(energy)
    bounded(name, "map and inverse of a Pushforward", back, LOOSE * (1 + np.abs(xs)))
    bounded(name, "determinant of a Pushforward", slope, LOOSE)
    bounded(name, "density of a Pushforward", density, LOOSE * (1 + np.abs(np.asarray(jax.vmap(energy)(xs)))))
