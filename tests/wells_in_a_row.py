"""Samples of harmonic wells whose free energies are known: f = log(k) / 2 + offset, up to a constant."""

from typing import NamedTuple

import numpy as np


class Wells(NamedTuple):
    """Wells u(x) = k (x - centre)^2 / 2 + offset, with draws x of them, their energies and how many each has."""

    stiffness: np.ndarray
    centres: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray
    x: np.ndarray

    @property
    def u(self) -> np.ndarray:
        return self.energy(self.stiffness[:, None], self.centres[:, None], self.offsets[:, None])

    @property
    def f(self) -> np.ndarray:
        f = np.log(self.stiffness) / 2 + self.offsets
        return f - f[0]

    def energy(self, stiffness, centre, offset):
        return stiffness * (self.x - centre) ** 2 / 2 + offset


def wells(seed: int, counts, *, far: float = 0.8, offset: float = 300.0) -> Wells:
    """Wells of different widths, `far` apart, in no order, with offsets up to `offset`; neither symmetric nor centred."""
    rng, counts = np.random.default_rng(seed), np.asarray(counts)
    order = np.random.default_rng(5).permutation(len(counts))
    stiffness, centres = 0.5 + (1 + order % 3) / 2, 2.0 + far * order
    offsets = offset * np.sin(1.0 + np.arange(len(counts)))
    own = np.repeat(np.arange(len(counts)), counts)
    return Wells(stiffness, centres, offsets, counts, centres[own] + rng.normal(size=len(own)) / np.sqrt(stiffness[own]))
