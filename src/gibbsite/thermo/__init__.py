"""Partition functions and free energies: exact, by annealing, by populations, and from work in both directions.

Every result is an `Estimate` of a log Z, or of a difference of two, in nats.
"""

from gibbsite.thermo.annealing import Annealing, Ladder, anneal, anneal_reverse, annealed_langevin
from gibbsite.thermo.exact import enumerate_log_z, quadrature
from gibbsite.thermo.kaufman import kaufman, kaufman_energy, kaufman_heat_capacity
from gibbsite.thermo.marginal import Marginals, Sandwich, importance_bound, marginal, marginal_reverse, sandwich
from gibbsite.thermo.multi_histogram import MultiHistogram, multi_histogram
from gibbsite.thermo.perturbation import bar, exponential_average
from gibbsite.thermo.resampling import multinomial, residual, ssp, systematic
from gibbsite.thermo.smc import Population, smc
from gibbsite.thermo.weights import effective_samples, log_mean

__all__ = [
    "Annealing",
    "Ladder",
    "Marginals",
    "MultiHistogram",
    "Population",
    "Sandwich",
    "anneal",
    "anneal_reverse",
    "annealed_langevin",
    "bar",
    "effective_samples",
    "enumerate_log_z",
    "exponential_average",
    "importance_bound",
    "kaufman",
    "kaufman_energy",
    "kaufman_heat_capacity",
    "log_mean",
    "marginal",
    "marginal_reverse",
    "multi_histogram",
    "multinomial",
    "quadrature",
    "residual",
    "sandwich",
    "smc",
    "ssp",
    "systematic",
]
