"""Slices: a height under the law is drawn, then a place where the law is higher, on a line or on an ellipse through x.

An interval about x shrinks until a draw from it lies on the slice: in a few draws, and nothing is refused. After `MOST` of
them x stays where it is; the way back would have been as long, so that the law is kept. Chains that run together take as long
as the slowest of them, on several devices too: those wait for each other.
"""

from collections.abc import Callable as Function
from operator import attrgetter

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Box, Info, Normal, Reals, as_float, draw, no_work
from gibbsite.core.energy import Scalar, check_values
from gibbsite.energies import Gaussian
from gibbsite.samplers.metropolis import (
    AbstractPointKernel,
    PointState,
    check_axes,
    check_scale,
    check_space,
    check_whole,
    guarded,
    locate,
    shifted,
)
from gibbsite.samplers.spreads import Spreads

MOST = 64  # draws from an interval
_WIDTH = attrgetter("width")

Curve = Function[[Scalar], tuple[PointState, Bool[Array, ""]]]  # the state at s (x itself at 0), and whether it is on the slice


def _on_slice(energy: AbstractEnergy, new: PointState, height: Scalar, level: Scalar) -> Bool[Array, ""]:
    """Whether the law is higher there than the level drawn (heights as energies: downward), inside the support."""
    return guarded(energy, level - height, new) >= 0


def _shrunk(curve: Curve, low: Scalar, high: Scalar, state: PointState, key: Key[Array, ""]) -> tuple[PointState, Info]:
    """The first of uniform draws between two ends that is on the slice; each that is not becomes an end, on its side of 0."""

    def missed(carry: tuple) -> Bool[Array, ""]:
        return ~carry[-1] & (carry[0] < MOST)

    def again(carry: tuple) -> tuple:
        count, low, high, _, _ = carry
        s = jax.random.uniform(jax.random.fold_in(key, count), minval=low, maxval=high)
        return count + 1, jnp.where(s < 0, s, low), jnp.where(s < 0, high, s), *curve(s)

    *_, new, found = jax.lax.while_loop(missed, again, (jnp.zeros((), int), low, high, state, jnp.zeros((), bool)))
    kept = jax.tree.map(lambda a, b: jnp.where(found, a, b), new, state)
    return kept, Info(found.astype(low.dtype), no_work())


class Slice(AbstractPointKernel):
    """A slice along a random direction (Neal, Annals of Statistics 31, 2003, sections 4 and 5).

    A level between U(x) and infinity is drawn; an interval of length `width` lies at random about x on a line, in units of
    `scale` in any direction alike, and steps out by `width` at both ends until they are off the slice, `widths` in all at the
    most; then it shrinks. No gradient is evaluated, and a width that is wrong by a factor of ten costs a few evaluations.

    Warm-up leaves the width and, where `scale` has the axes of x, sets the scale of each coordinate to the spread of the chains.
    """

    width: Scalar = eqx.field(converter=as_float, default=1.0)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float, default=1.0)
    widths: int = eqx.field(static=True, default=16, kw_only=True)

    reversible = True
    reports_work = True
    settles_switch = False
    cost = 6  # on average: 10 on a Gaussian three times as wide as the width, 5 on one of a third of it

    def __check_init__(self) -> None:
        check_values("Slice", "width", self.width, lambda w: w > 0, "a positive number, in units of scale")
        check_scale("Slice", self.scale)
        check_whole("Slice", "widths", self.widths, "an interval is one width long or more, a whole number")

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> PointState:
        check_axes("Slice", self.scale, x)
        return super().init(energy, x, key=key)

    def step(self, energy: AbstractEnergy, state: PointState, *, key: Key[Array, ""]) -> tuple[PointState, Info]:
        aim, height, lie, share, shrink = jax.random.split(key, 5)
        ray = jax.random.normal(aim, state.position.shape, state.position.dtype)
        unit = self.width * self.scale * ray / jnp.linalg.norm(ray)
        level = state.energy + jax.random.exponential(height)

        def line(s: Scalar) -> tuple[PointState, Bool[Array, ""]]:
            new = locate(energy, shifted(energy.space, state.position, s * unit))
            return new, _on_slice(energy, new, new.energy, level)

        low = -jax.random.uniform(lie)
        left = jax.random.randint(share, (), 0, self.widths)
        ends = _stepped(line, low, -1, left), _stepped(line, low + 1, 1, self.widths - 1 - left)
        return _shrunk(line, *ends, state, shrink)

    def tempered(self, beta: Scalar) -> "Slice":
        return eqx.tree_at(_WIDTH, self, self.width / jnp.sqrt(beta))

    def adaptation(self) -> AbstractAdaptation | None:
        return Spreads() if self.scale.ndim > self.width.ndim else None


def _stepped(line: Curve, end: Scalar, way: int, most: Int[Array, ""]) -> Scalar:
    """The end, one step further as long as it is on the slice, `most` times at the most."""

    def on(carry: tuple[Scalar, Array]) -> Bool[Array, ""]:
        return line(carry[0])[1] & (carry[1] > 0)

    return jax.lax.while_loop(on, lambda carry: (carry[0] + way, carry[1] - 1), (end, most))[0]


class EllipticalSlice(AbstractPointKernel):
    """A slice of the likelihood along an ellipse of the prior (Murray, Adams & MacKay, arXiv 1001.0610, figure 2).

    For `U(x) = prior(x) - log L(x)` with a Gaussian prior about m: with nu drawn from the prior, the points
    `m + (x - m) cos a + (nu - m) sin a` all follow the prior, and a is drawn where the likelihood is above its level. Nothing is
    tuned. L is whatever U and the prior leave, so any energy will do; moves are long where it is flat over the prior.

    Raises:
        TypeError: the prior is no `Normal` or `Gaussian`.
        ValueError: its shape is not that of x.
    """

    prior: Normal | Gaussian

    reversible = True
    reports_work = True
    settles_switch = False
    cost = 4  # on average: 3 to 5 where the likelihood is a third as wide as the prior

    def __check_init__(self) -> None:
        if not isinstance(self.prior, Normal | Gaussian):
            raise TypeError(f"EllipticalSlice has a prior of class {type(self.prior).__name__}: give a Normal or a Gaussian.")

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> PointState:
        check_space(energy, "EllipticalSlice", Reals, Box)
        if self.prior.space.shape != x.shape:
            raise ValueError(f"EllipticalSlice has a prior of shape {self.prior.space.shape}, the energy takes {x.shape}: give both one.")
        return locate(energy, x)

    def step(self, energy: AbstractEnergy, state: PointState, *, key: Key[Array, ""]) -> tuple[PointState, Info]:
        other, height, lie, shrink = jax.random.split(key, 4)
        mean = self.prior.loc if isinstance(self.prior, Normal) else self.prior.mean
        here, there = state.position - mean, draw(self.prior, key=other) - mean
        level = state.energy - self.prior(state.position) + jax.random.exponential(height)

        def ellipse(angle: Scalar) -> tuple[PointState, Bool[Array, ""]]:
            new = locate(energy, mean + here * jnp.cos(angle) + there * jnp.sin(angle))
            return new, _on_slice(energy, new, new.energy - self.prior(new.position), level)

        low = -2 * jnp.pi * jax.random.uniform(lie)
        return _shrunk(ellipse, low, low + 2 * jnp.pi, state, shrink)
