"""`report.html` of a scan: one page that loads nothing; colours follow the reader's own."""

from collections.abc import Sequence
from html import escape
from importlib import resources

from gibbsite.compare import figures as drawing
from gibbsite.compare.chart import Figure
from gibbsite.scan.result import Ladder, Scan

SHOWN = ("svg", "png", "csv")


def page(scan: Scan, figures: Sequence[Figure]) -> str:
    """The page."""
    title = f"{scan.name}: beta from {scan.range.low:g} to {scan.range.high:g}"
    style = resources.files("gibbsite.compare").joinpath("report.css").read_text(encoding="utf-8")
    seconds = sum(ladder.exchange.seconds for ladder in scan.ladders)
    by = f"{scan.range.points} temperatures, {scan.chains} independent populations of {scan.draws} steps, {seconds:.0f} seconds"
    body = _verdict(scan) + "".join(map(_figure, figures)) + "".join(map(_ladder, scan.ladders))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1><p class="by">{escape(by)}</p></header>\n<main>{body}</main>\n'
        "<footer><p>Made by gibbsite: every generative model is an energy.</p></footer>\n</body>\n</html>\n"
    )


def _verdict(scan: Scan) -> str:
    """What is known of the transition, and cautions."""
    cautions = "".join(f"<p>{escape(text)}</p>" for text in scan.cautions())
    aside = f'<div class="caution">{cautions}</div>' if cautions else ""
    if scan.t_c is None:
        return f'<div class="verdicts"><article class="verdict">{aside}</article></div>' if aside else ""
    lines = "".join(f"<p>{escape(line)}</p>" for line in scan.summary().splitlines())
    head = f'<h3>Critical temperature</h3><p class="choice">T_c = {escape(str(scan.t_c))}</p>'
    return f'<div class="verdicts"><article class="verdict">{head}{lines}{aside}</article></div>'


def _figure(figure: Figure) -> str:
    charts = "".join(
        f"<figure>{drawing.svg(chart)}<figcaption><b>{escape(chart.name)}</b> {escape(chart.caption)}</figcaption></figure>"
        for chart in figure.charts
    )
    files = " ".join(f'<a href="{figure.file}.{kind}" download>{kind.upper()}</a>' for kind in SHOWN)
    return (
        f'<div class="figure"><h3>{escape(figure.title)}</h3><p class="note">{escape(figure.text)}</p>'
        f'<div class="panels broad">{charts}</div><p class="files">{files}</p></div>'
    )


def _ladder(ladder: Ladder) -> str:
    """The table of one size, as it is printed."""
    return f"<details><summary>{escape(ladder.name)}</summary><pre>{escape(str(ladder))}</pre></details>"
