"""A population whose walkers show each other the way."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, Box, Info, Reals, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.samplers.metropolis import PointState, check_space, guarded, locate, metropolis


class Walkers(NamedTuple):
    """The places of all walkers with their energies, and whose turn it was last."""

    positions: Float[Array, "walkers *x"]
    energies: Float[Array, " walkers"]
    turn: Int[Array, ""]


class Stretch(AbstractKernel):
    """Affine-invariant stretch moves (Goodman & Weare, Comm. App. Math. Comp. Sci. 5, 2010, section 2).

    Walker x goes along the line through another one, c, drawn from the rest: `y = c + z (x - c)` with z from the law
    `1 / sqrt(z)` between 1 / stretch and `stretch`, accepted with `min(1, z^(d - 1) exp(U(x) - U(y)))`, d the number of
    coordinates. Whatever linear map is applied to x, the moves are the same: no scale is tuned and no gradient evaluated.
    They slow down as d grows (Huijser, Goodman & Brewer, arXiv 1509.02230): for some tens of coordinates at the most.

    A population kernel. The walkers take turns, one a step, and `position` is that of the walker whose turn it was, so that a
    step costs one evaluation and each draw is a new place. `init` puts the first at x and the others about it, at a distance
    of `spread` on each axis; a change of x takes all along. Warm-up must move each of them many times. One draw after another is of
    another walker, so that of fewer than 16 chains many rounds are needed before their errors are known.

    Raises:
        ValueError: a parameter is out of range, or there are too few walkers to leave the plane that they start in.
    """

    stretch: Scalar = eqx.field(converter=as_float, default=2.0)
    spread: Scalar = eqx.field(converter=as_float, default=1.0)
    walkers: int = eqx.field(static=True, kw_only=True)

    reversible = False
    reports_work = False  # the work of a population is not that of one x
    settles_switch = False
    has_memory = True

    def __check_init__(self) -> None:
        check_values("Stretch", "stretch", self.stretch, lambda a: a > 1, "a number above 1, the most by which a distance grows")
        check_values("Stretch", "spread", self.spread, lambda s: s > 0, "a positive number, in units of x")

    @property
    def cache_cost(self) -> int:
        return self.walkers

    @property
    def period(self) -> int:
        return self.walkers

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Walkers:
        check_space(energy, "Stretch", Reals, Box)
        if self.walkers < x.size + 2:
            raise ValueError(f"Stretch has walkers={self.walkers} for {x.size} coordinates: give at least {x.size + 2}, better twice that.")
        noise = jax.random.normal(key, (self.walkers, *x.shape), x.dtype).at[0].set(0.0)
        return _at(energy, x + self.spread * noise, jnp.zeros((), int))

    def step(self, energy: AbstractEnergy, state: Walkers, *, key: Key[Array, ""]) -> tuple[Walkers, Info]:
        choose, size, coin = jax.random.split(key, 3)
        turn = (state.turn + 1) % self.walkers
        partner = (turn + jax.random.randint(choose, (), 1, self.walkers)) % self.walkers
        old, centre = PointState(state.positions[turn], state.energies[turn]), state.positions[partner]
        z = ((self.stretch - 1) * jax.random.uniform(size) + 1) ** 2 / self.stretch
        new = locate(energy, centre + z * (old.position - centre))
        log_ratio = (old.position.size - 1) * jnp.log(z) + old.energy - new.energy
        moved, info = metropolis(guarded(energy, log_ratio, new), new, old, key=coin)
        return Walkers(state.positions.at[turn].set(moved.position), state.energies.at[turn].set(moved.energy), turn), info

    def position(self, state: Walkers) -> Float[Array, "*x"]:
        return state.positions[state.turn]

    def energy(self, energy: AbstractEnergy, state: Walkers) -> Scalar:
        return state.energies[state.turn]

    def refresh(self, energy: AbstractEnergy, state: Walkers, x: Array | None = None) -> Walkers:
        moved = 0.0 if x is None else x - self.position(state)
        return _at(energy, state.positions + moved, state.turn)


def _at(energy: AbstractEnergy, positions: Float[Array, "walkers *x"], turn: Int[Array, ""]) -> Walkers:
    inside = jax.vmap(energy.space.contains)(positions)
    return Walkers(positions, jnp.where(inside, jax.vmap(energy)(positions), jnp.inf), turn)
