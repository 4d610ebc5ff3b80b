"""Toy densities on the plane, in the usual sizes, with the law they are drawn from where it has a closed form."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, Box, Capability, Normalised, Reals, Sampleable
from gibbsite.core.energy import Scalar
from gibbsite.data.dataset import Dataset, Modes, build
from gibbsite.energies import GaussianMixture

SIZES = (10_000, 2_000, 4_000)
# Lattice points 0..2^22 - 1 to [0, 2): exact in float32, so that no rounding carries a point over an edge.
STEP = 2.0**-21


def moons(*, seed: int = 0) -> Dataset:
    """Two interleaved half circles of radius 2 with Gaussian noise of 0.2; entropy 2.3939 nats."""
    rng = np.random.default_rng(seed)
    angle = np.pi * rng.random(sum(SIZES))
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = rng.random(len(arc)) < 0.5
    curve = np.where(lower[:, None], [1.0, 0.5] - arc, arc)
    x = 2 * (curve + 0.1 * rng.standard_normal(curve.shape)) + [-1.0, -0.2]
    return build("moons", Reals((2,)), _parts(x), note="Two half circles, noise 0.2 at radius 2.")


def gaussians8(*, seed: int = 0) -> Dataset:
    """Eight Gaussians on a circle (radius 4, deviation 0.5, both over 1.414) with masses 1:2:...:8."""
    rng = np.random.default_rng(seed)
    angle = np.arange(8) * np.pi / 4
    centres = 4 / 1.414 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    masses = np.arange(1, 9) / 36
    which = rng.choice(8, size=sum(SIZES), p=masses)
    x = centres[which] + 0.5 / 1.414 * rng.standard_normal((sum(SIZES), 2))
    truth = GaussianMixture(jnp.asarray(centres), jnp.full(8, 0.5 / 1.414), jnp.asarray(masses))
    modes = Modes(centres.astype(np.float32), masses)
    return build("gaussians8", Reals((2,)), _parts(x), truth=truth, modes=modes, note="Eight Gaussians, masses 1:2:...:8.")


def checkerboard(*, seed: int = 0) -> Dataset:
    """Uniform on eight squares of side 2, area 32; entropy ln 32 = 3.4657 nats."""
    rng = np.random.default_rng(seed)
    x = _corners()[rng.integers(8, size=sum(SIZES))] + STEP * rng.integers(2**22, size=(sum(SIZES), 2))
    note = "Uniform on eight squares: the density jumps to zero at their edges."
    return build("checkerboard", Reals((2,)), _parts(x), truth=Checkerboard(), note=note)


class Checkerboard(AbstractEnergy):
    """`U(x) = ln 32` on the squares `floor(x_1 / 2) + floor(x_2 / 2)` even of [-4, 4]^2, infinite elsewhere; `log_z = 0`.

    The squares are not a box: outside them the energy is +inf with a zero gradient, so propose and reject there.
    """

    @property
    def space(self) -> Box:
        return Box(jnp.full(2, -4.0), jnp.full(2, 4.0))

    def __call__(self, x: Float[Array, "2"]) -> Scalar:
        square = jnp.floor(x / 2)
        inside = jnp.all((square >= -2) & (square <= 1)) & (jnp.sum(square) % 2 == 0)
        return jnp.where(inside, math.log(32), jnp.inf)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(lambda: jnp.zeros(())), Sampleable(self._sample))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "2"]:
        which, place = jax.random.split(key)
        corner = jnp.asarray(_corners())[jax.random.randint(which, (), 0, 8)]
        return corner + STEP * jax.random.randint(place, (2,), 0, 2**22)


def _corners() -> np.ndarray:
    """Lower left corners of the eight squares."""
    return np.array([(2.0 * i, 2.0 * j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0], np.float32)


def _parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    train, validation, test = np.split(x, np.cumsum(SIZES)[:2])
    return train, validation, test
