"""Random keys: one per chain and step, so that draws depend neither on chunking nor on the number of devices."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from gibbsite.core.threefry import written_out


def chain_keys(key: Key[Array, ""], chains: int) -> Key[Array, " chains"]:
    """`fold_in(key, chain)` for each chain."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(written_out(key), jnp.arange(chains))


def step_keys(keys: Key[Array, " chains"], step: Int[Array, ""]) -> Key[Array, " chains"]:
    """`fold_in(key, step)` for each chain's key."""
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, step)
