"""Restricted Boltzmann machines: hidden units that do not see each other, summed out exactly."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    Binary,
    Capability,
    Coins,
    Latent,
    Linear,
    Normal,
    Normalised,
    Parts,
    Product,
    Reals,
    as_float,
    draw,
)
from gibbsite.core.energy import Scalar

EXACT_UNITS = 20  # a layer up to this size is enumerated: 2^20 states


class BinaryRBM(AbstractEnergy):
    """`U(v) = -a.v - sum_j softplus(b_j + (v W)_j)`: bits whose joint energy with hidden bits is -a.v - b.h - v W h.

    (Smolensky 1986; Salakhutdinov & Murray, ICML 2008, eq. 8.) `log_z` sums both layers.
    """

    weights: Float[Array, "v h"] = eqx.field(converter=as_float)
    visible_bias: Float[Array, " v"] = eqx.field(converter=as_float)
    hidden_bias: Float[Array, " h"] = eqx.field(converter=as_float)

    @property
    def space(self) -> AbstractSpace:
        return Binary(self.visible_bias.shape)

    def __call__(self, x: Float[Array, " v"]) -> Scalar:
        return -x @ self.visible_bias - jnp.sum(jax.nn.softplus(self.hidden_bias + x @ self.weights))

    def views(self) -> tuple[Capability, ...]:
        latent = Latent(Joint(self), self._sample_hidden, self._sample_visible, self.path)
        small = min(self.weights.shape) <= EXACT_UNITS
        return (latent, Normalised(self._log_z)) if small else (latent,)

    def joint(self, v: Float[Array, " v"], h: Float[Array, " h"]) -> Scalar:
        """The energy before the hidden units are summed out."""
        return -v @ self.visible_bias - h @ self.hidden_bias - v @ self.weights @ h

    def hidden_given(self, v: Float[Array, " v"]) -> Coins:
        """The hidden bits alone, up to a constant of v."""
        return Coins(Binary(self.hidden_bias.shape), self.hidden_bias + v @ self.weights)

    def visible_given(self, h: Float[Array, " h"]) -> Coins:
        """The visible bits alone, up to a constant of h."""
        return Coins(Binary(self.visible_bias.shape), self.visible_bias + self.weights @ h)

    def _sample_hidden(self, v: Float[Array, " v"], *, key: Key[Array, ""]) -> Float[Array, " h"]:
        return _bits(self.hidden_given(v).field, key)

    def _sample_visible(self, h: Float[Array, " h"], *, key: Key[Array, ""]) -> Float[Array, " v"]:
        return _bits(self.visible_given(h).field, key)

    def _log_z(self) -> Scalar:
        """Enumerates the smaller layer; the other one is summed in closed form."""
        visible, hidden = self.weights.shape
        other = BinaryRBM(self.weights.T, self.hidden_bias, self.visible_bias)
        machine, units = (self, visible) if visible <= hidden else (other, hidden)
        return _log_sum_exp(lambda bits: -machine(bits), units)

    def path(self, base_field: Float[Array, " v"] | None = None) -> Linear:
        """From independent bits (biases `base_field`, zero if none) with idle hidden units, linearly to this machine."""
        field = jnp.zeros_like(self.visible_bias) if base_field is None else as_float(base_field)
        idle = BinaryRBM(jnp.zeros_like(self.weights), field, jnp.zeros_like(self.hidden_bias))
        return Linear(Coins(Binary(field.shape), field, -len(self.hidden_bias) * jnp.log(2.0)), idle, self)


class GaussianRBM(AbstractEnergy):
    """`U(v) = sum_i (v_i - a_i)^2 / (2 s_i^2) - sum_j softplus(b_j + sum_i (v_i / s_i) W_ij)`, s = exp(log_scale).

    Real visible units, hidden bits; given h, v_i is Gaussian with mean a_i + s_i (W h)_i and standard deviation s_i
    (Hinton & Salakhutdinov, Science 313, 2006; Hinton's practical guide 2010, eq. 17).
    """

    weights: Float[Array, "v h"] = eqx.field(converter=as_float)
    visible_bias: Float[Array, " v"] = eqx.field(converter=as_float)
    hidden_bias: Float[Array, " h"] = eqx.field(converter=as_float)
    log_scale: Float[Array, " v"] = eqx.field(converter=as_float)

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.visible_bias.shape)

    def __call__(self, x: Float[Array, " v"]) -> Scalar:
        scale = jnp.exp(self.log_scale)
        hidden = jnp.sum(jax.nn.softplus(self.hidden_bias + (x / scale) @ self.weights))
        return jnp.sum((x - self.visible_bias) ** 2 / (2 * scale**2)) - hidden

    def views(self) -> tuple[Capability, ...]:
        latent = Latent(Joint(self), self._sample_hidden, self._sample_visible, self.path)
        small = self.weights.shape[1] <= EXACT_UNITS
        return (latent, Normalised(self._log_z)) if small else (latent,)

    def joint(self, v: Float[Array, " v"], h: Float[Array, " h"]) -> Scalar:
        """The energy before the hidden units are summed out."""
        scale = jnp.exp(self.log_scale)
        return jnp.sum((v - self.visible_bias) ** 2 / (2 * scale**2)) - h @ self.hidden_bias - (v / scale) @ self.weights @ h

    def hidden_given(self, v: Float[Array, " v"]) -> Coins:
        """The hidden bits alone, up to a constant of v."""
        return Coins(Binary(self.hidden_bias.shape), self.hidden_bias + (v / jnp.exp(self.log_scale)) @ self.weights)

    def visible_given(self, h: Float[Array, " h"]) -> Normal:
        """The visible units alone, up to a constant of h."""
        scale = jnp.exp(self.log_scale)
        return Normal(self.visible_bias + scale * (self.weights @ h), scale)

    def _sample_hidden(self, v: Float[Array, " v"], *, key: Key[Array, ""]) -> Float[Array, " h"]:
        return _bits(self.hidden_given(v).field, key)

    def _sample_visible(self, h: Float[Array, " h"], *, key: Key[Array, ""]) -> Float[Array, " v"]:
        return draw(self.visible_given(h), key=key)

    def _log_z(self) -> Scalar:
        """Given h the visible integral is Gaussian: |W h|^2 / 2 + (a / s).(W h) + sum log(s sqrt(2 pi))."""
        scale = jnp.exp(self.log_scale)

        def log_weight(h: Float[Array, " h"]) -> Scalar:
            drive = self.weights @ h
            return h @ self.hidden_bias + 0.5 * drive @ drive + (self.visible_bias / scale) @ drive

        gaussian = jnp.sum(self.log_scale + 0.5 * jnp.log(2 * jnp.pi))
        return gaussian + _log_sum_exp(log_weight, self.weights.shape[1])

    def path(self, base_field: Float[Array, " v"] | None = None) -> Linear:
        """From independent Gaussians (means `base_field`, or this machine's) with idle hidden units, linearly to this machine."""
        mean = self.visible_bias if base_field is None else as_float(base_field)
        idle = GaussianRBM(jnp.zeros_like(self.weights), mean, jnp.zeros_like(self.hidden_bias), self.log_scale)
        return Linear(Normal(mean, jnp.exp(self.log_scale), -len(self.hidden_bias) * jnp.log(2.0)), idle, self)


class Joint(AbstractEnergy):
    """The energy of visible and hidden units together, `U(v, h)`; given one layer the units of the other are independent."""

    machine: BinaryRBM | GaussianRBM

    @property
    def space(self) -> AbstractSpace:
        return Product((self.machine.space, Binary(self.machine.hidden_bias.shape)))

    def __call__(self, x: tuple[Array, Array]) -> Scalar:
        return self.machine.joint(*x)

    def views(self) -> tuple[Capability, ...]:
        return (Parts(self._given),)

    def _given(self, part: int, others: tuple[Array]) -> AbstractEnergy:
        return self.machine.visible_given(*others) if part == 0 else self.machine.hidden_given(*others)


def _bits(logits: Float[Array, " n"], key: Key[Array, ""]) -> Float[Array, " n"]:
    return jnp.asarray(jax.random.uniform(key, logits.shape, logits.dtype) < jax.nn.sigmoid(logits), logits.dtype)


def _log_sum_exp(log_weight: Callable[[Array], Array], units: int) -> Scalar:
    """log of the sum over all 2^units states of exp(log_weight), in chunks of at most 2^12 states."""
    low = min(units, 12)
    chunk = 2**low

    @jax.checkpoint  # a gradient recomputes a chunk instead of keeping all 2^units states
    def part(first: Array) -> Scalar:
        index = first * chunk + jnp.arange(chunk)
        states = jnp.asarray((index[:, None] >> jnp.arange(units)) & 1, jnp.result_type(float))
        return jax.nn.logsumexp(jax.vmap(log_weight)(states))

    return jax.nn.logsumexp(jax.lax.map(part, jnp.arange(2 ** (units - low))))
