"""Small figures as SVG text that takes its colours and its type from the page around it.

Every function draws on a canvas of its own (no pyplot, no global state) and returns one `<svg>` element. Colours are
written as stand-ins and replaced by the page's variables, so light, dark and print need one drawing; models differ in
marker and dash as well as in colour.
"""

import base64
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#050501", "#050502", "#050503", "#050504", "#050505", "#050506")
_VARIABLES = {INK: "currentColor", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--paper)"} | {
    stand_in: f"var(--s{n})" for n, stand_in in enumerate(SERIES, 1)
}
MARKERS, DASHES = "osD^vP", ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
LANDSCAPE = "cividis_r"  # even steps in lightness, the same to every eye
_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gibbsite",
    "font.size": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}
_numbers = itertools.count()


class Style(NamedTuple):
    """How one model is drawn, everywhere alike."""

    color: str
    marker: str
    dash: Any


def style(index: int) -> Style:
    """The style of the model at a place of the card."""
    return Style(SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)])


class LogZ(NamedTuple):
    """One estimate of log Z less the reference, with how far its interval reaches below and above (infinite: open)."""

    row: int
    difference: float
    below: float
    above: float
    estimator: str


def panel(draw: Callable[[Any], None], *, alt: str, width: float = 2.9, height: float = 2.05) -> str:
    """One pair of axes, drawn by `draw(axes)`, as an `<svg>` with a description for those who cannot see it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), alt)


def _inline(svg: str, alt: str) -> str:
    """The element alone, with its own identifiers, the page's type and colours, and a title."""
    prefix = f"f{next(_numbers)}-"
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{prefix}", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]+;?", "", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    body = re.sub(r"\s*\n\s*", "\n", body)
    return f'<svg {names} {box.group()} role="img" aria-label="{_escaped(alt)}"><title>{_escaped(alt)}</title>{body}'.strip()


def _escaped(text: str) -> str:
    from html import escape

    return escape(text, quote=True)


def landscape(
    surface: Float[np.ndarray, "rows columns"],
    extent: Sequence[float],
    draws: Float[np.ndarray, "n 2"],
    *,
    limits: tuple[float, float],
    columns: Sequence[str],
    alt: str,
) -> str:
    """-log p over the plane on the scale `limits`, with draws on top."""

    def draw(axes: Any) -> None:
        axes.imshow(
            np.clip(surface, *limits), extent=tuple(extent), origin="lower", cmap=LANDSCAPE, vmin=limits[0], vmax=limits[1], aspect="auto"
        )
        axes.scatter(*draws.T, s=0.9, c="#000000", alpha=0.45, linewidths=0, rasterized=True)
        axes.set(xlim=extent[:2], ylim=extent[2:], xlabel=columns[0], ylabel=columns[1])
        axes.grid(visible=False)
        for side in axes.spines.values():
            side.set_visible(True)

    return panel(draw, alt=alt, width=2.15, height=2.1)


def density(
    axis: Float[np.ndarray, " n"],
    model: Float[np.ndarray, " n"],
    truth: Float[np.ndarray, " n"] | None,
    data: Float[np.ndarray, " m"],
    look: Style,
    *,
    column: str,
    alt: str,
) -> str:
    """A density on one axis, over the histogram of data with its counting errors; the truth where it is known."""
    counts, edges = np.histogram(data, 40, (axis[0], axis[-1]))
    total = len(data) * (edges[1] - edges[0])

    def draw(axes: Any) -> None:
        axes.stairs(counts / total, edges, fill=True, color=RULE, label="held-out data")
        axes.errorbar((edges[1:] + edges[:-1]) / 2, counts / total, np.sqrt(counts) / total, fmt="none", ecolor=MUTED, elinewidth=0.6)
        if truth is not None:
            axes.plot(axis, truth, color=INK, linewidth=1, linestyle=":", label="truth")
        axes.plot(axis, model, color=look.color, linestyle=look.dash, label="model")
        axes.set(xlabel=column, ylabel=f"density (1/{column})", xlim=(axis[0], axis[-1]), ylim=(0, None))
        axes.legend(fontsize=7.5)

    return panel(draw, alt=alt)


def scale(limits: tuple[float, float]) -> str:
    """The colour scale that all landscapes of a data set share."""

    def draw(axes: Any) -> None:
        ramp = np.linspace(0, 1, 256)[None]
        axes.imshow(ramp, extent=(*limits, 0, 1), cmap=LANDSCAPE, aspect="auto")
        axes.set(yticks=[], xlabel="energy + log Z = -log p(x), nats (darkest: this and above)")
        axes.grid(visible=False)

    low, high = limits
    return panel(draw, alt=f"Colour scale from {low:.1f} to {high:.1f} nats", width=4.2, height=0.62)


