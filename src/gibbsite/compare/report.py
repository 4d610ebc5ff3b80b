"""`report.html`: one self-contained page that a person wants to look at. It loads nothing, and reads well without its script."""

import base64
import functools
import gzip
import time
from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template

from gibbsite.compare import figures, panels
from gibbsite.compare.card import COLUMNS
from gibbsite.compare.chart import Chart, Figure
from gibbsite.compare.content import Content
from gibbsite.compare.explorer import embedded, explorer
from gibbsite.compare.modelcard import cautions_of, model_card
from gibbsite.compare.overview import overview
from gibbsite.compare.panels import ESTIMATORS
from gibbsite.compare.store import Record, safe
from gibbsite.compare.summary import Verdict
from gibbsite.compare.table import FLOOR_NOTE, by_dataset, columns_of, naming
from gibbsite.compare.tables import legend, millions, table_html

__all__ = ["Content", "figure_html", "packed_plotly", "render", "resource", "table_html"]
FEW = 4  # reasons that a verdict opens with
SHOWN = ("svg", "png", "csv")  # files of a figure


def render(content: Content) -> str:
    """The page."""
    groups = by_dataset(content.records)
    links = [("#summary", "Summary"), *((f"#{_anchor(name)}", name) for name in groups)]
    links += [("#paradigms", "Paradigms"), ("#made", "How it was made")]
    return Template(resource("report.html")).substitute(
        title=escape(f"Generative models compared: {content.card.name}"),
        byline=escape(_byline(content)),
        contents="".join(f'<li><a href="{target}">{escape(text)}</a></li>' for target, text in links),
        verdicts="\n".join(map(_verdict, content.verdicts.values())),
        overview=figure_html(overview(content.records), "figures"),
        legend=legend(content.records, ESTIMATORS),
        datasets="\n".join(_dataset(content, name, group) for name, group in groups.items()),
        paradigms="".join(f"<dt>{escape(model)}</dt><dd>{escape(content.about.get(model, ''))}</dd>" for model in content.card.models),
        made=escape(_made(content)),
        versions=escape("; ".join(dict.fromkeys(record["versions"] for record in content.records)) + "."),
        card=escape(content.card.to_toml()),
        style=resource("report.css"),
        palette=embedded(dict(figures.LIGHT)),
        plotly=packed_plotly(),
        script=resource("report.js") + resource("explorer.js"),
    )


