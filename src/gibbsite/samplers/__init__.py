"""Kernels and the runner that turns them into draws with error bars."""

from gibbsite.samplers.adapt import DualAveraging, Together
from gibbsite.samplers.auto import Choice, choose
from gibbsite.samplers.blackjax import MCLMC, NUTS, AdjustedMCLMC, BlackJAX, mclmc_tuned, window_adapted
from gibbsite.samplers.chees import AdaptiveHMC, ChEES
from gibbsite.samplers.cluster import SwendsenWang, Wolff
from gibbsite.samplers.discrete_langevin import DiscreteLangevin, UnadjustedDiscreteLangevin
from gibbsite.samplers.export import to_arviz
from gibbsite.samplers.fisher import FisherScales
from gibbsite.samplers.ghmc import GHMC
from gibbsite.samplers.gibbs import BlockGibbs, Gibbs, Metropolis, SingleSite
from gibbsite.samplers.graph_gibbs import GraphGibbs
from gibbsite.samplers.hamiltonian import HMC
from gibbsite.samplers.houdayer import Each, Houdayer
from gibbsite.samplers.informed import GibbsWithGradients, LocallyBalanced, PathAuxiliary, barker, square_root
from gibbsite.samplers.ladder import Levelling, enough_rungs
from gibbsite.samplers.langevin import MALA, ULA, TamedULA
from gibbsite.samplers.low_rank import LowRank
from gibbsite.samplers.multispin import Multispin
from gibbsite.samplers.per_part import PerPart
from gibbsite.samplers.progress import Progress, Silent
from gibbsite.samplers.random_walk import Independence, RandomWalk
from gibbsite.samplers.report import Divergence, Row, Run, name_of
from gibbsite.samplers.rotor import Overrelaxation, RotorHeatBath
from gibbsite.samplers.run import sample
from gibbsite.samplers.simulated_tempering import SimulatedTempering, Weights
from gibbsite.samplers.skewed import Barker
from gibbsite.samplers.slice import EllipticalSlice, Slice
from gibbsite.samplers.spikes import Spikes
from gibbsite.samplers.spreads import Spreads
from gibbsite.samplers.stochastic_gradient import SGLD
from gibbsite.samplers.stretch import Stretch
from gibbsite.samplers.tempered_transitions import TemperedTransitions
from gibbsite.samplers.tempering import ParallelTempering
from gibbsite.samplers.underdamped import BAOAB, OBABO
from gibbsite.samplers.until import Until, stderr

__all__ = [
    "BAOAB",
    "GHMC",
    "HMC",
    "MALA",
    "MCLMC",
    "NUTS",
    "OBABO",
    "SGLD",
    "ULA",
    "AdaptiveHMC",
    "AdjustedMCLMC",
    "Barker",
    "BlackJAX",
    "BlockGibbs",
    "ChEES",
    "Choice",
    "DiscreteLangevin",
    "Divergence",
    "DualAveraging",
    "Each",
    "EllipticalSlice",
    "FisherScales",
    "Gibbs",
    "GibbsWithGradients",
    "GraphGibbs",
    "Houdayer",
    "Independence",
    "Levelling",
    "LocallyBalanced",
    "LowRank",
    "Metropolis",
    "Multispin",
    "Overrelaxation",
    "ParallelTempering",
    "PathAuxiliary",
    "PerPart",
    "Progress",
    "RandomWalk",
    "RotorHeatBath",
    "Row",
    "Run",
    "Silent",
    "SimulatedTempering",
    "SingleSite",
    "Slice",
    "Spikes",
    "Spreads",
    "Stretch",
    "SwendsenWang",
    "TamedULA",
    "TemperedTransitions",
    "Together",
    "UnadjustedDiscreteLangevin",
    "Until",
    "Weights",
    "Wolff",
    "barker",
    "choose",
    "enough_rungs",
    "mclmc_tuned",
    "name_of",
    "sample",
    "square_root",
    "stderr",
    "to_arviz",
    "window_adapted",
]