def images(draws: Float[np.ndarray, "n rows columns"], *, across: int = 8) -> str:
    """Draws as a grid of grey pictures, `data:` URI of a PNG (one pixel a value: the page enlarges it)."""
    from matplotlib.image import imsave

    n = min(len(draws), across * across) // across * across
    kept = np.asarray(draws[:n], float)
    low, high = float(kept.min()), float(kept.max())
    padded = np.pad(1 - (kept - low) / max(high - low, 1e-9), ((0, 0), (1, 0), (1, 0)), constant_values=0.8)
    rows, columns = padded.shape[1:]
    sheet = padded.reshape(-1, across, rows, columns).swapaxes(1, 2).reshape(-1, across * columns)
    sheet = np.pad(sheet, ((0, 1), (0, 1)), constant_values=0.8)
    buffer = io.BytesIO()
    imsave(buffer, sheet, cmap="gray", vmin=0, vmax=1, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def histograms(data: Float[np.ndarray, " n"], draws: Float[np.ndarray, " m"], look: Style, *, limits: tuple[float, float], alt: str) -> str:
    """Energies of held-out data (grey) against those of the model's own draws, with counting errors."""
    edges = np.linspace(*limits, 31)
    centre, bin_width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]

    def density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = np.histogram(values[np.isfinite(values)], edges)[0]
        total = max(len(values), 1) * bin_width
        return counts / total, np.sqrt(counts) / total

    def draw(axes: Any) -> None:
        height, error = density(data)
        axes.stairs(height, edges, fill=True, color=RULE, label="held-out data")
        axes.stairs(height, edges, color=MUTED, linewidth=0.8)
        axes.errorbar(centre, height, error, fmt="none", ecolor=MUTED, elinewidth=0.6)
        height, error = density(draws)
        axes.errorbar(
            centre, height, error, color=look.color, marker=look.marker, markersize=2.6, linewidth=1, elinewidth=0.8, label="model's draws"
        )
        axes.set(xlabel="-log p(x)  (nats)", ylabel="density (1/nat)", xlim=limits)
        axes.legend(fontsize=7.5)

    return panel(draw, alt=alt)


def log_z(points: Sequence[LogZ], labels: Sequence[str], looks: Mapping[str, Style], *, reference: str, alt: str) -> str:
    """Estimators of log Z, each less the reference of its model, with intervals; one row a model."""
    names = list(dict.fromkeys(point.estimator for point in points))
    reach = max([abs(x) for p in points for x in (p.difference, p.below, p.above) if np.isfinite(x)])

    def draw(axes: Any) -> None:
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for place, name in enumerate(names):
            mine = [point for point in points if point.estimator == name]
            offset = 0.16 * (place - (len(names) - 1) / 2)
            middle = np.array([point.difference for point in mine])
            ends = np.array([[point.below, point.above] for point in mine]).T
            open_ = np.isinf(ends)
            ends[open_] = reach or 1.0
            look = looks[name]
            rows = [point.row + offset for point in mine]
            axes.errorbar(middle, rows, xerr=ends, fmt=look.marker, color=look.color, markersize=4, capsize=2, elinewidth=1, label=name)
            for (side, number), marker in np.ndenumerate(np.where(open_, [["<"], [">"]], "")):
                if marker:
                    axes.plot(middle[number] + (2 * side - 1) * ends[side, number], rows[number], marker, color=look.color, markersize=6)
        axes.set(yticks=range(len(labels)), yticklabels=labels, xlabel=f"log Z less {reference}  (nats)", ylim=(len(labels) - 0.4, -0.6))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(axis="y", visible=False)
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.25))

    return panel(draw, alt=alt, width=3.7, height=1.45 + 0.38 * len(labels))


def curve(evaluations: np.ndarray, score: np.ndarray, look: Style, *, alt: str) -> str:
    """What training is judged by, against what it cost; the first looks, far above the rest, may leave the frame."""
    finite = score[np.isfinite(score)]

    def draw(axes: Any) -> None:
        axes.plot(evaluations / 1e6, score, color=look.color, marker=look.marker, markersize=2.4, linewidth=1)
        axes.set(xlabel="evaluations (millions)", ylabel="score (lower is better)")
        if len(finite):
            low, high = finite.min(), np.quantile(finite, 0.95)
            margin = 0.1 * (high - low) + 1e-3
            axes.set_ylim(low - margin, high + margin)

    return panel(draw, alt=alt)


def masses(truth: Sequence[float], values: Sequence[float], errors: Sequence[float], look: Style, *, top: float, alt: str) -> str:
    """Mode masses of a model, with errors, over those of the truth."""
    places = np.arange(len(truth))

    def draw(axes: Any) -> None:
        axes.bar(places, truth, width=0.86, color=RULE, label="truth")
        axes.hlines(truth, places - 0.43, places + 0.43, color=MUTED, linewidth=1.2)
        axes.errorbar(
            places, values, errors, fmt=look.marker, color=look.color, markersize=4, capsize=2, elinewidth=1, label="model, 1 stderr"
        )
        axes.set(xlabel="mode", ylabel="mass", xticks=places, xticklabels=[str(i + 1) for i in places], ylim=(0, top))
        axes.grid(axis="x", visible=False)
        axes.legend(fontsize=7.5, loc="upper left")

    return panel(draw, alt=alt)
