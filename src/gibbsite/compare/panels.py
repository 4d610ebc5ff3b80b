"""The figures of one data set: one kind a figure, one chart a model, so that the eye compares across."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.marks import AbstractMark, Bars, Cloud, Dots, Heat, Pictures, Ramp, Style, style
from gibbsite.compare.scene import Scene
from gibbsite.compare.store import Record
from gibbsite.compare.table import BADGES, badge, number

DEPTH = 12.0  # nats of a landscape that the colour scale spans
KEPT = 1000  # draws of a landscape
LOG_Z = (
    "The constant of log p = -energy - log Z: minus a free energy. Each estimator, less the best one of the model; those that agree with 0 "
    "confirm it. Models whose density has no such constant to estimate are left out."
)
INK = Style("ink", "o", (1, 1.4))
REFERENCES = ("log_z_own", "log_z_quadrature", "log_z_enumeration", "log_z_both")
ESTIMATORS = {
    "log_z_own": "own constant",
    "log_z_quadrature": "quadrature",
    "log_z_enumeration": "enumeration",
    "log_z_grid": "mass on a grid",
    "log_z_ais": "annealed (AIS)",
    "log_z_reverse": "annealed back",
    "log_z_both": "Bennett's ratio",
}


class Shown(NamedTuple):
    """One finished cell: its name, its place among the models, its record, its arrays."""

    name: str
    place: int
    record: Record
    arrays: Mapping[str, np.ndarray]


def figures(scene: Scene, shown: Sequence[Shown]) -> list[Figure]:
    """All figures of a data set, those without content left out."""
    made = (
        densities(scene, shown),
        landscapes(scene, shown),
        sheets(scene, shown),
        masses(scene, shown),
        energies(shown),
        log_z(shown),
        training(shown),
    )
    return [figure for figure in made if figure is not None]


def densities(scene: Scene, shown: Sequence[Shown]) -> Figure | None:
    """Densities on one axis over the held-out data, with that of the truth where it is known."""
    held = [cell for cell in shown if "landscape" in cell.arrays]
    if scene.extent is None or len(scene.extent) != 2 or not held:
        return None
    low, high = scene.extent
    axis, column, data = np.linspace(low, high, len(held[0].arrays["landscape"])), scene.columns[0], scene.shown[:, 0]
    counts, edges = np.histogram(data, 40, (low, high))
    total = len(data) * (edges[1] - edges[0])
    bars = Bars("held-out data", _middle(edges), float(edges[1] - edges[0]), counts / total, np.sqrt(counts) / total)
    truth = () if scene.truth is None else (Dots("truth", INK, axis, np.exp(-scene.truth), joined=True, marked=False),)

    def chart(cell: Shown) -> Chart:
        alt = f"Density of {cell.name} on {scene.name}, over a histogram of held-out data"
        model = Dots("model", style(cell.place), axis, np.exp(-cell.arrays["landscape"]), joined=True, marked=False)
        return Chart(cell.name, alt, (bars, *truth, model), column, f"density (1/{column})", xlim=(low, high), ylim=(0, None))

    text = "exp(-energy) / Z of each model, over the histogram of held-out data with its counting errors."
    return Figure("densities", "Densities", text, tuple(map(chart, held)))


def landscapes(scene: Scene, shown: Sequence[Shown]) -> Figure | None:
    """Energy landscapes on one colour scale, with draws; the truth first where it is known."""
    held = [cell for cell in shown if "landscape" in cell.arrays]
    if scene.extent is None or len(scene.extent) != 4 or not held:
        return None
    truth = [] if scene.truth is None else [scene.truth]
    sure = [cell.arrays["landscape"] for cell in held if normalised(cell)] + truth
    low = float(min((np.nanmin(heights) for heights in sure), default=0.0))
    alt = f"Landscape of the truth on {scene.name} with data"
    first = [_ground(scene, "truth", _heat(scene, heights, low, scene.shown), alt, "with data") for heights in truth]
    made = (*first, *(_landscape(scene, cell, low) for cell in shown if "draws" in cell.arrays))
    text = "All on one scale, so that equal colours mean equal density."
    return Figure("landscapes", "Energy landscapes", text, made, "squares", after=ramp((low, low + DEPTH)), wide=True)


def _landscape(scene: Scene, cell: Shown, low: float) -> Chart:
    """A model's energies with its draws, or its draws alone where it has no density; the colours begin at `low`."""
    if "landscape" not in cell.arrays:
        alt = f"Draws of {cell.name} on {scene.name}, which has no density"
        return _ground(scene, cell.name, Cloud("", cell.arrays["draws"][:KEPT]), alt, "its draws alone")
    alt, heights = f"Energy landscape of {cell.name} on {scene.name} with its draws", cell.arrays["landscape"]
    caption = "with its draws" if normalised(cell) else "with its draws; log Z unknown, so deepest as the deepest"
    heights = heights if normalised(cell) else heights - np.nanmin(heights) + low
    return _ground(scene, cell.name, _heat(scene, heights, low, cell.arrays["draws"]), alt, caption)


