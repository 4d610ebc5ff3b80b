"""The tables of the page: likelihoods and samples apart, every badge explained where it is pointed at or focused."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from gibbsite.compare.ranking import with_means
from gibbsite.compare.store import Record
from gibbsite.compare.table import BADGES, COLUMNS, FLOOR, Badge, Column, badge, columns_of, floor_of, naming, number

LEANING = {"green": "good", "cyan": "good", "yellow": "bound", "magenta": "bad", "red": "bad"}
LIKELIHOOD = ("nll", "bits_per_dim", "kl", "curl")  # the rest is of the samples
FACTS = ("parameters", "evaluations", "seconds")


def table_html(records: Iterable[Record], best: str | None) -> str:
    """The tables of one data set, with the rows of the best model marked."""
    records = list(records)
    columns = columns_of(records)
    of_density = [column for column in columns if column.metric in LIKELIHOOD]
    of_samples = [column for column in columns if column.metric not in LIKELIHOOD]
    first = _table(records, of_density, "likelihood", best, facts=FACTS)
    return first + (_table(records, of_samples, "samples", best, facts=()) if of_samples else "")


def _table(records: list[Record], columns: list[Column], caption: str, best: str | None, *, facts: tuple[str, ...]) -> str:
    heads = [f'<th scope="col" title="{escape(c.note)}">{escape(c.head)}</th>' for c in columns]
    heads += [f'<th scope="col">{fact}</th>' for fact in facts]
    shown = with_means(records, [column.metric for column in columns])
    name = naming(records)
    rows = [_row(record, columns, name(record), best=record["model"] == best, facts=facts) for record in shown]
    floors = [floor_of(records, column) for column in columns]
    if any(floors):
        rows.append(_floor_row(columns, floors, facts))
    held = f'<table><caption>{caption}</caption><thead><tr><th scope="col">model</th>{"".join(heads)}</tr></thead>'
    return f'<div class="scroll" tabindex="0" role="group" aria-label="Table: {caption}">{held}<tbody>{"".join(rows)}</tbody></table></div>'


def _row(record: Record, columns: list[Column], name: str, *, best: bool, facts: tuple[str, ...]) -> str:
    head = f'<th scope="row">{escape(name)}</th>'
    if record["status"] == "failed":
        span = len(columns) + len(facts)
        return f'<tr class="failed">{head}<td colspan="{span}" data-label="failed">failed: {escape(record["reason"])}</td></tr>'
    cells = "".join(_cell(record, column) for column in columns)
    tail = "".join(f'<td data-label="{fact}"><span>{_fact(record, fact)}</span></td>' for fact in facts)
    mark = ' class="best"' if best else ""
    return f"<tr{mark}>{head}{cells}{tail}</tr>"


def _fact(record: Record, fact: str) -> str:
    return {"parameters": "{:,}".format, "evaluations": millions, "seconds": "{:.0f}".format}[fact](record[fact])


def _cell(record: Record, column: Column) -> str:
    metric = record["metrics"].get(column.metric)
    mark = badge(metric) if column.badge else None
    text = f"<span>{escape(number(metric))}</span>"
    text += f" {badge_html(mark)}" if mark and metric and metric["value"] is not None else ""
    return f'<td data-label="{escape(column.head)}">{text}</td>'


def _floor_row(columns: list[Column], floors: list[Mapping[str, Any] | None], facts: tuple[str, ...]) -> str:
    texts = ["" if floor is None else f"<span>{escape(number(floor))}</span>" for floor in floors]
    cells = "".join(f'<td data-label="{escape(c.head)}">{text}</td>' for c, text in zip(columns, texts, strict=True))
    return f'<tr class="floor"><th scope="row">{FLOOR}</th>{cells}{"<td></td>" * len(facts)}</tr>'


def badge_html(mark: Badge, *, explained: bool = True) -> str:
    """A badge; the page's script shows its meaning where it is pointed at, focused or touched."""
    name = f"evidence-{mark.word.replace(' ', '-')}"
    tip = f' tabindex="0" role="note" aria-describedby="{name}"' if explained else ""
    return f'<span class="badge {LEANING[mark.colour]}"{tip}>{escape(mark.sign)} {escape(mark.word)}</span>'


def legend(records: Iterable[Record], also: Iterable[str]) -> str:
    """What every badge in use means; `also` names metrics that are badged outside the tables."""
    badged = {column.metric for column in COLUMNS if column.badge} | set(also)
    seen = {metric["evidence"] for record in records for name, metric in record["metrics"].items() if name in badged}
    lines = (
        f'<li>{badge_html(mark, explained=False)} <span id="evidence-{mark.word.replace(" ", "-")}">{escape(mark.meaning)}</span></li>'
        for evidence, mark in BADGES.items()
        if evidence in seen
    )
    return "".join(lines)


def millions(count: int) -> str:
    """A count in millions where it is large."""
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count:,}"
