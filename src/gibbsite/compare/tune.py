"""The learning rate of a cell, chosen on the validation split: every paradigm may try as many, out of its own budget."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gibbsite.compare.card import Budget
from gibbsite.train import Fit

SHARE = 0.25  # of the evaluations, for all trials together
STEP = 2.0  # factor between neighbouring learning rates
LAST = 5  # rounds whose mean score a trial is judged by


class Trial(NamedTuple):
    """A short training run: its learning rate, what it spent, and its score on the validation split (lower is better)."""

    learning_rate: float
    evaluations: int
    score: float
    status: str

    def record(self) -> dict[str, Any]:
        """Plain values for JSON: a score that is not finite is null."""
        return self._asdict() | {"score": self.score if math.isfinite(self.score) else None}


def tune(train: Callable[[float, int], Fit], usual: float, budget: Budget) -> tuple[float, list[Trial]]:
    """The learning rate for what is left of the budget, and the trials it was chosen by: `budget.trials` rates a factor 2 apart.

    `train(learning_rate, evaluations)` makes one. A run of T steps averages out the noise of its last steps over T, so the
    best rate falls about as `1 / sqrt(T)`: trials are as much faster than the long run as they are shorter, by the root,
    and the rate of the best one is scaled back (short trials at the long run's rates would all choose the largest). Where
    the best trial is the one in the middle, that is the `usual` rate. With a single trial there is nothing to choose.
    """
    if budget.trials == 1:
        return usual, []
    share = int(SHARE * budget.evaluations / budget.trials)
    faster = math.sqrt((1 - SHARE) * budget.trials / SHARE)
    rates = [usual * STEP ** (place - (budget.trials - 1) / 2) for place in range(budget.trials)]
    trials = [_judged(faster * rate, train(faster * rate, share)) for rate in rates]
    best = min(range(len(trials)), key=lambda place: trials[place].score)  # the lowest rate, if none has a score
    return rates[best], trials


def _judged(rate: float, fitted: Fit) -> Trial:
    scores = np.asarray(fitted.history.get("score", ()), np.float64)[-LAST:]
    sound = fitted.status != "non_finite" and len(scores) and np.isfinite(scores).all()
    return Trial(rate, int(fitted.evaluations), float(scores.mean()) if sound else math.inf, fitted.status)
