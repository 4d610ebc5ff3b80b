"""A path joins two energies: `path(t)` is an energy, from a base at `t = 0` to a target at `t = 1`.

`path.work(t0, t1, x)` is the work of the switch, `U_t1(x) - U_t0(x)` in nats, formed analytically where the path is
linear in t: a float32 difference of two large energies loses the digits that matter. Schedules of `t` are plain arrays, kept apart.
"""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from gibbsite.core.energy import AbstractEnergy, Scalar, Sum, Tempered


class AbstractPath(eqx.Module):
    """A one-parameter family of energies on one space.

    To add a path: give `__call__`, `work` and `base`, the energy at t = 0. Annealing asks of the base that it be
    `Normalised` and `Sampleable`; tempering asks nothing.
    """

    if TYPE_CHECKING:  # an AbstractVar would be a constructor argument to a type checker

        @property
        def base(self) -> AbstractEnergy | None:
            """The energy at t = 0, where it has a name of its own."""
    else:
        base: eqx.AbstractVar[AbstractEnergy | None]

    @abc.abstractmethod
    def __call__(self, t: Scalar) -> AbstractEnergy:
        """The energy at `t`."""

    @abc.abstractmethod
    def work(self, t0: Scalar, t1: Scalar, x: PyTree) -> Scalar:
        """`U_t1(x) - U_t0(x)` in nats."""


class Tempering(AbstractPath):
    """`U_t = t * energy`: `t` is the inverse temperature.

    At t = 0 the law need not exist. Where it does (sites of a few values, angles, a box), give it as `base`, the one with
    energy 0: `reference(energy.space)`.
    """

    energy: AbstractEnergy
    base: AbstractEnergy | None = None

    def __call__(self, t: Scalar) -> AbstractEnergy:
        return Tempered(self.energy, t)

    def work(self, t0: Scalar, t1: Scalar, x: PyTree) -> Scalar:
        return (t1 - t0) * self.energy(x)


class Geometric(AbstractPath):
    """`U_t = (1 - t) base + t target` (Neal, Statistics and Computing 11, 2001, section 5)."""

    base: AbstractEnergy
    target: AbstractEnergy

    def __call__(self, t: Scalar) -> AbstractEnergy:
        return Sum(Tempered(self.base, 1 - t), Tempered(self.target, t))

    def work(self, t0: Scalar, t1: Scalar, x: PyTree) -> Scalar:
        return (t1 - t0) * (self.target(x) - self.base(x))


class Linear(AbstractPath):
    """Linear in the parameters: every array leaf goes from `start` to `stop` (Salakhutdinov & Murray, ICML 2008).

    `base` must be the same function of `x` as `start`, constant included, in a form that knows its `log_z`.
    """

    base: AbstractEnergy
    start: AbstractEnergy
    stop: AbstractEnergy

    def __call__(self, t: Scalar) -> AbstractEnergy:
        first, static = eqx.partition(self.start, eqx.is_inexact_array)
        last = eqx.filter(self.stop, eqx.is_inexact_array)
        return eqx.combine(jax.tree.map(lambda a, b: (1 - t) * a + t * b, first, last), static)

    def work(self, t0: Scalar, t1: Scalar, x: PyTree) -> Scalar:
        return self(t1)(x) - self(t0)(x)


def schedule(steps: int, *, power: float = 1.0) -> jax.Array:
    """`t_k = (k / steps)^power` for k = 0..steps; `power` > 1 spends more steps near the base."""
    return jnp.linspace(0.0, 1.0, steps + 1) ** power
