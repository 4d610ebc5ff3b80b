"""gibbsite: every generative model is an energy; every number carries its error and its evidence.

The rooms, in order: `core` (the vocabulary), `nets`, `energies`, `samplers`, `data`, `thermo`, `objectives`, `metrics`,
`models`, `train`, `compare`, and `testing` (the laws). The names below are the everyday ones.
"""

from gibbsite import core, data, energies, metrics, models, nets, objectives, samplers, testing, thermo, train
from gibbsite.compare import compare
from gibbsite.core import Callable, Estimate, Tempered, capability, log_prob
from gibbsite.samplers import sample
from gibbsite.thermo import anneal, bar, certify, quadrature
from gibbsite.train import fit, load

__version__ = "0.1.0"

__all__ = [
    "Callable",
    "Estimate",
    "Tempered",
    "anneal",
    "bar",
    "capability",
    "certify",
    "compare",
    "core",
    "data",
    "energies",
    "fit",
    "load",
    "log_prob",
    "metrics",
    "models",
    "nets",
    "objectives",
    "quadrature",
    "sample",
    "samplers",
    "testing",
    "thermo",
    "train",
]
