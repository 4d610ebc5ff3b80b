"""Forty Gaussians on the plane: a target with many modes of equal mass, far apart."""

import jax.numpy as jnp

from gibbsite.energies.analytic import GaussianMixture

# NumPy 2: default_rng(40).uniform(-40, 40, (40, 2)), rounded to three places.
CENTRES = (
    (18.392, 15.473),
    (35.354, -35.228),
    (15.242, 33.792),
    (-1.945, -12.929),
    (8.151, 18.45),
    (-31.019, -31.31),
    (10.981, -36.614),
    (-36.183, -14.458),
    (-23.104, 22.1),
    (23.779, -26.257),
    (-28.8, -10.397),
    (2.371, 3.389),
    (-9.59, -5.467),
    (-11.147, -18.039),
    (9.655, -18.456),
    (-6.511, 1.008),
    (-15.685, -13.26),
    (-20.585, -18.87),
    (-21.818, -16.615),
    (16.377, -28.438),
    (9.522, -0.116),
    (-24.793, -13.799),
    (-13.505, -15.401),
    (-31.032, 4.976),
    (8.952, -26.968),
    (-35.717, -1.575),
    (-8.894, -29.216),
    (-31.86, 38.512),
    (24.051, 8.979),
    (-5.949, 34.71),
    (5.708, 7.801),
    (-17.975, 5.278),
    (12.689, 20.189),
    (15.881, 30.603),
    (-33.182, 34.038),
    (6.832, -14.85),
    (21.31, -30.165),
    (-28.74, 39.667),
    (25.627, 35.741),
    (-18.868, -5.783),
)


def gmm40() -> GaussianMixture:
    """Forty Gaussians of unit scale and equal weight, centres drawn once from the uniform law on [-40, 40]^2; `log_z = 0`.

    The shape of the target of Midgley et al. (arXiv 2208.01893, ICLR 2023); the centres are our own and stored here, since
    the published ones came from another generator, and the scale there is 1.31. Numbers agree in kind and not in digits.
    """
    return GaussianMixture(jnp.asarray(CENTRES), jnp.ones(len(CENTRES)), jnp.full(len(CENTRES), 1 / len(CENTRES)))
