"""`compare`: from what the user asks for to a folder of results, a table and a report."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterable
from html import escape

from gibbsite.compare import table
from gibbsite.compare.card import Budget, Card
from gibbsite.compare.grid import Grid
from gibbsite.compare.plan import Names, Plan, Target, plan
from gibbsite.compare.progress import Board
from gibbsite.compare.report import Content, render, table_html
from gibbsite.compare.scene import scene
from gibbsite.compare.store import Cell, Record, Store, cell_of, dumps, results, write_text
from gibbsite.compare.summary import Verdict, lines, verdicts
from gibbsite.core import AbstractModel
from gibbsite.models import PARADIGMS
from gibbsite.train import load


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A finished comparison: prints as its table, shows as one in a notebook; `report` is the page to read."""

    card: Card
    records: tuple[Record, ...]
    out: pathlib.Path

    @property
    def report(self) -> pathlib.Path:
        """The path of `report.html`."""
        return self.out / "report.html"

    @functools.cached_property
    def verdicts(self) -> list[Verdict]:
        """For each data set the model to use, the reasons, and what to beware of."""
        store = Store(self.out)
        return verdicts(self.records, {cell_of(record): store.arrays(cell_of(record)) for record in self.records})

    @property
    def failed(self) -> tuple[Record, ...]:
        """The records of the cells that failed."""
        return tuple(record for record in self.records if record["status"] == "failed")

    def model(self, dataset: str, model: str, seed: int | None = None) -> AbstractModel:
        """The trained model of a cell, in the data's own units."""
        cell = Cell(dataset, model, self.card.seeds[0] if seed is None else seed)
        return load(Store(self.out).path(cell))

    def json(self) -> str:
        """The content of `results.json`."""
        return dumps(results(self.card, self.records))

    def __str__(self) -> str:
        said = (line for verdict in self.verdicts for line in lines(verdict))
        return "\n".join([table.table(self.records, plain=True).rstrip(), "", *said])

    def _repr_html_(self) -> str:
        groups = table.by_dataset(self.records)
        tables = (f"<h4>{escape(v.dataset)}</h4>{table_html(groups[v.dataset], v.choice)}" for v in self.verdicts)
        said = (f"<p>{escape(line)}</p>" for verdict in self.verdicts for line in lines(verdict))
        return "".join([*tables, *said])


def compare(
    data: Target = None,
    *,
    models: Names = None,
    budget: str | Budget | None = None,
    seed: int | None = None,
    out: str | pathlib.Path | None = None,
    fresh: bool = False,
    columns: Names = None,
    dequantise: bool | None = None,
    drop_missing: bool | None = None,
    quiet: bool = False,
) -> Comparison:
    """Train every paradigm on the same data under one budget, map each to an energy, and say how exact each number is.

    `data` is the name of a data set, a file (CSV, NPY, NPZ), a NumPy array of rows, a `Dataset`, a `Card` or the path of
    one; None is the default card. `models` (`"flow,rbm"` or a list; all that the data's space allows), `budget`
    ("quick", "standard", "full") and `seed` replace what the card says; `columns`, `dequantise` and `drop_missing` say
    how a file is read. Results go to the folder `out` (`gibbsite-<name>` in the current one), cell by cell: a second
    call continues, `fresh` starts anew. A cell that fails is recorded with its reason, and the rest goes on.

    Returns:
        Comparison: the table, and the paths of `results.json` and `report.html`.

    Raises:
        CardError, DataError: the data, the card or the folder cannot be used; nothing has been written.
    """
    asked = plan(data, models=models, budget=budget, seed=seed, columns=columns, dequantise=dequantise, drop_missing=drop_missing)
    store = Store(pathlib.Path(out) if out is not None else pathlib.Path(f"gibbsite-{asked.card.name}"))
    store.claim(asked.card, fresh=fresh)
    board = Board(len(asked.cells), quiet=quiet)
    for line in asked.left_out:
        board.say(line)
    try:
        records = Grid(asked, store, board).run()
        board.say("writing the report")
        comparison = Comparison(asked.card, tuple(records), store.root)
        write_text(comparison.report, render(content(asked, store, records)))
    finally:
        board.close()
    return comparison


def content(asked: Plan, store: Store, records: Iterable[Record]) -> Content:
    """What the report is made from."""
    about = {name: PARADIGMS[name].about for name in asked.card.models}
    arrays = {cell: store.arrays(cell) for cell in asked.cells}
    return Content(asked.card, tuple(records), arrays, {name: scene(held) for name, held in asked.datasets.items()}, about)
