"""Draws the pictures of docs/nonequilibrium.md, docs/kramers.md and docs/inverse.md, from runs of a few seconds each.

Usage: python tools/thermo_pictures.py [docs]
"""

import math
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite import Callable, sample
from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.figures import files
from gibbsite.compare.marks import Dots, style
from gibbsite.core import Reals, configurations
from gibbsite.energies import DenseBoltzmannMachine, sherrington_kirkpatrick
from gibbsite.samplers import ULA
from gibbsite.simulate import drive_named, work_figure
from gibbsite.thermo import Beyond, first_passages, kramers, mean_first_passage
from gibbsite.thermo.inverse import exact_learning, mean_field, pseudo_likelihood, tap

KEY = jax.random.key(0)
SIZE = (3.4, 2.6)


def quartic(height: jax.Array, x: jax.Array) -> jax.Array:
    """Two wells at -1 and 1, a barrier at 0."""
    return height * jnp.sum((x**2 - 1) ** 2)


def wells(height: float) -> Callable:
    """Of this height, in kT."""
    return Callable(quartic, height, Reals(1))


def line(label: str, place: int, x: np.ndarray, y: np.ndarray) -> Dots:
    """Joined points."""
    return Dots(label, style(place), np.asarray(x, float), np.asarray(y, float), joined=True, marked=False)


def escape() -> Figure:
    """A trajectory, how many still wait, and the rate against the height."""
    h, steps = 0.005, 40_000
    start, position = -jnp.ones((1, 1)), {"x": lambda x: x[0]}
    run = sample(ULA(h), wells(3.0), warmup=0, draws=steps, observe=position, trace=2000, init=start, progress=False, key=KEY)
    seen = np.asarray(run.traces["x"])[0]
    course = Chart("a trajectory", "", (line("", 0, h * run.every * np.arange(len(seen)), seen),), "time", "x", size=SIZE, legend=False)
    waits, points = [], []
    for place, height in enumerate((1.0, 2.0, 3.0, 4.0)):
        got = first_passages(ULA(0.002), wells(height), Beyond(1.0), -jnp.ones(1), walkers=1000, steps=15_000, dt=0.002, key=KEY)
        when, left = got.survival()
        some = slice(None, -1, 10) if left[-1] == 0 else slice(None, None, 10)
        waits.append(line(f"{height:g} kT", place, when[some], np.log10(left[some])))
        points.append((height, got.rate()))
    waiting = Chart("still in the first well", "", tuple(waits), "time", "log10 of the share", size=SIZE, ylim=(-2.5, 0.1))
    heights = np.linspace(0.5, 8, 31)
    exact = [-math.log10(mean_first_passage(wells(height), -1.0, 1.0, wall=-4.0).value) for height in heights]
    theory = [math.log10(kramers(wells(height), -1.0, 0.0).rate) for height in heights]
    at, rates = np.array([p[0] for p in points]), [p[1] for p in points]
    error = np.array([r.stderr / r.value / math.log(10) for r in rates])
    found = Dots("walkers", style(2), at, np.log10([r.value for r in rates]), along_y=(error, error))
    marks = (line("exact", 0, heights, exact), line("Kramers", 1, heights, theory), found)
    rate = Chart("rate", "", marks, "height [kT]", "log10 of the rate", size=SIZE)
    return Figure("kramers", "", "", (course, waiting, rate))


def couplings() -> Figure:
    """Found against true couplings."""
    glass = sherrington_kirkpatrick(10, key=KEY)
    truth = DenseBoltzmannMachine(glass.space, glass.couplings, 0.4 * jax.random.normal(KEY, (10,)))
    pairs = np.triu_indices(10, 1)
    true = np.asarray(truth.couplings)[pairs]
    states = configurations(truth.space, jnp.arange(2**10))
    p = np.exp(-np.asarray(jax.vmap(truth)(states), np.float64))
    charts = []
    for count in (300, 10_000):
        rows = np.asarray(states)[np.random.default_rng(0).choice(len(p), count, p=p / p.sum())]
        marks = [line("", 5, np.array([true.min(), true.max()]), np.array([true.min(), true.max()]))]
        for place, learn in enumerate((mean_field, tap, pseudo_likelihood, exact_learning)):
            found = learn(rows, truth.space)
            error = None if found.couplings.stderr is None else found.couplings.stderr[pairs]
            ends = None if error is None else (error, error)
            name = f"{found.method}, rms {found.rmse(truth):.3f}"
            marks.append(Dots(name, style(place), true, found.couplings.value[pairs], along_y=ends, size=2.5))
        charts.append(Chart(f"{count} rows", "", tuple(marks), "true coupling", "found", size=(4.6, 3.4)))
    return Figure("inverse", "", "", tuple(charts))


def main() -> None:
    """Writes the pictures into the folder that the command line names."""
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    figures = {"nonequilibrium": work_figure(drive_named("drag", walkers=20_000).work), "kramers": escape(), "inverse": couplings()}
    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(files(figure)["png"])


if __name__ == "__main__":
    main()
