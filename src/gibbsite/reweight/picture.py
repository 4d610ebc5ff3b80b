"""The picture of a reweighting: free energies along the states, and which states share samples."""

from collections.abc import Sequence

import numpy as np

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.marks import Dots, Heat, style
from gibbsite.core import Estimate

DEPTH = 7.0  # nats: an overlap of a thousandth and less looks alike
TICKS = 6


def picture(states: Sequence[str], free_energies: Sequence[Estimate], overlap: np.ndarray) -> Figure:
    """Free energies with two standard errors, those that are not known left out, and minus the log of the overlap matrix."""
    known = [(k, e) for k, e in enumerate(free_energies) if e.value is not None and e.stderr is not None]
    at, values = np.array([k for k, _ in known], float), np.array([e.value for _, e in known])
    errors = 2 * np.array([e.stderr for _, e in known])
    dots = Dots("MBAR", style(0), at, values, along_y=(errors, errors), joined=True)
    ticks = tuple(range(0, len(states), -(-len(states) // TICKS)))
    text = "Free energy of each state above the first"
    curve = Chart("free energy", text, (dots,), "state", "f / kT", _caption(known), xticks=ticks, legend=False)
    last = len(states) - 0.5
    depths = np.minimum(-np.log(np.maximum(overlap, np.exp(-DEPTH))), DEPTH)
    heat = Heat("overlap", depths, (-0.5, last, -0.5, last), (0.0, DEPTH), np.zeros((0, 2)))
    caption = f"-log of the overlap matrix, nats: from 0 (light) to {DEPTH:g} and more (dark)"
    square = Chart("overlap", "Overlap matrix of the states", (heat,), "state", "state", caption, xticks=ticks, yticks=ticks, legend=False)
    return Figure("states", "States", "Free energies, and overlap of the states.", (curve, square))


def _caption(known: Sequence[tuple[int, Estimate]]) -> str:
    worst = max((float(e.stderr) for _, e in known), default=0.0)
    return f"bars: two standard errors, at most {2 * worst:.2g} kT"
