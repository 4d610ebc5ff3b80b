"""Global moves that a flow learns from the run's own draws."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractModel, ArrayLike, Cycle
from gibbsite.models import InDataUnits
from gibbsite.samplers import Independence, Run, Silent, sample
from gibbsite.train.fit import fit


@dataclasses.dataclass(frozen=True)
class Assisted:
    """The kernel to draw with, frozen; where the chains stand; and the acceptance of global moves in each round of warm-up.

    Give `positions` as `init=` of `sample`, with `warmup=0`.
    """

    kernel: Cycle
    model: AbstractModel = dataclasses.field(repr=False)
    positions: Float[Array, "chains *x"] = dataclasses.field(repr=False)
    acceptance: Float[np.ndarray, " rounds"]


def flow_assisted(
    local: AbstractKernel,
    energy: AbstractEnergy,
    model: AbstractModel,
    *,
    init: Float[Array, "chains *x"],
    rounds: int = 4,
    steps: int = 100,
    budget: int = 200_000,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    key: Key[Array, ""],
) -> Assisted:
    """Local moves and independent proposals of a flow in turn, the flow trained on the draws that they make (Gabrié, Rotskoff &
    Vanden-Eijnden, PNAS 119, e2109420119, 2022).

    First `local` alone is tuned and runs for `steps`. Each of the `rounds` then fits the model (a flow, or any that is normalised and
    has exact draws) to the draws of the round before, by its own objective and `budget` evaluations, and runs `Cycle((local,
    Independence(model)))` for as many steps from where the chains stood. The kernel of the last round is returned, and no longer changes:
    with it every draw is of the exact law, however good or bad the model. What the model is worth is the acceptance of its
    proposals, told for each round and, as `accept_by_part`, by every run of the kernel.

    **It finds no modes.** The model knows the places where chains have been: `init` must hold every mode, in whatever proportion, and one
    that it lacks stays missed, with high acceptance and an R-hat of 1. Of the modes that are known it sets the masses right.

    Raises:
        ValueError: counts are not positive; `init` does not fit the energy.
        TypeError: the model has no exact draws, or the local kernel has a memory that a `Cycle` would lose.
    """
    if rounds < 1 or steps < 1:
        raise ValueError(f"rounds={rounds}, steps={steps}: flow_assisted makes at least one round of at least one step.")
    first, *legs = jax.random.split(key, 1 + 2 * rounds)
    run, draws = _drawn(local, energy, init, steps, steps, first)
    local, accepted = run.kernel, []
    for teach, move in zip(legs[::2], legs[1::2], strict=True):
        rows = draws.reshape(-1, *energy.space.shape)
        fitted = fit(model, rows, budget=budget, batch_size=batch_size, learning_rate=learning_rate, progress=Silent(), key=teach).model
        assert isinstance(fitted, InDataUnits)
        model = fitted.model  # in standard units, where the next round goes on
        kernel = Cycle((local, Independence(fitted.as_energy())))
        run, draws = _drawn(kernel, energy, draws[:, -1], 0, steps, move)
        accepted.append(run.infos["accept_by_part"][1])
    return Assisted(kernel, fitted, jnp.asarray(draws[:, -1]), np.array(accepted))


def _drawn(
    kernel: AbstractKernel, energy: AbstractEnergy, init: ArrayLike, warmup: int, draws: int, key: Key[Array, ""]
) -> tuple[Run, Float[np.ndarray, "chains draws *x"]]:
    run = sample(kernel, energy, warmup=warmup, draws=draws, keep=1, init=init, progress=Silent(), key=key)
    return run, np.asarray(run.samples)