def _heat(scene: Scene, heights: np.ndarray, low: float, draws: np.ndarray) -> Heat:
    assert scene.extent is not None
    return Heat("energy + log Z", heights, scene.extent, (low, low + DEPTH), draws[:KEPT])


def _ground(scene: Scene, name: str, mark: AbstractMark, alt: str, caption: str) -> Chart:
    """One panel of the plane."""
    assert scene.extent is not None
    (left, right, bottom, top), (across, up) = scene.extent, scene.columns[:2]
    return Chart(name, alt, (mark,), across, up, caption, (left, right), (bottom, top), size=(2.15, 2.1), legend=False)


def normalised(cell: Shown) -> bool:
    """Whether the heights of a landscape are -log p, and not only so up to a constant."""
    return _has(cell, "nll")


def ramp(limits: tuple[float, float]) -> Chart:
    """The colour scale that all landscapes of a data set share."""
    label, alt = "energy + log Z = -log p(x), nats (darkest: this and above)", f"Colour scale from {limits[0]:.1f} to {limits[1]:.1f} nats"
    return Chart("scale", alt, (Ramp("", limits),), label, size=(4.2, 0.62), legend=False)


def sheets(scene: Scene, shown: Sequence[Shown]) -> Figure | None:
    """Draws as pictures, beside data."""
    if scene.image_shape is None:
        return None
    shape = scene.image_shape

    def chart(name: str, xs: np.ndarray, alt: str, caption: str) -> Chart:
        mark = Pictures("picture", xs.reshape(-1, *shape)[:64])
        return Chart(name, alt, (mark,), caption=caption, size=(2.4, 2.4), legend=False, image=mark.uri(), image_rows=shape[0])

    made = [chart("data", scene.shown, f"64 examples of {scene.name}", "64 held-out examples")]
    made += [chart(c.name, c.arrays["draws"], f"64 draws from {c.name}", "64 draws") for c in shown if "draws" in c.arrays]
    heads = ("number", *(f"pixel {row},{column}" for row in range(shape[0]) for column in range(shape[1])))
    return Figure("draws", "Draws", "The first 64 of each, not hand-picked.", tuple(made), "pictures", heads)


def masses(scene: Scene, shown: Sequence[Shown]) -> Figure | None:
    """Mode masses of every model against the truth."""
    held = [c for c in shown if _has(c, "mode_masses")]
    if scene.masses is None or not held:
        return None
    truth, modes = np.asarray(scene.masses), np.arange(1, len(scene.masses) + 1)
    top = 1.25 * max(*(max(c.record["metrics"]["mode_masses"]["value"]) for c in held), *truth)

    def chart(cell: Shown) -> Chart:
        metric = cell.record["metrics"]["mode_masses"]
        errors = np.asarray(metric["stderr"] if isinstance(metric["stderr"], list) else 0 * truth)
        words = tuple(f"mode {k}: {value:.3f} ± {error:.3f}" for k, value, error in zip(modes, metric["value"], errors, strict=True))
        model = Dots("model", style(cell.place), modes, np.asarray(metric["value"]), along_y=(errors, errors), words=words)
        alt = f"Mode masses of {cell.name}: " + ", ".join(f"{v:.3f} against {t:.3f}" for v, t in zip(metric["value"], truth, strict=True))
        caption = f"total variation {number(cell.record['metrics'].get('mode_tv'))}"
        marks = (Bars("truth", modes, 0.86, truth), model)
        return Chart(cell.name, alt, marks, "mode", "mass", caption, ylim=(0, top), xticks=tuple(modes.tolist()))

    text = "The share of draws that falls to each mode, with its standard error, against the truth (grey)."
    return Figure("masses", "Mode masses", text, tuple(map(chart, held)))


def energies(shown: Sequence[Shown]) -> Figure | None:
    """Energies of data and of draws: a model that fits gives both one law."""
    held = [c for c in shown if {"energy_data", "energy_draws"} <= set(c.arrays)]

    def chart(cell: Shown) -> Chart:
        data, draws = cell.arrays["energy_data"], cell.arrays["energy_draws"]
        low, high = _limits(np.concatenate([data, draws]))
        edges = np.linspace(low, high, 31)
        height, error = _histogram(data, edges)
        bars = Bars("data", _middle(edges), float(edges[1] - edges[0]), height, error)
        height, error = _histogram(draws, edges)
        at = _middle(edges)
        words = tuple(f"{x:.3g} nats: {h:.3g} ± {e:.1g} a nat" for x, h, e in zip(at, height, error, strict=True))
        mine = Dots("draws", style(cell.place), at, height, along_y=(error, error), words=words, joined=True, size=2.6)
        alt = f"Histogram of -log p under {cell.name}: data mean {np.mean(data):.2f}, draws mean {np.mean(draws):.2f} nats"
        return Chart(cell.name, alt, (bars, mine), "-log p(x)  (nats)", "density (1/nat)", "", xlim=(low, high), ylim=(0, None))

    text = (
        "Energies of held-out data (grey) and of the model's own draws, with counting errors. "
        "Where the two differ, the model or its sampler is wrong."
    )
    return Figure("energies", "Energies of data against draws", text, tuple(map(chart, held))) if held else None


