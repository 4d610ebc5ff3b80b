"""Clusters of particles in free space, positions `n d`, with a trap that keeps them together.

An energy of distances alone does not change when all particles move, so that its law does not exist on `Reals((n, d))`. Both
energies here hold the centre of mass by a harmonic trap. It is then a Gaussian of variance `1 / (n trap)` an axis, independent
of the shape, whose law is that of the literature's mean-free coordinates; with volumes taken in orthonormal ones, `log_z` is
larger than theirs by `(d / 2) log(2 pi / trap)`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Reals, Start, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.energies.distances import between, length

SPACING, JITTER = 1.1, 0.05  # of a start, in radii: no two closer than 0.8 but once in thousands
CORE = 0.1  # of the radius; the energy of a pair there is 10^12 depths, and any nearer the same


class LennardJones(AbstractEnergy):
    """`U(x) = depth sum_{i<j} [(radius / r_ij)^12 - 2 (radius / r_ij)^6] + (trap / 2) sum_i |x_i|^2`, in units of kT.

    `depth` and `radius` are the depth of a pair's minimum and its distance (r_m = 2^(1/6) sigma). LJ13 and LJ55 of the
    literature on neural samplers are n = 13 and 55 in these units, depth = radius = trap = 1 (Köhler, Klein & Noé, arXiv
    2006.02425); it draws the particles to their centre, `(trap / 2) sum_i |x_i - mean|^2`, and the trap here adds just
    `(n trap / 2) |mean|^2`, which holds the centre. Papers that count each pair in both orders have depth = 2.

    No distance is cut off. Nearer than a tenth of the radius the energy is that at a tenth, without a slope: it never overflows.
    Chains start as loose crystals: on some of the points of a cubic lattice that lie nearest to its centre, each a little off.

    Raises:
        ValueError: depth, radius or trap is not positive.
    """

    n: int = eqx.field(static=True)
    dim: int = eqx.field(static=True, default=3)
    depth: Scalar = eqx.field(converter=as_float, default=1.0)
    radius: Scalar = eqx.field(converter=as_float, default=1.0)
    trap: Scalar = eqx.field(converter=as_float, default=1.0)

    def __check_init__(self) -> None:
        units = {"depth": "kT", "radius": "units of x", "trap": "kT per squared unit of x (with none, no law exists)"}
        for name, unit in units.items():
            check_values("LennardJones", name, getattr(self, name), lambda v: v > 0, f"a positive number, in {unit}")

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.n, self.dim))

    def __call__(self, x: Float[Array, "n d"]) -> Scalar:
        sixth = (self.radius / length(between(x), CORE * self.radius)) ** 6
        return self.depth * jnp.sum(sixth * (sixth - 2)) + self.trap / 2 * jnp.sum(x**2)

    def views(self) -> tuple[Capability, ...]:
        return (Start(self._start),)

    def _start(self, *, key: Key[Array, ""]) -> Float[Array, "n d"]:
        which, off = jax.random.split(key)
        points = jax.random.permutation(which, jnp.asarray(_lattice(2 * self.n, self.dim)))[: self.n]
        return self.radius * (SPACING * points + JITTER * jax.random.normal(off, points.shape))


def _lattice(count: int, dim: int) -> Float[np.ndarray, "count d"]:
    """The points of a cubic lattice that lie nearest to the centre of a cell."""
    side = np.arange(2 * np.ceil((count ** (1 / dim) + 1) / 2))  # an even number: the centre is that of a cell
    grid = np.stack(np.meshgrid(*[side - side.mean()] * dim), axis=-1).reshape(-1, dim)
    return grid[np.argsort(np.sum(grid**2, axis=1), kind="stable")[:count]].astype(np.float32)


class DoubleWellParticles(AbstractEnergy):
    """`U(x) = sum_{i<j} [a s_ij + b s_ij^2 + c s_ij^4] + (n trap / 2) |mean x_i|^2` with `s_ij = |x_i - x_j| - d0`, in units of kT.

    Each pair is either near or far. The standard values are DW4: four particles on the plane, a = 0, b = -4, c = 0.9, d0 = 4
    (Köhler, Klein & Noé, arXiv 2006.02425; pairs counted once, at temperature 1). The trap holds the centre and nothing else.

    Raises:
        ValueError: c or trap is not positive: no law would exist.
    """

    n: int = eqx.field(static=True, default=4)
    dim: int = eqx.field(static=True, default=2)
    a: Scalar = eqx.field(converter=as_float, default=0.0)
    b: Scalar = eqx.field(converter=as_float, default=-4.0)
    c: Scalar = eqx.field(converter=as_float, default=0.9)
    d0: Scalar = eqx.field(converter=as_float, default=4.0)
    trap: Scalar = eqx.field(converter=as_float, default=1.0)

    def __check_init__(self) -> None:
        for name in ("c", "trap"):
            check_values("DoubleWellParticles", name, getattr(self, name), lambda v: v > 0, "a positive number")

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.n, self.dim))

    def __call__(self, x: Float[Array, "n d"]) -> Scalar:
        s = length(between(x)) - self.d0
        return jnp.sum(self.a * s + self.b * s**2 + self.c * s**4) + self.n * self.trap / 2 * jnp.sum(jnp.mean(x, axis=0) ** 2)
