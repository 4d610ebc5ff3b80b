"""Metrics: likelihoods with the evidence of their constant, two-sample distances and mode masses with their error."""

from gibbsite.metrics.classifier import classifier_test
from gibbsite.metrics.field import curl
from gibbsite.metrics.likelihood import bits_per_dim, kl_to_truth, nll
from gibbsite.metrics.memorisation import memorisation, nearest_distances
from gibbsite.metrics.modes import mode_masses, total_variation
from gibbsite.metrics.samples import energy_distance, median_distance, mmd, noise_floor
from gibbsite.metrics.support import Support, coverage, density, precision, recall, support
from gibbsite.metrics.transport import sliced_wasserstein

__all__ = [
    "Support",
    "bits_per_dim",
    "classifier_test",
    "coverage",
    "curl",
    "density",
    "energy_distance",
    "kl_to_truth",
    "median_distance",
    "memorisation",
    "mmd",
    "mode_masses",
    "nearest_distances",
    "nll",
    "noise_floor",
    "precision",
    "recall",
    "sliced_wasserstein",
    "support",
    "total_variation",
]
