"""Couplings from the inverse of the covariance: fast, closed, right where couplings are weak."""

import numpy as np
from jaxtyping import Float

from gibbsite.core import AbstractSpace, ArrayLike, Spins
from gibbsite.thermo.inverse.inferred import Inferred
from gibbsite.thermo.inverse.sites import Sites, sites


def mean_field(samples: ArrayLike, space: AbstractSpace) -> Inferred:
    """Naive mean field: `J_ij = -(C^-1)_ij` with the covariance C, and `h_i = atanh m_i - sum_j J_ij m_j` of spins.

    (Kappen & Rodriguez, Neural Computation 10, 1998; of levels, Morcos et al., PNAS 108, 2011.) An approximation of first order in the
    couplings, without a bound and without an error: nothing is established. `samples` (rows, *shape) are of `Spins` or `Categorical`.

    Raises:
        TypeError, ValueError: as `sites` has them; the covariance has no inverse.
    """
    data = sites(samples, space, "mean_field")
    means = data.phi.mean(axis=0)
    couplings = -_off_diagonal(_inverse_covariance(data))
    fields = data.independent() - np.einsum("ijab,jb->ia", couplings, means)
    return Inferred.of("mean field", data, couplings, fields)


def tap(samples: ArrayLike, space: AbstractSpace) -> Inferred:
    """Thouless, Anderson & Palmer's equations inverted: `(C^-1)_ij = -J_ij - 2 m_i m_j J_ij^2`, spins alone.

    (Kappen & Rodriguez 1998; Roudi, Tyrcha & Hertz, PRE 79, 2009, eq. 14.) Of its two solutions the one that becomes `mean_field` where
    m_i m_j = 0; fields `h_i = atanh m_i - sum_j J_ij m_j + m_i sum_j J_ij^2 (1 - m_j^2)`. Of second order, without bound or error.

    Raises:
        TypeError, ValueError: as `sites` has them; the samples are not spins; the covariance has no inverse; an equation has no real
            solution, which happens with strong couplings.
    """
    if not isinstance(space, Spins):
        raise TypeError(f"tap learns from Spins, not from {type(space).__name__}: use mean_field or pseudo_likelihood.")
    data = sites(samples, space, "tap")
    m, inverse = data.phi.mean(axis=0)[:, 0], _off_diagonal(_inverse_covariance(data))[..., 0, 0]
    product = np.outer(m, m)
    root = 1 - 8 * product * inverse
    if np.any(root < 0):
        i, j = np.unravel_index(np.argmin(root), root.shape)
        raise ValueError(
            f"tap has no real coupling between sites {i} and {j}, which are coupled too strongly for it: use pseudo_likelihood."
        )
    j = -2 * inverse / (1 + np.sqrt(root))  # (sqrt(root) - 1) / (4 m_i m_j), safe where that is 0 / 0
    fields = data.independent()[:, 0] - j @ m + m * (j**2 @ (1 - m**2))
    return Inferred.of("TAP", data, j[..., None, None], fields[:, None])


def _inverse_covariance(data: Sites) -> Float[np.ndarray, "sites sites k k"]:
    rows, n, k = data.size
    flat = data.phi.reshape(rows, n * k)
    covariance = np.cov(flat, rowvar=False, bias=True).reshape(n * k, n * k)
    spectrum = np.linalg.eigvalsh(covariance)
    if spectrum[0] <= 1e-12 * spectrum[-1]:
        raise ValueError("the covariance of samples has no inverse: some sites always move together; leave one of them out.")
    return np.linalg.inv(covariance).reshape(n, k, n, k).transpose(0, 2, 1, 3)


def _off_diagonal(pairs: Float[np.ndarray, "sites sites k k"]) -> Float[np.ndarray, "sites sites k k"]:
    """Without what couples a site to itself, and the same both ways."""
    both = (pairs + pairs.transpose(1, 0, 3, 2)) / 2
    return both * (1 - np.eye(len(pairs)))[:, :, None, None]
