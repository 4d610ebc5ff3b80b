"""Training without data: a flow is fitted to an energy."""

import numpy as np
from jaxtyping import Array, Key

from gibbsite.core import AbstractEnergy, AbstractModel
from gibbsite.data import Dataset
from gibbsite.objectives import ReverseKL
from gibbsite.samplers import Progress
from gibbsite.train.fit import Fit, fit

SCORED = 2048  # draws that the score is taken over


def fit_to(
    model: AbstractModel,
    energy: AbstractEnergy,
    *,
    budget: int,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    ema: float = 0.99,
    patience: int = 40,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Fit:
    """Fits a flow to an energy by `ReverseKL`, in the units of the energy: `fit` with draws of the model's own for data.

    The score is `E_q [U + log q]`, an upper bound of `-log Z` in expectation. For neural transport, run any kernel on
    `Transported(energy, fitted.model.as_energy())`.

    Raises:
        ValueError: the budget is smaller than one step.
        TypeError: the law of the model is no `Pushforward`.
    """
    shape = energy.space.shape
    blank, units = np.zeros((batch_size, *shape), np.float32), np.ones(shape, np.float32)
    nothing = Dataset("own draws", energy.space, blank, np.zeros((SCORED, *shape), np.float32), blank[:0], 0 * units, units)
    return fit(
        model,
        nothing,
        objective=ReverseKL(energy),
        budget=budget,
        batch_size=batch_size,
        learning_rate=learning_rate,
        ema=ema,
        patience=patience,
        progress=progress,
        key=key,
    )
