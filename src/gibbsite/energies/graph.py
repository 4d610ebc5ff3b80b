"""Boltzmann machines without hidden units: spins or bits that interact in pairs, on any graph or all with all."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gibbsite.core import (
    AbstractEnergy,
    AllNeighbours,
    ArrayLike,
    Binary,
    Capability,
    Conditionals,
    Neighbours,
    Pairwise,
    Spins,
    as_float,
    values,
)
from gibbsite.core.energy import Scalar
from gibbsite.energies.grid import check_shape


class BoltzmannMachine(AbstractEnergy):
    """`U(x) = -sum_b couplings_b x_i x_j - sum_i fields_i x_i` over the edges b = (i, j) of a graph, on `Spins` or `Binary`.

    (Ackley, Hinton & Sejnowski, Cognitive Science 9, 1985, eq. 1.) Edges are pairs of numbers of sites in the flattened x, known
    when the machine is built: they also give the lists of neighbours, as long as the largest degree, and the blocks of a
    greedy colouring. Couplings are one number or one an edge, fields one number or one a site.

    Raises:
        ValueError: an edge that leads nowhere, from a site to itself, or where another one leads, or parameters of another shape.
    """

    space: Spins | Binary
    edges: Int[Array, "bonds 2"]
    couplings: Float[Array, " bonds"]
    fields: Float[Array, "*x"]
    near: Int[Array, "rows degree"]  # the neighbours of each site, and the number of sites where there are no more
    via: Int[Array, "rows degree"]  # the edges that lead there, and the number of edges
    blocks: Int[Array, "blocks largest"]  # their sites, and the number of sites where there are no more

    def __init__(self, space: Spins | Binary, edges: ArrayLike, couplings: ArrayLike, fields: ArrayLike = 0.0):
        listed = _checked(np.asarray(edges), space.size)
        self.space, self.edges = space, jnp.asarray(listed, int)
        self.couplings = _spread("BoltzmannMachine", "couplings", couplings, (len(listed),))
        self.fields = _spread("BoltzmannMachine", "fields", fields, space.shape)
        near, via = _neighbours(listed, space.size)
        self.near, self.via, self.blocks = (jnp.asarray(a, int) for a in (near, via, _by_colour(_greedy(near))))

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        one, other = (jnp.ravel(x)[ends] for ends in self.edges.T)
        return -jnp.sum(self.couplings * one * other) - jnp.sum(self.fields * x)

    def views(self) -> tuple[Capability, ...]:
        rows = jnp.arange(len(self.blocks))[:, None]
        marks = jnp.zeros((len(self.blocks), self.space.size + 1)).at[rows, self.blocks].set(1.0)[:, :-1]
        conditionals = Conditionals(self.logits, marks.reshape(-1, *self.space.shape))
        return (conditionals, _pairwise(self, self.edges, self.couplings), self._listed())

    def _listed(self) -> Neighbours:
        low, high = values(self.space)
        weights = (high - low) * jnp.append(self.couplings, 0.0)[self.via]
        return Neighbours(self.near, weights, (high - low) * jnp.append(self.fields, 0.0), self.blocks)

    def logits(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """`log p(high | rest) - log p(low | rest)` at every site."""
        view = self._listed()
        return (view.alone + jnp.sum(view.weights * jnp.append(x, 0.0)[view.near], axis=1))[:-1].reshape(x.shape)


class DenseBoltzmannMachine(AbstractEnergy):
    """`U(x) = -sum_{i<j} couplings_ij x_i x_j - sum_i fields_i x_i` for all pairs of sites, on `Spins` or `Binary`.

    `couplings` is a symmetric matrix with a zero diagonal, over the flattened x. A sweep updates one site after another.

    Raises:
        ValueError: the matrix is not symmetric or couples a site to itself, or parameters of another shape.
    """

    space: Spins | Binary
    couplings: Float[Array, "sites sites"]
    fields: Float[Array, "*x"]

    def __init__(self, space: Spins | Binary, couplings: ArrayLike, fields: ArrayLike = 0.0):
        self.space, self.couplings = space, as_float(couplings)
        self.fields = _spread("DenseBoltzmannMachine", "fields", fields, space.shape)

    def __check_init__(self) -> None:
        check_shape("DenseBoltzmannMachine", "couplings", self.couplings, (self.space.size, self.space.size))
        if not isinstance(self.couplings, jax.core.Tracer):
            _check_matrix(np.asarray(self.couplings))

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return -0.5 * jnp.ravel(x) @ self._local(x) - jnp.sum(self.fields * x)

    def _local(self, x: Float[Array, "*x"]) -> Float[Array, " sites"]:
        """The couplings to the other sites; the diagonal is left out, so that learning cannot bring it in."""
        flat = jnp.ravel(x)
        return self.couplings @ flat - jnp.diagonal(self.couplings) * flat

    def views(self) -> tuple[Capability, ...]:
        edges = jnp.stack(jnp.triu_indices(self.space.size, 1), axis=1)
        blocks = jnp.eye(self.space.size).reshape(-1, *self.space.shape)
        bonds = _pairwise(self, edges, self.couplings[edges[:, 0], edges[:, 1]])
        return (Conditionals(self.logits, blocks), bonds, self._listed())

    def _listed(self) -> AllNeighbours:
        low, high = values(self.space)
        others = self.couplings - jnp.diag(jnp.diagonal(self.couplings))
        return AllNeighbours.of((high - low) * others, (high - low) * jnp.ravel(self.fields))

    def logits(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        """`log p(high | rest) - log p(low | rest)` at every site."""
        low, high = values(self.space)
        return (high - low) * (self._local(x).reshape(x.shape) + self.fields)


def _pairwise(
    machine: BoltzmannMachine | DenseBoltzmannMachine, edges: Int[Array, "bonds 2"], couplings: Float[Array, " bonds"]
) -> Pairwise:
    """`x x' = m (x + x') - m^2 + g` where x and x' are equal and `... - g` where not: m half way up, `g = (high - low)^2 / 4`.

    So a site alone feels its field and m times its couplings: its logits while all others stand at m.
    """
    low, high = values(machine.space)
    alone = machine.logits(jnp.full(machine.space.shape, (low + high) / 2))
    return Pairwise(edges, (high - low) ** 2 / 2 * couplings, alone)


def _spread(owner: str, name: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """One number for all, or one each."""
    given = as_float(value)
    check_shape(owner, name, given, (), shape)
    return jnp.broadcast_to(given, shape)


def _checked(edges: np.ndarray, sites: int) -> Int[np.ndarray, "bonds 2"]:
    if edges.ndim != 2 or edges.shape[1] != 2 or not np.issubdtype(edges.dtype, np.integer):
        raise ValueError(f"BoltzmannMachine has edges of shape {edges.shape} and type {edges.dtype}: give whole numbers, (bonds, 2).")
    for wrong, why in (
        (np.any((edges < 0) | (edges >= sites), axis=1), f"there are {sites} sites, numbered from 0 to {sites - 1}"),
        (edges[:, 0] == edges[:, 1], "a site does not couple to itself; give it a field"),
    ):
        if wrong.any():
            first = int(np.argmax(wrong))
            raise ValueError(f"BoltzmannMachine has edge {first} from site {edges[first, 0]} to {edges[first, 1]}: {why}.")
    low, high = np.sort(edges.astype(np.int64), axis=1).T
    order = np.argsort(low * sites + high, kind="stable")
    again = np.flatnonzero((np.diff(low[order]) == 0) & (np.diff(high[order]) == 0))
    if len(again):
        first, second = order[again[0]], order[again[0] + 1]
        raise ValueError(f"BoltzmannMachine has edges {first} and {second} between sites {low[first]} and {high[first]}: add them up.")
    return edges


def _check_matrix(couplings: np.ndarray) -> None:
    if np.any(own := np.diagonal(couplings) != 0):
        site = int(np.argmax(own))
        raise ValueError(f"couplings[{site}, {site}]={couplings[site, site]:g}: a site does not couple to itself; give it a field.")
    gap = np.abs(couplings - couplings.T)
    if np.any(gap > 1e-6 * np.max(np.abs(couplings), initial=0.0)):
        i, j = np.unravel_index(np.argmax(gap), gap.shape)
        raise ValueError(f"couplings[{i}, {j}]={couplings[i, j]:g} and couplings[{j}, {i}]={couplings[j, i]:g}: give a symmetric matrix.")


def _neighbours(edges: Int[np.ndarray, "bonds 2"], sites: int) -> tuple[np.ndarray, np.ndarray]:
    """For each site its neighbours and the edges to them; places left over, and a last row, hold the number of sites and of edges."""
    here, there = (ends.ravel(order="F") for ends in (edges, edges[:, ::-1]))
    order, degree = np.argsort(here, kind="stable"), np.bincount(here, minlength=sites)
    place = np.arange(len(here)) - np.repeat(np.cumsum(degree) - degree, degree)
    near = np.full((sites + 1, degree.max()), sites)
    via = np.full_like(near, len(edges))
    near[here[order], place] = there[order]
    via[here[order], place] = np.tile(np.arange(len(edges)), 2)[order]
    return near, via


def _greedy(near: Int[np.ndarray, "rows degree"]) -> Int[np.ndarray, " sites"]:
    """To each site in turn the first colour that no neighbour has, in time linear in the edges."""
    colour = np.full(len(near), -1).tolist()  # of the sites, and in the last row of neighbours that are not there
    for site, others in enumerate(near[:-1].tolist()):
        taken = {colour[other] for other in others}
        colour[site] = next(k for k in itertools.count() if k not in taken)
    return np.asarray(colour[:-1])


def _by_colour(colour: Int[np.ndarray, " sites"]) -> Int[np.ndarray, "colours largest"]:
    """The sites of each colour, and the number of sites in places left over."""
    members = [np.flatnonzero(colour == k) for k in range(colour.max() + 1)]
    largest = max(map(len, members))
    return np.stack([np.pad(some, (0, largest - len(some)), constant_values=len(colour)) for some in members])
