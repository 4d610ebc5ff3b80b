"""`gibbsite scan`: one replica exchange over a range of temperatures, and every observable against beta, with error bands."""

from gibbsite.scan.range import Range, betas_of
from gibbsite.scan.result import Scan
from gibbsite.scan.run import scan, sides_of

__all__ = ["Range", "Scan", "betas_of", "scan", "sides_of"]
