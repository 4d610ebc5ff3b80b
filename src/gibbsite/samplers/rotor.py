"""Moves of planar rotors in the fields that they see."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from gibbsite.core import AbstractEnergy, LocalFields, need, wrapped
from gibbsite.samplers.sites import AbstractSweep, Update

TRIES = 4  # proposals for an angle


class RotorHeatBath(AbstractSweep):
    """One sweep of heat-bath updates of angles: each is drawn from `exp(h . (cos a, sin a))`, the von Mises law of its field h.

    Uses `LocalFields`. An angle for which TRIES proposals in a row are refused, one in 70 at the most, stays what it was: how often
    that happens does not depend on it, so the law is kept. The order of the blocks makes the sweep irreversible; its time
    reversal sweeps them `backward`.
    """

    needs = LocalFields

    def update(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Update:
        view = need(energy, LocalFields, "RotorHeatBath")
        noise = jax.random.uniform(key, (TRIES, 2, *x.shape), x.dtype)

        def draw(x: Array) -> tuple[Array, Array]:
            size, direction = _polar(view.fields(x))
            angle, drawn = von_mises(size, noise)
            return jnp.where(drawn, wrapped(direction + angle), x), drawn.astype(x.dtype)

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


def von_mises(concentration: Float[Array, "*x"], noise: Float[Array, "tries 2 *x"]) -> tuple[Float[Array, "*x"], Bool[Array, "*x"]]:
    """Angles with densities proportional to `exp(k cos a)`, by rejection from wrapped Cauchy laws, and which of them were found.

    The envelope is that of Best & Fisher (Applied Statistics 28, 1979), written in the half angle so that no digit is lost at
    large k: with `m = 1 + 1 / (2k + sqrt(1 + 4k^2))` propose `tan(a/2) = s tan v`, `s^2 = m / (m + 4k)`, v uniform in
    (-pi/2, pi/2), and accept with probability `y exp(1 - y)` at `y = m/2 + 2k sin^2(a/2)`, which happens 65 times in 100 or
    more. The first proposal accepted counts; `noise` is uniform.
    """
    m = 1 + 1 / (2 * concentration + jnp.hypot(1.0, 2 * concentration))
    square = m / (m + 4 * concentration)
    v = jnp.pi * (noise[:, 0] - 0.5)
    cos = jnp.cos(2 * v)
    y = m / 2 + 2 * concentration * square * (1 - cos) / (1 + cos + square * (1 - cos))
    good = jnp.log(noise[:, 1]) < jnp.log(y) + 1 - y
    first = jnp.take_along_axis(v, jnp.argmax(good, axis=0)[None], axis=0)[0]
    return 2 * jnp.arctan2(jnp.sqrt(square) * jnp.sin(first), jnp.cos(first)), jnp.any(good, axis=0)
