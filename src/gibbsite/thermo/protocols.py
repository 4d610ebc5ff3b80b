"""Protocols: what is done to a system from outside is a path, and its times say how fast.

A *drag* moves a trap (`Drag`); a *switch* is any path from one energy to another (`Geometric`, `Linear`), in as many steps as `schedule`
has; a *quench* is the path of one step, `schedule(1)`, on which nothing can move.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractPath, ArrayLike, Normal, Sampleable, Sum, as_float, need, require
from gibbsite.core.energy import Scalar, check_values
from gibbsite.core.keys import BACKWARD, FORWARD, chain_keys
from gibbsite.samplers import Progress
from gibbsite.thermo.annealing import Ladder, Settle, base_of, check_kernel, draw_base, increasing, walk
from gibbsite.thermo.work import Work


class Drag(AbstractPath):
    """`U_t(x) = energy(x) + stiffness |x - c_t|^2 / 2` with the centre `c_t = (1 - t) start + t stop`: a trap is pulled along.

    (Mazonka & Jarzynski, cond-mat/9912121, where all is known of the trap alone.) Without an energy there is the trap alone: its ends are
    drawn exactly, and dF = 0. Work is formed analytically, `stiffness (c_0 - c_1) . (x - (c_0 + c_1) / 2)`.

    Raises:
        ValueError: the stiffness is not positive.
    """

    start: Float[Array, "*x"] = eqx.field(converter=as_float)
    stop: Float[Array, "*x"] = eqx.field(converter=as_float)
    stiffness: Scalar = eqx.field(converter=as_float, default=1.0)
    energy: AbstractEnergy | None = None

    def __check_init__(self) -> None:
        check_values("Drag", "stiffness", self.stiffness, lambda k: k > 0, "a positive stiffness, in kT over the square of a unit of x")

    @property
    def base(self) -> AbstractEnergy:
        return self(as_float(0.0))

    def centre(self, t: Scalar) -> Float[Array, "*x"]:
        """Where the trap is at t."""
        return (1 - t) * self.start + t * self.stop

    def __call__(self, t: Scalar) -> AbstractEnergy:
        trap = Normal(self.centre(t), jnp.full(self.start.shape, 1 / jnp.sqrt(self.stiffness)))
        return trap if self.energy is None else Sum(self.energy, trap)

    def work(self, t0: Scalar, t1: Scalar, x: Float[Array, "*x"]) -> Scalar:
        before, after = self.centre(t0), self.centre(t1)
        return self.stiffness * jnp.sum((before - after) * (x - (before + after) / 2))


def drive(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    *,
    times: ArrayLike,
    walkers: int = 1024,
    start: AbstractEnergy | PyTree | None = None,
    end: AbstractEnergy | PyTree | None = None,
    settle: Settle = "own",
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Work:
    """The protocol forward, from equilibrium at t = 0, and its exact time reversal from equilibrium at t = 1.

    Walkers go by *switch, move, switch, ..., switch* over `times` (`schedule(n)`: n switches), forward and back, with any kernel that
    accounts for its work: Jarzynski's and Crooks' relations then hold exactly at every step size. With `ULA(h)` a move lasts a time h of
    overdamped motion, `dx = -U'(x) dt + sqrt(2) dB`.

    Equilibrium at either end is drawn exactly where the path's energy there can be drawn; otherwise `start` or `end` are an energy of the
    same law that can, or draws of it (walkers *x), for example those that `sample(..., keep=)` stored. It is as good as they are.

    Raises:
        TypeError: the kernel does not report work, or an end has no exact draws and none are given.
        ValueError: times, walkers, settle or draws make no sense.
    """
    times = increasing(times)
    check_kernel(kernel, len(times), settle)
    if not hasattr(walkers, "__index__") or walkers < 2:
        raise ValueError(f"walkers={walkers}: give a whole number of at least two.")
    back = kernel.reverse(settle) if isinstance(kernel, Ladder) else kernel.reverse()
    first = start if start is not None else base_of(path)
    last = end if end is not None else path(times[-1])
    works = []
    for name, number, ticks, mover, given in (("start", FORWARD, times, kernel, first), ("end", BACKWARD, times[::-1], back, last)):
        keys = chain_keys(jax.random.fold_in(key, number), walkers)
        xs = _equilibrium(path(ticks[0]), given, name, keys)
        shown = progress or Progress("driving" if name == "start" else "driving back", len(times))
        works.append(walk(path, mover, ticks, xs, keys, settle, shown)[0])
    return Work(*works)


def _equilibrium(energy: AbstractEnergy, given: AbstractEnergy | PyTree, name: str, keys: Key[Array, " walkers"]) -> PyTree:
    """Draws of the energy at one end of the path."""
    if isinstance(given, AbstractEnergy):
        need(given, Sampleable, f"drive, without {name}= draws of that end,")
        return draw_base(given, keys)
    xs = require(energy.space, given, name, batched=True)
    if len(jax.tree.leaves(xs)[0]) != len(keys):
        raise ValueError(f"{name} has {len(jax.tree.leaves(xs)[0])} draws, and walkers={len(keys)}: give as many of one as of the other.")
    return xs
