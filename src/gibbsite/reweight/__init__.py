"""`gibbsite mbar`: free energies from a user's own reduced energies, read, decorrelated, solved and told."""

from gibbsite.reweight.file import Samples, from_frame, samples
from gibbsite.reweight.reweighting import Reweighting
from gibbsite.reweight.run import reweight
from gibbsite.reweight.units import UNITS, Scale, scale

__all__ = ["UNITS", "Reweighting", "Samples", "Scale", "from_frame", "reweight", "samples", "scale"]
