"""The sufficient statistics of a pairwise law, in one row: features of sites, then products of features of pairs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from gibbsite.thermo.inverse.inferred import Inferred
from gibbsite.thermo.inverse.sites import Sites


class Layout(NamedTuple):
    """Which parameters there are: `n k` fields, then k^2 couplings a pair i < j."""

    n: int
    k: int
    pairs: Int[np.ndarray, "2 pairs"]

    @classmethod
    def of(cls, data: Sites) -> "Layout":
        _, n, k = data.size
        return cls(n, k, np.stack(np.triu_indices(n, 1)))

    @property
    def size(self) -> int:
        return self.n * self.k + self.pairs.shape[1] * self.k**2

    def statistics(self, phi: Float[np.ndarray, "rows n k"]) -> Float[np.ndarray, "rows size"]:
        """T of every row of features."""
        one, other = phi[:, self.pairs[0], :, None], phi[:, self.pairs[1], None, :]
        return np.concatenate([phi.reshape(len(phi), -1), (one * other).reshape(len(phi), -1)], axis=1)

    def apart(self, theta: Float[np.ndarray, " size"]) -> tuple[Float[np.ndarray, "n n k k"], Float[np.ndarray, "n k"]]:
        """Couplings, the same both ways, and fields."""
        (one, other), split = self.pairs, self.n * self.k
        couplings = np.zeros((self.n, self.n, self.k, self.k))
        couplings[one, other] = theta[split:].reshape(-1, self.k, self.k)
        return couplings + couplings.transpose(1, 0, 3, 2), theta[:split].reshape(self.n, self.k)

    def together(self, couplings: Float[np.ndarray, "n n k k"], fields: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " size"]:
        """The parameters in one row."""
        return np.concatenate([fields.ravel(), couplings[self.pairs[0], self.pairs[1]].ravel()])

    def errors(self, data: Sites, covariance: Float[np.ndarray, "size size"]) -> tuple[np.ndarray, np.ndarray]:
        """Standard errors of couplings and fields as they are told, from the covariance of the parameters."""
        (one, other), split, k = self.pairs, self.n * self.k, self.k
        gauge = np.ones((1, 1)) if k == 1 else data.contrast
        own = np.stack([covariance[i : i + k, i : i + k] for i in range(0, split, k)])
        blocks = np.stack([covariance[i : i + k * k, i : i + k * k] for i in range(split, self.size, k * k)])
        both = np.einsum("ap,br->abpr", gauge, gauge).reshape(-1, k * k)
        fields = np.sqrt(np.einsum("ap,npr,ar->na", gauge, own, gauge))
        q = len(gauge)
        couplings = np.zeros((self.n, self.n, q, q))
        couplings[one, other] = np.sqrt(np.einsum("ap,npr,ar->na", both, blocks, both)).reshape(-1, q, q)
        couplings = couplings + couplings.transpose(1, 0, 3, 2)
        return (couplings[..., 0, 0], fields[:, 0]) if k == 1 and q == 1 else (couplings, fields)


def inferred(method: str, data: Sites, layout: Layout, theta: np.ndarray, covariance: np.ndarray) -> Inferred:
    """What is told of parameters with a covariance."""
    return Inferred.of(method, data, *layout.apart(theta), errors=layout.errors(data, covariance))
