"""`report.html`: one self-contained page that a person wants to look at. It loads nothing and runs no script."""

import dataclasses
import time
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from gibbsite.compare import panels
from gibbsite.compare.card import Card
from gibbsite.compare.panels import ESTIMATORS, Shown
from gibbsite.compare.scene import Scene
from gibbsite.compare.store import Cell, Record, cell_of
from gibbsite.compare.summary import Verdict, verdicts
from gibbsite.compare.table import (
    BADGES,
    COLUMNS,
    FLOOR,
    FLOOR_NOTE,
    Badge,
    Column,
    badge,
    by_dataset,
    columns_of,
    floor_of,
    name_of,
    number,
)

LEANING = {"green": "good", "cyan": "good", "yellow": "bound", "magenta": "bad", "red": "bad"}


@dataclasses.dataclass(frozen=True)
class Content:
    """All that a report is made from; `about` says what each paradigm is, `blind` what it cannot tell."""

    card: Card
    records: tuple[Record, ...]
    arrays: Mapping[Cell, Mapping[str, np.ndarray]]
    scenes: Mapping[str, Scene]
    about: Mapping[str, str]
    blind: Mapping[str, str] = dataclasses.field(default_factory=dict)


def render(content: Content) -> str:
    """The page."""
    groups = by_dataset(content.records)
    said = verdicts(content.records, content.arrays)
    choices = {verdict.dataset: verdict.choice for verdict in said}
    links = [
        ("#summary", "Summary"),
        *((f"#{_anchor(name)}", name) for name in groups),
        ("#paradigms", "Paradigms"),
        ("#made", "How it was made"),
    ]
    template = Template(resources.files("gibbsite.compare").joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"Comparison: {content.card.name}"),
        byline=escape(_byline(content)),
        contents="".join(f'<li><a href="{target}">{escape(text)}</a></li>' for target, text in links),
        verdicts="\n".join(map(_verdict, said)),
        legend="".join(f"<li>{_badge(mark)} {escape(mark.meaning)}</li>" for mark in _used(content.records)),
        datasets="\n".join(_dataset(content, name, group, choices[name]) for name, group in groups.items()),
        paradigms="".join(f"<dt>{escape(model)}</dt><dd>{escape(content.about.get(model, ''))}</dd>" for model in content.card.models),
        made=escape(_made(content)),
        versions=escape("; ".join(dict.fromkeys(record["versions"] for record in content.records)) + "."),
        card=escape(content.card.to_toml()),
    )


def table_html(records: Iterable[Record], best: str | None) -> str:
    """The table of one data set, with the rows of the best model marked."""
    records = list(records)
    columns, seeds = columns_of(records), len({r["seed"] for r in records}) > 1
    heads = [f'<th scope="col" title="{escape(c.note)}">{escape(c.head)}</th>' for c in columns]
    rows = [_row(record, columns, name_of(record, seeds=seeds), best=record["model"] == best) for record in records]
    tail = '<th scope="col">parameters</th><th scope="col">evaluations</th><th scope="col">seconds</th>'
    floors = [floor_of(records, column) for column in columns]
    if any(floors):
        rows.append(_floor_row(columns, floors))
    return f'<table><thead><tr><th scope="col">model</th>{"".join(heads)}{tail}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _row(record: Record, columns: list[Column], name: str, *, best: bool) -> str:
    head = f'<th scope="row">{escape(name)}</th>'
    if record["status"] == "failed":
        return f'<tr class="failed">{head}<td colspan="{len(columns) + 3}" data-label="failed">failed: {escape(record["reason"])}</td></tr>'
    cells = "".join(_cell(record, column) for column in columns)
    facts = (
        ("parameters", f"{record['parameters']:,}"),
        ("evaluations", _millions(record["evaluations"])),
        ("seconds", f"{record['seconds']:.0f}"),
    )
    tail = "".join(f'<td data-label="{label}"><span>{text}</span></td>' for label, text in facts)
    mark = ' class="best"' if best else ""
    return f"<tr{mark}>{head}{cells}{tail}</tr>"


