"""Draws docs/landscapes.png, the picture of the README, from the results of the default comparison.

Usage: gibbsite compare && python tools/landscapes.py [gibbsite-default]
"""

import json
import pathlib
import sys

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gibbsite.compare.scene import extent, surface
from gibbsite.compare.table import badge, number
from gibbsite.data import load

DEPTH = 12.0  # nats above the deepest point of the truth that the colours reach


def panels(folder: pathlib.Path) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """Name, figure, landscape and draws of the data's law and of every model."""
    data = load("gaussians8")
    shown = [("the data's law", "", surface(data.truth, extent(data)), np.asarray(data.test[:1000]))]
    for record in json.loads((folder / "results.json").read_text())["cells"]:
        if record["dataset"] == "gaussians8" and record["status"] == "ok":
            arrays = np.load(folder / "cells" / f"gaussians8_{record['model']}_{record['seed']}" / "arrays.npz")
            kl = record["metrics"]["kl"]
            text = f"KL {number(kl)} nats, {badge(kl).word}"
            shown.append((record["model"], text, arrays["landscape"], arrays["draws"][:1000]))
    return shown


def main() -> None:
    """Reads the folder that the command line names, and writes the picture."""
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "gibbsite-default")
    shown, window = panels(folder), extent(load("gaussians8"))
    low = float(shown[0][2].min())
    with mpl.rc_context({"font.size": 8.5, "axes.linewidth": 0.6}):
        figure = Figure(figsize=(2.15 * len(shown) + 0.6, 3.0), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, (name, text, heights, draws) in zip(figure.subplots(1, len(shown), sharey=True), shown, strict=True):
            image = axes.imshow(
                np.clip(heights, low, low + DEPTH), extent=window, origin="lower", cmap="cividis_r", vmin=low, vmax=low + DEPTH
            )
            axes.scatter(*draws.T, s=0.8, c="black", alpha=0.45, linewidths=0)
            axes.set_title(name, fontweight="bold", fontsize=9.5)
            axes.set(xlabel=f"x1\n{text or 'and 1000 test points'}", xlim=window[:2], ylim=window[2:])
        figure.axes[0].set_ylabel("x2")
        figure.colorbar(image, ax=figure.axes, label="-log p(x), nats", pad=0.01, shrink=0.85)
        figure.savefig("docs/landscapes.png", dpi=130, bbox_inches="tight", facecolor="white")


if __name__ == "__main__":
    main()
