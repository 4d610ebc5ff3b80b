"""The figures of one data set, in rows: one kind a row, one panel a model, so that the eye compares across."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from gibbsite.compare import figures
from gibbsite.compare.scene import Scene
from gibbsite.compare.store import Record
from gibbsite.compare.table import BADGES, badge, number

DEPTH = 12.0  # nats of a landscape that the colour scale spans
REFERENCES = ("log_z_own", "log_z_quadrature", "log_z_enumeration")
ESTIMATORS = {
    "log_z_own": "own constant",
    "log_z_quadrature": "quadrature",
    "log_z_enumeration": "enumeration",
    "log_z_ais": "annealed importance sampling",
}


class Shown(NamedTuple):
    """One finished cell: its name, its place among the models, its record, its arrays."""

    name: str
    place: int
    record: Record
    arrays: Mapping[str, np.ndarray]


def rows(scene: Scene, shown: Sequence[Shown]) -> str:
    """All rows of a data set, those without content left out."""
    made = (
        densities(scene, shown),
        landscapes(scene, shown),
        sheets(scene, shown),
        masses(scene, shown),
        energies(shown),
        log_z(shown),
        training(shown),
    )
    return "\n".join(row for row in made if row)


def densities(scene: Scene, shown: Sequence[Shown]) -> str:
    """Densities on one axis over the held-out data, with that of the truth where it is known."""
    held = [cell for cell in shown if "landscape" in cell.arrays]
    if scene.extent is None or len(scene.extent) != 2 or not held:
        return ""
    axis = np.linspace(scene.extent[0], scene.extent[1], len(held[0].arrays["landscape"]))

    def panel(cell: Shown) -> str:
        alt = f"Density of {cell.name} on {scene.name}, over a histogram of held-out data"
        model, look = np.exp(-cell.arrays["landscape"]), figures.style(cell.place)
        truth = None if scene.truth is None else np.exp(-scene.truth)
        return figures.density(axis, model, truth, scene.shown[:, 0], look, column=scene.columns[0], alt=alt)

    text = "exp(-energy) / Z of each model, over the histogram of held-out data with its counting errors."
    return _row("Densities", text, [_figure(panel(c), c.name, "") for c in held])


def landscapes(scene: Scene, shown: Sequence[Shown]) -> str:
    """Energy landscapes on one colour scale, with draws; the truth first where it is known."""
    held = [cell for cell in shown if "landscape" in cell.arrays]
    if scene.extent is None or len(scene.extent) != 4 or not held:
        return ""
    surfaces = [cell.arrays["landscape"] for cell in held] + ([] if scene.truth is None else [scene.truth])
    low = float(min(np.nanmin(s) for s in surfaces))
    limits = (low, low + DEPTH)

    def panel(surface: np.ndarray, draws: np.ndarray, alt: str) -> str:
        assert scene.extent is not None
        return figures.landscape(surface, scene.extent, draws[:1000], limits=limits, columns=scene.columns, alt=alt)

    first = []
    if scene.truth is not None:
        first = [_figure(panel(scene.truth, scene.shown, f"Landscape of the truth on {scene.name} with data"), "truth", "with data")]
    rest = [
        _figure(
            panel(c.arrays["landscape"], c.arrays["draws"], f"Energy landscape of {c.name} on {scene.name} with its draws"),
            c.name,
            "with its draws",
        )
        for c in held
    ]
    return _row(
        "Energy landscapes", f"All on one scale, so that equal colours mean equal density.{_scale(limits)}", [*first, *rest], kind="squares"
    )


def _scale(limits: tuple[float, float]) -> str:
    return f'</p><div class="scale">{figures.scale(limits)}</div><p>'


def sheets(scene: Scene, shown: Sequence[Shown]) -> str:
    """Draws as pictures, beside data."""
    if scene.image_shape is None:
        return ""
    shape = scene.image_shape

    def sheet(xs: np.ndarray, alt: str) -> str:
        return f'<img class="sheet" src="{figures.images(xs.reshape(-1, *shape)[:64])}" alt="{escape(alt)}">'

    first = _figure(sheet(scene.shown, f"64 examples of {scene.name}"), "data", "64 held-out examples")
    rest = [_figure(sheet(c.arrays["draws"], f"64 draws from {c.name}"), c.name, "64 draws") for c in shown if "draws" in c.arrays]
    return _row("Draws", "Not chosen: the first 64 of each.", [first, *rest])


def masses(scene: Scene, shown: Sequence[Shown]) -> str:
    """Mode masses of every model against the truth."""
    held = [c for c in shown if _has(c, "mode_masses")]
    if scene.masses is None or not held:
        return ""
    truth = scene.masses
    tops = [max(c.record["metrics"]["mode_masses"]["value"]) for c in held]
    top = 1.25 * max(*tops, *truth)

    def panel(cell: Shown) -> str:
        metric = cell.record["metrics"]["mode_masses"]
        errors = metric["stderr"] if isinstance(metric["stderr"], list) else [0.0] * len(truth)
        alt = f"Mode masses of {cell.name}: " + ", ".join(f"{v:.3f} against {t:.3f}" for v, t in zip(metric["value"], truth, strict=True))
        return figures.masses(truth, metric["value"], errors, figures.style(cell.place), top=top, alt=alt)

    made = [_figure(panel(c), c.name, f"total variation {number(c.record['metrics'].get('mode_tv'))}") for c in held]
    return _row("Mode masses", "The share of draws that falls to each mode, against the truth.", made)


def energies(shown: Sequence[Shown]) -> str:
    """Energies of data and of draws: a model that fits gives both one law."""
    held = [c for c in shown if {"energy_data", "energy_draws"} <= set(c.arrays)]
    if not held:
        return ""

    def panel(cell: Shown) -> str:
        data, draws = cell.arrays["energy_data"], cell.arrays["energy_draws"]
        limits = _limits(np.concatenate([data, draws]))
        alt = f"Histogram of -log p under {cell.name}: data mean {np.mean(data):.2f}, draws mean {np.mean(draws):.2f} nats"
        return figures.histograms(data, draws, figures.style(cell.place), limits=limits, alt=alt)

    text = "Each model's energies of held-out data (grey) and of its own draws. Where they part, model or sampler is at fault."
    return _row("Energies of data against draws", text, [_figure(panel(c), c.name, "error bars: 1 stderr of the counts") for c in held])


def _limits(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, [0.001, 0.995])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def log_z(shown: Sequence[Shown]) -> str:
    """Every estimator of log Z, with its interval: less the exact one, or less the only one where none is exact."""
    points, labels, lines = [], [], []
    for row, cell in enumerate(c for c in shown if any(_has(c, name) for name in ESTIMATORS)):
        metrics = cell.record["metrics"]
        held = {name: metrics[name] for name in ESTIMATORS if _has(cell, name)}
        reference = next((name for name in REFERENCES if name in held), next(iter(held)))
        centre = held[reference]["value"]
        labels.append(cell.name)
        for name, metric in held.items():
            below, above = (math.inf if end is None else abs(end - metric["value"]) for end in (metric["lo"], metric["hi"]))
            points.append(figures.LogZ(row, metric["value"] - centre, below, above, ESTIMATORS[name]))
        told = ", ".join(f"{ESTIMATORS[name]} {number(metric)} ({_word(metric)})" for name, metric in held.items())
        lines.append(f"<li><b>{escape(cell.name)}</b>: {escape(told)}</li>")
    if not points:
        return ""
    looks = {text: figures.style(place) for place, text in enumerate(ESTIMATORS.values())}
    svg = figures.log_z(points, labels, looks, reference="the best one of each model", alt="log Z by each estimator, with 95 % intervals")
    figure = f'<div class="wide">{_figure(svg, "log Z", "95 % intervals; an arrow: the end is open")}</div>'
    return f'<h3>log Z by each estimator</h3><p class="note">In nats.</p>{figure}<ul class="small">{"".join(lines)}</ul>'


def training(shown: Sequence[Shown]) -> str:
    """What each objective followed while it trained."""
    held = [c for c in shown if len(c.arrays.get("history_score", ())) > 1]

    def panel(cell: Shown) -> str:
        at, score = cell.arrays["history_evaluations"], cell.arrays["history_score"]
        alt = f"Validation score of {cell.name} against evaluations: {score[0]:.3g} at first, {score[-1]:.3g} at last"
        return figures.curve(at, score, figures.style(cell.place), alt=alt)

    text = "The validation score that each objective is judged by. They differ in unit and meaning: read each for its shape."
    return _row("Training", text, [_figure(panel(c), c.name, c.record["training"]) for c in held]) if held else ""


def _has(cell: Shown, name: str) -> bool:
    return cell.record["metrics"].get(name, {}).get("value") is not None


def _word(metric: Mapping[str, Any]) -> str:
    mark = badge(metric)
    return mark.word if mark else BADGES["not established"].word


def _row(title: str, text: str, panels: Sequence[str], *, kind: str = "") -> str:
    return f'<h3>{title}</h3><p class="note">{text}</p><div class="panels {kind}">{"".join(panels)}</div>'.replace("<p></p>", "")


def _figure(body: str, name: str, text: str) -> str:
    aside = f", {escape(text)}" if text else ""
    return f"<figure>{body}<figcaption><b>{escape(name)}</b>{aside}</figcaption></figure>"
