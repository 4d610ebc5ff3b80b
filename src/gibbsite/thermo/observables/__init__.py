"""What physicists measure, by families: functions of one x, and observers that carry errors through the non-linear ones.

`sample(..., observe={"c": heat_capacity(energy, beta), "vortices": vortex_density})` measures them in the compiled loop; no draw is
stored. A function of x is averaged as it stands; an observer of the kind `Derived` averages several functions of x, and takes
of the averages what is asked for, its error by the jackknife.
"""

from gibbsite.thermo.observables.correlation import correlation, correlation_length, structure_factor
from gibbsite.thermo.observables.derived import Derived
from gibbsite.thermo.observables.glass import overlap, overlap_distribution
from gibbsite.thermo.observables.magnetic import binder, magnetisation, order, susceptibility
from gibbsite.thermo.observables.particles import PairDistribution, pressure
from gibbsite.thermo.observables.rotors import helicity_modulus, vortex_density
from gibbsite.thermo.observables.thermal import entropy, free_energy, heat_capacity

__all__ = [
    "Derived",
    "PairDistribution",
    "binder",
    "correlation",
    "correlation_length",
    "entropy",
    "free_energy",
    "heat_capacity",
    "helicity_modulus",
    "magnetisation",
    "order",
    "overlap",
    "overlap_distribution",
    "pressure",
    "structure_factor",
    "susceptibility",
    "vortex_density",
]
