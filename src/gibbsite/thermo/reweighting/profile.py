"""Potentials of mean force: the free energy along a coordinate, in a state with samples or without."""

import dataclasses

import numpy as np
from jaxtyping import Float

from gibbsite.core import ArrayLike, Estimate, Evidence, Status, exact
from gibbsite.thermo.reweighting.check import per_sample
from gibbsite.thermo.reweighting.dual import PerSample
from gibbsite.thermo.reweighting.mbar import MBAR


@dataclasses.dataclass(frozen=True)
class Profile:
    """F = -log of the density of each bin between `edges`, in kT above the lowest; a bin without samples has no value."""

    edges: Float[np.ndarray, " edges"]
    bins: tuple[Estimate, ...]

    @property
    def centres(self) -> Float[np.ndarray, " bins"]:
        """The middle of each bin."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def profile(m: MBAR, coordinate: ArrayLike, edges: ArrayLike, state: int | ArrayLike = 0) -> Profile:
    """F_b = -log(p_b / width_b) + log(the same of the bin of highest density), p_b = sum_n W_n [coordinate_n in bin b].

    Its error is that of the difference from the lowest bin, by the same covariance as free energies (bins are states without
    samples of their own). Weights W are those of `state`, by its number or its reduced energies. Fewer than 30 effective samples in
    a bin are told (LOW_ESS). Samples outside the edges are left out.

    Raises:
        ValueError: edges that do not rise, a coordinate of another shape or NaN, no sample with weight within the edges.
    """
    bounds = np.asarray(edges, np.float64)
    if bounds.ndim != 1 or len(bounds) < 2 or not np.all(np.isfinite(bounds)) or not np.all(np.diff(bounds) > 0):
        raise ValueError(f"edges have shape {bounds.shape} and must be finite and rise; give np.linspace(low, high, bins + 1), say.")
    x, column = per_sample(coordinate, "coordinate", m.u_kn.shape[1]), m.column(state)
    place = np.where(x == bounds[-1], len(bounds) - 2, np.searchsorted(bounds, x, side="right") - 1)
    parts = np.where(place == np.arange(len(bounds) - 1)[:, None], column, 0.0)
    masses = parts.sum(axis=1)
    full = np.nonzero(masses > 0)[0]
    if not len(full):
        raise ValueError(f"No sample with weight lies between the edges {bounds[0]:g} and {bounds[-1]:g}; the coordinate is elsewhere.")
    heights = -np.log(masses[full] / np.diff(bounds)[full])
    lowest, laws = int(np.argmin(heights)), parts[full] / masses[full, None]
    empty = Estimate(None, None, status=Status.LOW_ESS, evidence=Evidence.NOT_ESTABLISHED, sources=m.sources)
    bins = [empty] * (len(bounds) - 1)
    for b, height, law in zip(full, heights - heights[lowest], laws, strict=True):
        bins[b] = exact(0.0) if b == full[lowest] else _above(m, float(height), law, laws[lowest])
    return Profile(bounds, tuple(bins))


def _above(m: MBAR, height: float, law: PerSample, lowest: PerSample) -> Estimate:
    spread = float(m.theta((law - lowest)[None])[0, 0])
    return m.judged(height, spread, float(law @ law), (m.footing(law), m.footing(lowest)))
