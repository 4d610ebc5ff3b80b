"""Draws the picture of docs/histograms.md: what one multicanonical run knows of the 16 x 16 Ising torus, beside the exact curves.

Usage: python tools/histogram_picture.py
"""

import jax
import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gibbsite.energies import Ising
from gibbsite.thermo import kaufman_heat_capacity, multicanonical, wang_landau

SIDE = 16
BETAS = np.linspace(0.25, 0.65, 81)


def main() -> None:
    """Samples for a minute and writes docs/histograms.png."""
    ising = Ising(SIDE)
    weights = wang_landau(ising, sweeps=1500, key=jax.random.key(0))
    density = multicanonical(ising, weights, sweeps=3000, key=jax.random.key(1))
    entropy, heat, sites = density.entropy(), density.heat_capacity(BETAS), SIDE**2
    with mpl.rc_context({"font.size": 9, "axes.linewidth": 0.6}):
        figure = Figure(figsize=(7.5, 2.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        left.plot(density.energies / sites, entropy.value / sites, color="#00695c", lw=1.2)
        left.set(xlabel="energy a site", ylabel="entropy a site, nats", title=f"log g(E), largest error {np.max(entropy.stderr):.2f} nats")
        right.fill_between(BETAS, heat.lo / sites, heat.hi / sites, color="#00695c", alpha=0.35, lw=0, label="one run, 95 %")
        exact = [kaufman_heat_capacity(SIDE, SIDE, beta).value for beta in BETAS]
        right.plot(BETAS, exact, color="black", lw=0.8, label="exact (Kaufman)")
        right.set(xlabel="beta J", ylabel="heat capacity a site", title="every temperature at once")
        right.legend(frameon=False, fontsize=8)
        figure.savefig("docs/histograms.png", dpi=110, facecolor="white")


if __name__ == "__main__":
    main()
