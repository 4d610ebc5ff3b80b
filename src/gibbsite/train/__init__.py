"""One loop trains every paradigm; checkpoints continue it to the bit."""

from gibbsite.train.assisted import Assisted, flow_assisted
from gibbsite.train.checkpoint import CheckpointError, load, save
from gibbsite.train.fit import Fit, fit
from gibbsite.train.to_energy import fit_to

__all__ = ["Assisted", "CheckpointError", "Fit", "fit", "fit_to", "flow_assisted", "load", "save"]
