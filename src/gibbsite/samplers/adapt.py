"""Tuning during warm-up."""

import math
from operator import attrgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from gibbsite.core import AbstractAdaptation, AbstractKernel, Info, as_float

# One object each: an attrgetter equals no other, and a new one compiles a new program.
STEP_SIZE, SCALE = attrgetter("step_size"), attrgetter("scale")


def pooled(values: Float[Array, "chains ..."]) -> Float[Array, "..."]:
    """The mean over chains through whole numbers, so that no order of summation (and no device count) matters."""
    values, chains = jnp.nan_to_num(values), values.shape[0]
    bits = 30 - math.ceil(math.log2(chains))
    # Powers of two multiply without rounding, so it does not matter either what the compiler fuses them with.
    _, exponent = jnp.frexp(jnp.max(jnp.abs(values), axis=0))
    counts = jnp.round(jnp.ldexp(values, bits - exponent)).astype(jnp.int32)
    return jnp.ldexp(jnp.sum(counts, axis=0).astype(values.dtype) / chains, exponent - bits)


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

    def update(self, kernel: Any, state: _State, info: Info, positions: PyTree) -> tuple[Any, _State]:
        gamma, t0, kappa = 0.05, 10.0, 0.75
        count = state.updates + 1
        rate = 1 / (count + t0)
        error = (1 - rate) * state.error + rate * (self.target - pooled(info.accept_prob))
        log_step = state.anchor - jnp.sqrt(count) / gamma * error
        fade = count**-kappa
        average = fade * log_step + (1 - fade) * state.average
        return self._with(kernel, log_step), _State(count, state.anchor, error, average)

    def final(self, kernel: Any, state: _State) -> Any:
        return self._with(kernel, state.average)

    def _with(self, kernel: Any, log_step: Array) -> Any:
        return eqx.tree_at(self.leaf, kernel, jnp.exp(log_step))


class Together(AbstractAdaptation):
    """Several adaptations of one kernel, each of its own leaves."""

    parts: tuple[AbstractAdaptation, ...]

    def init(self, kernel: AbstractKernel) -> tuple[PyTree, ...]:
        return tuple(part.init(kernel) for part in self.parts)

    def update(
        self, kernel: AbstractKernel, state: tuple[PyTree, ...], info: Info, positions: PyTree
    ) -> tuple[AbstractKernel, tuple[PyTree, ...]]:
        states = []
        for part, own in zip(self.parts, state, strict=True):
            kernel, own = part.update(kernel, own, info, positions)
            states.append(own)
        return kernel, tuple(states)

    def final(self, kernel: AbstractKernel, state: tuple[PyTree, ...]) -> AbstractKernel:
        for part, own in zip(self.parts, state, strict=True):
            kernel = part.final(kernel, own)
        return kernel
