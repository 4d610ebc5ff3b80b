"""`gibbsite sample`: a listed energy, or one of the user's, sampled, with its usual observables, figures and JSON."""

from gibbsite.simulate.file import TargetError
from gibbsite.simulate.kernels import KERNELS
from gibbsite.simulate.run import simulate
from gibbsite.simulate.simulation import Simulation, check_folder
from gibbsite.simulate.targets import TARGETS, limit, settings_of

__all__ = ["KERNELS", "TARGETS", "Simulation", "TargetError", "check_folder", "limit", "settings_of", "simulate"]
