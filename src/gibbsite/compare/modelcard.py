"""All that is known of one cell, folded away: facts, every number with its evidence, trials, cautions, how to load the model."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from gibbsite.compare.store import Record, cell_of
from gibbsite.compare.table import BADGES, badge, number
from gibbsite.compare.tables import badge_html, millions
from gibbsite.core import Status


def model_card(record: Record, name: str, about: str, blind: str, cautions: Sequence[str]) -> str:
    """One `<details>`."""
    nll = record["metrics"].get("nll")
    mark = badge(nll)
    told = "failed" if record["status"] == "failed" else f"NLL {number(nll)}"
    head = f"<summary><b>{escape(name)}</b> <span>{escape(told)}</span>"
    head += f" {badge_html(mark, explained=False)}" if mark and nll and nll["value"] is not None else ""
    facts = {
        "What it is": about,
        "What it cannot tell": blind,
        "Size and cost": _cost(record),
        "Learning rate": _rate(record),
        "Training": record["training"] or record["reason"],
    }
    rows = "".join(f"<dt>{term}</dt><dd>{escape(text)}</dd>" for term, text in facts.items() if text)
    aside = "".join(f"<p>{escape(line)}</p>" for line in cautions)
    said = f'<div class="caution">{aside}</div>' if aside else ""
    return f'<details class="model">{head}</summary><dl>{rows}</dl>{said}{_numbers(record)}{_trials(record)}{_loading(record)}</details>'


def cautions_of(name: str, cautions: Iterable[str]) -> list[str]:
    """The cautions that open with this model's name."""
    return [line for line in cautions if line.startswith((f"{name}:", f"{name} "))]


def _cost(record: Record) -> str:
    spent = f"{record['parameters']:,} parameters, {millions(record['evaluations'])} evaluations in {record['seconds']:.0f} seconds"
    return f"{spent}, seed {record['seed']}"


def _rate(record: Record) -> str:
    """The rate that was trained with; trials are shorter, and faster by the root of that."""
    rate = record.get("learning_rate")
    chosen = ", of the best trial, scaled to the longer run" if record.get("trials") else ""
    return "" if rate is None else f"{rate:.3g}{chosen}"


def _numbers(record: Record) -> str:
    rows = [
        f'<tr><th scope="row">{escape(name.replace("_", " "))}</th><td data-label="value">{escape(number(metric))}</td>'
        f'<td data-label="evidence">{_evidence(metric)}</td><td data-label="computation">{escape(_status(metric))}</td></tr>'
        for name, metric in record["metrics"].items()
        if not isinstance(metric["value"], list)
    ]
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("number", "value", "evidence", "computation"))
    table = f"<table><caption>every number</caption><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="group" aria-label="Every number">{table}</div>' if rows else ""


def _evidence(metric: Mapping[str, Any]) -> str:
    mark = BADGES[metric["evidence"]]
    return badge_html(mark, explained=False)


def _status(metric: Mapping[str, Any]) -> str:
    return "worked" if metric["status"] == "ok" else Status[metric["status"].upper()].value


def _trials(record: Record) -> str:
    trials = record.get("trials") or []
    rows = "".join(
        f'<tr><th scope="row">{trial["learning_rate"]:.3g}</th><td data-label="evaluations">{millions(trial["evaluations"])}</td>'
        f'<td data-label="score">{_score(trial)}</td><td data-label="ended">{escape(trial["status"].replace("_", " "))}</td></tr>'
        for trial in trials
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("learning rate", "evaluations", "score (lower is better)", "ended"))
    table = f"<table><caption>learning rates tried</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="group" aria-label="Learning rates tried">{table}</div>' if rows else ""


def _score(trial: Mapping[str, Any]) -> str:
    return "none" if trial["score"] is None else f"{trial['score']:.5g}"


def _loading(record: Record) -> str:
    if record["status"] == "failed":
        return ""
    return f'<p>In Python, from the folder of this page:</p><pre>model = gibbsite.load("cells/{escape(cell_of(record).folder)}")</pre>'
