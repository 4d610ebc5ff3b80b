"""`gibbsite work`: a protocol driven forward and back, its free energy by every relation, and its work histograms."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Callable as Function
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gibbsite.compare.card import unknown
from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.export import export_figure
from gibbsite.compare.marks import Dots, style
from gibbsite.compare.store import write_text
from gibbsite.core import AbstractEnergy, AbstractPath, Geometric, Normal, as_float, schedule
from gibbsite.core.keys import key_of
from gibbsite.energies import DoubleWell
from gibbsite.samplers import ULA
from gibbsite.samplers.progress import Silent
from gibbsite.simulate.file import TargetError
from gibbsite.thermo import Drag, Work, drive

BINS = 40
ENOUGH = 5  # walkers of either direction in a bin whose log ratio is drawn
FORWARD, REVERSE = style(0), style(1)
SIZE = (3.8, 2.6)


class Protocol(NamedTuple):
    """How a path is built, with its end in a form that can be drawn; its settings, the steps it has unless told, and their time."""

    build: Function[..., tuple[AbstractPath, AbstractEnergy]]
    settings: Mapping[str, float]
    steps: int
    time: float


def _drag(*, stiffness: float, distance: float) -> tuple[AbstractPath, AbstractEnergy]:
    path = Drag(as_float([0.0]), as_float([distance]), as_float(stiffness))
    return path, path(jnp.ones(()))


def _trap(stiffness: float) -> Normal:
    return Normal(as_float([0.0]), as_float(1 / math.sqrt(stiffness)))


def _switch(*, start: float, stop: float) -> tuple[AbstractPath, AbstractEnergy]:
    return Geometric(_trap(start), _trap(stop)), _trap(stop)


def _quench(*, stiffness: float) -> tuple[AbstractPath, AbstractEnergy]:
    return Geometric(_trap(stiffness), DoubleWell()), DoubleWell()


PROTOCOLS: dict[str, Protocol] = {
    "drag": Protocol(_drag, MappingProxyType({"stiffness": 1.0, "distance": 5.0}), 50, 5.0),
    "switch": Protocol(_switch, MappingProxyType({"start": 1.0, "stop": 4.0}), 50, 2.0),
    "quench": Protocol(_quench, MappingProxyType({"stiffness": 0.3}), 1, 1.0),
}


@dataclasses.dataclass(frozen=True)
class Driven:
    """The work of a protocol by name, in so many steps and so much time."""

    name: str
    steps: int
    time: float
    work: Work

    def record(self) -> dict[str, Any]:
        """For machines: the protocol, and every estimate with its error, status and evidence."""
        return {"protocol": self.name, "steps": self.steps, "time": self.time, **self.work.record()}

    def json(self) -> str:
        """The record as text."""
        return json.dumps(self.record(), indent=1, allow_nan=False)

    def __str__(self) -> str:
        return f"{self.name} in {self.steps} steps, a time of {self.time:g}\n{self.work}"

    def write(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """`results.json`, and the figure `work` as PNG, SVG and CSV."""
        folder.mkdir(parents=True, exist_ok=True)
        made = [folder / "results.json"]
        write_text(made[0], self.json() + "\n")
        return made + export_figure(work_figure(self.work), folder)


def drive_named(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
    time: float | None = None,
    walkers: int = 4096,
    seed: int = 0,
    quiet: bool = False,
) -> Driven:
    """Drives a protocol of `PROTOCOLS` with overdamped Langevin moves, `ULA(time / steps)`, whose own work is part of the work.

    Raises:
        TargetError, ValueError: there is no such protocol or setting, or a number makes no sense.
    """
    protocol = PROTOCOLS.get(name)
    if protocol is None:
        raise TargetError(f"{unknown('protocol', name, PROTOCOLS)}.")
    for setting in settings or {}:
        if setting not in protocol.settings:
            raise TargetError(f"{name}: {unknown('setting', setting, list(protocol.settings))}.")
    held = {**protocol.settings, **(settings or {})}
    for setting, value in held.items():
        if type(value) not in (int, float) or not math.isfinite(value) or (setting != "distance" and value <= 0):
            raise TargetError(f"{name} has {setting}={value}: give a {'number' if setting == 'distance' else 'positive number'}.")
    steps, time = protocol.steps if steps is None else steps, protocol.time if time is None else time
    if steps < 1 or walkers < 2 or not 0 < time < math.inf:
        raise TargetError(f"steps={steps}, time={time:g}, walkers={walkers}: give one step, a positive time and two walkers at least.")
    path, end = protocol.build(**{name: float(value) for name, value in held.items()})
    shown, kernel = Silent() if quiet else None, ULA(as_float(time / steps))
    made = drive(path, kernel, times=schedule(steps), walkers=walkers, end=end, progress=shown, key=key_of(seed))
    return Driven(name, steps, float(time), made)


def work_figure(work: Work) -> Figure:
    """Forward and reverse work histograms with the place where they cross, and the log of their ratio against Crooks' line."""
    at, slope = work.crooks()
    there, back = work.forward[np.isfinite(work.forward)], -work.reverse[np.isfinite(work.reverse)]
    edges = _edges(np.concatenate([there, back]))
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    counts = [np.histogram(values, edges)[0] for values in (there, back)]
    lines = []
    for label, look, held, values in zip(("forward, W", "reverse, -W"), (FORWARD, REVERSE), counts, (there, back), strict=True):
        scale = 1 / (max(len(values), 1) * width)
        error = np.sqrt(held) * scale
        lines.append(Dots(label, look, middle, held * scale, along_y=(error, error), joined=True, marked=False))
    crossed = None if at.value is None else float(at.value)
    caption = f"they cross at dF = {at}" if crossed is not None else f"no crossing: {at.status.value}"
    histogram = Chart("work", "Work histograms", tuple(lines), "work [nats]", "density", caption, ylim=(0, None), line=crossed, size=SIZE)
    charts = [histogram, *_ratio(middle, counts, (len(there), len(back)), crossed, str(slope))]
    text = "Work forward and minus the work in reverse: by Crooks' relation the log of their ratio is W - dF."
    return Figure("work", "Work", text, tuple(charts))


def _edges(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " edges"]:
    if len(values) == 0:
        return np.linspace(-0.5, 0.5, BINS + 1)
    low, high = (float(v) for v in np.quantile(values, (0.001, 0.999)))  # one walker far out does not flatten all others
    return np.linspace(low, high, BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, BINS + 1)


def _ratio(middle: np.ndarray, counts: list[np.ndarray], sizes: tuple[int, int], crossed: float | None, slope: str) -> list[Chart]:
    """The chart of the log ratio, where both directions have walkers enough."""
    both = (counts[0] >= ENOUGH) & (counts[1] >= ENOUGH)
    if crossed is None or both.sum() < 2:
        return []
    held = [count[both] for count in counts]
    ratio, error = np.log(held[0] / sizes[0]) - np.log(held[1] / sizes[1]), np.sqrt(1 / held[0] + 1 / held[1])
    ends = middle[both][[0, -1]]
    marks = (
        Dots("bins", FORWARD, middle[both], ratio, along_y=(error, error)),
        Dots("W - dF", REVERSE, ends, ends - crossed, joined=True, marked=False),
    )
    caption = f"slope {slope}, by Crooks 1"
    return [Chart("ratio", "Log ratio of both", marks, "work [nats]", "log P(W) / P(-W)", caption, line=crossed, size=SIZE)]
