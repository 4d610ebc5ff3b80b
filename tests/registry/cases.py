"""Which entries of a registry the default tests try."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest


def cases(registry: Mapping[str, Any], kind: Callable[[Any], object], names: Iterable[str] | None = None) -> list[Any]:
    """Names as parameters: of entries of one kind all but the first are for `pytest -m long`."""
    seen, found = set(), []
    for name in registry if names is None else names:
        what = kind(registry[name])
        found.append(pytest.param(name, marks=[pytest.mark.long] if what in seen else []))
        seen.add(what)
    return found
