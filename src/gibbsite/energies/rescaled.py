"""A change of units, with its Jacobian."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    Capability,
    Latent,
    Marginal,
    Normalised,
    Pushforward,
    Reals,
    Sampleable,
    Slope,
    as_float,
    need,
)
from gibbsite.core.energy import Scalar


class Rescaled(AbstractEnergy):
    """The energy of `x = shift + scale z` where `energy` is that of `z`: `U(x) = energy(z) + sum log scale`.

    With the Jacobian in the energy, `log_z` is the same number in both units, and `-U(x) - log_z` is the log-density
    in those of `x`.
    """

    energy: AbstractEnergy
    shift: Float[Array, "*x"] = eqx.field(converter=as_float)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        if not isinstance(self.energy.space, Reals):
            raise TypeError(f"Rescaled changes the units of real data; {type(self.energy.space).__name__} has none.")
        if not isinstance(self.scale, jax.core.Tracer) and np.any(np.asarray(self.scale) <= 0):
            raise ValueError(f"scale={self.scale}: Rescaled needs positive scales; drop a constant column.")

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return self.energy((x - self.shift) / self.scale) + self._log_jacobian()

    def _log_jacobian(self) -> Scalar:
        return jnp.sum(jnp.log(jnp.broadcast_to(self.scale, self.space.shape)))

    def views(self) -> tuple[Capability, ...]:
        return tuple(kept for view in self.energy.views() for kept in self._carry(view))

    def _carry(self, view: Capability) -> tuple[Capability, ...]:
        if isinstance(view, Normalised):
            return (view,)
        if isinstance(view, Sampleable):
            return (Sampleable(self._sample),)
        if isinstance(view, Pushforward):
            return (Pushforward(self._forward, self._inverse),)
        if isinstance(view, Latent):
            return (Latent(RescaledVisible(view.joint, self.shift, self.scale), self._sample_hidden, self._sample_visible),)
        return (Slope(self._slope),) if isinstance(view, Slope) else ()

    def _slope(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return need(self.energy, Slope, "Rescaled").slope((x - self.shift) / self.scale) / self.scale

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        return self.shift + self.scale * need(self.energy, Sampleable, "Rescaled").sample(key=key)

    def _forward(self, z: Float[Array, "*x"]) -> tuple[Float[Array, "*x"], Scalar]:
        x, log_slope = need(self.energy, Pushforward, "Rescaled").forward(z)
        return self.shift + self.scale * x, log_slope + self._log_jacobian()

    def _inverse(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return need(self.energy, Pushforward, "Rescaled").inverse((x - self.shift) / self.scale)

    def _sample_hidden(self, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Array:
        return need(self.energy, Latent, "Rescaled").sample_hidden((x - self.shift) / self.scale, key=key)

    def _sample_visible(self, h: Array, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        return self.shift + self.scale * need(self.energy, Latent, "Rescaled").sample_visible(h, key=key)


class RescaledVisible(AbstractEnergy):
    """A joint energy of visible and hidden units, with the visible ones in other units: `log_z` stays, hidden units too."""

    joint: AbstractEnergy
    shift: Float[Array, "*x"]
    scale: Float[Array, "*x"]

    @property
    def space(self) -> AbstractSpace:
        return self.joint.space

    def __call__(self, x: tuple[Array, Array]) -> Scalar:
        visible, hidden = x
        log_jacobian = jnp.sum(jnp.log(jnp.broadcast_to(self.scale, visible.shape)))
        return self.joint(((visible - self.shift) / self.scale, hidden)) + log_jacobian

    def views(self) -> tuple[Capability, ...]:
        return tuple(kept for view in self.joint.views() for kept in self._carry(view))

    def _carry(self, view: Capability) -> tuple[Capability, ...]:
        if isinstance(view, Normalised):
            return (view,)
        if isinstance(view, Sampleable):
            return (Sampleable(self._sample),)
        return (Marginal(self._guess),) if isinstance(view, Marginal) else ()

    def _sample(self, *, key: Key[Array, ""]) -> tuple[Array, Array]:
        visible, hidden = need(self.joint, Sampleable, "RescaledVisible").sample(key=key)
        return self.shift + self.scale * visible, hidden

    def _guess(self, x: Float[Array, "*x"]) -> AbstractEnergy:
        return need(self.joint, Marginal, "RescaledVisible").guess((x - self.shift) / self.scale)
