"""Draws the pictures of docs/paradigms from the results of the default comparison: each model's landscape beside the truth.

Usage: gibbsite compare && python tools/paradigm_pictures.py [gibbsite-default]
"""

import pathlib
import sys

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gibbsite.compare.staging import read_scenes
from gibbsite.compare.store import Cell, Store
from gibbsite.compare.table import number

DEPTH = 12.0  # nats above the deepest point of the truth that the colours reach
PAGES = {"vae": "vae", "diffusion": "diffusion", "autoregressive": "autoregressive", "gan": "gan", "nce": "ebm-nce"}


def picture(store: Store, model: str, target: pathlib.Path) -> None:
    """The truth with data, and the model with its draws; without a density its draws alone."""
    scene, cell = read_scenes(store.root / "scenes")["gaussians8"], Cell("gaussians8", model, 0)
    arrays, metrics = store.arrays(cell), store.read(cell)["metrics"]
    kl = f"KL {number(metrics['kl'])} nats, " if "kl" in metrics else "no density, "
    panels = [("truth and data", scene.truth, scene.shown), (f"{model}, its draws", arrays.get("landscape"), arrays["draws"])]
    low = float(scene.truth.min())
    with mpl.rc_context({"font.size": 9, "axes.linewidth": 0.6}):
        figure = Figure(figsize=(6.6, 3.1), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, (name, heights, points) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
            if heights is not None:
                held = {"vmin": low, "vmax": low + DEPTH, "cmap": "cividis_r", "origin": "lower", "extent": scene.extent}
                image = axes.imshow(np.clip(heights, low, low + DEPTH), **held)
            axes.scatter(*points[:1000].T, s=1.2, c="black", alpha=0.5, linewidths=0)
            axes.set(title=name, xlabel="x1", xlim=scene.extent[:2], ylim=scene.extent[2:], aspect="equal")
        figure.axes[0].set_ylabel("x2")
        figure.supxlabel(f"{kl}mode masses off by {number(metrics['mode_tv'])} in total variation", fontsize=9)
        figure.colorbar(image, ax=figure.axes, label="-log p(x), nats (darkest: this and above)", pad=0.01, shrink=0.85)
        figure.savefig(target, dpi=110, facecolor="white")


def main() -> None:
    """Reads the folder that the command line names, and writes the pictures."""
    store = Store(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "gibbsite-default"))
    for page, model in PAGES.items():
        picture(store, model, pathlib.Path("docs/paradigms") / f"{page}.png")


if __name__ == "__main__":
    main()
