"""Energies between bounds, in a coordinate without bounds."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractSpace, Box, Reals
from gibbsite.core.energy import Scalar
from gibbsite.energies.mapped import AbstractMapped

REACH = 87.0  # exp(87) and exp(-87) are float32 numbers


class Transformed(AbstractMapped):
    """The energy of z on the reals, where `energy` is that of `x = forward(z)` in a `Box`: `U(z) = energy(f(z)) - log |det f'(z)|`.

    The box says how each axis is constrained, and its ends may be infinite, as in `Box([0, -inf, 0], [inf, inf, 1])`:

        both finite   x = low + (high - low) / (1 + e^{-z})
        low finite    x = low + e^z
        high finite   x = high - e^{-z}
        neither       x = z

    All rise with z. Any kernel on the reals may move z; carry its draws back by `jax.vmap(transformed.forward)`. A mere change of units is
    `Rescaled`.

    Raises:
        TypeError: the energy does not live in a Box.
    """

    def __check_init__(self) -> None:
        if not isinstance(self.energy.space, Box):
            raise TypeError(f"Transformed takes an energy in a Box, whose ends may be infinite, not on {type(self.energy.space).__name__}.")

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.energy.space.shape)

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return self.energy(self.forward(x)) - self.log_slope(x)

    def forward(self, z: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """`x` in the box; strictly inside, however far out z lies."""
        ends, below, above = self._ends()
        near = jnp.clip(z, -REACH, REACH)
        low, high = (jnp.where(jnp.isfinite(end), end, 0.0) for end in ends)
        up, down = low + jnp.exp(near), high - jnp.exp(-near)
        one_sided = jnp.where(below, up, jnp.where(above, down, z))
        return self._inside(jnp.where(below & above, low + (high - low) * jax.nn.sigmoid(near), one_sided))

    def inverse(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """The z whose `forward` is x: `log(x - low) - log(high - x)`, of the ends that there are."""
        (low, high), below, above = self._ends()
        inside = self._inside(x)
        logs = jnp.where(below, jnp.log(inside - low), 0.0) - jnp.where(above, jnp.log(high - inside), 0.0)
        return jnp.where(below | above, logs, x)

    def log_slope(self, z: Float[Array, "*x"]) -> Scalar:
        """`log |det f'(z)| = sum log dx/dz`."""
        (low, high), below, above = self._ends()
        width = jnp.log(jnp.where(below & above, high - low, 1.0))
        both = width - jax.nn.softplus(z) - jax.nn.softplus(-z)
        return jnp.sum(jnp.where(below & above, both, jnp.where(below, z, jnp.where(above, -z, 0.0))))

    def _ends(self) -> tuple[tuple[Array, Array], Array, Array]:
        box = self.energy.space
        assert isinstance(box, Box)
        return (box.low, box.high), jnp.isfinite(box.low), jnp.isfinite(box.high)

    def _inside(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """Walls are no values of `forward`, and their logs no numbers: rounding must not lead there (next to 0 it would)."""
        (low, high), tiny = jax.lax.stop_gradient(self._ends()[0]), jnp.finfo(x.dtype).tiny
        above, below = jnp.nextafter(low, jnp.inf), jnp.nextafter(high, -jnp.inf)
        return jnp.clip(x, jnp.maximum(above, low + tiny), jnp.minimum(below, high - tiny))
