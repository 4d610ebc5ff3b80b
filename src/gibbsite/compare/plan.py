"""From what the user asks for to a card, its data and its grid; nothing is written or trained before all of it is known to be good."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gibbsite.compare.card import BUDGETS, SWITCHES, Budget, Card, CardError, budget_named, check_models, folder_name
from gibbsite.compare.store import Cell, safe
from gibbsite.core.checkpoint import digest
from gibbsite.core.keys import SEEDS
from gibbsite.data import NAMES, Dataset, from_array, load
from gibbsite.models import PARADIGMS

Names = str | Iterable[str] | None
Target = str | pathlib.Path | Card | Dataset | np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Plan:
    """A card with its data at hand: the cells to do, and those that no space allows."""

    card: Card
    datasets: Mapping[str, Dataset]
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...]


def plan(
    target: Target,
    *,
    models: Names = None,
    budget: str | Budget | None = None,
    seed: int | None = None,
    columns: Names = None,
    dequantise: bool | None = None,
    drop_missing: bool | None = None,
) -> Plan:
    """The plan for a card, a path to one, the name or file of a data set, a `Dataset` or an array; None is the default card.

    What is given beside it replaces the card's own entries.

    Raises:
        CardError, DataError: a name is unknown, or the card or the data cannot be used.
    """
    models, columns = listed(models), listed(columns)
    if isinstance(target, np.ndarray):
        target = from_array(target, columns=columns, dequantise=bool(dequantise), drop_missing=bool(drop_missing))
    card = overridden(
        card_of(target), models=models, budget=budget, seed=seed, columns=columns, dequantise=dequantise, drop_missing=drop_missing
    )
    check_models(card.models)
    datasets = {target.name: target} if isinstance(target, Dataset) else _load(card)
    takers = {name: _takers(card, data) for name, data in datasets.items()}
    cells = tuple(Cell(name, model, number) for name in datasets for model in takers[name] for number in card.seeds)
    left_out = tuple(
        f"{model} is left out on {name}: it does not take {_kind(data)} data of {data.space.size} columns."
        for name, data in datasets.items()
        for model in card.models
        if model not in takers[name]
    )
    return Plan(card, datasets, cells, left_out)


def _takers(card: Card, data: Dataset) -> list[str]:
    """The models of the card that take these data.

    Raises:
        CardError: there is none; those that do are listed.
    """
    able = [model for model, paradigm in PARADIGMS.items() if paradigm.accepts(data.standard_space)]
    takers = [model for model in card.models if model in able]
    if not takers:
        raise CardError(f"No model of {', '.join(card.models)} takes {data.name}, which is {_kind(data)} data: {_remedy(able)}.")
    return takers


def listed(names: object) -> tuple[str, ...] | None:
    """Names as the command line takes them, `"flow,rbm"`, or as a list; None stays None.

    Raises:
        CardError: something else is given.
    """
    if names is None:
        return None
    if isinstance(names, str):
        return tuple(name.strip() for name in names.split(",") if name.strip())
    found = tuple(names) if isinstance(names, Iterable) else ()
    if not all(isinstance(name, str) for name in found) or not isinstance(names, Iterable):
        raise CardError(f'{names!r} is no list of names: give "a,b" or ["a", "b"].')
    return found


def card_of(target: object) -> Card:
    """The card that a target stands for.

    Raises:
        CardError: it is none that a comparison takes.
    """
    if target is None:
        return Card()
    if not isinstance(target, str | pathlib.Path | Card | Dataset):
        raise CardError(
            f"A {type(target).__name__} is no data for a comparison: give a name, a file, a NumPy array of rows, a Dataset or a Card."
        )
    if isinstance(target, Card):
        return target
    if isinstance(target, Dataset):
        return Card(name=folder_name(target.name), data=(target.name,))
    text = str(target)
    if text.endswith(".toml"):
        return Card.read(pathlib.Path(text))
    stem = pathlib.Path(text).stem if pathlib.Path(text).suffix else text
    return Card(name=folder_name(stem), data=(text,))


def overridden(
    card: Card,
    *,
    models: tuple[str, ...] | None,
    budget: str | Budget | None,
    seed: int | None,
    columns: tuple[str, ...] | None,
    dequantise: bool | None,
    drop_missing: bool | None,
) -> Card:
    """The card with what was asked for put in place of its own entries."""
    card = card if budget is None else _with_budget(card, budget)
    card = card if seed is None else _with_seed(card, seed)
    asked: dict[str, Any] = {
        "models": None if models is None else check_models(models),
        "columns": columns,
        "dequantise": dequantise,
        "drop_missing": drop_missing,
    }
    return dataclasses.replace(card, **{name: value for name, value in asked.items() if value is not None})


def _with_budget(card: Card, budget: object) -> Card:
    if not isinstance(budget, str | Budget):
        raise CardError(f"budget {budget!r}: give one of {', '.join(BUDGETS)}, or a Budget.")
    chosen = budget if isinstance(budget, Budget) else budget_named(budget)
    usual = card.seeds == tuple(range(card.budget.seeds))
    return dataclasses.replace(card, budget=chosen, seeds=tuple(range(chosen.seeds)) if usual else card.seeds)


def _with_seed(card: Card, seed: object) -> Card:
    if type(seed) is not int or not 0 <= seed < SEEDS:
        raise CardError(f"seed {seed}: give a whole number from 0 to {SEEDS - 1}.")
    return dataclasses.replace(card, seeds=tuple(range(seed, seed + len(card.seeds))))


def _load(card: Card) -> dict[str, Dataset]:
    """The data sets of a card by name; how files are read does not concern the built-in ones."""
    reading: dict[str, Any] = {"columns": card.columns or None, **{name: getattr(card, name) for name in SWITCHES}}
    held: dict[str, Dataset] = {}
    for entry in card.data:
        ours = entry in NAMES and len(card.data) > 1
        data = load(entry) if ours else load(entry, **reading)
        for other in held:
            if safe(other) == safe(data.name):
                raise CardError(f"{entry}: the results of {other!r} and {data.name!r} would share a folder: name each once, or rename one.")
        held[data.name] = data
    return held


def fingerprint(data: Dataset) -> str:
    """Tells data sets apart by their content: results of other data are never taken up."""
    return digest((data.train, data.validation, data.test))


def _kind(data: Dataset) -> str:
    return {"Reals": "real-valued", "Binary": "binary", "Spins": "two-valued"}.get(type(data.standard_space).__name__, "such")


def _remedy(able: list[str]) -> str:
    return f"choose from {', '.join(able)}" if able else "choose other data"
