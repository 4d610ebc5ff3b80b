"""The base energy and the tempered chain that models without exact draws start from."""

import jax.numpy as jnp
import numpy as np

from gibbsite.core import AbstractEnergy, AbstractSpace, Coins, Normal, Reals, as_float, two_valued
from gibbsite.samplers import MALA, GibbsWithGradients, ParallelTempering

BREADTH = 1.2  # of the Gaussian base, in standard deviations of the data
BETAS = (0.0, 0.3, 1.0)


def base_for(space: AbstractSpace, data: np.ndarray) -> AbstractEnergy:
    """A broad Gaussian on standardised reals; on two-valued sites, coins with the (smoothed) frequencies of the data."""
    if isinstance(space, Reals):
        return Normal(jnp.zeros(space.shape), jnp.full(space.shape, BREADTH))
    if two_valued(space):
        return Coins.like(space, data)
    raise TypeError(f"{type(space).__name__} has no base for a learned energy: reals, bits and spins have.")


def tempered(base: AbstractEnergy) -> ParallelTempering:
    """Replica exchange between the base and the model: Langevin moves on reals, informed flips on two-valued sites.

    The rungs stay where they are: they are to suit all the energies that training goes through.
    """
    if isinstance(base.space, Reals):
        return ParallelTempering.over(MALA(as_float(0.02)), jnp.asarray(BETAS), base, adapt_ladder=False)
    return ParallelTempering.over(GibbsWithGradients(), jnp.asarray(BETAS), base, moves=max(1, base.space.size // 16), adapt_ladder=False)
