"""log Z by summing over one site after another, exactly.

Summed out, a site leaves a table over those it interacts with (Dechter, Artificial Intelligence 113, 1999: bucket elimination),

    new(neighbours) = log sum_x exp(sum of the tables that hold x).

On a chain or a tree that is message passing; on a ring or a strip it is a transfer matrix, applied one site at a time; the cost is
`levels^(width + 1)`, with the width of the widest table that the order of sites meets.
"""

import heapq
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from gibbsite.core import AbstractEnergy, Estimate, Status
from gibbsite.thermo.exact.pairs import Graph, Pairs, need_graph, pairs_of
from gibbsite.thermo.exact.summed import nothing, summed
from gibbsite.thermo.weights import log_sum_exp

MOST_ENTRIES = 2**22  # of a table
MOST_WORK = 2**29  # entries of all tables together
FEWEST_NODES = 32  # of a continuum, doubled until nothing changes
TOLERANCE = 1e-12  # relative to the number of sites

Table = tuple[tuple[int, ...], Float[np.ndarray, "..."]]  # the sites that its axes belong to, and the logs


def variable_elimination(energy: AbstractEnergy) -> Estimate:
    """log Z of an energy of pairs (`Pairwise`, `LevelBonds`, `ScalarField`) on a narrow graph: a chain, tree, ring, strip, small lattice.

    Levels are summed; angles and real fields are integrated over nodes, whose number doubles until log Z stays. The error
    told is the rounding of the energy's own dtype, and what the last doubling changed.

    Raises:
        TypeError: the energy does not say which pairs of sites interact.
        ValueError: the graph is too wide; says by how much.
    """
    graph = need_graph(energy)
    order, width = narrow_order(graph, name=type(energy).__name__)
    if graph.levels is not None:
        pairs = pairs_of(energy)
        return summed(sum_out(pairs, order), pairs.rounding) if pairs.finite else nothing()
    return _doubled(energy, order, width)


def _doubled(energy: AbstractEnergy, order: list[int], width: int) -> Estimate:
    """Nodes are doubled until log Z stays."""
    nodes, before, change = FEWEST_NODES, math.nan, math.inf
    while True:
        pairs = pairs_of(energy, nodes=nodes)
        if not pairs.finite:
            return nothing()
        log_z = sum_out(pairs, order)
        before, change = log_z, abs(log_z - before)
        if change < TOLERANCE * len(order):
            return summed(log_z, pairs.rounding + change)
        nodes *= 2
        if nodes ** (width + 1) > MOST_ENTRIES or len(order) * nodes ** (width + 1) > MOST_WORK:
            return summed(log_z, pairs.rounding + (change if math.isfinite(change) else math.inf)).doubted(Status.NOT_CONVERGED)


def sum_out(pairs: Pairs, order: list[int]) -> float:
    """log Z, the sites summed out in this order."""
    turn = {site: place for place, site in enumerate(order)}
    buckets: list[list[Table]] = [[] for _ in order]

    def put(sites: tuple[int, ...], table: np.ndarray) -> None:
        buckets[min(turn[site] for site in sites)].append((sites, table))

    for site, logs in enumerate(pairs.site):
        put((site,), logs)
    for (i, j), logs in zip(pairs.edges.tolist(), pairs.bond, strict=True):
        put((i, j), logs)
    log_z = pairs.constant
    for bucket in buckets:
        rest, table = _summed_out(bucket, turn)
        bucket.clear()
        if rest:
            put(rest, table)
        else:
            log_z += float(table)
    return log_z


def _summed_out(tables: list[Table], turn: dict[int, int]) -> Table:
    """The sum over the site whose turn is first, of all tables that hold it."""
    sites = tuple(sorted({site for held, _ in tables for site in held}, key=turn.__getitem__))
    total = np.zeros(())
    for held, table in tables:
        axes = np.argsort([turn[site] for site in held])
        levels = iter(np.shape(table)[axis] for axis in axes)
        total = total + np.transpose(table, axes).reshape([next(levels) if site in held else 1 for site in sites])
    return sites[1:], log_sum_exp(total, axis=0)


def narrow_order(graph: Graph, *, name: str) -> tuple[list[int], int]:
    """The better of two orders and its width: along the longest side of a lattice (the numbers of the sites, where there is none), or
    always the site with the fewest neighbours left.

    Raises:
        ValueError: a table would hold more than 2^22 entries, or all of them more than 2^29.
    """
    levels = graph.levels or 2 * FEWEST_NODES  # doubled once at least
    most = int(math.log(MOST_ENTRIES) / math.log(levels) + 1e-9) - 1
    found = []
    if len(graph.edges) <= most * graph.sites:  # or the graph is too wide in any order
        near = graph.neighbours()
        for ways in (_along(graph), None):
            left = [set(others) for others in near]
            found.append(_widths(left, _fewest_first(left) if ways is None else iter(ways), most))
    orders = [(order, widths) for order, widths in found if len(order) == graph.sites]
    if orders:
        order, widths = min(orders, key=lambda one: (max(one[1]), sum(one[1])))
        if sum(float(levels) ** (width + 1) for width in widths) <= MOST_WORK:
            return order, max(widths)
    raise ValueError(
        f"{name} of {graph.sites} sites and {len(graph.edges)} bonds is too wide to sum out site by site: tables of {levels}^(width + 1) "
        f"entries may have a width of {most}: take a narrower lattice, or anneal."
    )


def _widths(left: list[set[int]], ways: Iterator[int], most: int) -> tuple[list[int], list[int]]:
    """Sites in the order of `ways`, and the neighbours each has when its turn comes; broken off beyond `most`."""
    order, widths = [], []
    for site in ways:
        near = left[site]
        if len(near) > most:
            break
        for other in near:
            left[other] |= near
            left[other] -= {site, other}
        order.append(site)
        widths.append(len(near))
    return order, widths


def _along(graph: Graph) -> list[int]:
    """Slice after slice along the longest side."""
    side = graph.side or (graph.sites,)
    axes = sorted(range(len(side)), key=lambda axis: -side[axis])
    return np.arange(graph.sites).reshape(side).transpose(axes).ravel().tolist()


def _fewest_first(left: list[set[int]]) -> Iterator[int]:
    """Always the site with the fewest neighbours left; whoever takes one joins its neighbours before the next."""
    queue = [(len(near), site) for site, near in enumerate(left)]
    heapq.heapify(queue)
    done: set[int] = set()
    while queue:
        degree, site = heapq.heappop(queue)
        if site in done or degree != len(left[site]):
            continue
        done.add(site)
        yield site
        for other in left[site]:
            heapq.heappush(queue, (len(left[other]), other))
