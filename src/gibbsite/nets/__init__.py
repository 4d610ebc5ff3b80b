"""Plain Equinox networks; they know nothing of probability."""

from gibbsite.nets.masked import MaskedMLP
from gibbsite.nets.mlp import MLP
from gibbsite.nets.timed import TimedMLP
from gibbsite.nets.vector import VectorMLP

__all__ = ["MLP", "MaskedMLP", "TimedMLP", "VectorMLP"]
