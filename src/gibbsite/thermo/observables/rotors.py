"""Planar rotors: their stiffness, and their vortices."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import wrapped
from gibbsite.energies import XY
from gibbsite.energies.grid import beside
from gibbsite.thermo.observables.derived import Derived


def helicity_modulus(energy: XY, beta: float) -> Derived:
    """The stiffness of rotors against a twist by an angle delta from each plane to the next, of draws at `beta`,

        Y = (1 / N) d^2 F / d delta^2 = [<sum J cos(a_i - a_j)> - beta <(sum J sin(a_i - a_j))^2>] / N,

    sums over the bonds of one axis, the mean of all axes (Fisher, Barber & Jasnow, PRA 8, 1973; Teitel & Jayaprakash, PRB 27, 1983).
    At the Kosterlitz-Thouless transition of two dimensions it jumps from `2 / (pi beta)` to 0.
    """
    axes = len(energy.side)
    couplings = jnp.broadcast_to(energy.coupling, (axes, *(energy.side if energy.coupling.ndim else (1,) * axes)))

    def sums(x: Float[Array, "*side"]) -> Float[Array, " 2"]:
        steps = [wrapped(beside(x, axis, 1, periodic=energy.periodic) - x) for axis in range(axes)]
        held = [jnp.where(_bonds(x, axis, energy), coupling, 0.0) for axis, coupling in enumerate(couplings)]
        along = jnp.stack([jnp.sum(c * jnp.cos(step)) for c, step in zip(held, steps, strict=True)])
        across = jnp.stack([jnp.sum(c * jnp.sin(step)) for c, step in zip(held, steps, strict=True)])
        return jnp.stack([jnp.mean(along), jnp.mean(across**2)]) / x.size

    return Derived(sums, lambda mean: mean[0] - beta * mean[1])


def _bonds(x: Float[Array, "*side"], axis: int, energy: XY) -> Array:
    """Where a bond along the axis begins."""
    return beside(jnp.ones(x.shape), axis, 1, periodic=energy.periodic) > 0


def vortex_density(x: Float[Array, "*side"]) -> Float[Array, ""]:
    """Vortices and antivortices a plaquette of a torus: the mean of |n|, where 2 pi n is the sum of steps (-pi to pi) around it.

    (Kosterlitz & Thouless, J. Phys. C 6, 1973.) Random angles have 1/3.

    Raises:
        ValueError: x has not two axes.
    """
    if x.ndim != 2:
        raise ValueError(f"vortex_density of an x of shape {x.shape}: vortices are points of two dimensions.")
    right, down = (wrapped(jnp.roll(x, -1, axis) - x) for axis in (1, 0))
    around = right + jnp.roll(down, -1, 1) - jnp.roll(right, -1, 0) - down
    return jnp.mean(jnp.abs(jnp.round(around / (2 * jnp.pi))))
