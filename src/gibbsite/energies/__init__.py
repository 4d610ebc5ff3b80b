"""Energies: closed forms, lattices, machines and networks."""

from gibbsite.energies.analytic import GaussianMixture
from gibbsite.energies.boltzmann import BinaryRBM, GaussianRBM
from gibbsite.energies.lattice import Ising
from gibbsite.energies.neural import NeuralEnergy
from gibbsite.energies.offset import Offset
from gibbsite.energies.rescaled import Rescaled

__all__ = ["BinaryRBM", "GaussianMixture", "GaussianRBM", "Ising", "NeuralEnergy", "Offset", "Rescaled"]
