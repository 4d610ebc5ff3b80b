"""Every figure of a report as files: a picture to print, one to draw in, and its numbers."""

import pathlib

from gibbsite.compare.chart import Figure
from gibbsite.compare.content import Content, figures_of
from gibbsite.compare.figures import files
from gibbsite.compare.overview import overview
from gibbsite.compare.store import replacing


def export(content: Content, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes `figures/overview.*` and `figures/<data set>/<figure>.*` (png, svg, csv) into the folder of the page."""
    made = export_figure(overview(content.records), folder / "figures")
    for name, figures in figures_of(content).items():
        for figure in figures:
            made += export_figure(figure, folder / "figures" / name)
    return made


def export_figure(figure: Figure, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes one figure as png, svg and csv into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for ending, held in files(figure).items():
        made.append(folder / f"{figure.file}.{ending}")
        with replacing(made[-1]) as draft:
            draft.write_bytes(held)
    return made
