"""What `gibbsite sample` tells: a table, JSON, and figures of what was observed."""

import dataclasses
import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.export import export_figure
from gibbsite.compare.marks import Bars, Dots, style
from gibbsite.compare.store import write_text
from gibbsite.samplers import Row, Run, Until, name_of
from gibbsite.samplers.report import marked
from gibbsite.simulate.file import TargetError

CHAINS = 4  # drawn in the trace
BINS = 40


@dataclasses.dataclass(frozen=True)
class Simulation:
    """A run at inverse temperature `beta`; its energies are those of the target itself, untempered (see `untempered`)."""

    name: str
    beta: float
    run: Run

    def record(self) -> dict[str, Any]:
        """For machines: kernel, seconds, acceptance and divergent moves, the worst R-hat, least ESS a second, all observables."""
        rows = self.run.rows
        speeds = [speed for row in rows.values() if (speed := self.run.per_second(row)) is not None]
        rhats = [float(np.max(row.rhat)) for row in rows.values() if np.all(np.isfinite(row.rhat))]
        return {
            "target": self.name,
            "beta": self.beta,
            "kernel": name_of(self.run.kernel),
            "why": self.run.why,
            "chains": self.run.chains,
            "draws": self.run.draws,
            "seconds": self.run.seconds,
            "acceptance": np.asarray(self.run.acceptance).tolist(),
            "acceptance_by_chain": self.run.by_chain["accept_prob"].tolist(),
            "divergences": None if self.run.divergences is None else self.run.divergences.tolist(),
            "rhat": max(rhats, default=None),
            "ess_per_second": min(speeds, default=None),
            "status": self.run.status.name.lower(),
            "reached": self.run.reached,
            "observables": {name: _told(row) for name, row in rows.items()},
        }

    def json(self) -> str:
        """The record as text."""
        return json.dumps(self.record(), indent=1, allow_nan=False, ensure_ascii=False)

    def __str__(self) -> str:
        return f"{self.name} at beta = {self.beta:g}\n{self.run}"

    def write(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """`results.json`, and the figures `trace` and `histogram` as PNG, SVG and CSV."""
        folder.mkdir(parents=True, exist_ok=True)
        made = [folder / "results.json"]
        write_text(made[0], self.json() + "\n")
        return made + [path for figure in (self.trace(), self.histogram()) for path in export_figure(figure, folder)]

    def trace(self) -> Figure:
        """Values of every observable along a few chains."""

        def chart(name: str, values: np.ndarray) -> Chart:
            at = self.run.every * (np.arange(values.shape[1]) + 1)
            lines = tuple(Dots(f"chain {n + 1}", style(n), at, line, joined=True, marked=False) for n, line in enumerate(values[:CHAINS]))
            return Chart(name, f"Trace of {name}", lines, "draw", name, self._caption(name), legend=False)

        text = f"Values along {min(CHAINS, self.run.chains)} of {self.run.chains} chains."
        return Figure("trace", "Traces", text, tuple(chart(*pair) for pair in self._series().items()))

    def histogram(self) -> Figure:
        """The law of every observable, its errors from the spread between chains."""

        def chart(name: str, values: np.ndarray) -> Chart:
            finite = values[np.isfinite(values)]
            low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
            edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, BINS + 1)
            width = edges[1] - edges[0]
            shares = np.stack([np.histogram(line, edges)[0] / (len(line) * width) for line in values])
            errors = shares.std(axis=0, ddof=1) / math.sqrt(len(shares)) if len(shares) > 1 else None
            bars = Bars("draws", (edges[1:] + edges[:-1]) / 2, float(width), shares.mean(axis=0), errors)
            return Chart(name, f"Histogram of {name}", (bars,), name, "density", self._caption(name), legend=False, ylim=(0, None))

        return Figure("histogram", "Histograms", "Errors from the spread between chains.", tuple(chart(*p) for p in self._series().items()))

    def _caption(self, name: str) -> str:
        return f"mean {marked(self.run[name])} at beta = {self.beta:g}"

    def _series(self) -> dict[str, np.ndarray]:
        """`chains n` of every scalar observable."""
        traces = {name: self.run.traces[name] for name in self.run.rows if name in self.run.traces}
        return {name: np.asarray(values, np.float64) for name, values in traces.items() if values.ndim == 2}


def check_folder(folder: pathlib.Path | None) -> None:
    """Refuses what `write` could not write to, or should not; makes nothing. None is written nowhere.

    Raises:
        TargetError: it is a file or inside one, cannot be written, or holds a comparison.
    """
    if folder is None:
        return
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise TargetError(f"--out {folder}: {there} is a file; give a folder.")
    if not os.access(there, os.W_OK):
        raise TargetError(f"--out {folder}: {there} cannot be written; give another folder.")
    if (folder / "card.toml").exists():
        raise TargetError(f"--out {folder} holds a comparison; give another folder.")


def untempered(run: Run, beta: float) -> Run:
    """The run of `Tempered(energy, beta)` with its energies in the units of `energy`."""
    row = run.rows["energy"]
    rows = {**run.rows, "energy": row._replace(estimate=row.estimate / beta)}
    traces = {**run.traces, "energy": run.traces["energy"] / beta}
    return dataclasses.replace(run, rows=rows, traces=traces, until=in_units(run.until, 1 / beta))


def in_units(until: Until | None, factor: float) -> Until | None:
    """The same error bar where energies are `factor` times as large."""
    return dataclasses.replace(until, limit=factor * until.limit) if until is not None and until.name == "energy" else until


def _told(row: Row) -> dict[str, Any]:
    record = row.estimate.record()
    return {name: record[name] for name in ("value", "stderr", "ess", "status", "evidence")}
