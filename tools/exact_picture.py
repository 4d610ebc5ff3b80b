"""Draws docs/exact.png: approximations of log Z beside the exact one, over the coupling of an 8 x 8 Ising torus.

Usage: python tools/exact_picture.py
"""

import pathlib

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gibbsite.energies import Ising
from gibbsite.thermo import ISING_CRITICAL, bethe, high_temperature_series, kaufman, low_temperature_series, mean_field, tap

SIDE = 8
COUPLINGS = np.linspace(0.1, 0.8, 71)
WAYS = {
    "naive mean field (lower bound)": lambda k: mean_field(Ising(SIDE, k)),
    "TAP (no bound)": lambda k: tap(Ising(SIDE, k)),
    "Bethe (lower bound: bonds attract)": lambda k: bethe(Ising(SIDE, k)),
    "high-temperature series, order 14": lambda k: SIDE**2 * high_temperature_series(k),
    "low-temperature series, order 14": lambda k: SIDE**2 * low_temperature_series(k),
}
STYLES = (("#0072b2", "-"), ("#d55e00", "--"), ("#009e73", "-."), ("#cc79a7", ":"), ("#8a6d00", (0, (6, 1, 1, 1, 1, 1))))


def main() -> None:
    """The exact log Z a site above, and below what each way is off by."""
    exact = np.array([float(kaufman(SIDE, SIDE, k)) for k in COUPLINGS])
    found = {name: np.array([way(k).value for k in COUPLINGS], float) for name, way in WAYS.items()}  # nan where none was found
    with mpl.rc_context({"font.size": 9, "axes.linewidth": 0.6}):
        figure = Figure(figsize=(6.6, 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        above.plot(COUPLINGS, exact / SIDE**2, color="black", linewidth=2.5, label="exact (Kaufman)")
        for (colour, dashes), (name, values) in zip(STYLES, found.items(), strict=True):
            above.plot(COUPLINGS, values / SIDE**2, color=colour, linestyle=dashes, linewidth=1.4, label=name)
            below.plot(COUPLINGS, (values - exact) / SIDE**2, color=colour, linestyle=dashes, linewidth=1.4)
        below.axhline(0.0, color="black", linewidth=1.0)
        for axes in (above, below):
            axes.axvline(ISING_CRITICAL, color="0.75", linewidth=0.8)
        above.set(ylabel="log Z a site, nats", ylim=(0.6, 1.75), title=f"{SIDE} x {SIDE} Ising torus; grey: the critical coupling")
        below.set(xlabel="coupling K = J / kT", ylabel="found - exact", ylim=(-0.1, 0.06))
        above.legend(frameon=False, fontsize=8, handlelength=3.5, loc=(0.25, 0.5))
        figure.savefig(pathlib.Path("docs/exact.png"), dpi=110, facecolor="white")


if __name__ == "__main__":
    main()
