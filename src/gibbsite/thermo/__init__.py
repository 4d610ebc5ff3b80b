"""Partition functions and free energies: exact, by annealing, by populations, and from work in both directions.

Every result is an `Estimate` of a log Z, or of a difference of two, in nats.
"""

from gibbsite.thermo.annealing import Annealing, Ladder, anneal, anneal_reverse, annealed_langevin
from gibbsite.thermo.density import DensityOfStates
from gibbsite.thermo.exact import enumerate_log_z, quadrature
from gibbsite.thermo.flat import FlatWeights, Levels, multicanonical, wang_landau
from gibbsite.thermo.integration import Integration, thermodynamic_integration
from gibbsite.thermo.kaufman import kaufman, kaufman_energy, kaufman_heat_capacity
from gibbsite.thermo.length import respaced, thermodynamic_length
from gibbsite.thermo.marginal import Marginals, Sandwich, importance_bound, marginal, marginal_reverse, sandwich
from gibbsite.thermo.nested import Nested, nested
from gibbsite.thermo.perturbation import bar, exponential_average
from gibbsite.thermo.resampling import multinomial, residual, ssp, systematic
from gibbsite.thermo.rules import Rule, gauss, trapezoid
from gibbsite.thermo.smc import Population, smc
from gibbsite.thermo.weights import effective_samples, log_mean

__all__ = [
    "Annealing",
    "DensityOfStates",
    "FlatWeights",
    "Integration",
    "Ladder",
    "Levels",
    "Marginals",
    "Nested",
    "Population",
    "Rule",
    "Sandwich",
    "anneal",
    "anneal_reverse",
    "annealed_langevin",
    "bar",
    "effective_samples",
    "enumerate_log_z",
    "exponential_average",
    "gauss",
    "importance_bound",
    "kaufman",
    "kaufman_energy",
    "kaufman_heat_capacity",
    "log_mean",
    "marginal",
    "marginal_reverse",
    "multicanonical",
    "multinomial",
    "nested",
    "quadrature",
    "residual",
    "respaced",
    "sandwich",
    "smc",
    "ssp",
    "systematic",
    "thermodynamic_integration",
    "thermodynamic_length",
    "trapezoid",
    "wang_landau",
]
