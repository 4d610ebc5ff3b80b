"""Progress of a grid: one bar for the grid and one for the cell at work, with time left; plain lines where there is no terminal."""

import sys
import threading
import time
from typing import Any

from gibbsite.samplers import Progress

PAUSE = 15.0  # seconds between plain lines of one cell


class StoppedError(Exception):
    """The user has stopped the grid; raised in the cell at work, at its next step."""


class Board:
    """Shows how far the grid is, of `what`; `cell` gives the cell at work its own counter. `quiet` shows nothing.

    `stop()` makes every counter raise `StoppedError` at its next step.
    """

    def __init__(self, cells: int, *, quiet: bool = False, what: str = "fits"):
        self.cells, self.done, self.quiet, self.what = cells, 0, quiet, what
        self.begun = time.perf_counter()
        self._stopped = threading.Event()
        self._bars: Any = None
        self._grid: Any = None
        if sys.stderr.isatty() and not quiet:
            self._open()

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bars = Bars(*columns, console=Console(stderr=True), transient=True)
        self._bars.start()
        self._grid = self._bars.add_task(self.what, total=self.cells)

    def cell(self, label: str, stage: str, total: int) -> "Counter":
        """A counter for one stage of the cell at work."""
        return Counter(self, f"{label}: {stage}", total)

    def say(self, line: str) -> None:
        """A plain line on standard error, above the bars where there are any."""
        if self.quiet:
            return
        if self._bars is not None:
            self._bars.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def finish(self, label: str, outcome: str) -> None:
        """Notes that a cell has ended."""
        self.done += 1
        seconds = time.perf_counter() - self.begun
        left = seconds * (self.cells - self.done) / self.done
        ahead = f", about {left:.0f} s left" if self.done < self.cells else ""
        self.say(f"[{self.done}/{self.cells}] {label}: {outcome}{ahead}")
        if self._bars is not None:
            self._bars.update(self._grid, completed=self.done)

    def stop(self) -> None:
        """Asks the cell at work to end."""
        self._stopped.set()

    def check(self) -> None:
        """Raises `StoppedError` after `stop()`."""
        if self._stopped.is_set():
            raise StoppedError

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *error: object) -> None:
        """Takes the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class Counter(Progress):
    """One stage of one cell, shown on its board."""

    def __init__(self, board: Board, label: str, total: int):
        super().__init__(label, total)
        self._board = board
        self._started = self._spoke = time.perf_counter()
        self._bars = board._bars
        self._place = self._bars.add_task(label, total=total or None) if self._bars is not None else None

    def advance(self, steps: int) -> None:
        self._board.check()
        self.done += steps
        now = time.perf_counter()
        if self._bars is not None:
            self._bars.update(self._place, completed=self.done)
        elif now - self._spoke > PAUSE and self.done:
            self._spoke = now
            share = self.done / max(self.total, 1)
            # The first steps compile and foretell nothing.
            left = f", about {(now - self._started) * (1 - share) / share:.0f} s left" if share > 0.1 else ""
            self._board.say(f"  {self.label}: {100 * share:.0f} %{left}")

    def close(self) -> None:
        if self._bars is not None and self._place is not None:
            self._bars.remove_task(self._place)
            self._place = None
