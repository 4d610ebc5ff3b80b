"""Sites that interact in pairs: what moves of whole clusters and of planar rotors need to know of an energy."""

import math
from collections.abc import Callable as Function
from itertools import accumulate
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gibbsite.core.energy import Capability, Conditionals, Scalar, as_float


class Grid(NamedTuple):
    """The bonds of a hypercubic lattice: axis after axis, from each site to the next one along it, beyond an open end none."""

    side: tuple[int, ...]
    periodic: bool

    def begin(self, x: Array, axis: int) -> Array:
        """x at the sites where a bond along this axis begins: all of a torus, all but the last of an open axis."""
        return x if self.periodic else jax.lax.slice_in_dim(x, 0, self.side[axis] - 1, axis=axis)

    def ends(self, x: Array) -> list[tuple[Array, Array]]:
        """x at both ends of the bonds of each axis."""
        x = x.reshape(self.side)
        return [(self.begin(x, axis), self.begin(jnp.roll(x, -1, axis), axis)) for axis in range(x.ndim)]

    def by_axis(self, bonds: Array) -> list[Array]:
        """What is known of the bonds one by one, at the sites where those of each axis begin."""
        shapes = [tuple(n - (along == axis and not self.periodic) for along, n in enumerate(self.side)) for axis in range(len(self.side))]
        stops = list(accumulate(map(math.prod, shapes)))
        return [bonds[stop - math.prod(shape) : stop].reshape(shape) for stop, shape in zip(stops, shapes, strict=True)]


class Pairwise(Capability):
    """An energy of bonds between pairs of sites and of single sites, for moves of clusters.

    Bond b joins the sites `edges[b]`, numbers in the flattened x. On a discrete space the energy is higher by `gaps[b]` where they
    differ than where they are equal (2 J of an Ising bond -J s s', J of a Potts bond -J [s = s']), and `alone` are the logits of
    the sites without their bonds, in the form of `Conditionals`. On a `Torus` it is higher by `gaps[b]` where two angles are
    opposite, and by `gaps[b] (1 - cos(a - a')) / 2` anywhere (2 J of a bond -J cos(a - a')); `alone` are the fields, in the form of
    `LocalFields`; none, where without bonds all x are equal. Tempering scales all; a sum has the bonds of both.

    Where the bonds are those of a `grid`, in its order, they are found faster than by the list.
    """

    edges: Int[Array, "bonds 2"]
    gaps: Float[Array, " bonds"]
    alone: Float[Array, "..."] | None = None
    grid: Grid | None = eqx.field(static=True, default=None)

    def tempered(self, beta: Scalar) -> "Pairwise":
        return Pairwise(self.edges, beta * self.gaps, None if self.alone is None else beta * self.alone, self.grid)

    def plus(self, other: "Pairwise") -> "Pairwise":
        edges, gaps = (jnp.concatenate(pair) for pair in ((self.edges, other.edges), (self.gaps, other.gaps)))
        felt = [alone for alone in (self.alone, other.alone) if alone is not None]
        return Pairwise(edges, gaps, sum(felt[1:], felt[0]) if felt else None, self.grid if len(other.edges) == 0 else None)

    def parts(self, bonds: Array) -> list[Array]:
        """What is known of the bonds, in the parts in which `ends` finds them: those of each axis of a grid, else all at once."""
        return [bonds] if self.grid is None else self.grid.by_axis(bonds)

    def ends(self, x: Array) -> list[tuple[Array, Array]]:
        """What stands at both ends of every bond."""
        if self.grid is not None:
            return self.grid.ends(x)
        one, other = jnp.ravel(x)[self.edges.T]
        return [(one, other)]


def no_bonds(alone: Float[Array, "..."]) -> Pairwise:
    """Sites that do not feel each other."""
    return Pairwise(jnp.zeros((0, 2), int), jnp.zeros(0), alone)


class UniformBonds(Capability):
    """Spins on a square torus (or on each of several), each bond with the energy `-coupling s s'`, and nothing else but a `constant`.

    Tempering scales both; a sum loses it, for what is added need not be of this form.
    """

    coupling: Scalar
    constant: Scalar = eqx.field(converter=as_float, default=0.0)

    def tempered(self, beta: Scalar) -> "UniformBonds":
        return UniformBonds(beta * self.coupling, beta * self.constant)


