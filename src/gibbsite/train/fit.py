"""`fit`: the one loop. Minibatches, gradients, averages and checks run as one compiled program, a round at a time."""

import dataclasses
import enum
import os
import pathlib
import re
import time

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractModel, AbstractObjective
from gibbsite.data import Dataset
from gibbsite.objectives import ReverseKL, count, join
from gibbsite.samplers import Progress
from gibbsite.train import checkpoint
from gibbsite.train.loop import Carry, Plan, advance, look, plan_for, start
from gibbsite.train.prepare import Prepared, prepare, without_data

SCATTER = 10  # rounds from which the scatter of the score is told
PAUSE = 0.5  # seconds between looks at the clock: Ctrl-C is heard that often


class Ending(enum.Enum):
    """How training ended; each member is a sentence."""

    BUDGET = "The budget was spent."
    TURNED = "The budget was spent, but the validation score had turned; the model is that of its best round."
    EARLY = "The validation score had stopped improving; the model is that of its best round."
    NON_FINITE = "The loss or a gradient became infinite or not a number; the model is the last good one: lower learning_rate."
    INTERRUPTED = "Training was interrupted; the model is the running average so far."


@dataclasses.dataclass(frozen=True)
class Fit:
    """A trained model in the data's own units, and how it came about.

    `history` holds, a round a row, the step, the evaluations spent, the validation `score` and the round's mean of
    what the objective logs; `status` is ok, early, non_finite or interrupted, and `reason` its sentence.
    """

    model: AbstractModel
    history: dict[str, np.ndarray] = dataclasses.field(repr=False)
    evaluations: int
    seconds: float
    status: str
    reason: str
    parameters: int


@dataclasses.dataclass
class _Record:
    """Where training stands, its rows of history, and the file both are kept in."""

    carry: Carry
    rows: list[dict[str, float]]
    file: pathlib.Path | None
    config: dict

    def resume(self) -> None:
        """Takes up what the file holds, if there is one.

        Raises:
            CheckpointError: it was written by another training run.
        """
        if self.file is None or not self.file.exists():
            return
        checkpoint.same(self.file, {k: v for k, v in checkpoint.header(self.file).items() if k != "rows"}, self.config)
        held, self.carry = checkpoint.read(self.file, lambda _: self.carry)
        self.rows = held["rows"]

    def keep(self, row: dict[str, float]) -> None:
        """Adds a row and writes the file."""
        self.rows.append(row)
        if self.file is not None:
            checkpoint.write(self.file, self.config | {"rows": self.rows}, self.carry)


