"""Marks of a chart. Each says the same thing three ways: on Matplotlib's axes, as Plotly's traces, and as rows of numbers."""

import abc
import base64
import dataclasses
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

MARKERS = {
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "^": "triangle-up",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "*": "star",
    "h": "hexagon",
    ">": "triangle-right",
    "<": "triangle-left",
}  # Matplotlib's name: Plotly's
DASHES = ((), (4, 1.6), (6, 1.6, 1, 1.6), (1, 1.4), (5, 1, 1, 1, 1, 1), (2.2, 2.2), (10, 2), (10, 2, 3, 2), (2, 1, 2, 4))  # ink, gap, ...
STYLES = len(DASHES)
GROUND = "#e8e5dc"
LANDSCAPE = "cividis_r"  # even steps in lightness, the same to every eye
HEADS = ("x", "x_low", "x_high", "y", "y_low", "y_high")

Palette = Mapping[str, str]  # colour of "ink", "muted", "rule", "paper", "s1", ..., "s9"
Ends = tuple[np.ndarray, np.ndarray]  # how far an interval reaches below and above; infinite: open


class Style(NamedTuple):
    """How one model is drawn, everywhere alike: told apart by marker and dash where colour fails."""

    color: str
    marker: str
    dash: tuple[float, ...]


def style(index: int) -> Style:
    """The style of the model at a place of the card."""
    place = index % STYLES
    return Style(f"s{place + 1}", tuple(MARKERS)[place], DASHES[place])


@dataclasses.dataclass(frozen=True)
class AbstractMark(abc.ABC):
    """What is drawn under one name. To add one, say how, and what the mouse finds there and a file tells of it, if anything."""

    label: str

    @abc.abstractmethod
    def draw(self, axes: Any, palette: Palette) -> None:
        """On Matplotlib's axes."""

    def traces(self) -> list[dict[str, Any]]:
        """For Plotly; colours are names behind an @. None where the explorer shows it, or it is a picture."""
        return []

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """label, x and its ends, y and its ends; none where a file of numbers has no place for it."""
        return iter(())


@dataclasses.dataclass(frozen=True)
class Bars(AbstractMark):
    """What is compared with: grey bars around `at`, perhaps with errors."""

    at: np.ndarray
    width: float
    heights: np.ndarray
    errors: np.ndarray | None = None

    def draw(self, axes: Any, palette: Palette) -> None:
        left, right = self.at - self.width / 2, self.at + self.width / 2
        edges, heights = np.append(np.stack([left, right], 1).ravel(), right[-1]), np.stack([self.heights, 0 * self.heights], 1).ravel()
        axes.stairs(heights, edges, fill=True, color=palette["rule"], label=self.label)  # one path for all bars
        axes.hlines(self.heights, left, right, color=palette["muted"], linewidth=0.9)
        if self.errors is not None:
            axes.errorbar(self.at, self.heights, self.errors, fmt="none", ecolor=palette["muted"], elinewidth=0.6)

    def traces(self) -> list[dict[str, Any]]:
        look = {"color": "@rule", "line": {"color": "@muted", "width": 0.8}}
        trace = {"type": "bar", "name": self.label, "x": short(self.at), "y": short(self.heights), "width": self.width, "marker": look}
        return [trace if self.errors is None else trace | {"error_y": _bar(short(self.errors), None, "@muted")}]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        errors = np.zeros(len(self.at)) if self.errors is None else self.errors
        for x, y, error in zip(self.at, self.heights, errors, strict=True):
            yield self.label, x, x - self.width / 2, x + self.width / 2, y, y - error, y + error


