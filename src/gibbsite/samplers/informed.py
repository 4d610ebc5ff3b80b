"""Gradient-informed moves on two-valued spaces, for energies (networks) whose conditionals are not known."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, Info, two_valued, values
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, evaluate, guarded, metropolis


class GibbsWithGradients(AbstractSlopeKernel):
    """Flip one site, chosen by the first-order change of energy (Grathwohl et al., arXiv 2102.04509, algorithm 1).

    q(i | x) is softmax(-dU_i / 2) with dU_i = grad U(x)_i (x'_i - x_i); the flip is accepted by Metropolis-Hastings.
    """

    reversible = True
    reports_work = True
    settles_switch = False

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        if not two_valued(energy.space):
            raise TypeError(f"GibbsWithGradients needs a space of spins or bits, not {type(energy.space).__name__}.")
        return evaluate(energy, x)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        total = sum(values(energy.space))
        choose, coin = jax.random.split(key)
        here = _log_choice(state, total)
        site = jax.random.categorical(choose, here)
        flat = jnp.ravel(state.position)
        new = evaluate(energy, flat.at[site].set(total - flat[site]).reshape(state.position.shape))
        log_ratio = state.energy - new.energy + _log_choice(new, total)[site] - here[site]
        return metropolis(guarded(energy, log_ratio, new), new, state, key=coin)


def _log_choice(state: SlopeState, total: float) -> Float[Array, " sites"]:
    """log q(i | x); `total - x` is the flipped value, low + high - x."""
    change = jnp.ravel(state.grad * (total - 2 * state.position))
    return jax.nn.log_softmax(-change / 2)
