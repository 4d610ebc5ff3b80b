"""Progress of long jobs: a bar on a terminal, plain lines elsewhere, nothing under two seconds."""

import sys
import time
from collections.abc import Iterator
from typing import Any

PATIENCE = 2.0  # seconds before anything is shown
PAUSE = 10.0  # seconds between plain lines
FIRST = 16  # steps of the first chunk, which compiles
CHUNK_SECONDS = 0.5  # between looks at the clock, and so at the keyboard


class Progress:
    """Counts steps of one job; opens a bar (Rich) when the job has taken longer than `PATIENCE`, and closes it after `with`."""

    def __init__(self, label: str, total: int):
        self.label, self.total, self.done = label, total, 0
        self._begun = self._line = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._bar: Any = None
        self._task: Any = None

    def advance(self, steps: int) -> None:
        """Notes that `steps` more are done."""
        self.done += steps
        now = time.perf_counter()
        self._first = self._first or (now, self.done)  # what comes before is compiled, and foretells nothing
        if now - self._begun < PATIENCE:
            return
        if sys.stderr.isatty():
            self._draw()
        elif now - self._line > PAUSE:
            self._line = now
            print(f"{self.label}: {self.done}/{self.total}{self._ahead(now, *self._first)}", file=sys.stderr)

    def _ahead(self, now: float, since: float, before: int) -> str:
        left = (now - since) * (self.total - self.done) / max(self.done - before, 1)
        return f", about {left:.0f} s left" if self.done > before else ""

    def _draw(self) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.label, total=self.total)
        self._bar.update(self._task, completed=self.done)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Silent(Progress):
    """Shows nothing."""

    def __init__(self) -> None:
        super().__init__("", 0)

    def advance(self, steps: int) -> None:
        self.done += steps


def bar(label: str, total: int, *, wanted: Progress | bool) -> Progress:
    """The one that is wanted: given, or made, or silent."""
    if isinstance(wanted, Progress):
        return wanted
    return Progress(label, total) if wanted else Silent()


def chunks(total: int, progress: Progress, *, done: int = 0, chunk: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of `chunk` steps from `done` to `total`, or of about half a second each: so progress shows, and an interrupt is heard."""
    begun, size = done, chunk or min(total, FIRST)
    while done < total:
        clock, stop = time.perf_counter(), min(done + size, total)
        yield done, stop
        progress.advance(stop - done)
        if chunk is None and done > begun:  # the first chunk compiles and tells nothing
            size = max(1, min(4 * size, round(size * CHUNK_SECONDS / max(time.perf_counter() - clock, 1e-4))))
        done = stop
