"""Gradient-informed moves on two-valued spaces, for energies (networks) whose conditionals are not known."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, Info, no_work, two_valued, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.langevin import LangevinState, evaluate


class GibbsWithGradients(AbstractKernel):
    """Flip one site, chosen by the first-order change of energy (Grathwohl et al., arXiv 2102.04509, algorithm 1).

    q(i | x) is softmax(-dU_i / 2) with dU_i = grad U(x)_i (x'_i - x_i); the flip is accepted by Metropolis-Hastings.
    """

    reversible = True
    reports_work = True
    settles_switch = False

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> LangevinState:
        if not two_valued(energy.space):
            raise TypeError(f"GibbsWithGradients needs a space of spins or bits, not {type(energy.space).__name__}.")
        return evaluate(energy, x)

    def step(self, energy: AbstractEnergy, state: LangevinState, *, key: Key[Array, ""]) -> tuple[LangevinState, Info]:
        total = sum(values(energy.space))
        choose, coin = jax.random.split(key)
        here = _log_choice(state, total)
        site = jax.random.categorical(choose, here)
        flat = jnp.ravel(state.position)
        new = evaluate(energy, flat.at[site].set(total - flat[site]).reshape(state.position.shape))
        log_ratio = state.energy - new.energy + _log_choice(new, total)[site] - here[site]
        accept = jnp.log(jax.random.uniform(coin)) < log_ratio
        kept = jax.tree.map(lambda a, b: jnp.where(accept, a, b), new, state)
        return kept, Info(jnp.exp(jnp.minimum(log_ratio, 0.0)), no_work())

    def position(self, state: LangevinState) -> Float[Array, "*x"]:
        return state.position

    def energy(self, energy: AbstractEnergy, state: LangevinState) -> Scalar:
        return state.energy

    def refresh(self, energy: AbstractEnergy, state: LangevinState, x: Array | None = None) -> LangevinState:
        return evaluate(energy, state.position if x is None else x)


def _log_choice(state: LangevinState, total: float) -> Float[Array, " sites"]:
    """log q(i | x); `total - x` is the flipped value, low + high - x."""
    change = jnp.ravel(state.grad * (total - 2 * state.position))
    return jax.nn.log_softmax(-change / 2)
