"""Where the solver starts: free energies along the tree of nearest states, whatever their order."""

import numpy as np
from jaxtyping import Float, Int

from gibbsite.thermo.reweighting.dual import Counts, Energies, Square

FEW = 64  # samples of a state that a typical work is taken from
FAR = 1e300


def owners(counts: Counts) -> Int[np.ndarray, " n"]:
    """The state that each sample was drawn from: samples stand state by state."""
    return np.repeat(np.arange(len(counts)), counts)


def typical_works(u: Energies, counts: Counts) -> Square:
    """m_ij, the median over samples of state i of the work u_j - u_i; zero for a state without samples."""
    ends = np.cumsum(counts)
    works = np.zeros((len(u), len(u)))
    for i, (end, count) in enumerate(zip(ends, counts, strict=True)):
        if count:
            chosen = u[:, end - count : end][:, :: -(-count // FEW)]
            works[i] = np.median(chosen - chosen[i], axis=1)
    return works


def distances(works: Square) -> Square:
    """How far apart two states are: m_ij + m_ji, which for means is Jeffreys' divergence."""
    apart = works + works.T
    return np.where(np.isfinite(apart), np.maximum(apart, 0.0), FAR)


def start(u: Energies, counts: Counts) -> Float[np.ndarray, " k"]:
    """f_j - f_i = (m_ij - m_ji) / 2 along the edges of the tree that is shortest in `distances` (Prim)."""
    works = typical_works(u, counts)
    gains, apart = _gains(works), distances(works)
    f, parent, near = np.zeros(len(u)), np.zeros(len(u), int), apart[0].copy()
    left = np.arange(len(u)) > 0
    while left.any():
        new = np.nonzero(left)[0][np.argmin(near[left])]
        f[new], left[new] = f[parent[new]] + gains[parent[new], new], False
        closer = left & (apart[new] < near)
        parent[closer], near[closer] = new, apart[new][closer]
    return f


def _gains(works: Square) -> Square:
    """Trapezoid of both ends; of one, where the work from the other is infinite."""
    back = -works.T
    one_sided = np.where(np.isfinite(works), works, np.where(np.isfinite(back), back, 0.0))
    both = np.isfinite(works) & np.isfinite(back)
    return np.where(both, (np.where(both, works, 0.0) + np.where(both, back, 0.0)) / 2, one_sided)
