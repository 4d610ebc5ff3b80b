"""Walks that visit all energies alike: weights by Wang-Landau, densities of states by multicanonical sampling."""

from gibbsite.thermo.flat.levels import Levels
from gibbsite.thermo.flat.sampling import FlatWeights, multicanonical, wang_landau

__all__ = ["FlatWeights", "Levels", "multicanonical", "wang_landau"]
