"""Particles in a periodic box, given by angles as in `energies.Yukawa`: positions are `side x / (2 pi)`."""

import dataclasses
import math
from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractObserver, ArrayLike, Diagnosis, Estimate, Histogram, Mean, Moments, as_float, wrapped
from gibbsite.core.energy import Scalar, check_values
from gibbsite.energies.distances import between, length


class PairDistribution(AbstractObserver):
    """g(r), the density of particles at a distance r from one of them, over that of the box, in shells between `edges`.

    `g = (pairs in the shell / all pairs) (volume of the box / volume of the shell)`, 1 in an ideal gas. (Hansen & McDonald, Theory
    of Simple Liquids.) Edges reach no farther than half the `side`: there a shell leaves the box. A shell that no pair ever
    entered has g = 0 with the bound of `Histogram`.

    Raises:
        ValueError: edges do not increase from 0 or more to half the side or less.
    """

    edges: Float[Array, " edges"] = eqx.field(converter=as_float)
    side: Scalar = eqx.field(converter=as_float, default=1.0)
    dim: int = eqx.field(static=True, default=3)

    def __check_init__(self) -> None:
        edges, side = np.asarray(self.edges), float(self.side)
        rising = edges.ndim == 1 and len(edges) > 1 and bool(np.all(np.diff(edges) > 0))
        if not (rising and edges[0] >= 0 and edges[-1] <= side / 2 * (1 + 1e-6)):
            raise ValueError(f"PairDistribution has edges={edges}: give increasing distances from 0 to half the side, {side / 2:g}.")

    def shares(self, x: Float[Array, "*x"]) -> Float[Array, " shells"]:
        """Of all pairs of one configuration `n dim`, those in each shell."""
        r = length(self.side / (2 * jnp.pi) * wrapped(between(x.reshape(-1, self.dim))))
        inside = (r[:, None] >= self.edges[:-1]) & (r[:, None] < self.edges[1:])
        return jnp.mean(inside, axis=0, dtype=r.dtype)

    def ideal(self) -> Float[np.ndarray, " shells"]:
        """The same of an ideal gas."""
        edges, side = np.asarray(self.edges, np.float64), float(self.side)
        ball = math.pi ** (self.dim / 2) / math.gamma(self.dim / 2 + 1)
        return ball * np.diff((edges / side) ** self.dim)

    def init(self, x: Any) -> Moments:
        return Mean(self.shares).init(x)

    def update(self, acc: Moments, x: Float[Array, "*x"], weight: Scalar) -> Moments:
        return Mean(self.shares).update(acc, x, weight)

    def merge(self, first: Moments, second: Moments) -> Moments:
        return Mean(self.shares).merge(first, second)

    def finalise(self, acc: Moments) -> Estimate:
        return self.diagnose(acc).estimate

    def diagnose(self, acc: Moments) -> Diagnosis:
        found, ideal = Histogram(self.shares, self.edges).diagnose(acc), self.ideal()
        value, stderr, lo, hi = (getattr(found.estimate, name) / ideal for name in ("value", "stderr", "lo", "hi"))
        scaled = dataclasses.replace(found.estimate, value=value, stderr=stderr, lo=lo, hi=hi)
        return found._replace(estimate=scaled)


def pressure(build: Function[[Scalar], AbstractEnergy], side: ArrayLike) -> Function[[Array], Scalar]:
    """The virial pressure of a configuration in a box of that side, in kT a volume: a function of x, whose mean is the pressure.

        P = n / V - <dU / dV> = (n - side <dU / dside> / d) / side^d,    U in units of kT,

    where the angles are held while the box grows (Clausius 1870). `build(side)` is the energy in a box of a given side, such as
    `lambda side: Yukawa(8, side=side)`; its slope is taken by automatic differentiation.

    Raises:
        ValueError: the side is not positive.
    """
    check_values("pressure", "side", as_float(side), lambda s: s > 0, "a positive number")

    def virial(x: Float[Array, "n d"]) -> Scalar:
        n, d = x.shape
        slope = jax.grad(lambda s: build(s)(x))(as_float(side))
        return (n - as_float(side) * slope / d) / as_float(side) ** d

    return virial
