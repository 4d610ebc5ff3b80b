"""Order: the magnetisation of spins, rotors, levels and fields, and its fluctuations."""

import math
from collections.abc import Callable as Function

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractSpace, Binary, Categorical, Spins, Torus
from gibbsite.core.energy import Scalar
from gibbsite.thermo.observables.derived import Derived

Order = Function[[Array], Float[Array, " n"]]


def order(space: AbstractSpace) -> Order:
    """The order parameter of a space, a function from x to a vector of length 1 in perfect order and 0 in disorder.

    Spins: the mean; angles: the mean unit vector; q levels: `sqrt(q / (q - 1)) (share_k - 1 / q)` for each level k, which is as long as
    the Potts order parameter; levels on both sides of 0 (Blume-Capel), and real fields: the mean itself.

    Raises:
        TypeError: x has several parts.
    """
    if isinstance(space, Spins):
        return _mean
    if isinstance(space, Binary):
        return _mean_of_bits
    if isinstance(space, Torus):
        return _mean_direction
    if isinstance(space, Categorical) and sum(space.levels) != 0:
        return _Shares(space.levels)
    if not isinstance(space.shape, tuple) or any(isinstance(side, tuple) for side in space.shape):
        raise TypeError(f"{type(space).__name__} has no order parameter of its own: give a function of x.")
    return _mean


def magnetisation(space: AbstractSpace) -> Function[[Array], Scalar]:
    """`|m|`, the length of the order parameter: a function of x."""
    return _Length(order(space))


def susceptibility(space: AbstractSpace, beta: float) -> Derived:
    """`chi = beta N (<m^2> - <|m|>^2)` a site: the response of |m| to a field, of draws at `beta`.

    In the disordered phase of an infinite system <|m|> is 0 and this is `beta N <m^2>`; on a finite one it is smaller by a factor.
    """
    size, moments = space.size, _moments(order(space))
    return Derived(moments, lambda mean: beta * size * (mean[1] - mean[0] ** 2))


def binder(space: AbstractSpace) -> Derived:
    """`U4 = 1 - <m^4> / (3 <m^2>^2)` (Binder, Zeitschrift für Physik B 43, 1981): 2/3 in order, 0 for a Gaussian scalar m.

    Curves of different sizes cross near the critical point. A vector of n components has `2/3 - 2/(3 n)` in disorder.
    """
    return Derived(_moments(order(space)), lambda mean: 1 - mean[2] / (3 * mean[1] ** 2))


class _Length(eqx.Module):
    vector: Order

    def __call__(self, x: Array) -> Scalar:
        return jnp.sqrt(jnp.sum(self.vector(x) ** 2))


def _moments(vector: Order) -> Function[[Array], Float[Array, " 3"]]:
    """|m|, m^2 and m^4."""

    def moments(x: Array) -> Float[Array, " 3"]:
        square = jnp.sum(vector(x) ** 2)
        return jnp.stack([jnp.sqrt(square), square, square**2])

    return moments


def _mean(x: Float[Array, "*x"]) -> Float[Array, " 1"]:
    return jnp.mean(x)[None]


def _mean_of_bits(x: Float[Array, "*x"]) -> Float[Array, " 1"]:
    return _mean(2 * x - 1)


def _mean_direction(x: Float[Array, "*x"]) -> Float[Array, " 2"]:
    return jnp.stack([jnp.mean(jnp.cos(x)), jnp.mean(jnp.sin(x))])


class _Shares(eqx.Module):
    """Of two made from the same levels, compiled programs see one."""

    levels: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "*x"]) -> Float[Array, " q"]:
        q = len(self.levels)
        share = jnp.mean(x.reshape(-1, 1) == jnp.asarray(self.levels), axis=0, dtype=x.dtype)
        return math.sqrt(q / (q - 1)) * (share - 1 / q)
