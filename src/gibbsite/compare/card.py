"""A card says what is compared: data, models, seeds, and one budget for all. TOML on disk, frozen dataclasses in Python."""

import dataclasses
import difflib
import json
import pathlib
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from gibbsite.core.keys import SEEDS
from gibbsite.models import PARADIGMS


class CardError(ValueError):
    """A card, or a name on it, that cannot be used; the message names the thing, the value and the remedy."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """What every cell may spend, whatever its paradigm.

    `evaluations` counts examples through the network, forward and backward, negatives and sampler steps included, and
    the `trials` of learning rates, which take a quarter of them; `parameters` (for each 8 columns of the data, or fewer)
    is met within a factor 1.5. The rest is spent after training, alike for all: `draws` from each model, annealing of
    `walkers` through `temperatures`. `seeds` is how many fits are made where the card names no seeds. A table that
    changes a named budget makes it "custom".
    """

    name: str
    evaluations: int
    parameters: int
    draws: int
    walkers: int
    temperatures: int
    seeds: int = 1
    trials: int = 1

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self)[1:]:
            _check_count(field.name, getattr(self, field.name))

    def parameters_for(self, columns: int) -> int:
        """Trained parameters of a model of that many columns: networks on images need more than networks on the plane."""
        return self.parameters * max(1, columns // COLUMNS)


def _check_count(entry: str, number: Any) -> None:
    """CardError unless the number is one that a comparison can be made with."""
    least = {"draws": 4, "walkers": 2}.get(entry, 1)
    if type(number) is not int or number < least:
        raise CardError(f"{entry} = {number!r}: give a whole number of at least {least}.")


BUDGETS = {
    "quick": Budget("quick", 3_000_000, 1_400, 2_048, 2_048, 200, trials=3),
    "standard": Budget("standard", 60_000_000, 20_000, 16_384, 4_096, 1_000, seeds=3, trials=5),
    "full": Budget("full", 600_000_000, 100_000, 65_536, 8_192, 4_000, seeds=5, trials=7),
}
DATA = ("gaussians8", "digits", "digits-binary")
COLUMNS = 8  # of the data, for which a budget names its parameters
MODELS = tuple(PARADIGMS)
NAME = r"[\w.-]+"
SWITCHES = ("dequantise", "drop_missing")


@dataclasses.dataclass(frozen=True)
class Card:
    """The grid `data x models x seeds`; `columns`, `dequantise` and `drop_missing` say how files are read (see `data.load`)."""

    name: str = "default"
    data: tuple[str, ...] = DATA
    models: tuple[str, ...] = MODELS
    seeds: tuple[int, ...] = (0,)
    budget: Budget = BUDGETS["quick"]
    columns: tuple[str, ...] = ()
    dequantise: bool = False
    drop_missing: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.budget, Budget):
            raise CardError(f"budget = {self.budget!r}: give a Budget, such as BUDGETS['quick'].")
        for name in ("data", "models", "seeds"):
            held = getattr(self, name)
            if not held:
                raise CardError(f"{name} = {held!r}: give at least one.")
            if twice := [entry for n, entry in enumerate(held) if entry in held[:n]]:
                raise CardError(f"{name} has {twice[0]!r} twice: the second would be no new fit. Name each once.")
        if not re.fullmatch(NAME, self.name):
            raise CardError(f"name = {self.name!r}: give letters, digits, '-', '_' or '.', for it names the output folder.")

    def to_toml(self) -> str:
        """The card as TOML; `parse` gives the same card back."""
        lists = {name: _toml(getattr(self, name)) for name in ("data", "models", "seeds", "columns", *SWITCHES)}
        lines = [f"name = {_toml(self.name)}", *(f"{name} = {value}" for name, value in lists.items())]
        budget = dataclasses.asdict(self.budget)
        return "\n".join([*lines, "", "[budget]", *(f"{name} = {_toml(value)}" for name, value in budget.items()), ""])

    @classmethod
    def parse(cls, text: str, *, source: str = "card") -> "Card":
        """A card from TOML; what it leaves out is the default's.

        Raises:
            CardError: not TOML, an unknown entry, or a value of the wrong kind; names the line.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise CardError(f'{source} is not valid TOML: {error}. Correct that line; `name = "mine"` is the form.') from error
        return cls._from(table, _Lines(text, source))

    @classmethod
    def read(cls, path: pathlib.Path) -> "Card":
        """A card from a file; data files named on it are looked for beside it."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CardError(f"The card {path} cannot be read ({_why(error)}): give the path of a TOML file.") from error
        card = cls.parse(text, source=str(path))
        if not re.search(r"^\s*name\s*=", text.split("\n[")[0], re.M):
            card = dataclasses.replace(card, name=folder_name(path.stem))
        return dataclasses.replace(card, data=tuple(_beside(path, entry) for entry in card.data))

    @classmethod
    def _from(cls, table: dict[str, Any], lines: "_Lines") -> "Card":
        known = [field.name for field in dataclasses.fields(cls)]
        for entry in table:
            if entry not in known:
                raise lines.error(entry, unknown("entry", entry, known))
        budget = _budget(table.get("budget", "quick"), lines)
        seeds = lines.numbers("seeds", table["seeds"]) if "seeds" in table else tuple(range(budget.seeds))
        strings: dict[str, Any] = {name: lines.strings(name, table[name]) for name in ("data", "models", "columns") if name in table}
        for model in strings.get("models", ()):
            if model not in MODELS:
                raise lines.error("models", unknown("model", model, MODELS))
        name = table.get("name", "default")
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise lines.error("name", f"name = {name!r}: give letters, digits, '-', '_' or '.', for it names the output folder")
        entries: dict[str, Any] = {name: table.get(name, False) for name in SWITCHES}
        for switch, value in entries.items():
            if not isinstance(value, bool):
                raise lines.error(switch, f"{switch} = {value!r}: give true or false")
        return cls(name=name, seeds=seeds, budget=budget, **strings, **entries)


def folder_name(text: str) -> str:
    """The text as the name of a card and its folder: what is no letter, digit, '-', '_' or '.' becomes '-'."""
    return re.sub(r"[^\w.-]", "-", text) or "-"


def _budget(value: Any, lines: "_Lines") -> Budget:
    if isinstance(value, str):
        return budget_named(value, lines)
    if not isinstance(value, dict):
        raise lines.error("budget", f"budget = {value!r}: give one of {', '.join(BUDGETS)}, or a table [budget]")
    start = BUDGETS.get(str(value.get("name")), BUDGETS["quick"])
    known = [field.name for field in dataclasses.fields(Budget)]
    for entry, number in value.items():
        if entry not in known:
            raise lines.error(entry, unknown("entry of [budget]", entry, known))
        if entry == "name":
            _check_name(number, lines, whole=set(known) == set(value))
            continue
        try:
            _check_count(entry, number)
        except CardError as error:
            raise lines.error(entry, str(error).rstrip(".")) from error
    made = dataclasses.replace(start, **value)
    return made if made == start or made.name not in BUDGETS else dataclasses.replace(made, name="custom")


def _check_name(name: Any, lines: "_Lines", *, whole: bool) -> None:
    """CardError unless a budget has that name, or the table is a `whole` one of its own."""
    if not isinstance(name, str):
        raise lines.error("name", f'name = {name!r}: give a name in quotes, as in name = "mine"')
    if name not in BUDGETS and not whole:
        raise lines.error("name", unknown("budget", name, BUDGETS) + ", or give every entry of [budget] yourself")


def budget_named(name: str, lines: "_Lines | None" = None) -> Budget:
    """One of `BUDGETS`.

    Raises:
        CardError: no budget has that name; the nearest is suggested.
    """
    if name in BUDGETS:
        return BUDGETS[name]
    sentence = unknown("budget", name, BUDGETS)
    raise lines.error("budget", sentence) if lines else CardError(sentence + ".")


def check_models(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        CardError: no paradigm has that name; the nearest is suggested. Or none is given.
    """
    chosen = tuple(dict.fromkeys(names))
    if not chosen:
        raise CardError(f"No model is named: give one or more of {', '.join(MODELS)}.")
    for name in chosen:
        if name not in MODELS:
            raise CardError(unknown("model", name, MODELS) + ".")
    return chosen


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown model 'rbn': did you mean 'rbm'? Known: ...` (no full stop)."""
    known = tuple(known)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    guess = f" did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}:{guess} the names are {', '.join(known)}"


@dataclasses.dataclass(frozen=True)
class _Lines:
    """Finds the line of an entry, for messages."""

    text: str
    source: str

    def error(self, entry: str, sentence: str) -> CardError:
        pattern = re.compile(rf"^\s*\[?\s*['\"]?{re.escape(entry)}['\"]?\s*[=\]]")
        numbers = (n for n, line in enumerate(self.text.splitlines(), 1) if pattern.match(line))
        return CardError(f"{self.source}, line {next(numbers, 1)}: {sentence}.")

    def strings(self, entry: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value) and (value or entry == "columns"):
            return tuple(value)
        raise self.error(entry, f'{entry} = {value!r}: give a list of names, as in {entry} = ["a", "b"]')

    def numbers(self, entry: str, value: Any) -> tuple[int, ...]:
        if isinstance(value, list) and value and all(type(item) is int and 0 <= item < SEEDS for item in value):
            return tuple(value)
        raise self.error(entry, f"{entry} = {value!r}: give a list of whole numbers from 0, as in {entry} = [0, 1]")


def _beside(card: pathlib.Path, entry: str) -> str:
    """A data file named on a card is looked for in the current folder, then beside the card."""
    near = card.parent / entry
    return str(near) if not pathlib.Path(entry).exists() and near.is_file() else entry


def _toml(value: Any) -> str:
    """JSON's strings, numbers and arrays are TOML's."""
    return json.dumps(value if not isinstance(value, tuple) else list(value), ensure_ascii=False)


def _why(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "not UTF-8 text"
