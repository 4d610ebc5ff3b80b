"""The report: one page that loads nothing, whole even where numbers are missing."""

import html.parser
import re

import numpy as np
import pytest
from report_content import content, record

from gibbsite.compare.card import Card
from gibbsite.compare.report import Content, render
from gibbsite.compare.summary import sentence, verdict
from gibbsite.compare.table import table
from gibbsite.core import Estimate, Evidence

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Checker(html.parser.HTMLParser):
    """Tags closed in order, identifiers unique, pictures described."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        held = dict(attributes)
        if "id" in held:
            self.ids.append(held["id"])
        if tag == "img" and not held.get("alt"):
            self.faults.append("img without alt")
        if tag == "svg" and not held.get("aria-label"):
            self.faults.append("svg without label")
        self.loads += [held[name] or "" for name in ("src", "srcset", "data", "poster", "action") if name in held]
        self.loads += [held[name] or "" for name in ("href", "xlink:href") if name in held]
        if tag in ("script", "link", "iframe"):
            self.faults.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


@pytest.fixture(scope="module")
def page() -> str:
    return render(content())


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    assert not checker.faults, checker.faults[:5]
    assert not checker.open, checker.open
    assert len(checker.ids) == len(set(checker.ids))
    return checker


def test_it_loads_nothing(page: str) -> None:
    checker = checked(page)
    outside = [load for load in checker.loads if not load.startswith(("#", "data:image/"))]
    assert not outside, outside[:5]
    assert not re.search(r"@import|url\((?!#)", page)
    assert len(page) < 4e6


def test_every_figure_is_there(page: str) -> None:
    for title in ("Energy landscapes", "Draws", "Mode masses", "Energies of data against draws", "log Z by each estimator", "Training"):
        assert f"<h3>{title}</h3>" in page, title
    figures = len(re.findall("<figure>", page))
    # truth and 4 landscapes, 4 masses, 4 + 1 histograms, 1 log Z, 4 training curves, 2 sheets
    assert figures == 5 + 4 + 5 + 1 + 4 + 2
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_links_inside_lead_somewhere(page: str) -> None:
    checker = checked(page)
    targets = {load[1:] for load in checker.loads if load.startswith("#")}
    assert targets <= set(checker.ids), targets - set(checker.ids)


def test_colours_come_from_the_page(page: str) -> None:
    assert not re.search(r"#0[1-5]0[0-9]0[0-9]", page)


def test_the_summary_says_which_and_why(page: str) -> None:
    assert "Use flow" in page
    assert "misses mode masses" in page
    assert "training diverged" in page
    assert "≥ lower bound" in page
    assert "model &lt;in&gt;" in page or "&lt;in&gt; one line &amp; how exact" in page


def test_missing_numbers_leave_the_page_whole() -> None:
    nothing = Estimate(None, None, evidence=Evidence.NOT_ESTABLISHED).record()
    bad = record("gaussians8", "flow", {"nll": nothing, "mmd": Estimate(np.nan, np.inf).record(), "mode_masses": nothing})
    failed = record("gaussians8", "rbm", {}, status="failed", reason="<b>no & never</b>")
    held = content()
    page = render(Content(Card(data=("gaussians8",)), (bad, failed), {}, held.scenes, {}))
    checked(page)
    assert "Nothing established" in page
    assert "&lt;b&gt;no &amp; never" in page
    assert "not established" in table([bad, failed], plain=True)


def test_the_table_is_plain_where_there_is_no_terminal() -> None:
    text = table(content().records, plain=True)
    assert "\x1b" not in text
    assert "2.830(12) =" in text
    assert "20.4(3) ≥" in text
    assert "noise floor" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "\x1b" in table(content().records)


def test_disagreement_of_log_z_is_told() -> None:
    apart = {"log_z_disagreement": Estimate(-9.0, 1.0).record()} | nll(1.0, 0.1, Evidence.EXACT)
    assert "-9.0 errors" in " ".join(verdict("d", [record("d", "rbm", apart)]).cautions)
    close = {"log_z_disagreement": Estimate(2.0, 1.0).record()} | nll(1.0, 0.1, Evidence.EXACT)
    assert not verdict("d", [record("d", "rbm", close)]).cautions


def nll(value: float, stderr: float, evidence: Evidence) -> dict:
    return {"nll": Estimate(value, stderr, evidence=evidence).record()}


@pytest.mark.parametrize(
    ("best", "second", "words"),
    [
        ((1.0, 0.01, Evidence.EXACT), (2.0, 0.01, Evidence.EXACT), "1 nats behind."),
        ((1.0, 0.3, Evidence.EXACT), (1.1, 0.3, Evidence.EXACT), "call it a tie"),
        ((1.0, 0.01, Evidence.LOWER), (2.0, 0.01, Evidence.EXACT), "order is not established"),
        ((1.0, 0.01, Evidence.EXACT), (2.0, 0.01, Evidence.LOWER), "1 nats behind."),
        ((1.0, 0.01, Evidence.EXACT), (2.0, 0.01, Evidence.UPPER), "order is not established"),
    ],
)
def test_the_order_is_claimed_only_where_it_is_established(best: tuple, second: tuple, words: str) -> None:
    found = verdict("d", [record("d", "rbm", nll(*second)), record("d", "flow", nll(*best))])
    assert found.choice == "flow"
    assert words in sentence(found)
