"""Which exact routes to log Z an energy has."""

import math
from collections.abc import Callable as Function
from functools import partial

import equinox as eqx
import numpy as np
from jaxtyping import Array

from gibbsite.core import AbstractEnergy, Box, Estimate, Normalised, Torus, count, discrete, need
from gibbsite.core.reference import ends
from gibbsite.thermo.exact.curie_weiss import complete_graph, is_complete
from gibbsite.thermo.exact.elimination import narrow_order, variable_elimination
from gibbsite.thermo.exact.enumeration import MOST_STATES, enumerate_log_z
from gibbsite.thermo.exact.free_field import free_field_of, is_free
from gibbsite.thermo.exact.kaufman import kaufman
from gibbsite.thermo.exact.layer import hidden_sum, sums_hidden
from gibbsite.thermo.exact.pairs import graph_of, value_at
from gibbsite.thermo.exact.quadrature import quadrature
from gibbsite.thermo.exact.summed import rounding_unit, summed
from gibbsite.thermo.exact.told import told


def exact_routes(energy: AbstractEnergy) -> dict[str, Function[[], Estimate]]:
    """The exact routes to log Z of an energy, by name, the cheapest first: each a function of no argument that returns the `Estimate`.

    Asking costs nothing but a look at what the energy says of itself; a route that would be too big, or does not apply, is
    not there. Tempered energies and sums have the routes that their capabilities leave them.

        "closed form"        its own constant (`Normalised`)
        "kaufman"            the plain Ising torus (`UniformBonds`)
        "complete graph"     two-valued sites, all coupled alike to all
        "free field"         a `ScalarField` without interaction
        "message passing"    pairs on a graph without cycles, "transfer matrix" on one with narrow cycles: `variable_elimination`
        "hidden layer"       hidden bits summed, visible units in closed form: `hidden_sum`
        "enumeration"        up to 2^25 states: `enumerate_log_z`
        "quadrature"         up to four numbers within bounds: `quadrature`; give low= and high= yourself on the reals
    """
    routes: dict[str, Function[[], Estimate]] = {}
    if told(energy).normalised:
        routes["closed form"] = partial(_closed_form, energy)
    if _on_torus(energy):
        routes["kaufman"] = partial(kaufman_of, energy)
    if is_complete(energy):
        routes["complete graph"] = partial(complete_graph, energy)
    if is_free(energy):
        routes["free field"] = partial(free_field_of, energy)
    if (name := _by_sites(energy)) is not None:
        routes[name] = partial(variable_elimination, energy)
    if told(energy).latent and sums_hidden(energy):
        routes["hidden layer"] = partial(hidden_sum, energy)
    if discrete(energy.space) and count(energy.space) <= MOST_STATES:
        routes["enumeration"] = partial(enumerate_log_z, energy)
    if _bounded(energy):
        routes["quadrature"] = partial(quadrature, energy)
    return routes


@eqx.filter_jit
def _own_constant(energy: AbstractEnergy) -> Array:
    return need(energy, Normalised, "exact_routes").log_z()


def _closed_form(energy: AbstractEnergy) -> Estimate:
    log_z = float(_own_constant(energy))
    return summed(log_z, rounding_unit() * (abs(log_z) + energy.space.size))


def kaufman_of(energy: AbstractEnergy) -> Estimate:
    """`kaufman` of an energy with the capability `UniformBonds`, of one torus or several, with its own constant.

    A coupling below zero is as one above, if both sides are even: every other spin turned.

    Raises:
        TypeError: the energy is no plain Ising torus.
        ValueError: a coupling below zero on an odd side, which frustrates.
    """
    view = told(energy).uniform
    if view is None:
        raise TypeError(f"{type(energy).__name__} is no plain Ising torus: it lacks the capability UniformBonds.")
    coupling = float(view.coupling)
    *copies, rows, cols = energy.space.shape
    if coupling < 0 and (rows % 2 or cols % 2):
        raise ValueError(f"coupling={coupling:g} on a {rows} x {cols} torus: Kaufman's formula needs it above 0, or both sides even.")
    number = math.prod(copies)
    log_z = rows * cols * math.log(2) if coupling == 0 else float(kaufman(rows, cols, abs(coupling)))
    up = value_at(energy, np.ones(energy.space.shape))
    bonds = 2 * rows * cols * number
    return summed(number * log_z - (up + coupling * bonds), rounding_unit() * abs(up))


def _on_torus(energy: AbstractEnergy) -> bool:
    view = told(energy).uniform
    if view is None or not np.isfinite(view.coupling):
        return False
    return float(view.coupling) >= 0 or all(side % 2 == 0 for side in energy.space.shape[-2:])


def _by_sites(energy: AbstractEnergy) -> str | None:
    """The name of `variable_elimination` for this energy, if it is narrow enough."""
    graph = graph_of(energy)
    if graph is None:
        return None
    try:
        _, width = narrow_order(graph, name=type(energy).__name__)
    except ValueError:
        return None
    return "message passing" if width <= 1 else "transfer matrix"


def _bounded(energy: AbstractEnergy) -> bool:
    if not isinstance(energy.space, Box | Torus) or not 1 <= energy.space.size <= 4:
        return False
    return all(bool(np.all(np.isfinite(end))) for end in ends(energy.space))
