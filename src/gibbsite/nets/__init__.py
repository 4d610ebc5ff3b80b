"""Plain Equinox networks; they know nothing of probability."""

from gibbsite.nets.mlp import MLP

__all__ = ["MLP"]
