"""Files that are whole or not there: arrays as Equinox leaves behind one line of JSON, put in place in one move."""

import json
import os
import pathlib
import zlib
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import equinox as eqx
import numpy as np
from jaxtyping import PyTree


class CheckpointError(ValueError):
    """A file that does not hold what is asked for; the message names the file, the difference and the remedy."""


def write(path: pathlib.Path, config: dict[str, Any], arrays: PyTree) -> None:
    """One file: a line of JSON, then the leaves of `arrays`. A reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as file:
        file.write(json.dumps(config).encode() + b"\n")
        eqx.tree_serialise_leaves(file, arrays)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: pathlib.Path, like: Callable[[dict[str, Any]], PyTree]) -> tuple[dict[str, Any], PyTree]:
    """The configuration and the arrays, in the shape of `like(config)`."""
    with path.open("rb") as file:
        config = _header(path, file)
        try:
            return config, eqx.tree_deserialise_leaves(file, like(config))
        except (RuntimeError, EOFError, ValueError, OSError) as error:
            raise CheckpointError(f"{path} does not hold the arrays that its first line describes ({error}); remove it.") from error


def header(path: pathlib.Path) -> dict[str, Any]:
    """The configuration alone."""
    with path.open("rb") as file:
        return _header(path, file)


def digest(leaves: Iterable[Any]) -> str:
    """A short mark of the content of arrays (others are left out): tells runs on other data or constants apart."""
    mark = 0
    for leaf in leaves:
        if hasattr(leaf, "dtype"):
            mark = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), mark)
    return f"{mark:08x}"


def _header(path: pathlib.Path, file: BinaryIO) -> dict[str, Any]:
    try:
        return json.loads(file.readline())
    except ValueError as error:
        raise CheckpointError(f"{path} is not a file written by gibbsite: its first line is not JSON.") from error


def same(path: pathlib.Path, held: dict[str, Any], asked: dict[str, Any]) -> None:
    """Nothing, if both configurations agree.

    Raises:
        CheckpointError: names the first entry that differs, with both values.
    """
    asked = json.loads(json.dumps(asked))
    for name in sorted(held.keys() | asked.keys()):
        if held.get(name) != asked.get(name):
            was, now = (json.dumps(c.get(name))[:80] for c in (held, asked))
            raise CheckpointError(f"{path} was written with {name} = {was}, not {now}: give that value again, or another folder.")
