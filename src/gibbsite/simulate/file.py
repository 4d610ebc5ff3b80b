"""What a file of the user's holds: `file.py:name`, run as Python runs a script."""

import contextlib
import importlib.util
import pathlib
import sys
import traceback
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import equinox as eqx

from gibbsite.compare.card import unknown
from gibbsite.core import AbstractSpace
from gibbsite.samplers.checks import ASKS, COMPILED


class TargetError(ValueError):
    """A name, a setting or a file that gives nothing to sample; the message names it, and the remedy."""


def from_file(text: str) -> Any:
    """What `file.py:name` names. Running the file is what was asked for.

    Raises:
        TargetError: there is no such file or name, or the file cannot be run.
    """
    path, _, name = text.rpartition(":")
    if not path.endswith(".py") or not name.isidentifier():
        raise TargetError(f"{text}: give file.py:name, the name of what is meant in that file.")
    module = _run(path)
    if not hasattr(module, name):
        raise TargetError(f"{path}: {unknown('name', name, [held for held in vars(module) if not held.startswith('_')])}.")
    return getattr(module, name)


def _run(path: str) -> ModuleType:
    file = pathlib.Path(path)
    spec = importlib.util.spec_from_file_location(f"_given_{file.stem}", file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise TargetError(f"{path} is no file that Python can read: check the path.")
    module = importlib.util.module_from_spec(spec)
    with telling(f"{path} cannot be run", path), _as_script(file, module):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _as_script(file: pathlib.Path, module: ModuleType) -> Iterator[None]:
    """The files beside it can be imported, and its classes find their module."""
    beside = str(file.resolve().parent)
    sys.path.insert(0, beside)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        sys.path.remove(beside)


def evaluated(text: str, fn: Callable, space: AbstractSpace) -> Any:
    """The shape of what a function gives for one x of the space; nothing is computed.

    Raises:
        TargetError: it cannot be evaluated.
    """
    with telling(f"{text} cannot be evaluated", text.rpartition(":")[0]):
        return eqx.filter_eval_shape(fn, space.struct())


@contextlib.contextmanager
def telling(what: str, path: str) -> Iterator[None]:
    """Tells in a sentence what the user's own lines raise, whatever it is, and in which line of the file.

    Raises:
        TargetError: anything was raised.
    """
    try:
        yield
    except TargetError:
        raise
    except Exception as error:
        raise TargetError(f"{what}: {_words(error, path)}") from error


def _words(error: Exception, path: str) -> str:
    """Of what JAX says, the first sentence, and a remedy."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if path and frame.filename.endswith(path)]
    place = f" (line {lines[-1]})" if lines else ""
    if isinstance(error, ASKS):
        return f"it {COMPILED}{place}."
    said = str(error).strip().split("\n")[0].rstrip(".")
    kind = type(error).__name__
    return f"{said if not lines and isinstance(error, ValueError | TypeError) else f'{kind}: {said}' if said else kind}{place}."
