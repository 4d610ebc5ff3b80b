"""The equations of MBAR as a convex problem, summed in float64 on the host, block by block.

With N_k samples of state k and N in all, reduced energies u_kn, and free energies f_k,

    d_n  = log sum_k N_k exp(f_k - u_kn)                     the log of the mixture that all samples together are drawn from
    P_kn = N_k exp(f_k - u_kn - d_n)                         the chance that sample n is of state k, by its configuration alone
    L(f) = sum_n d_n - sum_k N_k f_k                         convex; its minimum is where sum_n P_kn = N_k
    L'   = sum_n P_kn - N_k,    L'' = diag(sum_n P_kn) - P P'

(Shirts & Chodera, J. Chem. Phys. 129, 124105, 2008, equations 11, C6, C9.) Sample n may count `weight_n` times, as in a bootstrap.
Off its diagonal, `P P'` counts the samples that two states share: L'' is the Laplacian of a network of resistors with these conductances.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Energies = Float[np.ndarray, "k n"]
PerState = Float[np.ndarray, " k"]
Counts = Int[np.ndarray, " k"]
PerSample = Float[np.ndarray, " n"]
Square = Float[np.ndarray, "k k"]
Sampled = Float[np.ndarray, "sampled sampled"]

BLOCK = 2**17  # numbers handled at a time: what a core's cache holds
FLOOR = 1e-10  # of an eigenvalue of the scaled Hessian: states that share a smaller part of their samples are apart


class Dual(NamedTuple):
    """At one f: d_n, sum_n P_kn, and P P'."""

    log_mixture: PerSample
    taken: PerState
    shared: Square


def dual(u: Energies, counts: PerState, f: PerState, weights: PerSample | None = None) -> Dual:
    """The equations at f; all states have samples."""
    shift = (f + np.log(counts))[:, None]
    log_mixture, taken, shared = np.empty(u.shape[1]), np.zeros(len(u)), np.zeros((len(u), len(u)))
    for part in blocks(u):
        p = shift - u[:, part]
        top = p.max(axis=0)
        p -= top
        np.exp(p, out=p)
        total = p.sum(axis=0)
        p /= total
        log_mixture[part] = top + np.log(total)
        counted = p if weights is None else p * weights[part]
        taken += counted.sum(axis=1)
        shared += counted @ p.T
    return Dual(log_mixture, taken, shared)


def blocks(u: Energies) -> Iterator[slice]:
    """Spans of samples, short enough for the cache."""
    step = max(BLOCK // len(u), 16)
    return (slice(start, start + step) for start in range(0, u.shape[1], step))


def self_consistent(u: Energies, log_mixture: PerSample, weights: PerSample | None = None) -> PerState:
    """f_k = -log sum_n exp(-u_kn - d_n), for any state (equation C3).

    At states with samples this minimises an upper bound of L that touches it, so it never goes up, from wherever it starts.
    """
    top, total = np.full(len(u), -np.inf), np.zeros(len(u))
    for part in blocks(u):
        a = -u[:, part] - log_mixture[part]
        if weights is not None:
            a[:, weights[part] == 0] = -np.inf
        new = np.maximum(top, a.max(axis=1))
        safe = np.where(np.isfinite(new), new, 0.0)
        terms = np.exp(a - safe[:, None])
        total = total * np.exp(np.minimum(top - safe, 0.0)) + (terms.sum(axis=1) if weights is None else terms @ weights[part])
        top = new
    with np.errstate(divide="ignore"):
        return -(np.where(np.isfinite(top), top, 0.0) + np.log(total))


def laplacian_inverse(counts: PerState, shared: Square) -> Square:
    """A generalised inverse of L'' at the solution, diag(N) - P P', up to a constant, which no difference of free energies sees.

    Scaled by sqrt(N_k) it is I - D, with D's eigenvalue 1 (the constant) taken out.
    """
    root = np.sqrt(counts)
    constant = root / np.sqrt(counts.sum())
    values, vectors = np.linalg.eigh(np.eye(len(root)) - shared / np.outer(root, root) + np.outer(constant, constant))
    scaled = vectors / root[:, None]
    return (scaled / np.maximum(values, FLOOR)) @ scaled.T
