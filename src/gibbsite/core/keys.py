"""Random keys: one per chain and step, so that draws depend neither on chunking nor on the number of devices.

Chains and steps are counted from 0; what else is drawn has a number from the other end, which no chain and no step reaches.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from gibbsite.core.threefry import written_out

# Where chains begin.
POSITION = 2**31 - 1  # first positions: draws of the base, starts of `sample`, rows of the data (`boltzmann_learning`)
STATE = 2**31 - 2  # first states of kernels; the first replicas of `exchange`

# Of one verb each, so that one key given to several gives each its own draws.
PILOT = 2**31 - 3  # walkers that tune an `anneal`, draws that fit the path of a marginal
FORWARD = 2**31 - 4  # `anneal`, `drive` from its start, the lower bound of a marginal
BACKWARD = 2**31 - 5  # `anneal_reverse`, `drive` from its end, the upper bound of a marginal
POPULATION = 2**31 - 6  # `smc`
RESAMPLING = 2**31 - 7  # choices among the walkers of `smc`
WANG_LANDAU = 2**31 - 8
MULTICANONICAL = 2**31 - 9
INTEGRATION = 2**31 - 10  # `thermodynamic_integration`
TUNING = 2**31 - 11  # its walkers that tune
EXCHANGE = 2**31 - 12
NESTED = 2**31 - 13
DEALING = 2**31 - 14  # the short run by which `thermodynamic_integration` deals out chains

SEEDS = 2**31  # seeds are numbers below


def key_of(seed: object) -> Key[Array, ""]:
    """The random key of a seed.

    Raises:
        ValueError: it is no whole number, or too large for one.
    """
    if type(seed) is not int or not 0 <= seed < SEEDS:
        raise ValueError(f"seed={seed}: give a whole number from 0 to {SEEDS - 1}.")
    return jax.random.key(seed)


def chain_keys(key: Key[Array, ""], chains: int) -> Key[Array, " chains"]:
    """`fold_in(key, chain)` for each chain."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(written_out(key), jnp.arange(chains))


def step_keys(keys: Key[Array, " chains"], step: Int[Array, ""]) -> Key[Array, " chains"]:
    """`fold_in(key, step)` for each chain's key."""
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, step)
