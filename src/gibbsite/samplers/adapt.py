"""Tuning during warm-up."""

from operator import attrgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractAdaptation, as_float

STEP_SIZE = attrgetter("step_size")  # one object: an attrgetter equals no other, and a new one compiles a new program


class _State(NamedTuple):
    updates: Float[Array, ""]
    anchor: Float[Array, "*s"]
    error: Float[Array, "*s"]
    average: Float[Array, "*s"]


class DualAveraging(AbstractAdaptation):
    """Nesterov's dual averaging of log step sizes (Hoffman & Gelman, JMLR 15, 2014, section 3.2.1).

    Moves `kernel.<leaf>` until the pooled acceptance meets `target`; element by element, so a ladder of step sizes is
    tuned rung by rung. The draws use the averaged iterate.
    """

    leaf: Any = eqx.field(static=True)
    target: Float[Array, ""] = eqx.field(converter=as_float)

    def init(self, kernel: Any) -> _State:
        log_step = jnp.log(self.leaf(kernel))
        return _State(jnp.zeros(()), log_step + jnp.log(2.0), jnp.zeros_like(log_step), log_step)

    def update(self, kernel: Any, state: _State, accept_prob: Array) -> tuple[Any, _State]:
        gamma, t0, kappa = 0.05, 10.0, 0.75
        count = state.updates + 1
        rate = 1 / (count + t0)
        error = (1 - rate) * state.error + rate * (self.target - accept_prob)
        log_step = state.anchor - jnp.sqrt(count) / gamma * error
        fade = count**-kappa
        average = fade * log_step + (1 - fade) * state.average
        return self._with(kernel, log_step), _State(count, state.anchor, error, average)

    def final(self, kernel: Any, state: _State) -> Any:
        return self._with(kernel, state.average)

    def _with(self, kernel: Any, log_step: Array) -> Any:
        return eqx.tree_at(self.leaf, kernel, jnp.exp(log_step))
