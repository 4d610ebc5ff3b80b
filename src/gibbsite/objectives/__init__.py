"""What training minimises: each objective turns a model and a batch into gradients, and counts what they cost."""

from gibbsite.objectives.gradient import count, gradient, join, split
from gibbsite.objectives.likelihood import MaximumLikelihood, PersistentContrastiveDivergence, Walkers
from gibbsite.objectives.score import DenoisingScoreMatching

__all__ = [
    "DenoisingScoreMatching",
    "MaximumLikelihood",
    "PersistentContrastiveDivergence",
    "Walkers",
    "count",
    "gradient",
    "join",
    "split",
]
