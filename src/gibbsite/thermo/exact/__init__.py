"""log Z without chance: sums, integrals and formulas, each an `Estimate` whose error is rounding and truncation.

`exact_routes(energy)` says which of them an energy has.
"""

from gibbsite.thermo.exact.beale import IsingLevels, ising_levels
from gibbsite.thermo.exact.curie_weiss import complete_graph, curie_weiss, curie_weiss_magnetisation
from gibbsite.thermo.exact.elimination import variable_elimination
from gibbsite.thermo.exact.enumeration import enumerate_log_z, enumerate_mean
from gibbsite.thermo.exact.free_field import free_field
from gibbsite.thermo.exact.kaufman import kaufman, kaufman_energy, kaufman_heat_capacity
from gibbsite.thermo.exact.layer import hidden_sum
from gibbsite.thermo.exact.limits import (
    ISING_CRITICAL,
    hopfield_capacity,
    hopfield_overlap,
    mean_field_magnetisation,
    onsager,
    onsager_energy,
    onsager_magnetisation,
    potts_critical,
    sherrington_kirkpatrick_annealed,
)
from gibbsite.thermo.exact.quadrature import quadrature
from gibbsite.thermo.exact.routes import exact_routes
from gibbsite.thermo.exact.virial import lennard_jones_b2, lennard_jones_boyle

__all__ = [
    "ISING_CRITICAL",
    "IsingLevels",
    "complete_graph",
    "curie_weiss",
    "curie_weiss_magnetisation",
    "enumerate_log_z",
    "enumerate_mean",
    "exact_routes",
    "free_field",
    "hidden_sum",
    "hopfield_capacity",
    "hopfield_overlap",
    "ising_levels",
    "kaufman",
    "kaufman_energy",
    "kaufman_heat_capacity",
    "lennard_jones_b2",
    "lennard_jones_boyle",
    "mean_field_magnetisation",
    "onsager",
    "onsager_energy",
    "onsager_magnetisation",
    "potts_critical",
    "quadrature",
    "sherrington_kirkpatrick_annealed",
    "variable_elimination",
]