@dataclasses.dataclass(frozen=True)
class Dots(AbstractMark):
    """Points with intervals along x or y, perhaps joined; an interval that is open at an end has an arrow there.

    `words` are told of each point when it is pointed at; `reach` is how far an arrow goes.
    """

    look: Style
    x: np.ndarray
    y: np.ndarray
    along_x: Ends | None = None
    along_y: Ends | None = None
    words: tuple[str, ...] = ()
    joined: bool = False
    marked: bool = True
    hollow: bool = False
    reach: float = 1.0
    size: float = 4.0

    def draw(self, axes: Any, palette: Palette) -> None:
        color = palette[self.look.color]
        line: Any = {"linestyle": (0, self.look.dash) if self.look.dash else "-"} if self.joined else {"linestyle": "none"}
        line |= {"marker": self.look.marker if self.marked else "", "markersize": self.size, "color": color, "label": self.label}
        line |= {"markerfacecolor": palette["paper"]} if self.hollow else {}
        if self.along_x is None and self.along_y is None:
            axes.plot(self.x, self.y, linewidth=1.1, **line)
            return
        ends = [None if held is None else np.stack([self._closed(end) for end in held]) for held in (self.along_x, self.along_y)]
        axes.errorbar(self.x, self.y, xerr=ends[0], yerr=ends[1], linewidth=1.0, capsize=0 if self.joined else 2, elinewidth=0.9, **line)
        for tip, sign, marker in self._arrows():
            axes.plot(self.x[tip] + sign * self.reach, self.y[tip], marker, color=color, markersize=6, linestyle="none")

    def _closed(self, end: np.ndarray) -> np.ndarray:
        return np.where(np.isinf(end), self.reach, end)

    def _arrows(self) -> list[tuple[np.ndarray, int, str]]:
        """Which points have an open end, to which side, and its arrow."""
        below, above = (np.isinf(end) for end in self.along_x) if self.along_x is not None else (np.zeros(0, bool), np.zeros(0, bool))
        return [(open_, sign, marker) for open_, sign, marker in ((below, -1, "<"), (above, 1, ">")) if open_.any()]

    def traces(self) -> list[dict[str, Any]]:
        color = f"@{self.look.color}"
        mode = "+".join(word for word, wanted in (("lines", self.joined), ("markers", self.marked)) if wanted)
        trace: dict[str, Any] = {"type": "scatter", "mode": mode, "name": self.label, "x": short(self.x), "y": short(self.y)}
        trace["marker"] = {"color": "@paper" if self.hollow else color, "symbol": MARKERS[self.look.marker], "size": 1.7 * self.size}
        trace["marker"] |= {"line": {"color": color, "width": 1.4}} if self.hollow else {}
        trace["line"] = {"color": color, "width": 1.6, "dash": ",".join(f"{1.6 * part:g}px" for part in self.look.dash) or "solid"}
        for name, held in (("error_x", self.along_x), ("error_y", self.along_y)):
            if held is not None:
                below, above = (short(self._closed(end)) for end in held)
                trace[name] = _bar(above, below, color)
        trace |= {"text": list(self.words), "hovertemplate": "%{text}<extra></extra>"} if self.words else {}
        return [trace, *(self._tips(*arrow) for arrow in self._arrows())]

    def _tips(self, open_: np.ndarray, sign: int, marker: str) -> dict[str, Any]:
        look = {"symbol": MARKERS[marker], "size": 10, "color": f"@{self.look.color}"}
        x = short(self.x[open_] + sign * self.reach)
        return {
            "type": "scatter",
            "mode": "markers",
            "x": x,
            "y": short(self.y[open_]),
            "marker": look,
            "showlegend": False,
            "hoverinfo": "skip",
        }

    def rows(self) -> Iterator[tuple[Any, ...]]:
        for place, (x, y) in enumerate(zip(self.x, self.y, strict=True)):
            ends = [
                (v, v) if held is None else (v - held[0][place], v + held[1][place]) for v, held in ((x, self.along_x), (y, self.along_y))
            ]
            yield self.label, x, *ends[0], y, *ends[1]


