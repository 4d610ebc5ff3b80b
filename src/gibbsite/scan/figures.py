"""Figures of a scan: curves with error bands, what the replicas did, crossings and collapse."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.marks import AbstractMark, Dots, Palette, Style, style
from gibbsite.core import Estimate
from gibbsite.scan.curves import TITLES, Curves
from gibbsite.scan.one_size import OneSize
from gibbsite.scan.scaling import Collapse, Scaling

EXACT = Style("ink", "o", (3, 1.5))
WIDE = (3.6, 2.6)  # inches of a chart
NEAR_CROSSING = 0.15  # of the range, on either side of the crossing
NEAR = 3.0  # of x, on either side, that the collapse is drawn on


@dataclasses.dataclass(frozen=True)
class Band(AbstractMark):
    """A curve with one standard error on either side."""

    look: Style
    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    error: Float[np.ndarray, " n"]

    def draw(self, axes: Any, palette: Palette) -> None:
        color = palette[self.look.color]
        axes.fill_between(self.x, self.y - self.error, self.y + self.error, color=color, alpha=0.25, linewidth=0)
        axes.plot(self.x, self.y, color=color, linewidth=1.1, linestyle=(0, self.look.dash) if self.look.dash else "-", label=self.label)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        for x, y, error in zip(self.x, self.y, self.error, strict=True):
            yield self.label, x, x, x, y, y - error, y + error


def figures(ladders: Sequence[OneSize], scaling: Scaling | None) -> list[Figure]:
    """All of a scan, those without content left out."""
    limit = None if scaling is None else scaling.limit
    made = [observables(ladders, limit), replicas(ladders)]
    return made if scaling is None or limit is None else [*made, sizes(ladders, limit, scaling.collapse)]


def observables(ladders: Sequence[OneSize], limit: Estimate | None) -> Figure:
    """Every observable against beta."""
    names = [name for name in TITLES if all(name in ladder.fine.estimates for ladder in ladders)]
    text = "Bands are one standard error; dots are the temperatures of the runs; dashes are exact, where there is a formula."
    return Figure("curves", "Observables", text, tuple(_observable(ladders, name, limit) for name in names))


def _observable(ladders: Sequence[OneSize], name: str, limit: Estimate | None) -> Chart:
    marks: list[AbstractMark] = []
    for place, ladder in enumerate(ladders):
        marks += _marks(ladder, name, style(place))
    exact = [ladder for ladder in ladders if name in ladder.exact]
    for number, ladder in enumerate(exact):
        marks.append(Dots("" if number else "exact", EXACT, ladder.fine.betas, ladder.exact[name], joined=True, marked=False))
    line = None if limit is None else float(limit)
    return Chart(name, f"{TITLES[name]} against beta", tuple(marks), "beta", name, TITLES[name], line=line, size=WIDE, legend=name == "u")


def _marks(ladder: OneSize, name: str, look: Style) -> list[AbstractMark]:
    fine, runs = ladder.fine.estimates[name], ladder.runs.estimates[name]
    if fine.value is None:
        return []
    dots = Dots("", look, ladder.runs.betas, runs.value, along_y=(runs.stderr, runs.stderr), size=2.5)
    whole = look._replace(dash=())  # dots tell them apart; what is dashed is exact
    return [Band(ladder.name, whole, ladder.fine.betas, fine.value, fine.stderr), dots]


def replicas(ladders: Sequence[OneSize]) -> Figure:
    """Exchange and memory along the ladder."""
    swaps, energies, orders = [], [], []
    for place, ladder in enumerate(ladders):
        made, look, taus = ladder.exchange, style(place), ladder.exchange.taus
        middle = (made.betas[1:] + made.betas[:-1]) / 2
        swaps.append(Dots(ladder.name, look, middle, made.swaps, joined=True))
        energies.append(Dots(ladder.name, look, made.betas, taus["energy"], joined=True))
        orders.append(Dots(ladder.name, look, made.betas, taus["order"], joined=True))
    trips = ", ".join(f"{ladder.exchange.trips} at {ladder.name}" for ladder in ladders)
    charts = (
        Chart("exchange", "Probability of a swap of neighbours", tuple(swaps), "beta", "swap probability", f"round trips: {trips}"),
        Chart("tau of the energy", "Autocorrelation time of the energy", tuple(energies), "beta", "steps", "2 tau_int: 1 is independent"),
        Chart("tau of the order", "Autocorrelation time of |m|", tuple(orders), "beta", "steps", "2 tau_int: 1 is independent"),
    )
    low = (dataclasses.replace(chart, size=WIDE, ylim=(0, None), legend=place == 0) for place, chart in enumerate(charts))
    return Figure("replicas", "Replicas", "What moved, and how long it was remembered.", tuple(low))


def sizes(ladders: Sequence[OneSize], limit: Estimate, fit: Collapse | None) -> Figure:
    """Crossings of the Binder cumulants, and the collapse."""
    charts = [_crossing(ladders, limit)] + ([] if fit is None else _collapsed(ladders, fit))
    text = "On the left curves of different sizes cross at the critical point; in scaled units they fall on one."
    return Figure("sizes", "Sizes", text, tuple(charts))


def _crossing(ladders: Sequence[OneSize], limit: Estimate) -> Chart:
    """U4 on a stretch around the limit of crossings."""
    width = NEAR_CROSSING * np.ptp(ladders[0].fine.betas)
    marks = []
    for place, ladder in enumerate(ladders):
        near = np.abs(ladder.fine.betas - float(limit)) <= width
        found = ladder.fine.estimates["U4"]
        marks.append(Band(ladder.name, style(place), ladder.fine.betas[near], found.value[near], found.stderr[near]))
    return Chart("crossing", "Binder cumulants cross", tuple(marks), "beta", "U4", f"beta_c = {limit}", line=float(limit), size=WIDE)


def _collapsed(ladders: Sequence[OneSize], fit: Collapse) -> list[Chart]:
    """U4, and m^2 L^(2 beta / nu), against (beta - beta_c) L^(1 / nu)."""
    used = [(place, ladder) for place, ladder in enumerate(ladders) if ladder.side in fit.sides]
    beta_c, steep, power = float(fit.beta_c), 1 / float(fit.nu), 2 * float(fit.beta_over_nu)
    binder, order = [], []
    for place, ladder in used:
        x = (ladder.fine.betas - beta_c) * ladder.side**steep
        near, found = np.abs(x) <= NEAR, ladder.fine.estimates
        binder.append(Band(ladder.name, style(place), x[near], found["U4"].value[near], found["U4"].stderr[near]))
        square, error = _square(ladder.fine)
        order.append(Band(ladder.name, style(place), x[near], square[near] * ladder.side**power, error[near] * ladder.side**power))
    axis = "(beta - beta_c) L^(1/nu)"
    return [
        Chart("collapse of U4", "Binder cumulants in scaled units", tuple(binder), axis, "U4", f"nu = {fit.nu}", size=WIDE),
        Chart(
            "collapse of |m|", "Magnetisations in scaled units", tuple(order), axis, "|m|^2 L^(2 beta/nu)", f"beta/nu = {fit.beta_over_nu}",
            size=WIDE, legend=False,
        ),
    ]  # fmt: skip


def _square(curves: Curves) -> tuple[np.ndarray, np.ndarray]:
    """<|m|>^2 and its error."""
    m = curves.estimates["m"]
    return m.value**2, 2 * m.value * m.stderr
