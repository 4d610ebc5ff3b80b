"""Moves of planar rotors in the fields that they see."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, LocalFields, need, wrapped
from gibbsite.samplers.sites import AbstractSweep, Update


class RotorHeatBath(AbstractSweep):
    """One sweep of heat-bath updates of angles: each is drawn from `exp(h . (cos a, sin a))`, the von Mises law of its field h.

    Uses `LocalFields`. The order of the blocks makes the sweep irreversible; its time reversal sweeps them `backward`.
    """

    needs = LocalFields

    def update(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Update:
        view = need(energy, LocalFields, "RotorHeatBath")

        def draw(x: Array) -> tuple[Array, Array]:
            size, direction = _polar(view.fields(x))
            return wrapped(direction + von_mises(size, key=key)), jnp.ones(())

        return draw


class Overrelaxation(AbstractSweep):
    """One sweep that reflects each angle about the field that it sees, `a -> 2 arg h - a` (Creutz, Phys. Rev. D 36, 1987).

    Uses `LocalFields`. Without chance and at constant energy, so it forgets nothing by itself: a few sweeps of it between two of
    `RotorHeatBath`, in a `Cycle`, carry waves along that the latter would diffuse. Its time reversal, and its inverse,
    sweeps the blocks `backward`.
    """

    needs = LocalFields

    def update(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Update:
        view = need(energy, LocalFields, "Overrelaxation")
        return lambda x: (wrapped(2 * _polar(view.fields(x))[1] - x), jnp.ones(()))


def _polar(fields: Float[Array, "*x 2"]) -> tuple[Float[Array, "*x"], Float[Array, "*x"]]:
    along, across = fields[..., 0], fields[..., 1]
    return jnp.hypot(along, across), jnp.arctan2(across, along)


def von_mises(concentration: Float[Array, "*x"], *, key: Key[Array, ""]) -> Float[Array, "*x"]:
    """Independent angles with densities proportional to `exp(k cos a)`, by rejection from wrapped Cauchy laws.

    The envelope is that of Best & Fisher (Applied Statistics 28, 1979), written in the half angle so that no digit is lost at
    large k: with `m = 1 + 1 / (2k + sqrt(1 + 4k^2))` propose `tan(a/2) = sqrt(m / (m + 4k)) tan v`, v uniform in
    (-pi/2, pi/2), and accept with probability `y exp(1 - y)` at `y = m/2 + 2k sin^2(a/2)`, which happens 65 times in 100 or more.
    """
    m = 1 + 1 / (2 * concentration + jnp.hypot(1.0, 2 * concentration))
    scale = jnp.sqrt(m / (m + 4 * concentration))

    def attempt(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        angle, wanted, count = carry
        turn, coin = jax.random.split(jax.random.fold_in(key, count))
        v = jax.random.uniform(turn, m.shape, m.dtype, -jnp.pi / 2, jnp.pi / 2)
        across, along = scale * jnp.sin(v), jnp.cos(v)
        y = m / 2 + 2 * concentration * across**2 / (across**2 + along**2)
        refused = jnp.log(jax.random.uniform(coin, m.shape, m.dtype)) > jnp.log(y) + 1 - y  # False for NaN, which would never end
        return jnp.where(wanted, 2 * jnp.arctan2(across, along), angle), wanted & refused, count + 1

    start = (jnp.zeros_like(m), jnp.ones(m.shape, bool), jnp.zeros((), int))
    return jax.lax.while_loop(lambda carry: jnp.any(carry[1]), attempt, start)[0]
