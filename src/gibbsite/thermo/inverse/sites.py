"""Sites as numbers whose mean is zero over the levels: the form in which all inverse methods see Ising and Potts data alike.

A site of q levels has k = q - 1 features, the columns of a matrix C (q, k) with `C' 1 = 0` and `C' C = q 1`. Every pairwise energy is

    U = -sum_{i<j} phi_i' J_ij phi_j - sum_i h_i' phi_i,     phi_i = the row of C of level x_i,

in just one way: `J_ij(a, b) = (C J_ij C')_ab` sums to zero over a and over b, which is the zero-sum gauge, the one of least squares
(Ekeberg et al., PRE 87, 2013). With two levels C = (-1, 1): phi is the spin, J and h are those of Ising.
"""

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy.linalg import helmert

from gibbsite.core import AbstractSpace, ArrayLike, Categorical, Spins, require, values
from gibbsite.energies import DenseBoltzmannMachine, PottsMachine


@dataclasses.dataclass(frozen=True, eq=False)
class Sites:
    """Rows of data as features, `phi`, and `counts` of the levels of each site."""

    space: Spins | Categorical
    phi: Float[np.ndarray, "rows sites k"]
    counts: Float[np.ndarray, "sites q"]

    @property
    def contrast(self) -> Float[np.ndarray, "q k"]:
        return contrast(len(values(self.space)))

    @property
    def size(self) -> tuple[int, int, int]:
        """Rows, sites, features of a site."""
        rows, n, k = self.phi.shape
        return rows, n, k

    def couplings(self, features: Float[np.ndarray, "sites sites k k"]) -> Float[np.ndarray, "..."]:
        """`(n, n)` of spins, `(n, n, q, q)` of levels."""
        if isinstance(self.space, Spins):
            return features[..., 0, 0]
        return np.einsum("ap,ijpr,br->ijab", self.contrast, features, self.contrast)

    def fields(self, features: Float[np.ndarray, "sites k"]) -> Float[np.ndarray, "..."]:
        """`(n,)` of spins, `(n, q)` of levels."""
        return features[:, 0] if isinstance(self.space, Spins) else features @ self.contrast.T

    def machine(self, couplings: Float[np.ndarray, "sites sites k k"], fields: Float[np.ndarray, "sites k"]) -> "Machine":
        """The energy with these parameters."""
        j, h = self.couplings(couplings), self.fields(fields)
        if isinstance(self.space, Spins):
            return DenseBoltzmannMachine(self.space, j, h.reshape(self.space.shape))
        return PottsMachine(self.space, j, h)

    def independent(self) -> Float[np.ndarray, "sites k"]:
        """The fields of sites without couplings: `C' log p_i / q`, atanh of the mean of a spin."""
        return np.log(self.counts / self.counts.sum(axis=1, keepdims=True)) @ self.contrast / len(self.contrast)


Machine = DenseBoltzmannMachine | PottsMachine


def contrast(q: int) -> Float[np.ndarray, "q k"]:
    """C: Helmert's contrasts, times sqrt(q)."""
    return -helmert(q).T * np.sqrt(q)


def sites(samples: ArrayLike, space: AbstractSpace, user: str, *, regular: bool = False) -> Sites:
    """Samples (rows, *shape) of `Spins` or `Categorical` as `Sites`.

    Raises:
        TypeError: the space is another one.
        ValueError: samples are not of the space, or, unless `regular`, no more rows than features, or a level that a site never takes:
            then a field, or all, is infinite.
    """
    if not isinstance(space, Spins | Categorical):
        remedy = "Spins, of bits as 2 x - 1, or Categorical"
        raise TypeError(f"{user} learns from samples of Spins or Categorical, not of {type(space).__name__}: give {remedy}.")
    given = np.asarray(samples)
    if given.ndim != 1 + len(space.shape) or len(given) == 0:
        raise ValueError(f"samples has shape {given.shape}: give (rows, *shape) with shape {space.shape}, at least one row.")
    x = np.asarray(require(space, given, "samples", batched=True)).reshape(len(given), -1)
    levels = values(space)
    level = np.argmax(x[..., None] == np.asarray(levels, x.dtype), axis=-1)
    counts = np.stack([np.bincount(column, minlength=len(levels)) for column in level.T]).astype(np.float64)
    found = Sites(space, contrast(len(levels))[level], counts)
    if not regular:
        _check_enough(found, levels, user)
    return found


def _check_enough(found: Sites, levels: tuple[float, ...], user: str) -> None:
    rows, n, k = found.size
    if np.any(found.counts == 0):
        site, level = (int(i) for i in np.argwhere(found.counts == 0)[0])
        why = "its field is infinite: leave the site out, join levels, or use pseudo_likelihood with l2="
        raise ValueError(f"site {site} of samples never takes the value {levels[level]:g} in {rows} rows, and {why}.")
    if rows <= n * k:
        need = f"{n} sites with {k} parameter{'s' if k > 1 else ''} a field need more than {n * k}"
        raise ValueError(f"{user} has {rows} rows of samples; {need}: give more, or use pseudo_likelihood with l2=.")