def _cell(record: Record, column: Column) -> str:
    metric = record["metrics"].get(column.metric)
    mark = badge(metric) if column.badge else None
    text = f"<span>{escape(number(metric))}</span>"
    text += f" {_badge(mark)}" if mark and metric and metric["value"] is not None else ""
    return f'<td data-label="{escape(column.head)}">{text}</td>'


def _floor_row(columns: list[Column], floors: list[Mapping[str, Any] | None]) -> str:
    texts = ["" if floor is None else f"<span>{escape(number(floor))}</span>" for floor in floors]
    cells = "".join(f'<td data-label="{escape(c.head)}">{text}</td>' for c, text in zip(columns, texts, strict=True))
    return f'<tr class="floor"><th scope="row">{FLOOR}</th>{cells}<td></td><td></td><td></td></tr>'


def _badge(mark: Badge) -> str:
    return f'<span class="badge {LEANING[mark.colour]}">{escape(mark.sign)} {escape(mark.word)}</span>'


def _used(records: Iterable[Record]) -> list[Badge]:
    badged = {column.metric for column in COLUMNS if column.badge}
    seen = {metric["evidence"] for record in records for name, metric in record["metrics"].items() if name in badged or name in ESTIMATORS}
    return [mark for evidence, mark in BADGES.items() if evidence in seen]


def _verdict(verdict: Verdict) -> str:
    choice = verdict.advice[0].upper() + verdict.advice[1:]
    reasons = "".join(f"<p>{escape(line)}</p>" for line in verdict.reasons)
    cautions = "".join(f"<p>{escape(line)}</p>" for line in verdict.cautions)
    aside = f'<div class="caution">{cautions}</div>' if cautions else ""
    return f'<article class="verdict"><h3>{escape(verdict.dataset)}</h3><p class="choice">{escape(choice)}</p>{reasons}{aside}</article>'


def _dataset(content: Content, name: str, records: list[Record], best: str | None) -> str:
    scene = content.scenes[name]
    seeds = len({r["seed"] for r in records}) > 1
    order = {model: place for place, model in enumerate(content.card.models)}
    shown = [
        Shown(name_of(record, seeds=seeds), order.get(record["model"], 0), record, content.arrays.get(cell_of(record), {}))
        for record in records
        if record["status"] != "failed"
    ]
    notes = "; ".join([*(f"{c.head}: {c.note}" for c in columns_of(records)), FLOOR_NOTE])
    anchor = _anchor(name)
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-head"><h2 id="{anchor}-head">{escape(name)}</h2>'
        f'<p>{escape(scene.note)}</p>{table_html(records, best)}<p class="small">{escape(notes)}.</p>{panels.rows(scene, shown)}</section>'
    )


def _byline(content: Content) -> str:
    ended = sum(record["status"] != "failed" for record in content.records)
    seconds = sum(record["seconds"] for record in content.records)
    return f"{ended} of {len(content.records)} fits ended, {seconds / 60:.1f} minutes in all, {time.strftime('%d %B %Y')}"


def _made(content: Content) -> str:
    card, budget = content.card, content.card.budget
    return (
        f"Budget {budget.name}: every cell was trained with at most {_millions(budget.evaluations)} evaluations (one is an example "
        "through the network forward and backward; negatives and sampler steps count, looks at the validation set do not) and about "
        f"{budget.parameters:,} parameters{_ratio(content.records)}. "
        f"After training each model gave {budget.draws:,} draws, and its log Z was annealed with {budget.walkers:,} walkers through "
        f"{budget.temperatures:,} temperatures. Seeds: {', '.join(map(str, card.seeds))}. Likelihoods are those of the test set, which "
        "training never saw, in the data's own units; the split is the same for every seed, and "
        "rows are taken as independent. Error bars are one standard error unless said."
    )


def _ratio(records: Iterable[Record]) -> str:
    """By what factor parameters differ between the models of one data set, at most."""
    sizes = ([r["parameters"] for r in group if r["parameters"]] for group in by_dataset(records).values())
    ratios = [max(group) / min(group) for group in sizes if group]
    return f" (those of one data set differ by a factor of {max(ratios):.2f} at most)" if ratios else ""


def _millions(count: int) -> str:
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count:,}"


def _anchor(name: str) -> str:
    return "data-" + "".join(c if c.isalnum() else "-" for c in name.lower())
