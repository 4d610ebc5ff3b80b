"""Moves that ask for no slope: a step to somewhere near, or a draw from a law of its own."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractAdaptation, AbstractEnergy, Info, Sampleable, as_float, discrete, need, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.metropolis import AbstractPointKernel, PointState, check_step, guarded, locate, metropolis, shifted
from gibbsite.samplers.spreads import step_and_scale
from gibbsite.samplers.units import check_shape, check_units, stretched

RARE = 0.01  # acceptance of proposals below which they are of no use
TARGET, TARGET_OF_ONE = 0.234, 0.44  # acceptance in many dimensions and in one: Roberts & Rosenthal, Statist. Sci. 16, 2001


class RandomWalk(AbstractPointKernel):
    """Gaussian steps, `y = x + step_size scale xi`, accepted with `min(1, exp(U(x) - U(y)))` (Metropolis et al. 1953).

    `scale` is one number, one a coordinate, or a lower-triangular matrix `d d` that acts on the flattened x: the Cholesky
    factor of the covariance of a step. No gradient is evaluated.

    Warm-up tunes the step size to acceptance 0.234 (0.44 in one dimension) and, where `scale` is not a single number, the
    scale to the spread of the chains: a matrix to their covariance (adaptive Metropolis).

    Raises:
        ValueError: a step size or scale is not positive, a matrix not lower-triangular, or of another shape than x needs.
    """

    step_size: Scalar = eqx.field(converter=as_float)
    scale: Float[Array, "..."] = eqx.field(converter=as_float, default=1.0)

    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        check_step("RandomWalk", self.step_size, "units of scale")
        check_units("RandomWalk", self.scale)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> PointState:
        check_shape("RandomWalk", self.scale, x)
        return super().init(energy, x, key=key)

    def step(self, energy: AbstractEnergy, state: PointState, *, key: Key[Array, ""]) -> tuple[PointState, Info]:
        move, coin = jax.random.split(key)
        noise = jax.random.normal(move, state.position.shape, state.position.dtype)
        new = locate(energy, shifted(energy.space, state.position, self.step_size * stretched(self.scale, noise)))
        return metropolis(guarded(energy, state.energy - new.energy, new), new, state, key=coin)

    def tempered(self, beta: Scalar) -> "RandomWalk":
        return eqx.tree_at(STEP_SIZE, self, self.step_size / jnp.sqrt(beta))

    def adaptation(self) -> AbstractAdaptation:
        return step_and_scale(self, _ByDimension(STEP_SIZE, as_float(TARGET)))


class _ByDimension(DualAveraging):
    """Dual averaging to the target of many dimensions, or to that of one."""

    def update(self, kernel: Any, state: Any, info: Info, positions: PyTree) -> tuple[Any, Any]:
        target = TARGET_OF_ONE if positions.size == info.accept_prob.size else TARGET
        return DualAveraging(self.leaf, as_float(target)).update(kernel, state, info, positions)


class Independence(AbstractPointKernel):
    """Proposals drawn from a law of its own, whatever x is (Hastings 1970; Tierney, Ann. Statist. 22, 1994).

    A draw y of the energy `proposal` is accepted with `min(1, exp(U(x) - q(x) - U(y) + q(y)))`, q the energy of the proposal,
    whose constant does not matter. Its law must cover that of U: where it is too thin, a chain stays for long. On any space.

    Raises:
        TypeError: the proposal has no exact draws, or lives on another space than the energy.
    """

    proposal: AbstractEnergy

    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        need(self.proposal, Sampleable, "Independence")

    def init(self, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> PointState:
        own, other = self.proposal.space, energy.space
        if own.shape != other.shape or discrete(own) != discrete(other) or (discrete(own) and values(own) != values(other)):
            told = [f"{type(space).__name__} of shape {space.shape}" for space in (own, other)]
            raise TypeError(f"Independence proposes x on {told[0]}, the energy lives on {told[1]}: give both one space.")
        return locate(energy, x)

    def step(self, energy: AbstractEnergy, state: PointState, *, key: Key[Array, ""]) -> tuple[PointState, Info]:
        move, coin = jax.random.split(key)
        new = locate(energy, need(self.proposal, Sampleable, "Independence").sample(key=move))
        log_ratio = (state.energy - self.proposal(state.position)) - (new.energy - self.proposal(new.position))
        return metropolis(guarded(energy, log_ratio, new), new, state, key=coin)

    def caution(self, infos: Mapping[str, np.ndarray]) -> str:
        if (accepted := float(np.mean(infos["accept_prob"]))) >= RARE:
            return ""
        return f"Of independent proposals {accepted:.2g} were accepted: their law is far from the target, and nothing rests on them."