@dataclasses.dataclass(frozen=True)
class Heat(AbstractMark):
    """-log p over the plane on the scale `limits`, in nats, with draws on top."""

    heights: Float[np.ndarray, "rows columns"]
    extent: tuple[float, ...]
    limits: tuple[float, float]
    draws: Float[np.ndarray, "n 2"]

    def draw(self, axes: Any, palette: Palette) -> None:
        low, high = self.limits
        axes.imshow(
            np.clip(self.heights, low, high), extent=self.extent, origin="lower", cmap=LANDSCAPE, vmin=low, vmax=high, aspect="auto"
        )
        axes.scatter(*self.draws.T, s=0.9, c="#000000", alpha=0.45, linewidths=0, rasterized=True)
        axes.grid(visible=False)
        for side in axes.spines.values():
            side.set_visible(True)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """label, x, y and the energy there, as its `y`: row by row."""
        left, right, bottom, top = self.extent
        across, up = np.linspace(left, right, self.heights.shape[1]), np.linspace(bottom, top, self.heights.shape[0])
        for y, line in zip(up, self.heights, strict=True):
            for x, height in zip(across, line, strict=True):
                yield self.label, x, y, height


@dataclasses.dataclass(frozen=True)
class Cloud(AbstractMark):
    """Draws on an empty ground, of a model that tells no density."""

    draws: Float[np.ndarray, "n 2"]

    def draw(self, axes: Any, palette: Palette) -> None:
        axes.fill_between([0, 1], 0, 1, transform=axes.transAxes, color=GROUND, zorder=-1)  # points are a picture, which no page repaints
        axes.scatter(*self.draws.T, s=0.9, c="#000000", alpha=0.6, linewidths=0, rasterized=True)
        axes.text(0.5, 0.97, "no density", transform=axes.transAxes, ha="center", va="top", fontsize=9, color="#000000")
        axes.grid(visible=False)
        for side in axes.spines.values():
            side.set_visible(True)


@dataclasses.dataclass(frozen=True)
class Ramp(AbstractMark):
    """The colour scale of landscapes."""

    limits: tuple[float, float]

    def draw(self, axes: Any, palette: Palette) -> None:
        axes.imshow(np.linspace(0, 1, 256)[None], extent=(*self.limits, 0, 1), cmap=LANDSCAPE, aspect="auto")
        axes.set(yticks=[])
        axes.grid(visible=False)


@dataclasses.dataclass(frozen=True)
class Pictures(AbstractMark):
    """Draws as a grid of grey pictures."""

    images: Float[np.ndarray, "n rows columns"]
    across: int = 8

    def draw(self, axes: Any, palette: Palette) -> None:
        axes.imshow(self.sheet(), cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes.set_axis_off()

    def sheet(self) -> Float[np.ndarray, "height width"]:
        """One picture of all, paper white and ink dark, in frames of grey."""
        kept = np.asarray(self.images[: self.across**2], float)
        low, high = float(kept.min()), float(kept.max())
        kept = np.pad(kept, ((0, -len(kept) % self.across), (0, 0), (0, 0)), constant_values=low)  # empty frames end the last line
        padded = np.pad(1 - (kept - low) / max(high - low, 1e-9), ((0, 0), (1, 0), (1, 0)), constant_values=0.8)
        rows, columns = padded.shape[1:]
        sheet = padded.reshape(-1, self.across, rows, columns).swapaxes(1, 2).reshape(-1, self.across * columns)
        return np.pad(sheet, ((0, 1), (0, 1)), constant_values=0.8)

    def uri(self) -> str:
        """The sheet as a `data:` URI of a PNG (one pixel a value: the page enlarges it)."""
        from matplotlib.image import imsave

        buffer = io.BytesIO()
        imsave(buffer, self.sheet(), cmap="gray", vmin=0, vmax=1, format="png")
        return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """label, the number of the picture, then its values row by row."""
        for number, image in enumerate(self.images[: self.across**2], 1):
            yield self.label, number, *image.ravel()


def short(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """Five significant digits; null where a value is not finite."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in np.asarray(values, float)]


def _bar(above: list[float | None], below: list[float | None] | None, color: str) -> dict[str, Any]:
    bar = {"type": "data", "array": above, "color": color, "thickness": 1.2, "width": 3}
    return bar if below is None else bar | {"symmetric": False, "arrayminus": below}
