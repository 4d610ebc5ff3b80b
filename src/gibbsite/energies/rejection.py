"""Exact draws by rejection, where a law lies under one that can be drawn from."""

from collections.abc import Callable as Function

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from gibbsite.core.energy import Scalar


def first_accepted(propose: Function[[Key[Array, ""]], tuple[Array, Scalar]], *, key: Key[Array, ""]) -> Array:
    """The first proposal that is accepted, of independent `propose(key) -> (x, log of the chance of x, at most 0)`.

    Its law is that of the proposals times the chance (von Neumann 1951).
    """

    def again(state: tuple[Key[Array, ""], Array | None, Bool[Array, ""] | None]) -> tuple[Key[Array, ""], Array, Bool[Array, ""]]:
        key, move, coin = jax.random.split(state[0], 3)
        x, log_chance = propose(move)
        return key, x, jnp.log(jax.random.uniform(coin)) < log_chance

    return jax.lax.while_loop(lambda state: ~state[2], again, again((key, None, None)))[1]
