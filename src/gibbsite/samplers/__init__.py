"""Kernels and the runner that turns them into draws with error bars."""

from gibbsite.samplers.adapt import DualAveraging, Spreads, Together
from gibbsite.samplers.gibbs import BlockGibbs, Gibbs
from gibbsite.samplers.hamiltonian import HMC
from gibbsite.samplers.informed import GibbsWithGradients
from gibbsite.samplers.langevin import MALA, ULA
from gibbsite.samplers.progress import Progress, Silent
from gibbsite.samplers.report import Row, Run
from gibbsite.samplers.run import sample
from gibbsite.samplers.tempering import ParallelTempering

__all__ = [
    "HMC",
    "MALA",
    "ULA",
    "BlockGibbs",
    "DualAveraging",
    "Gibbs",
    "GibbsWithGradients",
    "ParallelTempering",
    "Progress",
    "Row",
    "Run",
    "Silent",
    "Spreads",
    "Together",
    "sample",
]
