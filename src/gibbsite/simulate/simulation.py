"""What `gibbsite sample` tells: a table, JSON, and figures of what was observed."""

import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.figures import files
from gibbsite.compare.marks import Bars, Dots, style
from gibbsite.compare.store import replacing, write_text
from gibbsite.core import Estimate
from gibbsite.samplers import Row, Run

CHAINS = 4  # drawn in the trace
BINS = 40
HEADS = ("observable", "mean", "tau", "R-hat", "ESS", "ESS/s")


@dataclasses.dataclass(frozen=True)
class Simulation:
    """A run at inverse temperature `beta`; its energies are those of the target itself, untempered."""

    name: str
    beta: float
    run: Run

    @property
    def rows(self) -> dict[str, Row]:
        """The rows of the run, the energy in the target's own units."""
        energy = self.run.rows["energy"]
        return {"energy": energy._replace(estimate=energy.estimate / self.beta)} | {n: r for n, r in self.run.rows.items() if n != "energy"}

    def per_second(self, estimate: Estimate) -> float | None:
        """Effective draws a second, warm-up and compilation included."""
        return None if estimate.ess is None else estimate.ess / self.run.seconds

    def record(self) -> dict[str, Any]:
        """One object for machines: kernel, seconds, acceptance, worst R-hat, least ESS a second, and every observable."""
        speeds = [speed for row in self.rows.values() if (speed := self.per_second(row.estimate)) is not None]
        rhats = [float(np.max(row.rhat)) for row in self.rows.values() if np.all(np.isfinite(row.rhat))]
        return {
            "target": self.name,
            "beta": self.beta,
            "kernel": type(self.run.kernel).__name__,
            "why": self.run.why,
            "chains": self.run.chains,
            "draws": self.run.draws,
            "seconds": self.run.seconds,
            "acceptance": np.asarray(self.run.acceptance).tolist(),
            "rhat": max(rhats, default=None),
            "ess_per_second": min(speeds, default=None),
            "status": self.run.status.name.lower(),
            "observables": {name: _told(row) for name, row in self.rows.items()},
        }

    def json(self) -> str:
        """The record as text."""
        return json.dumps(self.record(), indent=1, allow_nan=False, ensure_ascii=False)

    def __str__(self) -> str:
        cells = [HEADS, *(self._cells(name, row) for name, row in self.rows.items())]
        widths = [max(len(line[i]) for line in cells) for i in range(len(HEADS))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        run, accept = self.run, np.array2string(np.asarray(self.run.acceptance), precision=3)
        head = f"{self.name} at beta = {self.beta:g}: {type(run.kernel).__name__}, {run.chains} chains x {run.draws} draws"
        return "\n".join([f"{head} in {run.seconds:.1f} s, acceptance {accept}", *lines, *run.notes()])

    def _cells(self, name: str, row: Row) -> tuple[str, ...]:
        mean = str(row.estimate) if row.estimate.evidence.value != "not established" else f"{row.estimate} ?"
        speed, ess = self.per_second(row.estimate), row.estimate.ess
        numbers = (_figure(row.tau, ".1f"), _figure(row.rhat, ".3f"), _figure(ess, ".0f"), _figure(speed, ".0f"))
        return name, mean, *numbers

    def write(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """`results.json`, and the figures `trace` and `histogram` as PNG, SVG and CSV."""
        folder.mkdir(parents=True, exist_ok=True)
        made = [folder / "results.json"]
        write_text(made[0], self.json() + "\n")
        for figure in (self.trace(), self.histogram()):
            for ending, held in files(figure).items():
                made.append(folder / f"{figure.file}.{ending}")
                with replacing(made[-1]) as draft:
                    draft.write_bytes(held)
        return made

    def trace(self) -> Figure:
        """Values of every observable along a few chains."""

        def chart(name: str, values: np.ndarray) -> Chart:
            at = (np.arange(values.shape[1]) + 1) * (self.run.draws / values.shape[1])
            lines = tuple(Dots(f"chain {n + 1}", style(n), at, line, joined=True, marked=False) for n, line in enumerate(values[:CHAINS]))
            return Chart(name, f"Trace of {name}", lines, "draw", name, legend=False)

        text = f"Values along {min(CHAINS, self.run.chains)} of {self.run.chains} chains."
        return Figure("trace", "Traces", text, tuple(chart(*pair) for pair in self._series().items()))

    def histogram(self) -> Figure:
        """The law of every observable, its errors from the spread between chains."""

        def chart(name: str, values: np.ndarray) -> Chart:
            low, high = float(values.min()), float(values.max())
            edges = np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, BINS + 1)
            width = edges[1] - edges[0]
            shares = np.stack([np.histogram(line, edges)[0] / (len(line) * width) for line in values])
            errors = shares.std(axis=0, ddof=1) / math.sqrt(len(shares)) if len(shares) > 1 else None
            bars = Bars("draws", (edges[1:] + edges[:-1]) / 2, float(width), shares.mean(axis=0), errors)
            return Chart(name, f"Histogram of {name}", (bars,), name, "density", legend=False, ylim=(0, None))

        return Figure("histogram", "Histograms", "Errors from the spread between chains.", tuple(chart(*p) for p in self._series().items()))

    def _series(self) -> dict[str, np.ndarray]:
        """`chains n` of every scalar observable, the energy in the target's own units."""
        held = {name: np.asarray(values, np.float64) for name, values in self.run.traces.items() if values.ndim == 2}
        return held | {"energy": held["energy"] / self.beta}


def _figure(value: Any, spec: str) -> str:
    return "-" if value is None or np.any(np.isnan(value)) else f"{np.max(value):{spec}}"


def _told(row: Row) -> dict[str, Any]:
    record = row.estimate.record()
    return {name: record[name] for name in ("value", "stderr", "ess", "status", "evidence")}
