"""The grid at work: every cell trained, sampled and evaluated, one after another; what is done is kept, what fails is recorded."""

import concurrent.futures
import dataclasses
import functools
import pathlib
import time
import traceback
import zlib
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Array, Key

from gibbsite.compare import table
from gibbsite.compare.evaluate import Metrics, evaluate, noise_floors
from gibbsite.compare.plan import Plan, fingerprint
from gibbsite.compare.progress import Board, StoppedError
from gibbsite.compare.store import FULL, Cell, Record, Store
from gibbsite.compare.tune import Trial, tune
from gibbsite.compare.versions import versions
from gibbsite.core import AbstractModel, AbstractObjective
from gibbsite.models import PARADIGMS
from gibbsite.train import CheckpointError, Fit, fit, save

PAUSE = 0.2  # seconds
Outcome = tuple[Record, dict[str, np.ndarray], AbstractModel]


@dataclasses.dataclass
class Grid:
    """The cells of a plan, their folder, and the board that shows how far they are."""

    plan: Plan
    store: Store
    board: Board
    floors: dict[str, Metrics] = dataclasses.field(default_factory=dict)

    def run(self) -> list[Record]:
        """Every cell in turn, each in a thread of its own kind: so Ctrl-C is heard while a program compiles."""
        prints = {name: fingerprint(held) for name, held in self.plan.datasets.items()}
        held = {cell: kept for cell in self.plan.cells if (kept := self.store.record(cell, prints[cell.dataset])) is not None}
        pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="gibbsite-cell")
        self.store.write_results(self.plan.card, self._in_order(held))
        try:
            for cell in self.plan.cells:
                if cell in held:
                    self.board.finish(str(cell), "kept from an earlier start")
                else:
                    held[cell] = self._do(pool, cell, prints[cell.dataset])
                    self.store.write_results(self.plan.card, self._in_order(held))
        except KeyboardInterrupt:
            self.board.stop()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return self._in_order(held)

    def _in_order(self, held: Mapping[Cell, Record]) -> list[Record]:
        """The records there are, as the card has them: those of later cells, kept from an earlier start, among them."""
        return [held[cell] for cell in self.plan.cells if cell in held]

    def _do(self, pool: concurrent.futures.Executor, cell: Cell, mark: str) -> Record:
        """One cell; whatever it raises is its record's reason."""
        begun = time.perf_counter()
        future = pool.submit(self._work, cell)
        # Waited for in slices: a Ctrl-C that the system hands to another thread does not wake this one.
        while not concurrent.futures.wait([future], timeout=PAUSE).done:
            pass
        base = _blank(cell) | {"seconds": time.perf_counter() - begun, "fingerprint": mark, "versions": versions()}
        record = self._kept(cell, base, future)
        self.board.finish(str(cell), _outcome(record))
        return record

    def _kept(self, cell: Cell, base: Record, future: concurrent.futures.Future[Outcome]) -> Record:
        """What came of a cell, in its folder; what concerns all cells is raised."""
        error = future.exception()
        if isinstance(error, StoppedError):
            raise KeyboardInterrupt
        if isinstance(error, OSError) and error.errno in FULL:
            raise error  # no cell's fault, and the next would fail as well
        if error is not None:
            record = base | {"status": "failed", "reason": reason(error)}
            self.store.write(cell, record, {})
            return record
        facts, arrays, model = future.result()
        self.store.write(cell, base | facts, arrays, lambda folder: save(model, folder))
        return base | facts

    def _work(self, cell: Cell) -> Outcome:
        """Train, sample, evaluate."""
        data, budget = self.plan.datasets[cell.dataset], self.plan.card.budget
        key = jax.random.fold_in(jax.random.key(cell.seed), zlib.crc32(f"{cell.dataset}/{cell.model}".encode()))
        born, trained, judged = jax.random.split(key, 3)
        model, objective = PARADIGMS[cell.model].build(data, budget.parameters_for(data.space.size), born)
        fitted, rate, trials = self._fit(cell, model, objective, key=trained)
        if cell.dataset not in self.floors:
            self.floors[cell.dataset] = noise_floors(data, budget.draws)
        metrics, arrays = evaluate(fitted.model, data, budget, self.board, str(cell), key=judged)
        metrics |= self.floors[cell.dataset]
        arrays |= {f"history_{name}": np.asarray(series) for name, series in fitted.history.items()}
        self.store.clear_draft(cell)
        spent = fitted.evaluations + sum(trial.evaluations for trial in trials)
        facts = {"parameters": int(fitted.parameters), "evaluations": int(spent), "training": fitted.reason}
        facts |= {"learning_rate": rate, "trials": [trial.record() for trial in trials]}
        return facts | {"metrics": {name: estimate.record() for name, estimate in metrics.items()}}, arrays, fitted.model

    def _fit(
        self, cell: Cell, model: AbstractModel, objective: AbstractObjective, *, key: Key[Array, ""]
    ) -> tuple[Fit, float, list[Trial]]:
        """Tries learning rates, then trains with the best, from where an interrupted start left off if it left anything.

        Raises:
            FloatingPointError: training diverged.
        """
        data, budget = self.plan.datasets[cell.dataset], self.plan.card.budget
        last, first = jax.random.split(key)
        train = functools.partial(fit, model, data, objective=objective)

        def once(rate: float, evaluations: int) -> Fit:
            with self.board.cell(str(cell), "training", evaluations) as counter:
                return train(budget=evaluations, learning_rate=rate, out=self.store.draft(cell), resume=True, progress=counter, key=last)

        def trial(rate: float, evaluations: int) -> Fit:
            with self.board.cell(str(cell), f"trying learning rate {rate:.2g}", evaluations) as counter:
                return train(budget=evaluations, learning_rate=rate, progress=counter, key=first)

        rate, trials = tune(trial, PARADIGMS[cell.model].learning_rate, budget)
        left = budget.evaluations - sum(trial.evaluations for trial in trials)
        try:
            fitted = once(rate, left)
        except CheckpointError:  # left by another version, or of other data
            self.store.clear_draft(cell)
            fitted = once(rate, left)
        if fitted.status == "non_finite":
            self.store.clear_draft(cell)  # or the next start would take up what has already failed
            raise FloatingPointError(fitted.reason)
        return fitted, rate, trials


def _blank(cell: Cell) -> Record:
    """The record of a cell of which nothing is known yet."""
    held = {"dataset": cell.dataset, "model": cell.model, "seed": cell.seed, "parameters": 0, "evaluations": 0, "status": "ok"}
    return held | {"reason": "", "training": "", "learning_rate": None, "trials": [], "metrics": {}}


def reason(error: BaseException) -> str:
    """The error in one sentence, with the place in the code where it arose if it does not explain itself."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ValueError | FloatingPointError):
        return text[:500]
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text[:400]} ({pathlib.Path(frame.filename).name}, line {frame.lineno})"


def _outcome(record: Record) -> str:
    if record["status"] == "failed":
        return f"failed after {record['seconds']:.0f} s: {record['reason']}"
    nll = record["metrics"].get("nll")
    unit = " nats" if nll and nll["value"] is not None else ""
    return f"NLL {table.number(nll)}{unit}, {record['seconds']:.0f} s"