def resource(name: str) -> str:
    """The text of a file of this room."""
    return resources.files("gibbsite.compare").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def packed_plotly() -> str:
    """The charting script, packed to a third: the page unpacks it when a chart comes near."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


def _verdict(verdict: Verdict) -> str:
    choice = verdict.advice[0].upper() + verdict.advice[1:]
    reasons, more = ("".join(f"<p>{escape(line)}</p>" for line in lines) for lines in (verdict.reasons[:FEW], verdict.reasons[FEW:]))
    if more:
        reasons += f"<details><summary>{len(verdict.reasons) - FEW} more</summary>{more}</details>"
    mine = cautions_of(verdict.choice or "", verdict.cautions)
    others = [line for line in verdict.cautions if line not in mine]
    aside = _caution(mine)
    if others:
        head = f"{len(others)} caution{'s' if len(others) > 1 else ''} on {'the other' if mine else 'other'} models"
        aside += f'<details class="cautions"><summary>{head}</summary>{_caution(others)}</details>'
    link = f'<a href="#{_anchor(verdict.dataset)}">{escape(verdict.dataset)}</a>'
    return f'<article class="verdict"><h3>{link}</h3><p class="choice">{escape(choice)}</p>{reasons}{aside}</article>'


def _caution(lines: Iterable[str]) -> str:
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<div class="caution">{text}</div>' if text else ""


def _dataset(content: Content, name: str, records: list[Record]) -> str:
    scene, shown, said, anchor = content.scenes[name], content.shown(name), content.verdicts[name], _anchor(name)
    notes = "; ".join([*(f"{c.head}: {c.note}" for c in columns_of(records)), FLOOR_NOTE])
    drawn = "\n".join(figure_html(figure, f"figures/{safe(name)}") for figure in panels.figures(scene, shown))
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-head"><h2 id="{anchor}-head">{escape(name)}</h2>'
        f"<p>{escape(scene.note + _absent(content, records))}</p>{table_html(records, said.choice)}"
        f"{_blind(content, records)}"
        f'<details class="small"><summary>What the columns are</summary><p>{escape(notes)}.</p></details>'
        f"{explorer(scene, shown, anchor, said.choice)}{drawn}{_cards(content, records, said)}</section>"
    )


def _absent(content: Content, records: Iterable[Record]) -> str:
    """Models of the card that are not in the table."""
    here = {record["model"] for record in records}
    absent = [model for model in content.card.models if model not in here]
    return f" Not in this table, for they take no data of this kind or were not fitted: {', '.join(absent)}." if absent else ""


def _blind(content: Content, records: Iterable[Record]) -> str:
    """What each model of the table cannot tell."""
    models = dict.fromkeys(record["model"] for record in records)
    lines = "".join(f"<dt>{escape(m)}</dt><dd>{escape(content.blind[m])}</dd>" for m in models if content.blind.get(m))
    return f'<details class="small blind" open><summary>What each model cannot tell</summary><dl>{lines}</dl></details>' if lines else ""


def _cards(content: Content, records: list[Record], said: Verdict) -> str:
    name = naming(records)

    def card(record: Record) -> str:
        about, blind = (texts.get(record["model"], "") for texts in (content.about, content.blind))
        return model_card(record, name(record), about, blind, cautions_of(name(record), said.cautions))

    cards = map(card, records)
    head = '<h3>Model cards</h3><p class="note">Everything that is known of each fit.</p>'
    return f'<div class="cards">{head}<div class="models">{"".join(cards)}</div></div>'


def figure_html(figure: Figure, folder: str) -> str:
    """A figure: its charts, what the script makes of them, and its files."""
    charts = "".join(map(_chart, figure.charts))
    after = f'<div class="scale">{figures.svg(figure.after)}</div>' if figure.after else ""
    names = ", ".join(f"{figure.title} as {kind}" for kind in SHOWN)
    files = " ".join(
        f'<a href="{folder}/{figure.file}.{kind}" aria-label="{figure.title}, {kind}" download data-kind="{kind}">{kind.upper()}</a>'
        for kind in SHOWN
    )
    held = {"plots": [chart.plot() for chart in figure.charts], "csv": "" if figure.wide or figure.kind == "pictures" else figure.csv()}
    return (
        f'<div class="figure" data-file="{figure.file}"><h3>{figure.title}</h3><p class="note">{escape(figure.text)}</p>{after}'
        f'<div class="panels {figure.kind}">{charts}</div><p class="files" role="group" aria-label="{escape(names)}">{files}</p>'
        f'<script type="application/json">{embedded(held)}</script></div>'
    )


def _chart(chart: Chart) -> str:
    alt = escape(chart.alt, quote=True)
    body = f'<img class="sheet" src="{chart.image}" alt="{alt}" data-rows="{chart.image_rows}">' if chart.image else figures.svg(chart)
    aside = f", {escape(chart.caption)}" if chart.caption else ""
    return f"<figure>{body}<figcaption><b>{escape(chart.name)}</b>{aside}</figcaption></figure>"


def _byline(content: Content) -> str:
    ended = sum(record["status"] != "failed" for record in content.records)
    seconds = sum(record["seconds"] for record in content.records)
    return f"{ended} of {len(content.records)} fits ended, {seconds / 60:.1f} minutes in all, {time.strftime('%d %B %Y')}"


def _made(content: Content) -> str:
    card, budget = content.card, content.card.budget
    return (
        f"Budget {budget.name}: every cell was trained with at most {millions(budget.evaluations)} evaluations (one is an example "
        "through the network forward and backward; negatives and sampler steps count, looks at the validation set do not) and about "
        f"{budget.parameters:,} parameters for each {COLUMNS} columns of the data{_ratio(content.records)}. "
        f"After training each model gave {budget.draws:,} draws. Where log Z is not known it was annealed with {budget.walkers:,} walkers "
        f"through {budget.temperatures:,} temperatures (with more columns, fewer walkers through more). "
        f"Seeds: {', '.join(map(str, card.seeds))}. Likelihoods are those of the test set, which "
        "training never saw, in the data's own units; the split is the same for every seed, and "
        "rows are taken as independent. Error bars are one standard error unless said."
    )


def _ratio(records: Iterable[Record]) -> str:
    """By what factor parameters differ between the models of one data set, at most."""
    sizes = ([r["parameters"] for r in group if r["parameters"]] for group in by_dataset(records).values())
    ratios = [max(group) / min(group) for group in sizes if group]
    return f" (those of one data set differ by a factor of {max(ratios):.2f} at most)" if ratios else ""


def _anchor(name: str) -> str:
    return f"data-{safe(name)}"
