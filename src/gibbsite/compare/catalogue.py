"""What there is to use: one line each, from the parts' own docstrings."""

import importlib
import inspect
from types import ModuleType

from gibbsite import data
from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractObjective
from gibbsite.models import PARADIGMS

Lines = list[tuple[str, str]]


def catalogue() -> dict[str, Lines]:
    """Names and one-line descriptions by kind of part."""
    return {
        "energies": _classes(("energies",), AbstractEnergy),
        "kernels": _classes(("samplers", "core"), AbstractKernel),
        "objectives": _classes(("objectives",), AbstractObjective),
        "models": [(name, paradigm.about) for name, paradigm in PARADIGMS.items()],
        "data": sorted(dict(data.NAMES).items()),
    }


def _classes(rooms: tuple[str, ...], base: type) -> Lines:
    modules: list[ModuleType] = [importlib.import_module(f"gibbsite.{room}") for room in rooms]
    parts = {name: getattr(module, name) for module in modules for name in module.__all__}
    public = {n: p for n, p in parts.items() if inspect.isclass(p) and issubclass(p, base) and not inspect.isabstract(p)}
    return sorted((name, first_line(part)) for name, part in public.items())


def first_line(part: object) -> str:
    """The first sentence of a docstring."""
    return (inspect.getdoc(part) or "").strip().split("\n", 1)[0]
