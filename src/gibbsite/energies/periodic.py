"""Charged particles in a periodic box, given by angles: the position of particle i is `side x_i / (2 pi)`.

A `Torus((n, d))` has no walls and no centre to hold, so that nothing has to be done about translations. Volumes are those of
the angles: the configurational integral over positions is `exp(log_z) (side / 2 pi)^(n d)`.
"""

import math
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Torus, as_float, wrapped
from gibbsite.core.energy import Scalar, check_values
from gibbsite.energies.distances import between, length

CORE = 1e-6  # of the side; nearer than that the energy of a pair has no slope, so that it never overflows


class Yukawa(AbstractEnergy):
    """`U(x) = strength sum_{i<j} exp(-screening r_ij) / r_ij` with the nearest image of each pair, in units of kT.

    (Yukawa 1935; Debye & Hückel 1923.) `screening` is one over a length, `strength` an energy in kT times a length, `side` the
    length of the box. Images farther off are left out: `exp(-screening side / 2)` must be small, or the force jumps where
    another image becomes the nearest.

    Raises:
        ValueError: a parameter is not positive.
    """

    n: int = eqx.field(static=True)
    dim: int = eqx.field(static=True, default=3)
    strength: Scalar = eqx.field(converter=as_float, default=1.0)
    screening: Scalar = eqx.field(converter=as_float, default=20.0)
    side: Scalar = eqx.field(converter=as_float, default=1.0)

    def __check_init__(self) -> None:
        for name in ("strength", "screening", "side"):
            check_values("Yukawa", name, getattr(self, name), lambda v: v > 0, "a positive number")

    @property
    def space(self) -> AbstractSpace:
        return Torus((self.n, self.dim))

    def __call__(self, x: Float[Array, "n d"]) -> Scalar:
        r = length(self.side / (2 * jnp.pi) * wrapped(between(x)), CORE * self.side)
        return self.strength * jnp.sum(jnp.exp(-self.screening * r) / r)


class Coulomb(AbstractEnergy):
    """The one-component plasma: equal charges in a cube with a uniform background that makes it neutral, and all its images.

    `coupling` is Gamma = q^2 / (4 pi eps_0 a kT) with the radius a of a sphere as large as the room of one charge (4 pi a^3 n / 3
    is the volume). The sum of 1 / r over all images is Ewald's (Ann. Phys. 64, 1921; for the plasma Brush, Sahlin & Teller,
    J. Chem. Phys. 45, 1966), in units of the side:

        U = Gamma (a / side) [sum_{i<j} sum_m erfc(alpha |r_ij + m|) / |r_ij + m| + sum_{k>0} w_k |sum_i e^{i k.x_i}|^2
                              + n (sum_{m>0} erfc(alpha |m|) / |m| - alpha / sqrt pi) - pi n^2 / (2 alpha^2)]

    with `w_k = exp(-pi^2 k^2 / alpha^2) / (pi k^2)` and one of each k and -k (or m and -m). Images m up to 1 and waves k up to
    3 on an axis, at alpha = 3, leave out 10^-8 of it. In a cubic crystal U / (n Gamma) is -0.880059 (simple), -0.895929 (body-centred)
    or -0.895874 (face-centred).

    Raises:
        ValueError: the coupling is not positive.
    """

    n: int = eqx.field(static=True)
    coupling: Scalar = eqx.field(converter=as_float, default=1.0)

    def __check_init__(self) -> None:
        check_values("Coulomb", "coupling", self.coupling, lambda g: g > 0, "a positive number, Gamma")

    @property
    def space(self) -> AbstractSpace:
        return Torus((self.n, 3))

    def __call__(self, x: Float[Array, "n 3"]) -> Scalar:
        r = length(wrapped(between(x))[:, None] / (2 * jnp.pi) + _IMAGES, CORE)
        phase = x @ _WAVES.T
        power = jnp.sum(jnp.cos(phase), axis=0) ** 2 + jnp.sum(jnp.sin(phase), axis=0) ** 2
        radius = (3 / (4 * np.pi * self.n)) ** (1 / 3)
        constant = self.n * _SELF - np.pi * self.n**2 / (2 * _ALPHA**2)
        return self.coupling * radius * (jnp.sum(jax.lax.erfc(_ALPHA * r) / r) + power @ _WEIGHTS + constant)


def _grid(reach: int) -> np.ndarray:
    """Whole vectors with entries from -reach to reach; the middle row is zero, and each row is minus its mirror image."""
    return np.array(list(product(range(-reach, reach + 1), repeat=3)), np.float32)


def _half(grid: np.ndarray) -> np.ndarray:
    return grid[len(grid) // 2 + 1 :]


_ALPHA = 3.0
_IMAGES, _WAVES = _grid(1), _half(_grid(3))
_SQUARES, _STEPS = np.sum(_WAVES**2, axis=1), np.linalg.norm(_half(_IMAGES), axis=1)
_WEIGHTS = np.exp(-((np.pi / _ALPHA) ** 2) * _SQUARES) / (np.pi * _SQUARES)
_SELF = sum(math.erfc(_ALPHA * step) / step for step in _STEPS.tolist()) - _ALPHA / math.sqrt(math.pi)
