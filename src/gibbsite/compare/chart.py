"""Charts, one a model, and figures, which hold one kind of chart for all: what the page, the files and the mouse all show."""

import dataclasses
import io
from collections.abc import Iterable, Iterator
from typing import Any

from gibbsite.compare.marks import HEADS, AbstractMark, Palette

BELOW = 34  # points from the axes of rows down to their legend


@dataclasses.dataclass(frozen=True)
class Chart:
    """One pair of axes. `rows` names whole numbers of y from the top, `notes` are told at their right ends;
    `image` is a picture (`data:`) that stands for the drawing on the page, each of its parts of `image_rows` rows.
    """

    name: str
    alt: str
    marks: tuple[AbstractMark, ...]
    x: str = ""
    y: str = ""
    caption: str = ""
    xlim: tuple[float, float] | None = None
    ylim: tuple[float | None, float | None] | None = None
    xticks: tuple[int, ...] = ()
    yticks: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    line: float | None = None
    size: tuple[float, float] = (2.9, 2.05)
    legend: bool = True
    image: str = ""
    image_rows: int = 0

    def draw(self, axes: Any, palette: Palette) -> None:
        """On Matplotlib's axes."""
        if self.line is not None:
            axes.axvline(self.line, color=palette["muted"], linewidth=0.9, linestyle=":")
        for mark in self.marks:
            mark.draw(axes, palette)
        axes.set(xlabel=self.x, ylabel=self.y, xlim=self.xlim, ylim=self.ylim)
        axes.locator_params(nbins=5)
        if self.xticks:
            axes.set(xticks=self.xticks, xticklabels=self.xticks)
            axes.grid(axis="x", visible=False)
        if self.yticks:
            axes.set(yticks=self.yticks, yticklabels=self.yticks)
        if self.rows:
            self._name_rows(axes)
        elif self.legend and any(mark.label for mark in self.marks):
            axes.legend(fontsize=7.5)

    def _name_rows(self, axes: Any) -> None:
        from matplotlib.transforms import ScaledTranslation

        axes.set(yticks=range(len(self.rows)), yticklabels=self.rows, ylim=(len(self.rows) - 0.4, -0.6))
        axes.locator_params(axis="x", nbins=4)
        for place, note in enumerate(self.notes):
            axes.text(1.02, place, note, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        if self.legend and self.marks:
            below = axes.transAxes + ScaledTranslation(0, -BELOW / 72, axes.figure.dpi_scale_trans)
            axes.legend(
                fontsize=7.5, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0, ncols=2, columnspacing=1
            )

    def plot(self) -> dict[str, Any] | None:
        """Plotly's traces and layout; None where the mouse has nothing to find."""
        traces = [trace for mark in self.marks for trace in mark.traces()]
        if not traces:
            return None
        x: dict[str, Any] = {"title": {"text": self.x, "standoff": 4}}
        x |= {"range": list(self.xlim)} if self.xlim else {}
        x |= {"tickvals": list(self.xticks)} if self.xticks else {}
        y: dict[str, Any] = {"title": {"text": self.y}}
        y |= {"range": list(self.ylim)} if self.ylim and None not in self.ylim else {"rangemode": "tozero"} if self.ylim else {}
        y |= {"tickvals": list(self.yticks)} if self.yticks else {}
        if self.rows:
            y |= {"tickvals": list(range(len(self.rows))), "ticktext": list(self.rows), "range": [len(self.rows) - 0.4, -0.6]}
        layout: dict[str, Any] = {"xaxis": x, "yaxis": y, "showlegend": self.legend}
        if self.line is not None:
            dotted = {"color": "@muted", "width": 1, "dash": "dot"}
            layout["shapes"] = [{"type": "line", "x0": self.line, "x1": self.line, "yref": "paper", "y0": 0, "y1": 1, "line": dotted}]
        if self.notes:
            layout["annotations"] = [_note(place, text) for place, text in enumerate(self.notes)]
        return {"data": traces, "layout": layout}

    def table(self) -> Iterator[tuple[Any, ...]]:
        """The numbers of every mark, the chart's name first; a row's number is replaced by its name."""
        for mark in self.marks:
            for label, *numbers in mark.rows():
                yield self.name, label, *numbers


def _note(place: int, text: str) -> dict[str, Any]:
    return {
        "x": 1.02,
        "xref": "paper",
        "xanchor": "left",
        "y": place,
        "text": text,
        "showarrow": False,
        "align": "left",
        "font": {"size": 11},
    }


@dataclasses.dataclass(frozen=True)
class Figure:
    """One kind of chart for all models; `file` names it in the folder, `heads` its columns there, `after` is what its charts
    share, and a `wide` file has one column a chart.
    """

    file: str
    title: str
    text: str
    charts: tuple[Chart, ...]
    kind: str = ""
    heads: tuple[str, ...] = ()
    after: Chart | None = None
    wide: bool = False

    def csv(self) -> str:
        """The numbers that are drawn, one mark's point a line."""
        import csv

        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self._wide_heads() if self.wide else ("chart", "series", *(self.heads or self._heads())))
        writer.writerows(map(_plain, self._wide_rows() if self.wide else _named(self.charts)))
        return buffer.getvalue()

    def _wide_heads(self) -> tuple[str, ...]:
        first = self.charts[0]
        return first.x, first.y, *(f"{chart.name} [nats]" for chart in self.charts if any(chart.table()))

    def _wide_rows(self) -> Iterator[tuple[Any, ...]]:
        """Two coordinates, then what each chart has there."""
        for points in zip(*filter(None, (list(chart.table()) for chart in self.charts)), strict=True):
            yield *points[0][2:4], *(point[4] for point in points)

    def _heads(self) -> tuple[str, ...]:
        first = self.charts[0]
        units = {"x": f"x [{first.x}]", "y": f"y [{first.y or 'row'}]"}
        return (*(units.get(head, head) for head in HEADS), *(("row",) if first.rows else ()))


def _named(charts: Iterable[Chart]) -> Iterator[tuple[Any, ...]]:
    for chart in charts:
        for name, label, *numbers in chart.table():
            yield name, label, *numbers, *((chart.rows[round(numbers[3])],) if chart.rows else ())


def _plain(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(value if type(value) is str else f"{value:.6g}" for value in row)
