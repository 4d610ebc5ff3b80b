"""`verify`: what the command `gibbsite verify` does. A finished identity is a file of its own, and is not run again."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from gibbsite.compare.export import export_figure
from gibbsite.compare.progress import Board
from gibbsite.compare.store import dumps, telling_full, write_text
from gibbsite.compare.versions import versions
from gibbsite.verify.identity import Identity
from gibbsite.verify.page import figure_of, render
from gibbsite.verify.registry import IDENTITIES, VerifyError, chosen

FOLDER = "gibbsite-verify"
Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Verification:
    """What was found of the identities that were asked for, one record each, and the page of all that are in the folder."""

    records: tuple[Record, ...]
    report: pathlib.Path

    @property
    def failed(self) -> list[str]:
        """The names of those that do not hold."""
        return [record["name"] for record in self.records if record["verdict"] != "holds"]

    def json(self) -> str:
        """The records as text."""
        return dumps(list(self.records))

    def __str__(self) -> str:
        wide = max(len(record["name"]) for record in self.records)
        rows = [f"{r['verdict']:7}{r['name']:{wide + 2}}{r['title']}" for r in self.records]
        rows += [f"? {r['name']}: {_wrong(s)}" for r in self.records for s in r["statements"] if not s["holds"]]
        count = len(self.records) - len(self.failed)
        return "\n".join([*rows, f"{count} of {len(self.records)} identities hold."])


def verify(*names: str, out: str | pathlib.Path | None = None, fresh: bool = False, quiet: bool = False) -> Verification:
    """Checks identities by name or by field (all, without a name), and writes one page with a figure for each.

    Results go to the folder `out` (`gibbsite-verify`), one file each, so that a second call runs only what is missing, or was
    made by other versions of the library; `fresh` runs those that are asked for again.

    Raises:
        VerifyError: a name is unknown, or the folder holds other things.
        FullError: the disk is full; what is finished is kept.
    """
    asked, root = chosen(names), pathlib.Path(FOLDER if out is None else out)
    _check(root)
    with telling_full(root), Board(len(asked), quiet=quiet, what="identities") as board:
        (root / "identities").mkdir(parents=True, exist_ok=True)
        records = [_record(root, identity, board, fresh=fresh) for identity in asked]
        return Verification(tuple(records), _publish(root, board))


def _record(root: pathlib.Path, identity: Identity, board: Board, *, fresh: bool) -> Record:
    """The record of one identity: the one that is there, or a new one."""
    held = None if fresh else _held(root, identity)
    if held is not None:
        board.finish(identity.name, f"{held['verdict']}, kept")
        return held
    record = identity.run() | {"versions": versions()}
    export_figure(figure_of(record), root / "figures")
    write_text(_path(root, identity), dumps(record))
    board.finish(identity.name, f"{record['verdict']}, {record['seconds']:.1f} s")
    return record


def _held(root: pathlib.Path, identity: Identity) -> Record | None:
    """What an earlier call found, if it was asked the same by the same versions."""
    try:
        record = json.loads(_path(root, identity).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    same = record | {"versions": versions()} | identity.text() == record
    return record if same else None


def _publish(root: pathlib.Path, board: Board) -> pathlib.Path:
    """`results.json` and the page, of all that the folder holds."""
    board.say("writing the page")
    records = [record for identity in IDENTITIES if (record := _held(root, identity)) is not None]
    write_text(root / "results.json", dumps(records))
    write_text(root / "report.html", render(records))
    return root / "report.html"


def _path(root: pathlib.Path, identity: Identity) -> pathlib.Path:
    return root / "identities" / f"{identity.name}.json"


def _check(root: pathlib.Path) -> None:
    """Refuses a folder that is not ours; writes nothing."""
    there = next(path for path in (root, *root.absolute().parents) if path.exists())
    if not there.is_dir():
        raise VerifyError(f"--out {root}: {there} is a file; give a folder.")
    if root.is_dir() and any(root.iterdir()) and not (root / "identities").is_dir():
        raise VerifyError(f"--out {root} is not empty and holds no verification; give another folder.")


def _wrong(statement: dict[str, Any]) -> str:
    """What is wrong with a statement, in a line."""
    (left, _), (right, _) = statement["left"], statement["right"]
    sides = ["not a number" if side is None else f"{side:.6g}" for side in (left, right)]
    by = "none" if statement["tolerance"] is None else f"{statement['tolerance']:.2g}"
    return f"{statement['label']}: {sides[0]} {statement['relation']} {sides[1]} fails, tolerance {by}"


def told(identities: Sequence[Identity]) -> str:
    """The list that `--list` prints: each field, its identities and their formulas."""
    lines: list[str] = []
    for place, identity in enumerate(identities):
        if place == 0 or identities[place - 1].field is not identity.field:
            lines.append(f"{identity.field.value} ({identity.field.name.lower()})")
        lines += [f"  {identity.name}: {identity.title}", f"      {identity.formula}"]
    return "\n".join(lines)