class LevelBonds(Capability):
    """Levels that interact in pairs by one table: `U(x) = sum_b couplings_b table(x_i, x_j) - sum_i alone_i(x_i)`, b = (i, j) of `edges`.

    That is up to a constant. Levels are numbered as the values of the space. Tempering scales couplings and `alone`; a sum loses the
    view, for tables differ.
    """

    edges: Int[Array, "bonds 2"]
    couplings: Float[Array, " bonds"]
    table: Float[Array, "levels levels"]
    alone: Float[Array, "*x levels"]
    grid: Grid | None = eqx.field(static=True, default=None)

    def tempered(self, beta: Scalar) -> "LevelBonds":
        return LevelBonds(self.edges, beta * self.couplings, self.table, beta * self.alone, self.grid)


class ScalarField(Capability):
    """Real sites on a torus, each in a well and tied to the next: `U(x) = sum_b stiffness (x_i - x_j)^2 + sum_i (m2 x_i^2 + lam x_i^4)`.

    That is up to a constant; b = (i, j) are the bonds of the `grid`. Tempering scales all three numbers; they add in a sum of two fields
    on one grid.
    """

    stiffness: Scalar
    m2: Scalar
    lam: Scalar
    grid: Grid = eqx.field(static=True)

    def tempered(self, beta: Scalar) -> "ScalarField":
        return ScalarField(beta * self.stiffness, beta * self.m2, beta * self.lam, self.grid)

    def plus(self, other: "ScalarField") -> "ScalarField | None":
        if self.grid != other.grid:
            return None
        return ScalarField(self.stiffness + other.stiffness, self.m2 + other.m2, self.lam + other.lam, self.grid)


class Neighbours(Capability):
    """Two-valued sites (`low`, `high`) of a sparse graph, site by site, for sweeps over the sites of a block alone.

    `log p(high | rest) - log p(low | rest)` at site i is `alone[i] + sum_k weights[i, k] x[near[i, k]]`, and the energy itself is
    `-sum_i x_i (alone[i] + sum_k weights[i, k] x[near[i, k]] / 2) / (high - low)`. `blocks[b]` lists sites that do not feel
    each other. Places left over in a list hold one site more than there are, the last row of `near`, `weights` and `alone`.
    Tempering scales; a sum loses the view.
    """

    near: Int[Array, "rows degree"]
    weights: Float[Array, "rows degree"]
    alone: Float[Array, " rows"]
    blocks: Int[Array, "blocks largest"]

    def tempered(self, beta: Scalar) -> "Neighbours":
        return type(self)(self.near, beta * self.weights, beta * self.alone, self.blocks)

    def around(self, x: Float[Array, "rows *copies"], sites: Int[Array, " n"]) -> Float[Array, "n *copies"]:
        """The weighted sum of neighbours of some sites, written out: row after row of copies is then read side by side."""
        over = (slice(None), *(None,) * (x.ndim - 1))
        near, weights = self.near[sites], self.weights[sites]
        return sum((weights[:, k][over] * x[near[:, k]] for k in range(near.shape[1])), jnp.zeros((len(sites), *x.shape[1:])))


class AllNeighbours(Neighbours):
    """Every site is a neighbour of every other: `weights` is the matrix of all, one site a block, and no list is read."""

    @classmethod
    def of(cls, weights: Float[Array, "sites sites"], alone: Float[Array, " sites"]) -> "AllNeighbours":
        sites = len(weights)
        near = jnp.broadcast_to(jnp.arange(sites + 1), (sites + 1, sites + 1))
        return cls(near, jnp.pad(weights, (0, 1)), jnp.append(alone, 0.0), jnp.arange(sites)[:, None])

    def around(self, x: Float[Array, "rows *copies"], sites: Int[Array, " n"]) -> Float[Array, "n *copies"]:
        return self.weights[sites] @ x


class LocalFields(Capability):
    """Angles of which each sees a field in the plane: `p(x_i | rest)` goes as `exp(h_i . (cos x_i, sin x_i))`.

    `fields(x)` are the h of all sites at once, `blocks` as in `Conditionals`. Fields of a sum add, those of a tempered
    energy scale.
    """

    fields: Function[[Float[Array, "*x"]], Float[Array, "*x 2"]]
    blocks: Float[Array, "blocks *x"]

    def tempered(self, beta: Scalar) -> "LocalFields":
        scaled = Conditionals(self.fields, self.blocks).tempered(beta)
        return LocalFields(scaled.logits, self.blocks)

    def plus(self, other: Any) -> "LocalFields | None":
        added = Conditionals(self.fields, self.blocks).plus(Conditionals(other.fields, other.blocks))
        return None if added is None else LocalFields(added.logits, added.blocks)
