"""Partition functions and free energies: exact, by annealing, by populations, and from work in both directions.

Every result is an `Estimate` of a log Z, or of a difference of two, in nats.
"""

from gibbsite.thermo import inverse
from gibbsite.thermo.annealing import Annealing, Ladder, anneal, anneal_reverse, annealed_langevin
from gibbsite.thermo.approximate import (
    bethe,
    gibbs_bogoliubov,
    high_temperature_series,
    ising_series,
    laplace,
    low_temperature_series,
    mean_field,
    tap,
)
from gibbsite.thermo.certificate import Certificate, Route
from gibbsite.thermo.certify import certify
from gibbsite.thermo.crossing import Crossing, crossing
from gibbsite.thermo.density import DensityOfStates
from gibbsite.thermo.exact import (
    ISING_CRITICAL,
    IsingLevels,
    complete_graph,
    curie_weiss,
    curie_weiss_magnetisation,
    enumerate_log_z,
    enumerate_mean,
    exact_routes,
    free_field,
    hidden_sum,
    hopfield_capacity,
    hopfield_overlap,
    ising_levels,
    kaufman,
    kaufman_energy,
    kaufman_heat_capacity,
    lennard_jones_b2,
    lennard_jones_boyle,
    mean_field_magnetisation,
    onsager,
    onsager_energy,
    onsager_magnetisation,
    potts_critical,
    quadrature,
    sherrington_kirkpatrick_annealed,
    variable_elimination,
)
from gibbsite.thermo.exchange import Exchange, exchange
from gibbsite.thermo.flat import FlatWeights, Levels, multicanonical, wang_landau
from gibbsite.thermo.integration import Integration, thermodynamic_integration
from gibbsite.thermo.kramers import Kramers, kramers, mean_first_passage
from gibbsite.thermo.length import respaced, thermodynamic_length
from gibbsite.thermo.marginal import Marginals, Sandwich, importance_bound, marginal, marginal_reverse, sandwich
from gibbsite.thermo.multi_histogram import MultiHistogram, multi_histogram
from gibbsite.thermo.nested import Nested, nested
from gibbsite.thermo.passages import Beyond, Passages, first_passages
from gibbsite.thermo.perturbation import bar, exponential_average
from gibbsite.thermo.protocols import Drag, drive
from gibbsite.thermo.resampling import multinomial, residual, ssp, systematic
from gibbsite.thermo.reweighting import (
    MBAR,
    Bootstrap,
    Decorrelated,
    Equilibrium,
    Profile,
    bootstrap,
    decorrelate,
    equilibrium,
    mbar,
    profile,
    statistical_inefficiency,
)
from gibbsite.thermo.rules import Rule, gauss, trapezoid
from gibbsite.thermo.smc import Population, smc
from gibbsite.thermo.stones import Stones, stepping_stones
from gibbsite.thermo.weights import effective_samples, log_mean
from gibbsite.thermo.work import Work

__all__ = [
    "ISING_CRITICAL",
    "MBAR",
    "Annealing",
    "Beyond",
    "Bootstrap",
    "Certificate",
    "Crossing",
    "Decorrelated",
    "DensityOfStates",
    "Drag",
    "Equilibrium",
    "Exchange",
    "FlatWeights",
    "Integration",
    "IsingLevels",
    "Kramers",
    "Ladder",
    "Levels",
    "Marginals",
    "MultiHistogram",
    "Nested",
    "Passages",
    "Population",
    "Profile",
    "Route",
    "Rule",
    "Sandwich",
    "Stones",
    "Work",
    "anneal",
    "anneal_reverse",
    "annealed_langevin",
    "bar",
    "bethe",
    "bootstrap",
    "certify",
    "complete_graph",
    "crossing",
    "curie_weiss",
    "curie_weiss_magnetisation",
    "decorrelate",
    "drive",
    "effective_samples",
    "enumerate_log_z",
    "enumerate_mean",
    "equilibrium",
    "exact_routes",
    "exchange",
    "exponential_average",
    "first_passages",
    "free_field",
    "gauss",
    "gibbs_bogoliubov",
    "hidden_sum",
    "high_temperature_series",
    "hopfield_capacity",
    "hopfield_overlap",
    "importance_bound",
    "inverse",
    "ising_levels",
    "ising_series",
    "kaufman",
    "kaufman_energy",
    "kaufman_heat_capacity",
    "kramers",
    "laplace",
    "lennard_jones_b2",
    "lennard_jones_boyle",
    "log_mean",
    "low_temperature_series",
    "marginal",
    "marginal_reverse",
    "mbar",
    "mean_field",
    "mean_field_magnetisation",
    "mean_first_passage",
    "multi_histogram",
    "multicanonical",
    "multinomial",
    "nested",
    "onsager",
    "onsager_energy",
    "onsager_magnetisation",
    "potts_critical",
    "profile",
    "quadrature",
    "residual",
    "respaced",
    "sandwich",
    "sherrington_kirkpatrick_annealed",
    "smc",
    "ssp",
    "statistical_inefficiency",
    "stepping_stones",
    "systematic",
    "tap",
    "thermodynamic_integration",
    "thermodynamic_length",
    "trapezoid",
    "variable_elimination",
    "wang_landau",
]
