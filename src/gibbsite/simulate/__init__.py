"""`gibbsite sample`: a listed energy, or one of the user's, sampled, with its usual observables, figures and JSON."""

from gibbsite.simulate.kernels import KERNELS
from gibbsite.simulate.run import simulate
from gibbsite.simulate.simulation import Simulation
from gibbsite.simulate.targets import TARGETS, TargetError, limit, setting

__all__ = ["KERNELS", "TARGETS", "Simulation", "TargetError", "limit", "setting", "simulate"]
