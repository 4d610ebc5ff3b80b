"""What `gibbsite mbar` tells: a table, JSON, and a figure."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from gibbsite.compare.export import export_figure
from gibbsite.compare.store import write_text
from gibbsite.core import Estimate, Status
from gibbsite.reweight.file import Samples
from gibbsite.reweight.picture import picture
from gibbsite.reweight.units import KILOJOULES, Scale
from gibbsite.samplers.report import marked
from gibbsite.thermo import MBAR, Bootstrap, Decorrelated

CORRELATED = 1.5  # statistical inefficiency above which the errors of samples that are all kept are told to be too small
WIDE = 12  # states whose overlap matrix fits a terminal


@dataclasses.dataclass(frozen=True, repr=False)
class Reweighting:
    """MBAR of the samples of a file: what was read, what was kept of it, the solution, and its bootstrap if there is one."""

    samples: Samples
    kept: Decorrelated
    mbar: MBAR
    bootstrap: Bootstrap | None

    @property
    def scale(self) -> Scale:
        """The units that the energies came in, and the temperature."""
        return self.samples.scale

    @property
    def infinite(self) -> int:
        """How many energies of the file are infinite."""
        return int(np.isinf(self.samples.u_kn).sum())

    @property
    def free_energies(self) -> tuple[Estimate, ...]:
        """Of every state, above the first, in kT."""
        return tuple((self.bootstrap or self.mbar).difference(k) for k in range(len(self.samples.states)))

    @property
    def status(self) -> Status:
        """The most serious status among the free energies: of those without a value, before the others; then as `Status` has them."""
        lacking = {estimate.status for estimate in self.free_energies if estimate.value is None}
        found = lacking or {estimate.status for estimate in self.free_energies}
        return next((status for status in Status if status in found - {Status.OK}), Status.OK)

    def record(self) -> dict[str, Any]:
        """For machines: every state with its free energy, the overlap matrix, kT in other units where the temperature is known."""
        return {
            "source": self.samples.source,
            "units": self.scale.units,
            "temperature": self.scale.temperature,
            "kT": {units: self.scale.of(units) for units in KILOJOULES} if self.scale.temperature else None,
            "samples": int(self.samples.u_kn.shape[1]),
            "kept": len(self.kept.kept),
            "infinite": self.infinite,
            "states": [self._state(k, estimate) for k, estimate in enumerate(self.free_energies)],
            "overlap": self.mbar.overlap.tolist(),
            "overlap_scalar": self.mbar.overlap_scalar,
            "bootstraps": 0 if self.bootstrap is None else len(self.bootstrap.f),
            "inefficiency": self._inefficiency(),
            "status": self.status.name.lower(),
        }

    def json(self) -> str:
        """The record as text."""
        return json.dumps(self.record(), indent=1, allow_nan=False, ensure_ascii=False)

    def write(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """`results.json`, and the figure `states` as PNG, SVG and CSV."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "results.json", self.json() + "\n")
        figure = picture(self.samples.states, self.free_energies, self.mbar.overlap)
        return [folder / "results.json", *export_figure(figure, folder)]

    def __str__(self) -> str:
        n, kept = self.samples.u_kn.shape[1], len(self.kept.kept)
        lines = [f"{self.samples.source}: {len(self.samples.states)} states, {n} samples, energies in {self.scale.units}"]
        if kept < n:
            lines.append(f"{kept} samples are kept: those before `start` remember where it began, g samples are worth one")
        if self.infinite:
            lines.append(f"{self.infinite} energies are infinite: these states exclude these samples")
        if self.scale.temperature:
            told = ", ".join(f"{self.scale.of(units):.6g} {units}" for units in KILOJOULES)
            lines.append(f"1 kT = {told} at {self.scale.temperature:g} K")
        return "\n".join([*lines, "", *_aligned(self._rows()), "", *self._overlap(), *self._doubts()])

    def _state(self, k: int, estimate: Estimate) -> dict[str, Any]:
        found = self.kept.states[k]
        return {
            "name": self.samples.states[k],
            "samples": int(self.samples.counts[k]),
            "start": None if found is None else found.start,
            "inefficiency": None if found is None else found.inefficiency,
            "kept": int(self.kept.counts[k]),
            "ess": float(self.mbar.ess[k]) if np.isfinite(self.mbar.f[k]) else 0.0,
            "free_energy": estimate.record(),
        }

    def _inefficiency(self) -> float:
        """The largest of all states."""
        return max((state.inefficiency for state in self.kept.states if state is not None), default=1.0)

    def _rows(self) -> Iterator[list[str]]:
        others = list(KILOJOULES) if self.scale.temperature else []
        yield ["state", "samples", "start", "g", "kept", "ESS", "f / kT", *(f"f / ({units})" for units in others), "overlap with next"]
        overlap = self.mbar.overlap
        for k, estimate in enumerate(self.free_energies):
            row = self._state(k, estimate)
            g = "-" if row["inefficiency"] is None else f"{row['inefficiency']:.2f}"
            beside = f"{overlap[k, k + 1]:.3f}" if k + 1 < len(overlap) else ""
            energies = [marked(estimate), *(marked(estimate * self.scale.of(units)) for units in others)]
            start = "-" if row["start"] is None else str(row["start"])
            yield [row["name"], str(row["samples"]), start, g, str(row["kept"]), f"{row['ess']:.0f}", *energies, beside]

    def _overlap(self) -> list[str]:
        lines = [f"1 - second eigenvalue of the overlap matrix: {self.mbar.overlap_scalar:.3g} (0: the states fall apart)"]
        if len(self.samples.states) > WIDE:
            return [*lines, "The whole matrix: --json."]
        rows = [["overlap", *self.samples.states]]
        rows += [[name, *(f"{o:.3f}" for o in row)] for name, row in zip(self.samples.states, self.mbar.overlap, strict=True)]
        return [*lines, *_aligned(rows)]

    def _doubts(self) -> Iterator[str]:
        """Each status once, with the states that have it."""
        if len(self.kept.kept) == self.samples.u_kn.shape[1] and (g := self._inefficiency()) > CORRELATED:
            yield f"Samples are correlated (g = {g:.1f}) and all are kept: errors are about {g**0.5:.1f} times too small."
        found: dict[Status, list[str]] = {}
        for name, estimate in zip(self.samples.states, self.free_energies, strict=True):
            found.setdefault(estimate.status, []).append(name)
        for status, names in found.items():
            if status is not Status.OK:
                yield f"{', '.join(names)}: {status.value}"


def _aligned(rows: Any) -> list[str]:
    """Columns under their heads, to the right but for the first."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return ["  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))) for row in cells]
