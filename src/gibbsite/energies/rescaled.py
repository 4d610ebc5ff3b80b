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
    Pushforward,
    Reals,
    Slope,
    as_float,
    need,
)
from gibbsite.core.energy import Scalar
from gibbsite.energies.mapped import AbstractMapped


class Rescaled(AbstractMapped):
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
        return self.energy(self.forward(x)) + self._log_jacobian()

    def forward(self, z: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return (z - self.shift) / self.scale

    def inverse(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return self.shift + self.scale * x

    def _log_jacobian(self) -> Scalar:
        return jnp.sum(jnp.log(jnp.broadcast_to(self.scale, self.space.shape)))

    def _carry(self, view: Capability) -> tuple[Capability, ...]:
        if isinstance(view, Pushforward):
            return (Pushforward(self._forward, self._inverse),)
        if isinstance(view, Latent):
            return (Latent(RescaledVisible(view.joint, self.shift, self.scale), self._sample_hidden, self._sample_visible),)
        return (Slope(self._slope),) if isinstance(view, Slope) else super()._carry(view)

    def _slope(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return need(self.energy, Slope, "Rescaled").slope(self.forward(x)) / self.scale

    def _forward(self, z: Float[Array, "*x"]) -> tuple[Float[Array, "*x"], Scalar]:
        x, log_slope = need(self.energy, Pushforward, "Rescaled").forward(z)
        return self.inverse(x), log_slope + self._log_jacobian()

    def _inverse(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return need(self.energy, Pushforward, "Rescaled").inverse(self.forward(x))

    def _sample_hidden(self, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Array:
        return need(self.energy, Latent, "Rescaled").sample_hidden(self.forward(x), key=key)

    def _sample_visible(self, h: Array, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        return self.inverse(need(self.energy, Latent, "Rescaled").sample_visible(h, key=key))


class RescaledVisible(AbstractMapped):
    """A joint energy of visible and hidden units, with the visible ones in other units: `log_z` stays, hidden units too."""

    energy: AbstractEnergy
    shift: Float[Array, "*x"]
    scale: Float[Array, "*x"]

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def __call__(self, x: tuple[Array, Array]) -> Scalar:
        return self.energy(self.forward(x)) + jnp.sum(jnp.log(jnp.broadcast_to(self.scale, x[0].shape)))

    def forward(self, z: tuple[Array, Array]) -> tuple[Array, Array]:
        visible, hidden = z
        return (visible - self.shift) / self.scale, hidden

    def inverse(self, x: tuple[Array, Array]) -> tuple[Array, Array]:
        visible, hidden = x
        return self.shift + self.scale * visible, hidden

    def _carry(self, view: Capability) -> tuple[Capability, ...]:
        return (Marginal(self._guess),) if isinstance(view, Marginal) else super()._carry(view)

    def _guess(self, x: Float[Array, "*x"]) -> AbstractEnergy:
        return need(self.energy, Marginal, "RescaledVisible").guess((x - self.shift) / self.scale)
