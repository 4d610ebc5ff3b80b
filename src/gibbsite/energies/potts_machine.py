"""A Boltzmann machine of sites with several levels: every pair of levels of every pair of sites has a coupling of its own."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, ArrayLike, Capability, Categorical, Conditionals, as_float
from gibbsite.core.energy import Scalar
from gibbsite.energies.grid import check_shape


class PottsMachine(AbstractEnergy):
    """`U(x) = -sum_{i<j} couplings_ij(x_i, x_j) - sum_i fields_i(x_i)` for all pairs of sites, on `Categorical`.

    (The generalised Potts model of Weigt et al., PNAS 106, 2009.) `couplings[i, j, a, b]` is that of level a at site i with level b at
    site j, over the flattened x: equal to `couplings[j, i, b, a]`, and 0 for i = j. A sweep updates one site after another.

    Raises:
        ValueError: the couplings are not symmetric or couple a site to itself, or parameters of another shape.
    """

    space: Categorical
    couplings: Float[Array, "sites sites levels levels"]
    fields: Float[Array, "sites levels"]

    def __init__(self, space: Categorical, couplings: ArrayLike, fields: ArrayLike = 0.0):
        n, q = space.size, len(space.levels)
        self.space, self.couplings, given = space, as_float(couplings), as_float(fields)
        check_shape("PottsMachine", "fields", given, (), (q,), (n, q))
        self.fields = jnp.broadcast_to(given, (n, q))

    def __check_init__(self) -> None:
        n, q = self.space.size, len(self.space.levels)
        check_shape("PottsMachine", "couplings", self.couplings, (n, n, q, q))
        if not isinstance(self.couplings, jax.core.Tracer):
            _check_pairs(np.asarray(self.couplings))

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        taken = self._taken(x)
        return -jnp.sum(taken * (self._felt(taken) / 2 + self.fields))

    def views(self) -> tuple[Capability, ...]:
        return (Conditionals(self.logits, jnp.eye(self.space.size).reshape(-1, *self.space.shape)),)

    def logits(self, x: Float[Array, "*x"]) -> Float[Array, "*x levels"]:
        """`log p(x_i = level | rest)` up to a constant of the site."""
        return (self._felt(self._taken(x)) + self.fields).reshape(*self.space.shape, -1)

    def _taken(self, x: Float[Array, "*x"]) -> Float[Array, "sites levels"]:
        return (jnp.ravel(x)[:, None] == jnp.asarray(self.space.levels)).astype(x.dtype)

    def _felt(self, taken: Float[Array, "sites levels"]) -> Float[Array, "sites levels"]:
        """The couplings of every level of every site to the other sites; its own are left out, so that learning cannot bring them in."""
        others = 1 - jnp.eye(self.space.size)
        return jnp.einsum("ij,ijab,jb->ia", others, self.couplings, taken)


def _check_pairs(couplings: Float[np.ndarray, "sites sites levels levels"]) -> None:
    own = np.flatnonzero(np.any(np.diagonal(couplings, axis1=0, axis2=1) != 0, axis=(0, 1)))
    if len(own):
        raise ValueError(f"PottsMachine has couplings of site {own[0]} to itself: give it fields.")
    gap = np.abs(couplings - couplings.transpose(1, 0, 3, 2))
    if np.any(gap > 1e-6 * np.max(np.abs(couplings), initial=0.0)):
        i, j, a, b = np.unravel_index(np.argmax(gap), gap.shape)
        raise ValueError(f"PottsMachine has couplings[{i}, {j}, {a}, {b}] unlike couplings[{j}, {i}, {b}, {a}]: give the same number.")
