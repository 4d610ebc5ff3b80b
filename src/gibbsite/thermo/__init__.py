"""Partition functions and free energies: exact, by annealing, by populations, and from work in both directions.

Every result is an `Estimate` of a log Z, or of a difference of two, in nats.
"""

from gibbsite.thermo import inverse
from gibbsite.thermo.annealing import Annealing, Ladder, anneal, anneal_reverse, annealed_langevin
from gibbsite.thermo.crossing import Crossing, crossing
from gibbsite.thermo.exact import enumerate_log_z, quadrature
from gibbsite.thermo.kaufman import kaufman, kaufman_energy, kaufman_heat_capacity
from gibbsite.thermo.kramers import Kramers, kramers, mean_first_passage
from gibbsite.thermo.marginal import Marginals, Sandwich, importance_bound, marginal, marginal_reverse, sandwich
from gibbsite.thermo.passages import Beyond, Passages, first_passages
from gibbsite.thermo.perturbation import bar, exponential_average
from gibbsite.thermo.protocols import Drag, drive
from gibbsite.thermo.resampling import multinomial, residual, ssp, systematic
from gibbsite.thermo.smc import Population, smc
from gibbsite.thermo.weights import effective_samples, log_mean
from gibbsite.thermo.work import Work

__all__ = [
    "Annealing",
    "Beyond",
    "Crossing",
    "Drag",
    "Kramers",
    "Ladder",
    "Marginals",
    "Passages",
    "Population",
    "Sandwich",
    "Work",
    "anneal",
    "anneal_reverse",
    "annealed_langevin",
    "bar",
    "crossing",
    "drive",
    "effective_samples",
    "enumerate_log_z",
    "exponential_average",
    "first_passages",
    "importance_bound",
    "inverse",
    "kaufman",
    "kaufman_energy",
    "kaufman_heat_capacity",
    "kramers",
    "log_mean",
    "marginal",
    "marginal_reverse",
    "mean_first_passage",
    "multinomial",
    "quadrature",
    "residual",
    "sandwich",
    "smc",
    "ssp",
    "systematic",
]
