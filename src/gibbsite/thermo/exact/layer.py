"""Machines of two layers, summed over the hidden one."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    Estimate,
    Latent,
    Normalised,
    Parts,
    Product,
    capability,
    configurations,
    count,
    discrete,
    need,
)
from gibbsite.thermo.exact.enumeration import MOST_STATES
from gibbsite.thermo.exact.summed import nothing, rounding_unit, summed
from gibbsite.thermo.weights import log_sum_exp

CHUNK = 2**12  # states of the hidden layer at once: each meets all visible units


def hidden_sum(energy: AbstractEnergy) -> Estimate:
    """log Z of a machine with hidden units (`Latent`): all states h of the hidden layer, the visible one in closed form at each.

        Z = sum_h exp(-U(v, h)) exp(U(v | h)) Z(visible | h)    at any one v

    (the visible layer alone has the energy `U(v | h)` and a known constant). Up to 2^25 states: an RBM of 22 hidden bits and 784
    visible ones takes a minute. The visible layer, where it is the smaller one, is a case for `enumerate_log_z`.

    Raises:
        TypeError: no hidden units, or a visible layer whose sum is not known.
        ValueError: too many hidden states.
    """
    joint = need(energy, Latent, "hidden_sum").joint
    hidden = _hidden(joint)
    if not discrete(hidden) or capability(joint, Parts) is None:
        raise TypeError(f"hidden_sum goes over hidden bits, of a joint energy with the capability Parts; {type(energy).__name__} has none.")
    if count(hidden) > MOST_STATES:
        raise ValueError(f"{type(energy).__name__} has {hidden.size} hidden units; hidden_sum goes to 2^25 states of them: use anneal.")
    need(need(joint, Parts, "hidden_sum").given(0, (jnp.zeros(hidden.shape),)), Normalised, "hidden_sum")
    states = count(hidden)
    logs = [np.asarray(_log_masses(joint, jnp.asarray(k)), np.float64)[: states - k] for k in range(0, states, CHUNK)]
    log_z = log_sum_exp(np.concatenate(logs))
    return summed(log_z, rounding_unit() * (abs(log_z) + joint.space.size)) if math.isfinite(log_z) else nothing()


def sums_hidden(energy: AbstractEnergy) -> bool:
    """Whether `hidden_sum` applies and is small enough."""
    latent = capability(energy, Latent)
    if latent is None or (parts := capability(latent.joint, Parts)) is None:
        return False
    hidden = _hidden(latent.joint)
    small = discrete(hidden) and count(hidden) <= MOST_STATES
    return small and capability(parts.given(0, (jnp.zeros(hidden.shape),)), Normalised) is not None


def _hidden(joint: AbstractEnergy) -> AbstractSpace:
    assert isinstance(joint.space, Product)
    return joint.space.parts[1]


@eqx.filter_jit
def _log_masses(joint: AbstractEnergy, first: Array) -> Float[Array, " n"]:
    """The log of what each hidden state numbered `first`, `first + 1`, ... sums up to."""
    hidden = _hidden(joint)
    visible = jnp.zeros(joint.space.shape[0])
    parts = need(joint, Parts, "hidden_sum")

    def mass(h: Array) -> Array:
        alone = parts.given(0, (h,))
        return need(alone, Normalised, "hidden_sum").log_z() + alone(visible) - joint((visible, h))

    return jax.vmap(mass)(configurations(hidden, first + jnp.arange(min(CHUNK, count(hidden)))))
