"""`report.html` of a scan: one page that loads nothing; colours follow the reader's own."""

from collections.abc import Sequence
from html import escape

from gibbsite.compare import figures as drawing
from gibbsite.compare.chart import Figure
from gibbsite.compare.report import SHOWN, resource
from gibbsite.scan.one_size import OneSize


def page(
    title: str, byline: str, verdict: Sequence[str], cautions: Sequence[str], figures: Sequence[Figure], ladders: Sequence[OneSize]
) -> str:
    """The page; the first line of the verdict is its head."""
    body = _verdict(verdict, cautions) + "".join(map(_figure, figures)) + _tables(ladders)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{resource('report.css')}</style>\n</head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1><p class="by">{escape(byline)}</p></header>\n<main>{body}</main>\n'
        "<footer><p>Made by gibbsite: every generative model is an energy.</p></footer>\n</body>\n</html>\n"
    )


def _verdict(verdict: Sequence[str], cautions: Sequence[str]) -> str:
    """What is known of the transition, and what to mistrust."""
    if not (verdict or cautions):
        return ""
    warned = "".join(f"<p>{escape(text)}</p>" for text in cautions)
    aside = f'<div class="caution">{warned}</div>' if warned else ""
    head = f'<h3>Critical temperature</h3><p class="choice">{escape(verdict[0])}</p>' if verdict else ""
    lines = "".join(f"<p>{escape(line)}</p>" for line in verdict[1:])
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


def _tables(ladders: Sequence[OneSize]) -> str:
    """Those of all sizes, as they are printed."""
    told = "".join(f"<details><summary>{escape(one.name)}</summary><pre>{escape(str(one))}</pre></details>" for one in ladders)
    return f'<div class="figure"><h3>Tables</h3>{told}</div>'
