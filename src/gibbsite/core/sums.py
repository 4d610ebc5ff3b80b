"""Sums that keep their digits: pairs (hi, lo) of floats with Neumaier's error term, inside compiled loops."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Pair(eqx.Module):
    """An unevaluated sum `hi + lo` (Neumaier, ZAMM 54, 1974): about twice the digits of its dtype."""

    hi: Float[Array, "*s"]
    lo: Float[Array, "*s"]

    def add(self, term: Float[Array, "*s"]) -> "Pair":
        """The pair with `term` added, rounding error kept."""
        # What has become infinite stays so: a walker behind a wall has weight 0 whatever it does next.
        total = jnp.where(jnp.isposinf(self.hi), self.hi, self.hi + term)
        part = total - self.hi
        error = (self.hi - (total - part)) + (term - part)
        return Pair(total, self.lo + jnp.where(jnp.isfinite(total), error, 0.0))  # an infinite sum stays infinite, not NaN

    def merge(self, other: "Pair") -> "Pair":
        """The sum of two pairs."""
        added = self.add(other.hi)
        return Pair(added.hi, added.lo + other.lo)

    def value(self) -> Float[Array, "*s"]:
        """The sum in the dtype of its parts."""
        return self.hi + self.lo

    def float64(self) -> np.ndarray:
        """The sum on the host, in float64."""
        return np.asarray(np.asarray(self.hi, np.float64) + np.asarray(self.lo, np.float64))


def zeros(shape: tuple[int, ...] = ()) -> Pair:
    """An empty sum."""
    return Pair(jnp.zeros(shape), jnp.zeros(shape))
