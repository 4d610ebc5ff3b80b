"""A network in which every output sees the first few inputs only, so that one pass gives all conditionals."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

Degrees = tuple[int, ...]  # of each unit of a layer: how many of the first coordinates it may depend on


class MaskedLinear(eqx.Module):
    """`y_j = bias_j + sum_i weight_ji x_i` over the i whose degree is at most that of j.

    Only these weights exist, one behind the other in `weights`: each of them counts, and none can leak.
    """

    weights: Float[Array, " live"]
    bias: Float[Array, " out_size"] | None
    into: Degrees = eqx.field(static=True)
    out: Degrees = eqx.field(static=True)

    def __init__(self, into: Degrees, out: Degrees, *, use_bias: bool = True, key: Key[Array, ""]):
        self.into, self.out = into, out
        rows, _ = self._live()
        reach = 1 / np.sqrt(np.bincount(rows, minlength=len(out)))[rows]  # of a row with n inputs: 1 / sqrt(n), as usual
        self.weights = jnp.asarray(reach, jnp.result_type(float)) * jax.random.uniform(key, (len(rows),), minval=-1.0)
        self.bias = jnp.zeros(len(out)) if use_bias else None

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        matrix = jnp.zeros((len(self.out), len(self.into))).at[self._live()].set(self.weights, unique_indices=True)
        return matrix @ x if self.bias is None else self.bias + matrix @ x

    def _live(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the weights."""
        rows, columns = np.nonzero(np.asarray(self.into, int) <= np.asarray(self.out, int)[:, None])
        return rows, columns


class MaskedMLP(eqx.Module):
    """`params` numbers for each coordinate of x, those of x_i from x_1, ..., x_{i-1} (MADE; Germain et al., arXiv 1502.03509).

    One rule makes the masks: a unit of degree m depends on the first m coordinates, so it may hear units of degree m or
    less. Coordinate i has degree i, its outputs degree i - 1, and hidden units share out the degrees between. A direct
    connection to the first number of each coordinate obeys the same rule.
    """

    layers: tuple[MaskedLinear, ...]
    direct: MaskedLinear
    params: int = eqx.field(static=True)
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        in_size: int,
        widths: tuple[int, ...],
        params: int,
        *,
        activation: Callable[[Array], Array] = jax.nn.silu,
        key: Key[Array, ""],
    ):
        inputs, before = tuple(range(1, in_size + 1)), tuple(range(in_size))
        hidden = [tuple(np.linspace(min(1, in_size - 1), in_size - 1, width).round().astype(int).tolist()) for width in widths]
        degrees = [inputs, *hidden, tuple(np.repeat(before, params).tolist())]
        first, *keys = jax.random.split(key, len(degrees))
        self.layers = tuple(MaskedLinear(m, n, key=k) for m, n, k in zip(degrees[:-1], degrees[1:], keys, strict=True))
        self.direct = MaskedLinear(inputs, before, use_bias=False, key=first)
        self.params, self.activation = params, activation

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, "in_size params"]:
        h = x
        for layer in self.layers[:-1]:
            h = self.activation(layer(h))
        return self.layers[-1](h).reshape(-1, self.params).at[:, 0].add(self.direct(x))
