"""Files for models: the arrays behind a line of JSON that says how to build the rest (see `core.checkpoint`)."""

import os
import pathlib

import equinox as eqx
import jax

from gibbsite.core import AbstractModel
from gibbsite.core.checkpoint import CheckpointError, digest, header, read, same, write
from gibbsite.train.skeleton import decode, encode

__all__ = ["CheckpointError", "digest", "header", "load", "read", "same", "save", "write"]

FORMAT = 1


def save(model: AbstractModel, path: str | os.PathLike) -> None:
    """Writes a model to the folder `path`, in `model.gibbsite`; `load` gives it back, bit for bit."""
    config = {"format": FORMAT, "model": encode(model)}
    write(pathlib.Path(path) / "model.gibbsite", config, eqx.filter(model, eqx.is_array))


def load(path: str | os.PathLike) -> AbstractModel:
    """The model that `save` wrote to the folder `path` (or to the file given).

    Raises:
        CheckpointError: there is none, or the file is not one of ours.
    """
    file = pathlib.Path(path)
    file = file / "model.gibbsite" if file.is_dir() else file
    if not file.exists():
        raise CheckpointError(f"There is no model at {path}: give the folder of a cell, which holds model.gibbsite.")
    config = header(file)
    if config.get("format") != FORMAT:
        raise CheckpointError(f"{file} has format {config.get('format')}; this version of gibbsite reads format {FORMAT}.")
    skeleton = decode(config["model"])
    arrays, static = eqx.partition(skeleton, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    return eqx.combine(read(file, lambda _: arrays)[1], static)
