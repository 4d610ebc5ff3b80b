"""Narrow and bent laws on the reals, made of Gaussians one after another: their constants and draws are exact."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Normalised, Reals, Sampleable, as_float
from gibbsite.core.energy import Scalar, check_values


class Funnel(AbstractEnergy):
    """`x_0` from N(0, scale^2), the others from N(0, variance e^{x_0}), as an energy with `log_z = 0` (Neal, Ann. Stat. 31, 2003).

        U(x) = x_0^2 / (2 scale^2) + sum_{i > 0} (x_i^2 e^{-x_0} + x_0) / 2 + log scale + (d / 2) log 2 pi

    Raises:
        ValueError: the scale is not positive.
    """

    dim: int = eqx.field(static=True, default=10)
    scale: Scalar = eqx.field(converter=as_float, default=3.0)

    def __check_init__(self) -> None:
        check_values("Funnel", "scale", self.scale, lambda s: s > 0, "a positive standard deviation of x_0")

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        neck, rest = x[0], x[1:]
        squares = (neck / self.scale) ** 2 + jnp.sum((rest * jnp.exp(-neck / 2)) ** 2 + neck)
        return squares / 2 + jnp.log(self.scale) + self.dim / 2 * jnp.log(2 * jnp.pi)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(lambda: jnp.zeros(())), Sampleable(self._sample))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        noise = jax.random.normal(key, (self.dim,))
        neck = self.scale * noise[0]
        return jnp.append(neck, jnp.exp(neck / 2) * noise[1:])


class Rosenbrock(AbstractEnergy):
    """`U(x) = a (x_0 - mu)^2 + b sum_{j, i} (x_{j,i} - x_{j,i-1}^2)^2`, with `x_{j,0} = x_0`, j < blocks and 0 < i < length.

    The hybrid Rosenbrock law of Pagani, Wiegand & Nadarajah (arXiv 1903.09556, Scand. J. Stat. 49, 2022), whose constant is
    known: `log_z = log(pi / a) / 2 + blocks (length - 1) log(pi / b) / 2`. In x the blocks follow x_0 one after another; the
    standard values are those of the function on the plane (length 2, one block), divided by 20.

    Raises:
        ValueError: a or b is not positive, or the sizes leave nothing to bend.
    """

    length: int = eqx.field(static=True, default=2)
    blocks: int = eqx.field(static=True, default=1)
    a: Scalar = eqx.field(converter=as_float, default=0.05)
    b: Scalar = eqx.field(converter=as_float, default=5.0)
    mu: Scalar = eqx.field(converter=as_float, default=1.0)

    def __check_init__(self) -> None:
        if self.length < 2 or self.blocks < 1:
            raise ValueError(f"Rosenbrock has length={self.length}, blocks={self.blocks}: give at least 2 and 1.")
        for name in ("a", "b"):
            check_values("Rosenbrock", name, getattr(self, name), lambda s: s > 0, "a positive stiffness, 1 / (2 variance)")

    @property
    def space(self) -> AbstractSpace:
        return Reals((1 + self.blocks * (self.length - 1),))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        first = jnp.full((self.blocks, 1), x[0])
        rows = jnp.concatenate([first, x[1:].reshape(self.blocks, -1)], axis=1)
        return self.a * (x[0] - self.mu) ** 2 + self.b * jnp.sum((rows[:, 1:] - rows[:, :-1] ** 2) ** 2)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        return 0.5 * (jnp.log(jnp.pi / self.a) + self.blocks * (self.length - 1) * jnp.log(jnp.pi / self.b))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        start, rest = jax.random.split(key)
        first = self.mu + jax.random.normal(start) / jnp.sqrt(2 * self.a)
        noise = jax.random.normal(rest, (self.length - 1, self.blocks)) / jnp.sqrt(2 * self.b)

        def bend(before: Array, eps: Array) -> tuple[Array, Array]:
            after = before**2 + eps
            return after, after

        columns = jax.lax.scan(bend, jnp.full(self.blocks, first), noise)[1]
        return jnp.append(first, columns.T)


class Banana(AbstractEnergy):
    """A Gaussian of variances (scale^2, 1, ..., 1), twisted: `y_2 = x_2 + bend (x_1^2 - scale^2)`, the other axes as they are.

        U(x) = x_1^2 / (2 scale^2) + y_2^2 / 2 + sum_{i > 2} x_i^2 / 2

    (Haario, Saksman & Tamminen, Comput. Stat. 14, 1999; there scale = 10, bend = 0.03 or 0.1.) The twist keeps volumes, so
    `log_z = (d / 2) log 2 pi + log scale`.

    Raises:
        ValueError: the scale is not positive, or there is no second axis.
    """

    dim: int = eqx.field(static=True, default=2)
    bend: Scalar = eqx.field(converter=as_float, default=0.03)
    scale: Scalar = eqx.field(converter=as_float, default=10.0)

    def __check_init__(self) -> None:
        if self.dim < 2:
            raise ValueError(f"Banana has dim={self.dim}: give at least 2, the second axis bends along the first.")
        check_values("Banana", "scale", self.scale, lambda s: s > 0, "a positive standard deviation of the first axis")

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        straight = x.at[1].add(self._shift(x[0])).at[0].divide(self.scale)
        return jnp.sum(straight**2) / 2

    def _shift(self, along: Scalar) -> Scalar:
        return self.bend * (along**2 - self.scale**2)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample))

    def _log_z(self) -> Scalar:
        return self.dim / 2 * jnp.log(2 * jnp.pi) + jnp.log(self.scale)

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        straight = jax.random.normal(key, (self.dim,)).at[0].multiply(self.scale)
        return straight.at[1].add(-self._shift(straight[0]))
