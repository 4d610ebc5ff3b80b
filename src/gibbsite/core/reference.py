"""The normalised base energy of each space: where annealing starts and where chains are born."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core.bonds import LocalFields, no_bonds
from gibbsite.core.energy import (
    AbstractEnergy,
    Capability,
    Conditionals,
    Normalised,
    Sampleable,
    Scalar,
    as_float,
    check_values,
)
from gibbsite.core.joint import Independent
from gibbsite.core.pushforward import Pushforward
from gibbsite.core.space import AbstractSpace, Binary, Box, Categorical, Product, Reals, Spins, Torus, two_valued, values


class Normal(AbstractEnergy):
    """Independent Gaussians, `U(x) = sum (x - loc)^2 / (2 scale^2) + offset`; `log_z = sum log(scale sqrt(2 pi)) - offset`."""

    loc: Float[Array, "*x"] = eqx.field(converter=as_float)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float)
    offset: Scalar = eqx.field(converter=as_float, default=0.0)

    def __check_init__(self) -> None:
        check_values("Normal", "scale", self.scale, lambda s: s > 0, "standard deviations, above 0")

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.loc.shape)

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return 0.5 * jnp.sum(((x - self.loc) / self.scale) ** 2) + self.offset

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample), Pushforward(self._forward, self._inverse))

    def _log_z(self) -> Scalar:
        scale = jnp.broadcast_to(self.scale, self.loc.shape)
        return jnp.sum(jnp.log(scale) + 0.5 * jnp.log(2 * jnp.pi)) - self.offset

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        return self.loc + self.scale * jax.random.normal(key, self.loc.shape)

    def _forward(self, z: Float[Array, "*x"]) -> tuple[Float[Array, "*x"], Scalar]:
        return self.loc + self.scale * z, jnp.sum(jnp.log(jnp.broadcast_to(self.scale, self.loc.shape)))

    def _inverse(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return (x - self.loc) / self.scale


class Uniform(AbstractEnergy):
    """Constant energy 0 on a `Box` or a `Torus`; `log_z` is the log of its volume."""

    space: Box | Torus

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return jnp.zeros(())

    def views(self) -> tuple[Capability, ...]:
        fields = LocalFields(_no_fields, jnp.ones((1, *self.space.shape)))
        angles = (fields, no_bonds(jnp.zeros((*self.space.shape, 2)))) if isinstance(self.space, Torus) else ()
        return (Normalised(self._log_z), Sampleable(self._sample), *angles)

    def _log_z(self) -> Scalar:
        low, high = ends(self.space)
        return jnp.sum(jnp.log(high - low))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        low, high = ends(self.space)
        return jax.random.uniform(key, self.space.shape, minval=low, maxval=high)


def _no_fields(x: Float[Array, "*x"]) -> Float[Array, "*x 2"]:
    return jnp.zeros((*x.shape, 2))


def ends(space: Box | Torus) -> tuple[Float[Array, "*x"], Float[Array, "*x"]]:
    """The lowest and the highest value on every axis."""
    if isinstance(space, Box):
        return space.low, space.high
    half = jnp.full(space.shape, jnp.pi)
    return -half, half


class Coins(AbstractEnergy):
    """Independent two-valued sites, `U(x) = -sum field x + offset`, on `Spins` or `Binary`.

    `field` is the bias of a bit in log-odds, or the magnetic field on a spin (half its log-odds).
    """

    space: Spins | Binary
    field: Float[Array, "*x"] = eqx.field(converter=as_float)
    offset: Scalar = eqx.field(converter=as_float, default=0.0)

    @classmethod
    def like(cls, space: Spins | Binary, x: Float[np.ndarray, "n *x"]) -> "Coins":
        """Sites as often high as in the rows `x`, one of each value added, so that none is certain."""
        low, high = values(space)
        share = ((np.asarray(x) == high).sum(axis=0) + 1) / (len(x) + 2)
        return cls(space, as_float(np.log(share / (1 - share)) / (high - low)))

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return -jnp.sum(self.field * x) + self.offset

    def views(self) -> tuple[Capability, ...]:
        alone = self._logits(jnp.zeros(self.space.shape))
        conditionals = Conditionals(self._logits, jnp.ones((1, *self.space.shape)))
        return (Normalised(self._log_z), Sampleable(self._sample), conditionals, no_bonds(alone))

    def _logits(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        low, high = values(self.space)
        return jnp.broadcast_to((high - low) * self.field, self.space.shape)

    def _log_z(self) -> Scalar:
        low, high = values(self.space)
        field = jnp.broadcast_to(self.field, self.space.shape)
        return jnp.sum(jnp.logaddexp(low * field, high * field)) - self.offset

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        low, high = values(self.space)
        up = jax.random.bernoulli(key, jax.nn.sigmoid(self._logits(jnp.zeros(self.space.shape))), self.space.shape)
        return jnp.where(up, high, low)


class Dice(AbstractEnergy):
    """Independent sites of a `Categorical` space, `U(x) = -sum_i logits_i(x_i) + offset`, logits in the order of the levels."""

    space: Categorical
    logits: Float[Array, "*x levels"] = eqx.field(converter=as_float)
    offset: Scalar = eqx.field(converter=as_float, default=0.0)

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return -jnp.sum(jnp.where(x[..., None] == jnp.asarray(self.space.levels), self._logits(x), 0.0)) + self.offset

    def views(self) -> tuple[Capability, ...]:
        alone = self._logits(jnp.zeros(self.space.shape))
        conditionals = Conditionals(self._logits, jnp.ones((1, *self.space.shape)))
        return (Normalised(self._log_z), Sampleable(self._sample), conditionals, no_bonds(alone))

    def _logits(self, x: Float[Array, "*x"]) -> Float[Array, "*x levels"]:
        return jnp.broadcast_to(self.logits, (*self.space.shape, len(self.space.levels)))

    def _log_z(self) -> Scalar:
        return jnp.sum(jax.nn.logsumexp(self._logits(jnp.zeros(self.space.shape)), axis=-1)) - self.offset

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        return jnp.asarray(self.space.levels)[jax.random.categorical(key, self._logits(jnp.zeros(self.space.shape)))]


NO_LAW = "finite bounds, a start (init=) or base of your own, or sample Transformed(energy), whose coordinates have no walls"


def reference(space: AbstractSpace) -> AbstractEnergy:
    """The standard base of a space: unit Gaussian, uniform box or torus, fair coins or dice, or their product.

    Raises:
        TypeError: the space has no base energy yet.
    """
    if isinstance(space, Reals):
        return Normal(jnp.zeros(space.shape), jnp.ones(space.shape))
    if isinstance(space, Box):
        for name, end in (("low", space.low), ("high", space.high)):
            check_values("A Box without uniform law", name, end, np.isfinite, NO_LAW)
        return Uniform(space)
    if isinstance(space, Torus):
        return Uniform(space)
    if two_valued(space):
        return Coins(space, jnp.zeros(space.shape))
    if isinstance(space, Categorical):
        return Dice(space, jnp.zeros(len(space.levels)))
    if isinstance(space, Product):
        return Independent(tuple(reference(part) for part in space.parts))
    raise TypeError(f"{type(space).__name__} has no base energy; add one in core/reference.py or give base= yourself.")
