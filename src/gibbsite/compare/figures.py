"""Charts as SVG text that takes its colours and its type from the page around it, and whole figures as files.

Every function draws on a canvas of its own (no pyplot, no global state). On the page colours are written as stand-ins and
replaced by the page's variables, so light, dark and print need one drawing; files have the light colours themselves.
"""

import io
import itertools
import math
import re
import textwrap
from html import escape
from typing import Any

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.marks import STYLES, Palette

NAMES = ("ink", "muted", "rule", "paper", *(f"s{n}" for n in range(1, STYLES + 1)))
STAND_INS: Palette = {name: f"#0{n:x}0{n:x}0{n:x}" for n, name in enumerate(NAMES, 1)}
HEXES = ("#1d2126", "#5c636b", "#d9d6cc", "#ffffff")
SERIES = ("#0b62a3", "#b24a00", "#00745a", "#8d3f7c", "#7a5c00", "#43474d", "#a3222c", "#0a7d8c", "#5546b8")
LIGHT: Palette = dict(zip(NAMES, HEXES + SERIES, strict=True))
ACROSS = 4  # charts beside each other in a file
LETTERS = 15  # of a caption, an inch
_numbers = itertools.count()


def rc(palette: Palette) -> Any:
    """Matplotlib's settings in these colours."""
    return {
        "svg.fonttype": "none",
        "text.parse_math": False,  # a dollar in a column's name is a dollar
        "svg.hashsalt": "gibbsite",
        "font.size": 8.5,
        "axes.edgecolor": palette["muted"],
        "axes.labelcolor": palette["ink"],
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": palette["rule"],
        "grid.linewidth": 0.5,
        "text.color": palette["ink"],
        "xtick.color": palette["muted"],
        "ytick.color": palette["muted"],
        "xtick.labelcolor": palette["ink"],
        "ytick.labelcolor": palette["ink"],
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "legend.frameon": False,
        "lines.linewidth": 1.4,
    }


def svg(chart: Chart) -> str:
    """One chart as an `<svg>` with a description for those who cannot see it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(rc(STAND_INS)):
        canvas = Canvas(figsize=chart.size, layout="constrained")
        FigureCanvasSVG(canvas)
        chart.draw(canvas.add_subplot(), STAND_INS)
        _lay_out(canvas)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), chart.alt)


def _lay_out(canvas: Any) -> None:
    """Once and for all: an engine left in place would do it again before each drawing, which takes as long as drawing does."""
    canvas.get_layout_engine().execute(canvas)
    canvas.set_layout_engine("none")


def _inline(drawn: str, alt: str) -> str:
    """The element alone, with its own identifiers, the page's type and colours, and a title."""
    prefix = f"f{next(_numbers)}-"
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.S)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r' transform="rotate\(-0[^"]*"', "", drawn)
    drawn = re.sub(r'\bid="', f'id="{prefix}', drawn)
    drawn = re.sub(r'(xlink:href="|url\()#', rf"\1#{prefix}", drawn)
    drawn = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", drawn)
    drawn = re.sub(r"font-family: [^;\"]+;?", "", drawn)
    # A hundredth of a point is finer than any screen; the numbers of the text stay as they are.
    drawn = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), drawn)
    for name, stand_in in STAND_INS.items():
        drawn = drawn.replace(stand_in, "currentColor" if name == "ink" else f"var(--{name})")
    head, body = drawn.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    body, text = re.sub(r"\s*\n\s*", "\n", body), escape(alt, quote=True)
    return f'<svg {names} {box.group()} role="img" aria-label="{text}"><title>{text}</title>{body}'.strip()


def files(figure: Figure) -> dict[str, bytes]:
    """The figure by the ending of its file: png and svg of one drawing, and csv."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    drawn = {kind: io.BytesIO() for kind in ("png", "svg")}
    with mpl.rc_context(rc(LIGHT)):
        canvas = Canvas(layout="constrained")
        FigureCanvasAgg(canvas)
        _fill(canvas, figure)
        _lay_out(canvas)
        canvas.savefig(drawn["png"], format="png", dpi=130, facecolor="white")
        canvas.savefig(drawn["svg"], format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return {kind: buffer.getvalue() for kind, buffer in drawn.items()} | {"csv": figure.csv().encode()}


def _fill(canvas: Any, figure: Figure) -> None:
    """All charts, row by row, and below them what they share."""
    below, across = [figure.after] if figure.after else [], min(ACROSS, len(figure.charts))
    down = math.ceil(len(figure.charts) / across)
    heights = [down * (max(chart.size[1] for chart in figure.charts) + 0.35), *(chart.size[1] for chart in below)]
    canvas.set_size_inches(max(across * figure.charts[0].size[0], *(chart.size[0] for chart in below), 0), sum(heights))
    body, *rest = canvas.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat
    for axes, chart in itertools.zip_longest(body.subplots(down, across, squeeze=False).flat, figure.charts):
        if chart is None:
            axes.set_axis_off()
        else:
            _titled(axes, chart)
    for part, chart in zip(rest, below, strict=True):
        chart.draw(part.subplots(), LIGHT)


def _titled(axes: Any, chart: Chart) -> None:
    """A chart of a file, its name and caption above it."""
    lines = textwrap.wrap(chart.caption, int(LETTERS * chart.size[0]))
    chart.draw(axes, LIGHT)
    axes.set_title(chart.name, fontsize=9.5, fontweight="bold", loc="left", pad=6 + 9 * len(lines))
    caption = axes.annotate(
        "\n".join(lines), (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=7, color=LIGHT["muted"]
    )
    caption.set_in_layout(False)  # the title's pad has made room for it
