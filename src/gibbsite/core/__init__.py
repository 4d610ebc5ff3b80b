"""The vocabulary: spaces, energies, paths, kernels, observers, objectives, models and estimates."""

from gibbsite.core.compose import Cycle, Mixture, Repeat
from gibbsite.core.energy import (
    AbstractEnergy,
    Callable,
    Capability,
    Conditionals,
    Independent,
    Latent,
    Normalised,
    Sampleable,
    Sum,
    Tempered,
    as_float,
    capability,
    draw,
    log_prob,
    need,
)
from gibbsite.core.estimate import Estimate, Evidence, Status, concise, exact
from gibbsite.core.joint import Given, Marginal
from gibbsite.core.kernel import AbstractAdaptation, AbstractKernel, Info, no_work
from gibbsite.core.model import AbstractModel, Over
from gibbsite.core.objective import AbstractObjective
from gibbsite.core.observer import BATCHES, AbstractObserver, Diagnosis, Histogram, Mean, Moments, diagnose
from gibbsite.core.path import AbstractPath, Geometric, Linear, Tempering, schedule
from gibbsite.core.reference import Coins, Normal, Uniform, reference
from gibbsite.core.slope import Slope
from gibbsite.core.space import AbstractSpace, ArrayLike, Binary, Box, Product, Reals, Spins, require, two_valued, values
from gibbsite.core.sums import Pair

__all__ = [
    "BATCHES",
    "AbstractAdaptation",
    "AbstractEnergy",
    "AbstractKernel",
    "AbstractModel",
    "AbstractObjective",
    "AbstractObserver",
    "AbstractPath",
    "AbstractSpace",
    "ArrayLike",
    "Binary",
    "Box",
    "Callable",
    "Capability",
    "Coins",
    "Conditionals",
    "Cycle",
    "Diagnosis",
    "Estimate",
    "Evidence",
    "Geometric",
    "Given",
    "Histogram",
    "Independent",
    "Info",
    "Latent",
    "Linear",
    "Marginal",
    "Mean",
    "Mixture",
    "Moments",
    "Normal",
    "Normalised",
    "Over",
    "Pair",
    "Product",
    "Reals",
    "Repeat",
    "Sampleable",
    "Slope",
    "Spins",
    "Status",
    "Sum",
    "Tempered",
    "Tempering",
    "Uniform",
    "as_float",
    "capability",
    "concise",
    "diagnose",
    "draw",
    "exact",
    "log_prob",
    "need",
    "no_work",
    "reference",
    "require",
    "schedule",
    "two_valued",
    "values",
]
