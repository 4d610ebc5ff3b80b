"""`gibbsite sample` and `gibbsite log-z`: a listed energy, or one of the user's, sampled and observed, or its log Z certified."""

from gibbsite.simulate.constant import Constant, constant
from gibbsite.simulate.file import TargetError
from gibbsite.simulate.kernels import KERNELS
from gibbsite.simulate.run import simulate
from gibbsite.simulate.simulation import Simulation, check_folder
from gibbsite.simulate.targets import TARGETS, limit, settings_of
from gibbsite.simulate.work import PROTOCOLS, Driven, drive_named, work_figure

__all__ = [
    "KERNELS",
    "PROTOCOLS",
    "TARGETS",
    "Constant",
    "Driven",
    "Simulation",
    "TargetError",
    "check_folder",
    "constant",
    "drive_named",
    "limit",
    "settings_of",
    "simulate",
    "work_figure",
]
