"""All that a report is made from, and the figures in it."""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from gibbsite.compare import panels
from gibbsite.compare.card import Card
from gibbsite.compare.chart import Figure
from gibbsite.compare.panels import Shown
from gibbsite.compare.scene import Scene
from gibbsite.compare.store import Cell, Record, cell_of, safe
from gibbsite.compare.summary import Verdict, verdicts
from gibbsite.compare.table import by_dataset, naming


@dataclasses.dataclass(frozen=True)
class Content:
    """All that a report is made from; `about` says what each paradigm is, `blind` what it cannot tell."""

    card: Card
    records: tuple[Record, ...]
    arrays: Mapping[Cell, Mapping[str, np.ndarray]]
    scenes: Mapping[str, Scene]
    about: Mapping[str, str]
    blind: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each data set."""
        return {verdict.dataset: verdict for verdict in verdicts(self.records, self.arrays)}

    def shown(self, dataset: str) -> list[Shown]:
        """The cells of a data set as figures show them: of each model the first seed that ended well."""
        records = by_dataset(self.records)[dataset]
        name, order = naming(records), {model: place for place, model in enumerate(self.card.models)}
        first: dict[str, Record] = {}
        for record in records:
            if record["status"] != "failed":
                first.setdefault(record["model"], record)
        return [Shown(name(r), order.get(model, 0), r, self.arrays.get(cell_of(r), {})) for model, r in first.items()]


def figures_of(content: Content) -> dict[str, list[Figure]]:
    """The figures of every data set, by the name of its folder."""
    return {safe(name): panels.figures(content.scenes[name], content.shown(name)) for name in by_dataset(content.records)}
