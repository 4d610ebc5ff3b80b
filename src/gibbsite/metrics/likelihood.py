"""How likely a model finds data: each number inherits the evidence of the `log_z` it stands on."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, Estimate, Evidence, Normalised, Status, need

CHUNK = 1024


def nll(energy: AbstractEnergy, log_z: Estimate, x: Float[np.ndarray, "n *x"]) -> Estimate:
    """`mean_i U(x_i) + log_z`: nats per example, in the units of `x`.

    The error joins the sampling error over the examples with that of `log_z`; with a lower bound on `log_z` (annealed
    importance sampling, in expectation) the result is a lower bound on the negative log-likelihood, too good to be true.
    """
    return average(_energies(energy, jnp.asarray(x))) + log_z


def kl_to_truth(truth: AbstractEnergy, energy: AbstractEnergy, log_z: Estimate, x: Float[np.ndarray, "n *x"]) -> Estimate:
    """`KL(truth || model) = E_truth[U(x) - U_truth(x)] + log_z - log_z_truth` in nats, over draws `x` of the truth.

    Differences are formed example by example, so the entropy of the truth adds no error; small values may come out
    negative within it. The truth must be `Normalised`.
    """
    constant = float(need(truth, Normalised, "kl_to_truth").log_z())
    rows = jnp.asarray(x)
    return average(_energies(energy, rows) - _energies(truth, rows)) + (log_z - constant)


def bits_per_dim(nats: Estimate, dims: int, *, dequantised: float = 0.0) -> Estimate:
    """`(nll / dims - log(width)) / ln 2`: bits per dimension of data with bins of this width (0 or 1: no offset).

    A density of data spread evenly over bins gives each level about `p(x) width^dims`; the bits then refer to the
    levels and bound their code length from above (Theis, van den Oord & Bethge, ICLR 2016, section 3.1). The bits of
    data that never were discrete change with the units and compare models only.
    """
    offset = math.log(dequantised) if dequantised else 0.0
    return (nats / dims - offset) / math.log(2)


@eqx.filter_jit
def _values(energy: AbstractEnergy, x: Float[Array, "n *x"]) -> Float[Array, " n"]:
    return jax.lax.map(energy, x, batch_size=min(CHUNK, len(x)))


def _energies(energy: AbstractEnergy, x: Float[Array, "n *x"]) -> np.ndarray:
    return np.asarray(_values(energy, x), np.float64)


def average(values: np.ndarray) -> Estimate:
    """The mean of independent values with its standard error; nothing is established if one is not finite."""
    n = len(values)
    if not np.isfinite(values).all():
        return Estimate(None, None, ess=float(n), status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
    if n < 2:
        return Estimate(float(values.mean()), None, ess=float(n), status=Status.TOO_SHORT)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(n)), ess=float(n))
