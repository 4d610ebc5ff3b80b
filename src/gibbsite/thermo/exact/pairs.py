"""Energies of pairs of sites as tables of numbers, in float64 on the host.

All that sums site by site, and all that approximates them, starts here. Angles and real fields become levels too: the nodes of a
trapezoidal rule, which for periodic integrands, and for those that fall off at both ends, is exact up to terms that vanish faster than any
power of the spacing (Trefethen & Weideman, SIAM Review 56, 2014).
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gibbsite.core import AbstractEnergy, LevelBonds, Pairwise, ScalarField, discrete, values
from gibbsite.thermo.exact.summed import rounding_unit
from gibbsite.thermo.exact.told import told

FALL = 60.0  # nats above its deepest point at which the well of a real site is cut off


class Pairs(NamedTuple):
    """`-U(x) = constant + sum_i site_i(x_i) + sum_b bond_b(x_i, x_j)`, in tables over the levels of sites; bond b joins `edges[b]`.

    `rounding` is what log Z is off by if energies are wrong by a unit in their last place.
    """

    site: Float[np.ndarray, "sites levels"]
    edges: Int[np.ndarray, "bonds 2"]
    bond: Float[np.ndarray, "bonds levels levels"]
    constant: float = 0.0
    rounding: float = 0.0

    @property
    def levels(self) -> int:
        return self.site.shape[1]

    @property
    def finite(self) -> bool:
        """Whether all of it is numbers: parameters may be infinite, or not numbers at all."""
        return all(bool(np.all(np.isfinite(part))) for part in (self.site, self.bond, self.constant))


class Graph(NamedTuple):
    """Which sites of an energy interact, and how many levels each has: None for a continuum. `side` is that of a lattice."""

    sites: int
    edges: Int[np.ndarray, "bonds 2"]
    levels: int | None
    side: tuple[int, ...] | None

    def neighbours(self) -> list[set[int]]:
        """The sites that each site feels."""
        near: list[set[int]] = [set() for _ in range(self.sites)]
        for i, j in self.edges.tolist():
            near[i].add(j)
            near[j].add(i)
        return near


def graph_of(energy: AbstractEnergy) -> Graph | None:
    """The graph of an energy that says that it is one of pairs; else None."""
    _, view, tables, field, *_ = told(energy)
    if view is not None:
        levels = len(values(energy.space)) if discrete(energy.space) else None
        return Graph(energy.space.size, np.asarray(view.edges), levels, None if view.grid is None else view.grid.side)
    if tables is not None:
        side = None if tables.grid is None else tables.grid.side
        return Graph(energy.space.size, np.asarray(tables.edges), len(tables.table), side)
    if field is not None:
        return Graph(energy.space.size, _field_edges(field), None, field.grid.side)
    return None


def need_graph(energy: AbstractEnergy) -> Graph:
    """The graph of an energy of pairs, or a TypeError that says what is missing."""
    graph = graph_of(energy)
    if graph is None:
        raise _lacking(energy)
    return graph


def _lacking(energy: AbstractEnergy) -> TypeError:
    offered = ", ".join(type(view).__name__ for view in energy.views()) or "none"
    return TypeError(
        f"{type(energy).__name__} does not say which pairs of sites interact: the capability Pairwise, LevelBonds or ScalarField is "
        f"needed (it offers: {offered})."
    )


def pairs_of(energy: AbstractEnergy, *, nodes: int | None = None) -> Pairs:
    """The tables of an energy with the capability `Pairwise`, `LevelBonds` or `ScalarField`; a continuum gets this many nodes.

    Raises:
        TypeError: the energy does not say that it is one of pairs, or it has a continuum and no nodes are given.
        ValueError: a field that no well holds.
    """
    _, view, tables, field, *_ = told(energy)
    if view is not None and discrete(energy.space):
        return _of_levels(energy, view)
    if tables is not None:
        return _of_tables(energy, tables)
    if nodes is None and (view is not None or field is not None):
        raise TypeError(f"{type(energy).__name__} has a continuum of values at each site: levels are needed, or use variable_elimination.")
    if view is not None and nodes is not None:
        return _of_angles(energy, view, nodes)
    if field is not None and nodes is not None:
        return _of_field(energy, field, nodes)
    raise _lacking(energy)


def _of_levels(energy: AbstractEnergy, view: Pairwise) -> Pairs:
    """Bonds cost `gaps` where levels differ; the state of all lowest levels, which breaks none, tells the constant."""
    q, sites = len(values(energy.space)), energy.space.size
    alone = np.zeros((sites, q)) if view.alone is None else np.asarray(view.alone, np.float64).reshape(sites, -1)
    site = alone if alone.shape[1] == q else np.concatenate([np.zeros((sites, 1)), alone], axis=1)
    bond = np.where(np.eye(q, dtype=bool), 0.0, -np.asarray(view.gaps, np.float64)[:, None, None])
    lowest = value_at(energy, np.full(energy.space.shape, values(energy.space)[0]))
    return _tables(site, np.asarray(view.edges), bond, -lowest - site[:, 0].sum(), lowest)


def _of_tables(energy: AbstractEnergy, view: LevelBonds) -> Pairs:
    table, couplings = np.asarray(view.table, np.float64), np.asarray(view.couplings, np.float64)
    site = np.asarray(view.alone, np.float64).reshape(energy.space.size, -1)
    lowest = value_at(energy, np.full(energy.space.shape, values(energy.space)[0]))
    constant = couplings.sum() * table[0, 0] - site[:, 0].sum() - lowest
    return _tables(site, np.asarray(view.edges), -couplings[:, None, None] * table, constant, lowest)


def _of_angles(energy: AbstractEnergy, view: Pairwise, nodes: int) -> Pairs:
    """Bonds cost `gaps (1 - cos(a - a')) / 2`, sites gain `alone . (cos a, sin a)`; all angles at 0 tell the constant."""
    angle = 2 * np.pi * np.arange(nodes) / nodes
    alone = np.zeros((energy.space.size, 2)) if view.alone is None else np.asarray(view.alone, np.float64).reshape(-1, 2)
    site = alone @ np.stack([np.cos(angle), np.sin(angle)]) + math.log(2 * np.pi / nodes)
    bond = -np.asarray(view.gaps, np.float64)[:, None, None] * (1 - np.cos(angle[:, None] - angle)) / 2
    zero = value_at(energy, np.zeros(energy.space.shape))
    return _tables(site, np.asarray(view.edges), bond, -zero - alone[:, 0].sum(), zero)


def _of_field(energy: AbstractEnergy, field: ScalarField, nodes: int) -> Pairs:
    stiffness, m2, lam = (float(number) for number in (field.stiffness, field.m2, field.lam))
    reach = _reach(m2, lam)
    x = np.linspace(-reach, reach, nodes)
    site = np.tile(-m2 * x**2 - lam * x**4 + math.log(x[1] - x[0]), (energy.space.size, 1))
    edges = _field_edges(field)
    bond = np.broadcast_to(-stiffness * (x[:, None] - x) ** 2, (len(edges), nodes, nodes))
    zero = value_at(energy, np.zeros(energy.space.shape))
    return _tables(site, edges, bond, -zero, zero)._replace(rounding=rounding_unit() * (abs(zero) + energy.space.size))


def _field_edges(field: ScalarField) -> Int[np.ndarray, "bonds 2"]:
    """The bonds of the grid but for those from a site to itself, on a side of 1, which are never stretched."""
    number = jnp.arange(math.prod(field.grid.side))
    edges = np.concatenate([np.stack([np.ravel(end) for end in ends], axis=1) for ends in field.grid.ends(number)])
    return edges[edges[:, 0] != edges[:, 1]]


def _reach(m2: float, lam: float) -> float:
    """Where `m2 x^2 + lam x^4` lies `FALL` above its deepest point."""
    if lam < 0 or (lam == 0 and m2 <= 0):
        raise ValueError(f"a field of m2={m2:g} and lam={lam:g} is held by no well: give lam > 0, or m2 > 0.")
    height = FALL - (m2**2 / (4 * lam) if m2 < 0 else 0.0)
    root = math.sqrt(max(m2**2 + 4 * lam * height, 0.0))  # lam x^4 + m2 x^2 = height
    return math.sqrt((root - m2) / (2 * lam) if m2 < 0 else 2 * height / (m2 + root))


def value_at(energy: AbstractEnergy, x: np.ndarray) -> float:
    """The energy of one configuration, on the host."""
    return float(_energy(energy, jnp.asarray(x, jnp.result_type(float))))


@eqx.filter_jit
def _energy(energy: AbstractEnergy, x: Array) -> Array:
    return energy(x)


def _tables(site: np.ndarray, edges: np.ndarray, bond: np.ndarray, constant: float, told: float) -> Pairs:
    size = abs(told) + float(np.abs(site).max(axis=1).sum() + np.abs(bond).max(axis=(1, 2), initial=0.0).sum())
    return Pairs(site, edges, bond, constant, rounding_unit() * size)
