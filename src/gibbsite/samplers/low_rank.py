"""A scale of many coordinates with few correlations: a width for each, and some directions stretched."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import as_float

RANK = 16  # twice as many were hardly better in what was tried, at twice the price


class LowRank(eqx.Module):
    """`L = diag(widths) (I + V (diag(stretch) - I) V')`, V of `rank` orthonormal columns: L L' is low-rank plus diagonal.

    A product with it costs `2 size rank`, where a matrix costs `size^2`.
    """

    widths: Float[Array, "*x"] = eqx.field(converter=as_float)
    axes: Float[Array, "size rank"] = eqx.field(converter=as_float)
    stretch: Float[Array, " rank"] = eqx.field(converter=as_float)

    @classmethod
    def identity(cls, shape: tuple[int, ...], rank: int = RANK) -> "LowRank":
        """Widths of 1, and nothing stretched."""
        widths = jnp.ones(shape)
        if not 1 <= rank <= widths.size:
            raise ValueError(f"LowRank has rank={rank}: of {widths.size} coordinates give 1 to {widths.size} directions.")
        return cls(widths, jnp.eye(widths.size, rank), jnp.ones(rank))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of x."""
        return self.widths.shape

    @property
    def ndim(self) -> int:
        """Axes of x (and of rungs, for the kernels of a ladder)."""
        return self.widths.ndim

    def stretched(self, q: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """`L q`."""
        return self.widths * self._along(q, self.stretch)

    def pulled(self, grad: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """`L' grad`."""
        return self._along(self.widths * grad, self.stretch)

    def shrunk(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """`L^-1 x`."""
        return self._along(x / self.widths, 1 / self.stretch)

    def _along(self, x: Float[Array, "*x"], factor: Float[Array, " rank"]) -> Float[Array, "*x"]:
        # Not by matrix products, which round otherwise on another number of devices.
        parts = (factor - 1) * jnp.sum(self.axes * x.ravel()[:, None], axis=0)
        return x + jnp.sum(self.axes * parts, axis=1).reshape(x.shape)


def as_scale(scale: object) -> "Array | LowRank":
    """Numbers as an array; a `LowRank` as it is."""
    return scale if isinstance(scale, LowRank) else as_float(scale)
