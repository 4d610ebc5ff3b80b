"""Energies: closed forms, lattices, graphs, machines and networks."""

from gibbsite.energies.analytic import Gaussian, GaussianMixture
from gibbsite.energies.blume_capel import BlumeCapel
from gibbsite.energies.boltzmann import BinaryRBM, GaussianRBM
from gibbsite.energies.constrained import Transformed
from gibbsite.energies.copies import Copies
from gibbsite.energies.curved import Banana, Funnel, Rosenbrock
from gibbsite.energies.glass import edwards_anderson, sherrington_kirkpatrick
from gibbsite.energies.gmm40 import gmm40
from gibbsite.energies.graph import BoltzmannMachine, DenseBoltzmannMachine
from gibbsite.energies.hopfield import DenseHopfield, hebb
from gibbsite.energies.lattice import Ising
from gibbsite.energies.mixtures import AxisMixture, CovarianceMixture, LawMixture, Reshaped
from gibbsite.energies.neural import NeuralEnergy
from gibbsite.energies.offset import Offset
from gibbsite.energies.particles import DoubleWellParticles, LennardJones
from gibbsite.energies.periodic import Coulomb, Yukawa
from gibbsite.energies.phi4 import Phi4
from gibbsite.energies.posterior import Posterior
from gibbsite.energies.potts import Potts
from gibbsite.energies.potts_machine import PottsMachine
from gibbsite.energies.rescaled import Rescaled
from gibbsite.energies.rotors import XY, Clock
from gibbsite.energies.transported import Transported
from gibbsite.energies.turned import Turned
from gibbsite.energies.wells import DoubleWell, ManyWell, MuellerBrown, Ring

__all__ = [
    "XY",
    "AxisMixture",
    "Banana",
    "BinaryRBM",
    "BlumeCapel",
    "BoltzmannMachine",
    "Clock",
    "Copies",
    "Coulomb",
    "CovarianceMixture",
    "DenseBoltzmannMachine",
    "DenseHopfield",
    "DoubleWell",
    "DoubleWellParticles",
    "Funnel",
    "Gaussian",
    "GaussianMixture",
    "GaussianRBM",
    "Ising",
    "LawMixture",
    "LennardJones",
    "ManyWell",
    "MuellerBrown",
    "NeuralEnergy",
    "Offset",
    "Phi4",
    "Posterior",
    "Potts",
    "PottsMachine",
    "Rescaled",
    "Reshaped",
    "Ring",
    "Rosenbrock",
    "Transformed",
    "Transported",
    "Turned",
    "Yukawa",
    "edwards_anderson",
    "gmm40",
    "hebb",
    "sherrington_kirkpatrick",
]
