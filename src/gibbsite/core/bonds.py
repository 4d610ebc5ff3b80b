"""Sites that interact in pairs: what moves of whole clusters and of planar rotors need to know of an energy."""

from collections.abc import Callable as Function
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gibbsite.core.energy import Capability, Conditionals, Scalar


class Pairwise(Capability):
    """An energy of bonds between pairs of sites and of single sites, for moves of clusters.

    Bond b joins the sites `edges[b]`, numbers in the flattened x. On a discrete space the energy is higher by `gaps[b]` where they
    differ than where they are equal (2 J of an Ising bond -J s s', J of a Potts bond -J [s = s']), and `alone` are the logits of
    the sites without their bonds, in the form of `Conditionals`. On a `Torus` it is higher by `gaps[b]` where two angles are
    opposite, and by `gaps[b] (1 - cos(a - a')) / 2` anywhere (2 J of a bond -J cos(a - a')); `alone` are the fields, in the form of
    `LocalFields`. Tempering scales all; a sum has the bonds of both.
    """

    edges: Int[Array, "bonds 2"]
    gaps: Float[Array, " bonds"]
    alone: Float[Array, "..."]

    def tempered(self, beta: Scalar) -> "Pairwise":
        return Pairwise(self.edges, beta * self.gaps, beta * self.alone)

    def plus(self, other: "Pairwise") -> "Pairwise":
        edges, gaps = (jnp.concatenate(pair) for pair in ((self.edges, other.edges), (self.gaps, other.gaps)))
        return Pairwise(edges, gaps, self.alone + other.alone)


def no_bonds(alone: Float[Array, "..."]) -> Pairwise:
    """Sites that do not feel each other."""
    return Pairwise(jnp.zeros((0, 2), int), jnp.zeros(0), alone)


class UniformBonds(Capability):
    """Spins on a square torus (or on each of several), each bond with the energy `-coupling s s'`, and nothing else.

    Tempering scales the coupling; a sum loses it, for what is added need not be of this form.
    """

    coupling: Scalar

    def tempered(self, beta: Scalar) -> "UniformBonds":
        return UniformBonds(beta * self.coupling)


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
        return Neighbours(self.near, beta * self.weights, beta * self.alone, self.blocks)

    def around(self, x: Float[Array, "rows *copies"], sites: Int[Array, " n"]) -> Float[Array, "n *copies"]:
        """The weighted sum of neighbours of some sites, written out: row after row of copies is then read side by side."""
        over = (slice(None), *(None,) * (x.ndim - 1))
        near, weights = self.near[sites], self.weights[sites]
        return sum((weights[:, k][over] * x[near[:, k]] for k in range(near.shape[1])), jnp.zeros((len(sites), *x.shape[1:])))


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
