"""Metrics: likelihoods with the evidence of their constant, two-sample distances and mode masses with their error."""

from gibbsite.metrics.likelihood import bits_per_dim, kl_to_truth, nll
from gibbsite.metrics.modes import mode_masses, total_variation
from gibbsite.metrics.samples import energy_distance, median_distance, mmd, noise_floor

__all__ = [
    "bits_per_dim",
    "energy_distance",
    "kl_to_truth",
    "median_distance",
    "mmd",
    "mode_masses",
    "nll",
    "noise_floor",
    "total_variation",
]
