"""One loop trains every paradigm; checkpoints continue it to the bit."""

from gibbsite.train.checkpoint import CheckpointError, load, save
from gibbsite.train.fit import Fit, fit

__all__ = ["CheckpointError", "Fit", "fit", "load", "save"]
