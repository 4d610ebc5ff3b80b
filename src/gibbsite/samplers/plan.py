"""How many draws a run makes of each chain, and which of them it keeps and traces."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gibbsite.core import AbstractObserver
from gibbsite.samplers.until import Until, whole_batches

MOST = 2**20  # draws of a chain, however far an error bar has still to go


class Plan(NamedTuple):
    """`draws` are made; every `thin`-th x is kept and every `every`-th value traced (more than all: never)."""

    draws: int
    thin: int
    every: int
    until: Until | None
    most: int

    @property
    def kept(self) -> int:
        """Draws that are kept of each chain."""
        return self.draws // self.thin

    @property
    def traced(self) -> int:
        """Values that are traced of each chain."""
        return self.draws // self.every

    def grown(self) -> "Plan | None":
        """That of a run twice as long; None where there is no error bar to wait for, or too many draws."""
        if self.until is None or 2 * self.draws > self.most:
            return None
        return self._replace(draws=2 * self.draws, thin=2 * self.draws + 1, every=2 * self.every)


def planned(observed: Mapping[str, AbstractObserver], draws: int, keep: int | None, trace: int, until: Any, most: int) -> Plan:
    """The plan of the first round: with `until`, of so many draws that batches are full, and twice as many fill larger ones.

    Raises:
        ValueError: `keep` stores nothing, or is given with `until`; the first round is longer than `most`.
        TypeError, KeyError: `until` is no error bar, or names what is not observed.
    """
    if until is not None and keep is not None:
        raise ValueError(f"keep={keep} with until=: the number of draws is not known beforehand; run until first, then init=run, keep=.")
    if until is not None and not isinstance(until, Until):
        raise TypeError(f'until={until!r}: give the error bar to reach, as in until=stderr("energy") < 0.01.')
    if until is not None and until.name not in observed:
        raise KeyError(f"until names {until.name!r}, which is not observed; there are {', '.join(observed)}.")
    if keep is not None and keep > draws:
        raise ValueError(f"keep={keep} stores no draw of draws={draws}: give keep={draws} or less.")
    draws = draws if until is None else whole_batches(draws)
    if until is not None and draws > most:
        raise ValueError(f"most={most} with until=: the first round makes {draws} draws of each chain; give more, or draws={most // 2}.")
    never = draws + 1
    return Plan(draws, keep or never, -(-draws // trace) if trace else never, until, most)