def fit(
    model: AbstractModel,
    data: Dataset | Float[np.ndarray, "n *x"] | AbstractEnergy,
    *,
    objective: AbstractObjective | None = None,
    budget: int,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    ema: float = 0.99,
    patience: int = 20,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Fit:
    """Train `model` until `budget` evaluations are spent, or its score on held-out data stops improving.

    Adam with gradients clipped to norm 10; `learning_rate` falls to zero along a cosine after a short rise. The result is
    the running average of the parameters (`ema`): the last, or that of the best round where the score has clearly turned
    since. Real data are standardised and the model comes back in data units; of an array a tenth is held out. The
    objective says what the score is; `patience` counts rounds (of 40) without a better one. After each round the state
    is written to the folder `out`, if given, and `resume` continues there, to the same bits. Ctrl-C keeps what is done.

    Given an energy instead of data, a model whose law is a `Pushforward` is fitted to it by `ReverseKL`, in the units of the energy;
    the score is `E_q [U + log q]`, an upper bound of `-log Z` in expectation.

    Raises:
        ValueError: the data, or the energy, do not fit the model's space; the budget is smaller than one step; an objective is given with
            an energy.
        TypeError: the law of a model that is to be fitted to an energy is no `Pushforward`.
        CheckpointError: the folder holds another training run.
    """
    begun = time.perf_counter()
    if isinstance(data, AbstractEnergy):
        if objective is not None:
            raise ValueError(
                f"objective={type(objective).__name__} with an energy in place of data: leave it out, for it would see no data."
            )
        objective, held = ReverseKL(data), without_data(model, data, batch_size)
    else:
        objective, held = objective or model.objective(), prepare(model, data)
    plan = plan_for(objective, len(held.train), budget=budget, batch_size=batch_size, learning_rate=learning_rate, ema=ema)
    carry, constants = start(plan, model, held.train, key=key)
    file = None if out is None else pathlib.Path(out) / "training.gibbsite"
    record = _Record(carry, [], file, _config(plan, model, held, budget, patience, key))
    if resume:
        record.resume()
    with progress or Progress("training", int(plan.steps) * plan.cost) as shown:
        ending = _train(plan, record, constants, held, patience, shown, key)
    if ending is Ending.BUDGET and _turned(record):
        ending = Ending.TURNED
    carry = record.carry
    return Fit(
        model=held.units(join(_chosen(carry, ending), constants[0])),
        history={name: np.asarray([row[name] for row in record.rows]) for name in (record.rows[0] if record.rows else {})},
        evaluations=int(carry.step) * plan.cost,
        seconds=time.perf_counter() - begun,
        status="ok" if ending in (Ending.BUDGET, Ending.TURNED) else ending.name.lower(),
        reason=ending.value,
        parameters=count(model),
    )


def _train(plan: Plan, record: _Record, constants: tuple, held: Prepared, patience: int, progress: Progress, key: Key[Array, ""]) -> Ending:
    """Rounds until one of the endings."""
    ending, size, steps = _ending(record.carry, patience), 16, int(plan.steps)
    try:
        while ending is Ending.BUDGET and (done := int(record.carry.step)) < steps:
            clock = time.perf_counter()
            stop = min(plan.round_end(done), done + size)
            record.carry = jax.block_until_ready(advance(plan, record.carry, constants, held.train, stop, key))
            progress.advance((stop - done) * plan.cost)
            if done > 0:  # the first piece compiles and tells nothing
                size = max(1, min(4 * size, round((stop - done) * PAUSE / max(time.perf_counter() - clock, 1e-4))))
            told = record.rows and record.rows[-1]["step"] == int(record.carry.step)  # a first step of a round that failed
            if (stop == plan.round_end(done) or not record.carry.good) and not told:
                record.carry, row = look(plan, record.carry, constants, held.validation, key)
                record.keep({name: float(value) for name, value in row.items()})
            ending = _ending(record.carry, patience)
    except KeyboardInterrupt:
        return Ending.INTERRUPTED
    return ending


def _ending(carry: Carry, patience: int) -> Ending:
    if not carry.good:
        return Ending.NON_FINITE
    return Ending.EARLY if int(carry.stale) >= patience else Ending.BUDGET


def _chosen(carry: Carry, ending: Ending) -> PyTree:
    """The running average: of the best round where the score had left it behind, if any round had a score."""
    back = ending in (Ending.TURNED, Ending.EARLY) and np.isfinite(carry.best_score)
    return carry.best if back else carry.average


def _turned(record: _Record) -> bool:
    """True where the score has risen from its best by more than it scatters from round to round.

    A score that rests on walkers scatters, and the luckiest round is not the best one: the last has the smallest steps.
    """
    scores = np.asarray([row["score"] for row in record.rows[-SCATTER:]])
    risen = float(record.carry.smooth_score - record.carry.best_score)
    return len(scores) > 2 and risen > float(np.std(np.diff(scores)))


def _config(plan: Plan, model: AbstractModel, held: Prepared, budget: int, patience: int, key: Key[Array, ""]) -> dict:
    """What a checkpoint must agree in to be continued."""
    leaves = jax.tree.leaves((model, plan.objective))
    return {
        "model": type(model).__name__,
        "objective": type(plan.objective).__name__,
        "structure": re.sub(r" at 0x\w+", "", eqx.tree_pformat((model, plan.objective))),  # sizes, steps, activations
        "arrays": [[list(leaf.shape), str(leaf.dtype)] for leaf in leaves if hasattr(leaf, "dtype")],
        "constants": checkpoint.digest(leaves),
        "data": checkpoint.digest([held.train, held.validation]),
        "budget": budget,
        "settings": {
            "batch_size": plan.batch_size,
            "learning_rate": float(plan.learning_rate),
            "ema": float(plan.ema),
            "patience": patience,
        },
        "key": [str(jax.random.key_impl(key)), np.asarray(jax.random.key_data(key)).tolist()],
    }
