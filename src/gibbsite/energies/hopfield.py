"""Associative memories: patterns stored as minima of an energy."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, ArrayLike, Reals, Spins, as_float
from gibbsite.core.energy import Scalar, check_values
from gibbsite.energies.graph import DenseBoltzmannMachine


def hebb(patterns: ArrayLike) -> DenseBoltzmannMachine:
    """Hebb's couplings of p patterns of n spins, rows of -1 and 1: `couplings_ij = sum_p xi_i xi_j / n`, none of a site to itself.

    (Hopfield, PNAS 79, 1982, eq. 2, divided by n.) At zero temperature about 0.14 n random patterns can be recalled.
    """
    rows = as_float(patterns)
    n = rows.shape[1]
    return DenseBoltzmannMachine(Spins((n,)), (rows.T @ rows) * (1 - jnp.eye(n)) / n)


class DenseHopfield(AbstractEnergy):
    """`U(x) = -log(sum_k exp(beta xi_k . x)) / beta + x.x / 2 + log(K) / beta + M^2 / 2` with K real patterns, the longest of length M.

    (Ramsauer et al., arXiv 2008.02217.) It is never negative; a step down its slope of length one is attention,
    `softmax(beta xi x) xi`. Tempered by beta it is a mixture of Gaussians of variance 1 / beta about the patterns, as heavy as
    `exp(beta xi_k . xi_k / 2)`.

    Raises:
        ValueError: `beta` is not positive.
    """

    patterns: Float[Array, "k d"] = eqx.field(converter=as_float)
    beta: Scalar = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        check_values("DenseHopfield", "beta", self.beta, lambda b: b > 0, "a positive number")

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.patterns.shape[1],))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        match = jax.nn.logsumexp(self.beta * (self.patterns @ x)) / self.beta
        longest = jnp.max(jnp.sum(self.patterns**2, axis=1))
        return -match + 0.5 * x @ x + jnp.log(len(self.patterns)) / self.beta + 0.5 * longest
