"""What training minimises: each objective turns a model and a batch into gradients, and counts what they cost."""

from gibbsite.objectives.adversarial import NonSaturating, Wasserstein
from gibbsite.objectives.contrastive import NoiseContrastive
from gibbsite.objectives.diffusion import NoisePrediction
from gibbsite.objectives.gradient import count, gradient, join, split
from gibbsite.objectives.likelihood import MaximumLikelihood, PersistentContrastiveDivergence, Walkers
from gibbsite.objectives.score import DenoisingScoreMatching
from gibbsite.objectives.transport import ReverseKL
from gibbsite.objectives.variational import ELBO

__all__ = [
    "ELBO",
    "DenoisingScoreMatching",
    "MaximumLikelihood",
    "NoiseContrastive",
    "NoisePrediction",
    "NonSaturating",
    "PersistentContrastiveDivergence",
    "ReverseKL",
    "Walkers",
    "Wasserstein",
    "count",
    "gradient",
    "join",
    "split",
]