def _histogram(values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Densities of the bins, and their counting errors."""
    counts = np.histogram(values[np.isfinite(values)], edges)[0]
    total = max(len(values), 1) * (edges[1] - edges[0])
    return counts / total, np.sqrt(counts) / total


def _middle(edges: np.ndarray) -> np.ndarray:
    return (edges[1:] + edges[:-1]) / 2


def _limits(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, [0.001, 0.995])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


class _Point(NamedTuple):
    """An estimate of log Z less its model's reference, in the row of the model."""

    row: int
    difference: float
    below: float
    above: float
    words: str


def log_z(shown: Sequence[Shown]) -> Figure | None:
    """Every estimator of log Z, with its interval: less the exact one, or less the best where none is exact."""
    held = [cell for cell in shown if any(_has(cell, name) for name in ESTIMATORS)]
    names = [name for name in ESTIMATORS if any(_has(cell, name) for cell in held)]
    points = {name: [_point(row, cell, name) for row, cell in enumerate(held) if _has(cell, name)] for name in names}
    flat = [x for several in points.values() for p in several for x in (abs(p.difference), p.below, p.above) if math.isfinite(x)]
    reach = max(flat, default=1.0) or 1.0
    marks = []
    for place, name in enumerate(names):
        lines = zip(*points[name], strict=True)
        rows, difference, below, above = (np.asarray(line) for line in list(lines)[:4])
        offset = 0.16 * (place - (len(names) - 1) / 2)
        words = tuple(point.words for point in points[name])
        marks.append(Dots(ESTIMATORS[name], style(place), difference, rows + offset, along_x=(below, above), words=words, reach=reach))
    alt = "log Z by each estimator, with 95 % intervals, less the best one of each model"
    caption = "95 % intervals; an arrow: the end is open"
    size = (4.2, 1.5 + 0.34 * len(held))
    label = "log Z less the best one  (nats)"
    chart = Chart("log Z", alt, tuple(marks), label, "", caption, rows=tuple(c.name for c in held), line=0.0, size=size)
    return Figure("log_z", "log Z by each estimator", LOG_Z, (chart,), "wide") if held else None


def _point(row: int, cell: Shown, name: str) -> _Point:
    metrics = cell.record["metrics"]
    reference = next(other for other in (*REFERENCES, *ESTIMATORS) if _has(cell, other))
    metric, centre = metrics[name], metrics[reference]["value"]
    below, above = (math.inf if end is None else abs(end - metric["value"]) for end in (metric["lo"], metric["hi"]))
    return _Point(row, metric["value"] - centre, below, above, f"{cell.name}, {ESTIMATORS[name]}: {number(metric)}, {word(metric)}")


def training(shown: Sequence[Shown]) -> Figure | None:
    """What each objective followed while it trained; the first looks, far above the rest, may leave the frame."""
    held = [c for c in shown if len(c.arrays.get("history_score", ())) > 1]

    def chart(cell: Shown) -> Chart:
        at, score = cell.arrays["history_evaluations"] / 1e6, cell.arrays["history_score"]
        alt = f"Validation score of {cell.name} against evaluations: {score[0]:.3g} at first, {score[-1]:.3g} at last"
        finite = score[np.isfinite(score)]
        low, high = (finite.min(), np.quantile(finite, 0.95)) if len(finite) else (0.0, 1.0)
        margin = 0.1 * (high - low) + 1e-3
        words = tuple(f"{x:.3g} million: score {s:.4g}" for x, s in zip(at, score, strict=True))
        line = Dots("score", style(cell.place), at, score, words=words, joined=True, size=2.4)
        frame = (float(low - margin), float(high + margin))
        label = "evaluations (millions)"
        return Chart(cell.name, alt, (line,), label, "score (lower is better)", cell.record["training"], ylim=frame, legend=False)

    text = (
        "The validation score that each objective is judged by. They differ in unit and meaning: read each for its shape. "
        "What the trials of the learning rate spent is not drawn."
    )
    return Figure("training", "Training", text, tuple(map(chart, held))) if held else None


def _has(cell: Shown, name: str) -> bool:
    return cell.record["metrics"].get(name, {}).get("value") is not None


def word(metric: Mapping[str, Any]) -> str:
    """The word of a metric's badge."""
    mark = badge(metric)
    return mark.word if mark else BADGES["not established"].word
