"""Scenes on disk, so that a report can be made again without the data: one NPZ a data set, its plain fields as JSON inside."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gibbsite.compare.scene import Scene
from gibbsite.compare.store import replacing

PLAIN = "fields.json"


def write_scenes(folder: pathlib.Path, scenes: Iterable[Scene]) -> None:
    """One file a scene, named by its place."""
    folder.mkdir(exist_ok=True)
    for place, scene in enumerate(scenes):
        fields = {field.name: getattr(scene, field.name) for field in dataclasses.fields(scene)}
        arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
        plain = json.dumps({name: value for name, value in fields.items() if name not in arrays})
        with replacing(folder / f"{place}.npz") as draft, draft.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **{PLAIN: np.array(plain)}, **arrays)


def read_scenes(folder: pathlib.Path) -> Mapping[str, Scene]:
    """The scenes by name, in the order they were written."""
    files = sorted(folder.glob("*.npz"), key=lambda path: int(path.stem))
    return {scene.name: scene for scene in map(_read, files)}


def _read(path: pathlib.Path) -> Scene:
    with np.load(path) as held:
        fields = {name: _tuples(value) for name, value in json.loads(str(held[PLAIN])).items()}
        return Scene(**fields, **{name: held[name] for name in held.files if name != PLAIN})


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
