"""Wells and a ring: a few modes apart, with barriers between them, and their exact constants."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Normalised, Reals, Sampleable, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.energies.distances import length
from gibbsite.energies.rejection import first_accepted

LOG_Z = math.log(11784.5092651278267)  # of one well, by quadrature in 30 digits


class DoubleWell(AbstractEnergy):
    """`U(x) = x^4 - 6 x^2 - x / 2` on one axis (Noé et al., Science 365, 2019, with the factors of Midgley et al., arXiv 2208.01893).

    Two wells near -1.7 and 1.8; the right one holds 84.43 % of the mass. `log_z = log 11784.509`; draws are exact.
    """

    @property
    def space(self) -> AbstractSpace:
        return Reals((1,))

    def __call__(self, x: Float[Array, "1"]) -> Scalar:
        return jnp.sum(_well(x))

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(lambda: as_float(LOG_Z)), Sampleable(self._sample))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "1"]:
        return _draw_well(key)[None]


def _well(x: Float[Array, "*x"]) -> Float[Array, "*x"]:
    return x**4 - 6 * x**2 - x / 2


def _draw_well(key: Key[Array, ""]) -> Scalar:
    """A distance r from 0, of law `exp(-(r^2 - 3)^2) cosh(r / 2)`, and then the side, of odds e^r.

    As `(r^2 - 3)^2 = (r - c)^2 (r + c)^2` with c = sqrt 3, the law lies under `exp(-3 (r - c)^2 + r / 2)`, a Gaussian.
    """
    c, (move, side) = math.sqrt(3.0), jax.random.split(key)

    def propose(key: Key[Array, ""]) -> tuple[Scalar, Scalar]:
        r = c + 1 / 12 + jax.random.normal(key) / math.sqrt(6.0)
        log_chance = -((r - c) ** 2) * ((r + c) ** 2 - 3) + jnp.log1p(jnp.exp(-r)) - math.log(2.0)
        return r, jnp.where(r > 0, log_chance, -jnp.inf)

    r = first_accepted(propose, key=move)
    return jnp.where(jax.random.logistic(side) < r, r, -r)


class ManyWell(AbstractEnergy):
    """Independent pairs (x, y), each `x^4 - 6 x^2 - x / 2 + y^2 / 2`, in the order x_1, y_1, x_2, y_2, ...

    Sixteen pairs are Many-Well-32 (Midgley et al., arXiv 2208.01893, ICLR 2023), with 2^16 modes and log Z = 164.6957.
    `log_z` and draws are exact.
    """

    pairs: int = eqx.field(static=True, default=16)

    @property
    def space(self) -> AbstractSpace:
        return Reals((2 * self.pairs,))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        return jnp.sum(_well(x[::2]) + x[1::2] ** 2 / 2)

    def views(self) -> tuple[Capability, ...]:
        log_z = self.pairs * (LOG_Z + 0.5 * math.log(2 * math.pi))
        return (Normalised(lambda: as_float(log_z)), Sampleable(self._sample))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        wells, rest = jax.random.split(key)
        x = jax.vmap(_draw_well)(jax.random.split(wells, self.pairs))
        return jnp.stack([x, jax.random.normal(rest, (self.pairs,))], axis=1).ravel()


class MuellerBrown(AbstractEnergy):
    """`U(x, y) = sum_k A_k exp(a_k u^2 + b_k u v + c_k v^2) / temperature`, u = x - x_k, v = y - y_k, k = 1, ..., 4.

    The surface of Müller & Brown (Theor. Chim. Acta 53, 75, 1979): minima of -146.70 at (-0.558, 1.442), -108.17 at
    (0.623, 0.028) and -80.77 at (-0.050, 0.467), and a bent way between them over saddles of -40.66 and -72.25, all in the
    units of the surface; `temperature` is kT in these. The constant is not known in closed form: use `quadrature`.

    Raises:
        ValueError: the temperature is not positive.
    """

    temperature: Scalar = eqx.field(converter=as_float, default=10.0)

    def __check_init__(self) -> None:
        check_values("MuellerBrown", "temperature", self.temperature, lambda t: t > 0, "a positive kT, in units of the surface")

    @property
    def space(self) -> AbstractSpace:
        return Reals((2,))

    def __call__(self, x: Float[Array, "2"]) -> Scalar:
        (u, v), (a, b, c) = x[:, None] - _CENTRES, _SHAPES
        return jnp.sum(_HEIGHTS * jnp.exp(a * u**2 + b * u * v + c * v**2)) / self.temperature


_HEIGHTS = np.array([-200.0, -100.0, -170.0, 15.0])
_SHAPES = np.array([[-1.0, -1.0, -6.5, 0.7], [0.0, 0.0, 11.0, 0.6], [-10.0, -10.0, -6.5, 0.7]])
_CENTRES = np.array([[1.0, 0.0, -0.5, -1.0], [0.0, 0.5, 1.5, 1.0]])


class Ring(AbstractEnergy):
    """`U(x) = (|x| - radius)^2 / (2 width^2)`: a circle on the plane, a shell in more dimensions.

    `log_z` is the log of the unit sphere's area plus that of `I_{d-1}`, the moments `I_k = int_0^inf r^k exp(-U) dr`, by
    parts: `I_k = radius I_{k-1} + (k - 1) width^2 I_{k-2}`. Draws are exact.

    Raises:
        ValueError: radius or width is not positive.
    """

    dim: int = eqx.field(static=True, default=2)
    radius: Scalar = eqx.field(converter=as_float, default=3.0)
    width: Scalar = eqx.field(converter=as_float, default=0.3)

    def __check_init__(self) -> None:
        for name in ("radius", "width"):
            check_values("Ring", name, getattr(self, name), lambda r: r > 0, "a positive length, in units of x")

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        return (length(x) - self.radius) ** 2 / (2 * self.width**2)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        z, area = self.radius / self.width, math.log(2) + self.dim / 2 * math.log(math.pi) - math.lgamma(self.dim / 2)
        moment = self.width * math.sqrt(math.pi / 2) * (1 + jax.lax.erf(z / math.sqrt(2)))
        log_moment, ratio = jnp.log(moment), self.radius + self.width**2 * jnp.exp(-(z**2) / 2) / moment
        for k in range(1, self.dim):  # ratio = I_k / I_{k-1}
            log_moment, ratio = log_moment + jnp.log(ratio), self.radius + k * self.width**2 / ratio
        return area + log_moment

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        """The radius of law `r^{d-1} exp(-U)` by rejection: as log r lies under its tangent, a Gaussian about the mode lies above."""
        along, way = jax.random.split(key)
        mode = (self.radius + jnp.sqrt(self.radius**2 + 4 * (self.dim - 1) * self.width**2)) / 2

        def propose(key: Key[Array, ""]) -> tuple[Scalar, Scalar]:
            r = mode + self.width * jax.random.normal(key)
            return r, (self.dim - 1) * (jnp.log(jnp.maximum(r / mode, 0.0)) - r / mode + 1)

        direction = jax.random.normal(way, (self.dim,))
        return first_accepted(propose, key=along) * direction / length(direction)
