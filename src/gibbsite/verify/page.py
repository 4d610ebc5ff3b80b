"""The page of `gibbsite verify`: every identity with its formula, both of its sides and a figure. It loads nothing."""

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.explorer import embedded
from gibbsite.compare.figures import LIGHT
from gibbsite.compare.marks import Dots, style
from gibbsite.compare.report import figure_html, packed_plotly, resource
from gibbsite.core import concise
from gibbsite.verify.identity import MULTIPLE, Field

SIZE = (4.6, 3.0)  # inches of a panel
FINE = 1e-6  # errors below this part of a number are not written behind it
SIGNS = {"=": "=", "<=": "≤", ">=": "≥", "!=": "≠"}
Record = dict[str, Any]


def render(records: Sequence[Record]) -> str:
    """The page of these records, field by field."""
    groups = {field: [r for r in records if r["field"] == field.value] for field in Field}
    groups = {field: group for field, group in groups.items() if group}
    held = sum(record["verdict"] == "holds" for record in records)
    return Template(resources.files("gibbsite.verify").joinpath("page.html").read_text(encoding="utf-8")).substitute(
        byline=f"{held} of {len(records)} identities hold",
        contents="".join(f'<li><a href="#{_anchor(field)}">{escape(field.value)}</a></li>' for field in groups),
        multiple=f"{MULTIPLE:g}",
        summary=_summary(records),
        fields="\n".join(_field(field, group) for field, group in groups.items()),
        versions=escape("; ".join(dict.fromkeys(record["versions"] for record in records)) + "."),
        style=resource("report.css"),
        palette=embedded(dict(LIGHT)),
        plotly=packed_plotly(),
        script=resource("report.js"),
    )


def figure_of(record: Record) -> Figure:
    """The figure of an identity, drawn from the numbers in its record."""
    charts = tuple(_chart(panel, record["title"]) for panel in record["panels"])
    return Figure(record["name"], record["panels"][0]["title"], "", charts, kind="wide")


def _chart(panel: dict[str, Any], title: str) -> Chart:
    marks = tuple(_mark(place, series) for place, series in enumerate(panel["series"]))
    return Chart(panel["title"], f"{panel['y']} against {panel['x']}: {title}", marks, panel["x"], panel["y"], size=SIZE)


def _mark(place: int, series: dict[str, Any]) -> Dots:
    x, y = (np.asarray(series[name], float) for name in ("x", "y"))
    error = None if series["error"] is None else np.asarray(series["error"], float)
    joined = series["joined"]
    ends = None if error is None else (error, error)
    return Dots(series["label"], style(place), x, y, along_y=ends, joined=joined, marked=not joined)


def _summary(records: Sequence[Record]) -> str:
    rows = (
        f'<tr><th scope="row"><a href="#{r["name"]}">{escape(r["title"])}</a></th>'
        f'<td data-label="verdict">{_badge(r["verdict"])}</td><td data-label="seconds"><span>{r["seconds"]:.1f}</span></td></tr>'
        for r in records
    )
    head = '<thead><tr><th scope="col">identity</th><th scope="col">verdict</th><th scope="col">seconds</th></tr></thead>'
    return f'<table class="plain"><caption>verdicts</caption>{head}<tbody>{"".join(rows)}</tbody></table>'


def _field(field: Field, records: Sequence[Record]) -> str:
    body, anchor = "\n".join(map(_identity, records)), _anchor(field)
    return f'<section id="{anchor}" aria-labelledby="{anchor}-head"><h2 id="{anchor}-head">{escape(field.value)}</h2>{body}</section>'


def _identity(record: Record) -> str:
    return (
        f'<article class="identity" id="{record["name"]}"><h3>{escape(record["title"])} {_badge(record["verdict"])}</h3>'
        f'<p class="formula">{escape(record["formula"])}</p>'
        f'<p class="note">{escape(record["conditions"])} <span class="source">{escape(record["source"])}.</span></p>'
        f'<p class="measured">{escape(record["measured"])}</p>'
        f"{_table(record)}{figure_html(figure_of(record), 'figures')}</article>"
    )


def _table(record: Record) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("left", "", "right", "gap", "tolerance", ""))
    rows = "".join(map(_row, record["statements"]))
    body = f'<thead><tr><th scope="col">statement</th>{heads}</tr></thead><tbody>{rows}</tbody>'
    return f'<div class="scroll" tabindex="0" role="group" aria-label="Both sides"><table class="plain">{body}</table></div>'


def _row(statement: dict[str, Any]) -> str:
    many = f" (the worst of {statement['points']:,})" if statement["points"] > 1 else ""
    cells = (
        ("left", _number(*statement["left"])),
        ("relation", SIGNS[statement["relation"]]),
        ("right", _number(*statement["right"])),
        ("gap", _number(statement["gap"], None, digits=2)),
        ("tolerance", _number(statement["tolerance"], None, digits=2)),
    )
    body = "".join(f'<td data-label="{label}"><span>{text}</span></td>' for label, text in cells)
    verdict = _badge("holds" if statement["holds"] else "fails")
    return f'<tr><th scope="row">{escape(statement["label"] + many)}</th>{body}<td data-label="verdict">{verdict}</td></tr>'


def _number(value: float | None, stderr: float | None, *, digits: int = 8) -> str:
    if value is None:
        return "not a number"
    if stderr is not None and stderr > FINE * abs(value) and value:
        return concise(value, stderr)
    return f"{value:.{digits}g}"


def _badge(verdict: str) -> str:
    return f'<span class="badge {"good" if verdict == "holds" else "bad"}">{verdict}</span>'


def _anchor(field: Field) -> str:
    return f"field-{field.name.lower()}"
