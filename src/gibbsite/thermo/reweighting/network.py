"""States as nodes of a network of resistors: two states are joined by the samples that they share.

The Hessian of MBAR's dual is the network's Laplacian (see `dual`), so `1 / resistance` counts the samples that two states share, by
whatever ways lead from one to the other. Of two states that only others join, the weakest link on the best way counts.
"""

import numpy as np

from gibbsite.thermo.reweighting.dual import PerState, Square


def resistances(inverse: Square) -> Square:
    """R_ij = (e_i - e_j)' L''^-1 (e_i - e_j): the variance of f_j - f_i is R_ij - 1/N_i - 1/N_j."""
    own = np.diag(inverse)
    return np.maximum(own[:, None] + own - 2 * inverse, 0.0)


def links(inverse: Square) -> Square:
    """Samples shared at the weakest link of the best way between two states; infinitely many with itself."""
    with np.errstate(divide="ignore"):
        best = 1 / resistances(inverse)
    np.fill_diagonal(best, np.inf)
    for through in range(len(best)):  # Floyd and Warshall, for the widest way
        best = np.maximum(best, np.minimum(best[:, through, None], best[through]))
    return best


def overlap_scalar(counts: PerState, shared: Square) -> float:
    """One minus the second eigenvalue of the overlap matrix: 0 where the states fall into two groups, 1 where all are alike."""
    root = np.sqrt(counts)
    constant = root / np.sqrt(counts.sum())
    return float(1 - np.linalg.eigvalsh(shared / np.outer(root, root) - np.outer(constant, constant))[-1])
