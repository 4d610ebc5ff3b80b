"""`compare`: from what the user asks for to a folder of results, a table and a report."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from gibbsite.compare import table
from gibbsite.compare.card import Budget, Card, CardError
from gibbsite.compare.export import export
from gibbsite.compare.grid import Grid
from gibbsite.compare.plan import Names, Plan, Target, card_of, plan
from gibbsite.compare.progress import Board
from gibbsite.compare.report import Content, render, table_html
from gibbsite.compare.scene import Scene, scene
from gibbsite.compare.staging import read_scenes, write_scenes
from gibbsite.compare.store import Cell, Record, Store, cell_of, dumps, results, telling_full, write_text
from gibbsite.compare.summary import Verdict, lines, verdicts
from gibbsite.core import AbstractModel
from gibbsite.data import Dataset
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
    resume: bool = False,
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
    call continues, also after a kill, and `resume` takes the card from the folder; `fresh` starts anew. A cell that fails
    is recorded with its reason, and the rest goes on.

    Returns:
        Comparison: the table, and the paths of `results.json` and `report.html`.

    Raises:
        CardError, DataError: the data, the card or the folder cannot be used; nothing has been written.
        FullError: the disk is full; finished cells are kept.
    """
    if resume:
        data = resumed(data, out, fresh=fresh, given={"models": models, "budget": budget, "seed": seed, "columns": columns})
    asked = plan(data, models=models, budget=budget, seed=seed, columns=columns, dequantise=dequantise, drop_missing=drop_missing)
    store = Store(pathlib.Path(out) if out is not None else pathlib.Path(f"gibbsite-{asked.card.name}"))
    with telling_full(store.root):
        store.claim(asked.card, fresh=fresh)
        with Board(len(asked.cells), quiet=quiet) as board:
            return _compared(asked, store, board)


def _compared(asked: Plan, store: Store, board: Board) -> Comparison:
    """Every cell of the plan, and the report."""
    for line in asked.left_out:
        board.say(line)
    scenes = {name: scene(held) for name, held in asked.datasets.items()}
    write_scenes(store.root / "scenes", scenes.values())
    records = Grid(asked, store, board).run()
    board.say("writing the report")
    return publish(asked.card, store, records, scenes)


def resumed(target: Target, out: str | pathlib.Path | None, *, fresh: bool, given: Mapping[str, object]) -> Target:
    """The card of the folder to go on with; data handed over in Python stay what they are.

    Raises:
        CardError: there is no such folder, or something is asked for that its card already says.
    """
    asked = [name for name, value in given.items() if value is not None] + ["fresh"] * fresh
    if asked:
        raise CardError(f"resume goes on with the card in the folder, which says it all: leave out {', '.join(asked)}.")
    if isinstance(target, np.ndarray | Dataset):
        return target
    root = pathlib.Path(out) if out is not None else pathlib.Path(f"gibbsite-{card_of(target).name}")
    if not (root / "card.toml").is_file():
        raise CardError(f"There is no comparison in {root} to resume: leave out resume (--resume), or give its folder with --out.")
    return Card.read(root / "card.toml")


def report(out: str | pathlib.Path) -> Comparison:
    """Makes the report of a comparison's folder again, from its results: also of one that was interrupted.

    Raises:
        CardError: the folder holds no results.
        FullError: the disk is full.
    """
    store = Store(pathlib.Path(out))
    for name in ("card.toml", "results.json"):
        if not (store.root / name).is_file():
            raise CardError(f"{store.root} holds no {name}: give the folder of a comparison of which a cell at least has ended.")
    card = Card.read(store.root / "card.toml")
    records = store.read_results()
    with telling_full(store.root):
        return publish(card, store, records, read_scenes(store.root / "scenes"))


def publish(card: Card, store: Store, records: Sequence[Record], scenes: Mapping[str, Scene]) -> Comparison:
    """Writes the page and its figures."""
    done = Comparison(card, tuple(records), store.root)
    paradigms = {name: PARADIGMS[name] for name in card.models}
    arrays = {cell_of(record): store.arrays(cell_of(record)) for record in records}
    about, blind = ({name: getattr(p, text) for name, p in paradigms.items()} for text in ("about", "blind"))
    content = Content(card, done.records, arrays, scenes, about, blind)
    write_text(done.report, render(content))
    export(content, store.root)
    return done
