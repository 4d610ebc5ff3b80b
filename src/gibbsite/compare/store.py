"""The output folder: the card, one folder a cell, `results.json`. Everything is written whole or not at all.

OUT/card.toml  results.json  report.html  figures/
OUT/scenes/<number>.npz  what the report shows of each data set
OUT/cells/<data>_<model>_<seed>/record.json  arrays.npz  and the model, as `gibbsite.load` reads it
"""

import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gibbsite.compare.card import Card, CardError

Record = dict[str, Any]
OURS = ("card.toml", "results.json", "report.html", "figures", "scenes", "cells", "at-work")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FullError(Exception):
    """The disk is full: nothing more can be kept, and what is kept is whole."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One fit of the grid."""

    dataset: str
    model: str
    seed: int

    @property
    def folder(self) -> str:
        """The name of its folder, fit for any file system."""
        safe = "".join(c if c.isalnum() or c in "-." else "-" for c in self.dataset)
        return f"{safe}_{self.model}_{self.seed}"

    def __str__(self) -> str:
        return f"{self.dataset} / {self.model} / seed {self.seed}"


def safe(name: str) -> str:
    """A name fit for folders and anchors."""
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def cell_of(record: Record) -> Cell:
    """The cell that a record tells of."""
    return Cell(record["dataset"], record["model"], record["seed"])


@dataclasses.dataclass(frozen=True)
class Store:
    """The output folder of one card."""

    root: pathlib.Path

    def claim(self, card: Card, *, fresh: bool = False) -> None:
        """Makes the folder, or takes up the one of an earlier start; `fresh` throws away what gibbsite wrote there.

        Raises:
            CardError: it belongs to another card, holds files that are not ours, or cannot be written.
        """
        self.check(card, fresh=fresh)
        try:
            if fresh:
                for name in OURS:
                    _remove(self.root / name)
            (self.root / "cells").mkdir(parents=True, exist_ok=True)
            for leftover in (*(self.root / "cells").glob(".*"), *self.root.glob(".*.json.*"), *self.root.glob(".*.html.*")):
                _remove(leftover)
            write_text(self.root / "card.toml", card.to_toml())
        except OSError as error:
            raise CardError(f"The output folder {self.root} cannot be written ({error.strerror}): give another with --out.") from error

    def check(self, card: Card, *, fresh: bool = False) -> None:
        """Refuses a folder that is not this card's; writes nothing."""
        if not self.root.exists():
            return
        if not self.root.is_dir():
            raise CardError(f"The output folder {self.root} is a file: give another name with --out.")
        if not any(self.root.iterdir()):
            return
        if not (self.root / "card.toml").is_file():
            raise CardError(f"The output folder {self.root} is not empty and holds no gibbsite card: give another with --out.")
        if fresh:
            return
        there = Card.parse((self.root / "card.toml").read_text(encoding="utf-8"), source=str(self.root / "card.toml"))
        if there != card:
            raise CardError(
                f"The output folder {self.root} belongs to another card ({_difference(there, card)}): "
                "give another folder with --out, or replace what is there with --fresh."
            )

    def path(self, cell: Cell) -> pathlib.Path:
        """The folder of a cell."""
        return self.root / "cells" / cell.folder

    def draft(self, cell: Cell) -> pathlib.Path:
        """Where the cell at work keeps its training state, so that an interrupted one continues."""
        return self.root / "at-work" / cell.folder

    def clear_draft(self, cell: Cell) -> None:
        """Throws away the training state of a cell that has ended."""
        _remove(self.draft(cell))
        if (self.root / "at-work").is_dir() and not any((self.root / "at-work").iterdir()):
            (self.root / "at-work").rmdir()

    def record(self, cell: Cell, fingerprint: str) -> Record | None:
        """The record of a finished cell made from the same data; None where it is still to do."""
        if not (self.path(cell) / "record.json").is_file():
            return None
        record = self.read(cell)
        return record if record["status"] != "failed" and record["fingerprint"] == fingerprint else None

    def read(self, cell: Cell) -> Record:
        """The record of a cell that has ended."""
        return json.loads((self.path(cell) / "record.json").read_text(encoding="utf-8"))

    def arrays(self, cell: Cell) -> dict[str, np.ndarray]:
        """What the figures of a cell are drawn from; empty where it failed."""
        path = self.path(cell) / "arrays.npz"
        if not path.is_file():
            return {}
        with np.load(path) as held:
            return dict(held)

    def write(
        self, cell: Cell, record: Record, arrays: Mapping[str, np.ndarray], save: Callable[[pathlib.Path], object] | None = None
    ) -> None:
        """Puts a whole cell in its place; `save` writes the model into the folder it is given."""
        draft = pathlib.Path(tempfile.mkdtemp(prefix=".", dir=self.root / "cells"))
        if save is not None:
            save(draft)
        if arrays:
            np.savez_compressed(draft / "arrays.npz", allow_pickle=False, **dict(arrays))
        (draft / "record.json").write_text(dumps(record), encoding="utf-8")
        draft.chmod(0o755)
        _remove(self.path(cell))
        os.replace(draft, self.path(cell))

    def write_results(self, card: Card, records: Iterable[Record]) -> None:
        """`results.json`: the card and one record a cell."""
        write_text(self.root / "results.json", dumps(results(card, records)))

    def read_results(self) -> list[Record]:
        """The records of `results.json`.

        Raises:
            CardError: the file is not one that a comparison wrote.
        """
        path = self.root / "results.json"
        try:
            records = json.loads(path.read_text(encoding="utf-8"))["cells"]
            for record in records:
                cell_of(record)
        except (ValueError, KeyError, TypeError) as error:
            raise CardError(
                f"{path} is not what a comparison writes: make it again with gibbsite compare --resume --out {self.root}."
            ) from error
        return list(records)


def results(card: Card, records: Iterable[Record]) -> dict[str, Any]:
    """The content of `results.json`."""
    return {"card": dataclasses.asdict(card), "cells": list(records)}


def dumps(value: Any) -> str:
    """JSON without NaN: `Estimate.record` has made them null."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_text(path: pathlib.Path, text: str) -> None:
    """The whole file or none of it."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A draft to write, put in place of `path` in one move when it is whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def telling_full(root: pathlib.Path) -> Iterator[None]:
    """Turns the errors of a full disk into one sentence.

    Raises:
        FullError: there is no room for what was being written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise FullError(
            f"There is no room left for {root} ({(error.strerror or '').lower()}): free some and give the same command again; "
            "finished cells are kept."
        ) from error


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _difference(there: Card, here: Card) -> str:
    """The first entries that differ, as `models: ... there, ... now`."""
    for field in dataclasses.fields(Card):
        old, new = getattr(there, field.name), getattr(here, field.name)
        if isinstance(old, tuple):
            old, new = ", ".join(map(str, old)) or "none", ", ".join(map(str, new)) or "none"
        if field.name == "budget":
            changed = [f.name for f in dataclasses.fields(old) if getattr(old, f.name) != getattr(new, f.name)]
            old, new = ([f"{n} {getattr(b, n)}" for n in changed[:2]] for b in (old, new))
            old, new = ", ".join(old), ", ".join(new)
        if old != new:
            return f"{field.name}: {old} there, {new} now"
    return "another version of gibbsite wrote it"
