"""One energy through another that is solved."""

import math

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, Estimate, Evidence, Normalised, draw, need
from gibbsite.core.keys import chain_keys
from gibbsite.thermo.exact.summed import nothing


def gibbs_bogoliubov(energy: AbstractEnergy, base: AbstractEnergy, *, samples: int = 4096, key: Key[Array, ""]) -> Estimate:
    """`log Z >= log Z_0 - <U - U_0>_0`, the mean over independent draws of a base with a known constant.

    (Bogoliubov 1958; Feynman, Statistical Mechanics 1972, sec. 3.4.) The gap is KL(base | law), so the bound is as good as the base. In
    machine learning: the evidence lower bound of one fixed guess. Evidence: a lower bound in expectation, with the standard error of
    the mean; the upper end is open.

    Raises:
        TypeError: the base has no constant or no exact draws.
        ValueError: fewer than two samples.
    """
    if samples < 2:
        raise ValueError(f"samples={samples}: give at least 2.")
    log_z = float(need(base, Normalised, "gibbs_bogoliubov").log_z())
    gaps = np.asarray(_gaps(energy, base, chain_keys(key, samples)), np.float64)
    if not np.all(np.isfinite(gaps)):
        return nothing()  # the base goes where the law does not: the bound is -infinity
    value, error = log_z - float(gaps.mean()), float(gaps.std(ddof=1)) / math.sqrt(samples)
    return Estimate(value, error, hi=math.inf, ess=float(samples), evidence=Evidence.LOWER)


@eqx.filter_jit
def _gaps(energy: AbstractEnergy, base: AbstractEnergy, keys: Key[Array, " n"]) -> Float[Array, " n"]:
    def gap(key: Key[Array, ""]) -> Array:
        x = draw(base, key=key)
        return energy(x) - base(x)

    return jax.vmap(gap)(keys)
