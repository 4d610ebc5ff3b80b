"""One loop trains every paradigm; checkpoints continue it to the bit."""

from gibbsite.train.assisted import Assisted, flow_assisted
from gibbsite.train.checkpoint import CheckpointError, load, save
from gibbsite.train.fit import Fit, fit

__all__ = ["Assisted", "CheckpointError", "Fit", "fit", "flow_assisted", "load", "save"]
