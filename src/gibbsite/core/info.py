"""What a step reports of itself."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from gibbsite.core.energy import Scalar


class Info(eqx.Module):
    """What a step reports: acceptance probability (per rung for a population), shadow work in nats, and extras by name.

    `tuning` is for the kernel's own adaptation alone, which may need more than that: nobody sums or keeps it.
    """

    accept_prob: Float[Array, "..."]
    shadow_work: Scalar
    extra: dict[str, Array] = eqx.field(default_factory=dict)
    tuning: PyTree = None

    def told(self) -> "Info":
        """Without what only the adaptation sees."""
        return eqx.tree_at(lambda info: info.tuning, self, None, is_leaf=lambda leaf: leaf is None)


def no_work() -> Scalar:
    """The shadow work of a kernel that leaves its law invariant."""
    return jnp.zeros(())
