"""The report: one page that loads nothing, whole even where numbers are missing."""

import base64
import csv
import html
import html.parser
import io
import json
import math
import pathlib
import re
from typing import NamedTuple

import numpy as np
import pytest
from report_content import content, record

from gibbsite.compare.card import Card
from gibbsite.compare.content import Content, figures_of, safe
from gibbsite.compare.explorer import LEVELS, Ground, explorer
from gibbsite.compare.export import export
from gibbsite.compare.figures import svg
from gibbsite.compare.marks import DASHES, MARKERS, Pictures, style
from gibbsite.compare.overview import overview
from gibbsite.compare.panels import Shown, landscapes, log_z
from gibbsite.compare.ranking import gap, standings, with_means
from gibbsite.compare.report import render
from gibbsite.compare.scene import Scene, grid
from gibbsite.compare.store import Cell
from gibbsite.compare.summary import Verdict, verdict
from gibbsite.compare.table import number, table
from gibbsite.compare.tables import table_html
from gibbsite.core import Estimate, Evidence, Status

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
        if tag in ("link", "iframe") or (tag == "script" and "src" in held):
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
    outside = [load for load in checker.loads if not load.startswith(("#", "data:image/", "figures/"))]
    assert not outside, outside[:5]
    assert not re.search(r"@import|url\((?!#)", page)
    assert len(page) < 4.5e6


def test_every_figure_is_there(page: str) -> None:
    titles = ("Likelihood of every model", "Energy landscapes", "Draws", "Mode masses", "Energies of data against draws", "Training")
    for title in (*titles, "log Z by each estimator", "Model cards", "Explore the landscapes"):
        assert f"<h3>{title}</h3>" in page, title
    figures = len(re.findall("<figure>", page))
    # 3 of likelihoods, truth and 9 landscapes, 9 masses, 8 + 3 + 1 histograms, 1 log Z, 9 training curves, 4 + 2 sheets
    assert figures == 3 + 10 + 9 + 12 + 1 + 9 + 6
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_links_inside_lead_somewhere(page: str) -> None:
    checker = checked(page)
    targets = {load[1:] for load in checker.loads if load.startswith("#")}
    assert targets <= set(checker.ids), targets - set(checker.ids)


def test_colours_come_from_the_page(page: str) -> None:
    assert not re.search(r"#0([1-9a-d])0\1 ?0\1", page.split('id="plotly"')[0])
    assert set(re.findall(r"var\(--(\w+)", page)) <= set(re.findall(r"--(\w+):", page)) | {"least"}


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


def test_models_that_are_not_in_a_table_are_named() -> None:
    held = content()
    page = render(held)
    absent = [model for model in held.card.models if model not in {r["model"] for r in held.records if r["dataset"] == "digits"}]
    assert absent and f"or were not fitted: {', '.join(absent)}." in page


def test_whose_draws_are_nearest_is_told() -> None:
    """Nearer by more than both errors allow, by less, and those of the best likelihood itself."""

    def told(far: float, near: float) -> str:
        best, other = fit(1.0), fit(1.5)
        for (held, _), distance in ((best, far), (other, near)):
            held["energy_distance"] = Estimate(distance, 0.01).record()
        return " ".join(judged({"flow": [best], "rbm": [other]}).reasons)

    assert "those of rbm lie nearest to the data: energy distance 0.100(10), that of flow is 0.200(10). " in told(0.2, 0.1)
    assert "those of rbm lie nearest to the data: energy distance 0.190(10), that of flow is 0.200(10); chance alone" in told(0.2, 0.19)
    assert "No other model's draws lie nearer to the data (energy distance 0.100(10))" in told(0.1, 0.2)


def test_the_table_is_plain_where_there_is_no_terminal() -> None:
    text = table(content().records, plain=True)
    assert "\x1b" not in text
    assert "2.830(12) =" in text
    assert "20.4(3) ≥" in text
    assert "noise floor" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "\x1b" in table(content().records)


def test_disagreement_of_log_z_is_told() -> None:
    assert "-9.0 errors from the exact one, more than 4: the path was too short" in judged({"rbm": [fit(1.0, -9.0)]}).cautions[0]
    assert "+9.0 errors from the exact one, more than 4: mass was missed" in judged({"rbm": [fit(1.0, 9.0)]}).cautions[0]
    assert not judged({"rbm": [fit(1.0, 2.0)]}).cautions


class Made(NamedTuple):
    """One fit as its record would tell, and its -log p of the test rows."""

    metrics: dict
    rows: np.ndarray


HARD = np.random.default_rng(0).exponential(size=400)  # what makes a row hard, for every model alike: spread 1


def fit(nll: float, apart: float = 0.0, *, log_z: float = 0.0, evidence: Evidence = Evidence.UNBIASED, status: Status = Status.OK) -> Made:
    """Rows that differ between fits by 0.1 at random, so a gap is known to 0.1 sqrt(2 / 400) = 0.007."""
    noise = np.random.default_rng(round(1e6 * nll)).normal(size=400)
    rows = HARD - HARD.mean() + 0.1 * (noise - noise.mean()) + nll
    held = {"nll": Estimate(nll, 0.05, evidence=evidence, status=status), "log_z": Estimate(0.0, log_z)}
    held |= {"log_z_disagreement": Estimate(apart, 1.0)}
    return Made({name: estimate.record() for name, estimate in held.items()}, rows)


def judged(fits: dict[str, list[Made]]) -> Verdict:
    """The verdict on some fits of each model, seeds 0, 1, ..."""
    records = [record("d", model, made.metrics, seed=seed) for model, several in fits.items() for seed, made in enumerate(several)]
    rows = {Cell("d", model, seed): {"energy_data": made.rows} for model, several in fits.items() for seed, made in enumerate(several)}
    return verdict("d", records, rows)


LOWER, UPPER = Evidence.LOWER, Evidence.UPPER


@pytest.mark.parametrize(
    ("best", "second", "words"),
    [
        (fit(1.0), fit(2.0), "1.000(7) nats behind on the same test rows; one fit of each"),
        (fit(1.0), fit(1.03), "0.030(7) nats behind on the same test rows; one fit of each"),  # far less than the error of either
        (fit(1.0), fit(1.01), "call it a tie"),
        (fit(1.0, log_z=0.02), fit(1.03), "call it a tie"),
        (fit(1.0, evidence=LOWER), fit(2.0), "order is not established"),
        (fit(1.0), fit(2.0, evidence=LOWER), "nats behind on the same test rows; one fit of each"),
        (fit(1.0), fit(2.0, evidence=UPPER), "order is not established"),
        (fit(1.0, evidence=LOWER), fit(2.0, evidence=LOWER), "figure of flow is marked lower bound"),
    ],
)
def test_the_order_is_claimed_only_where_it_is_established(best: Made, second: Made, words: str) -> None:
    found = judged({"rbm": [second], "flow": [best]})
    assert found.choice == "flow"
    assert words in " ".join(found.reasons)
    assert (not found.rivals) == ("one fit of each" in words)


def test_seeds_are_fits_of_one_model() -> None:
    """Two seeds of the best model do not crowd out the next, and the spread between seeds is in the error of the gap."""
    found = judged({"flow": [fit(1.0), fit(1.02), fit(1.01)], "rbm": [fit(1.2), fit(1.21), fit(1.19)]})
    assert (found.choice, found.rivals) == ("flow", ())
    assert "mean of 3 fits" in found.reasons[0] and "rbm is 0.190(" in found.reasons[-1] and found.reasons[-1].endswith("test rows.")
    wide = judged({"flow": [fit(0.7), fit(1.3), fit(1.01)], "rbm": [fit(1.2), fit(1.21), fit(1.19)]})
    assert wide.rivals == ("rbm",)


def test_every_model_that_may_be_as_good_is_named() -> None:
    found = judged({"flow": [fit(1.0)], "rbm": [fit(1.01)], "ebm-pcd": [fit(1.012)], "ebm-dsm": [fit(2.0)]})
    assert found.advice == "use flow, rbm or ebm-pcd"
    clear = judged({"flow": [fit(1.0)], "rbm": [fit(1.1)], "ebm-pcd": [fit(1.15, log_z=0.2)]})  # the third is worse known
    assert clear.advice == "use flow or ebm-pcd"
    assert len(clear.reasons) == 3


def test_fits_that_happened_to_succeed_are_no_model() -> None:
    """Two of three fits in doubt: the third, lucky one does not speak for them."""
    lucky = [fit(0.9), fit(1.5, status=Status.LOW_ESS), fit(1.6, status=Status.LOW_ESS)]
    found = judged({"rbm": lucky, "flow": [fit(1.0), fit(1.02), fit(1.01)]})
    assert found.advice == "use flow"
    assert "rbm #1: NLL in doubt, so rbm is not ranked" in found.cautions[0]


def test_a_doubtful_likelihood_is_not_ranked() -> None:
    found = judged({"flow": [fit(1.0)], "rbm": [fit(0.2, status=Status.LOW_ESS)]})
    assert found.choice == "flow" and not found.rivals
    assert "rbm: NLL in doubt, so rbm is not ranked. Few effective samples" in found.cautions[0]
    assert judged({"rbm": [fit(0.2, status=Status.LOW_ESS)]}).advice == "nothing established"


def test_the_gap_covers_the_truth() -> None:
    """2000 comparisons of two models of equal mean, 3 seeds each: the 95 % interval holds 0 in 95 % of them, within 5.6 errors.

    One that leaves out how fits differ does not.
    """
    rng = np.random.default_rng(1)
    covered, forgetful = 0, 0
    for _ in range(2000):
        hard = rng.exponential(size=50)
        fits = {model: [hard + 0.3 * rng.normal() + rng.normal(size=50) for _ in range(3)] for model in ("a", "b")}
        records = [
            record("d", model, {"nll": Estimate(rows.mean(), 0.1).record(), "log_z": Estimate(0.0, 0.0).record()}, seed=seed)
            for model, several in fits.items()
            for seed, rows in enumerate(several)
        ]
        arrays = {Cell("d", model, seed): {"energy_data": rows} for model, several in fits.items() for seed, rows in enumerate(several)}
        first, second = standings(records, arrays)
        covered += gap(first, second).lo <= 0
        forgetful += gap(first._replace(fit_variance=0.0), second._replace(fit_variance=0.0)).lo <= 0
    bound = 5.6 * np.sqrt(0.95 * 0.05 / 2000)
    assert abs(covered / 2000 - 0.95) < bound
    assert forgetful / 2000 < 0.95 - bound


def test_doubt_is_explained_below_the_table() -> None:
    doubtful = record("d", "rbm", fit(0.2, status=Status.LOW_ESS).metrics)
    assert "with a question mark" in table([doubtful], plain=True)
    assert "with a question mark" not in table([record("d", "rbm", fit(0.2).metrics)], plain=True)


def test_one_axis_has_densities() -> None:
    """On one axis the picture is the density over the data; the truth is drawn where it is known."""
    axis = np.linspace(-4, 4, 400)
    bell = 0.5 * axis**2 + 0.5 * np.log(2 * np.pi)
    rows = np.random.default_rng(0).normal(size=(300, 1)).astype(np.float32)
    held = {"landscape": bell + 0.1, "draws": rows, "energy_data": fit(1.0).rows, "energy_draws": fit(1.0).rows}
    scene = Scene("peak", "One peak.", ("length",), rows, extent=(-4.0, 4.0), truth=bell)
    page = render(
        Content(Card(data=("peak",)), (record("peak", "flow", fit(1.0).metrics),), {Cell("peak", "flow", 0): held}, {"peak": scene}, {})
    )
    checked(page)
    assert "<h3>Densities</h3>" in page and "<h3>Energy landscapes</h3>" not in page
    assert "density (1/length)" in page and ">truth<" in page and "Explore the landscapes" not in page
    assert grid((-4.0, 4.0)).shape == (400, 1) and grid((0.0, 1.0, 0.0, 2.0)).shape == (140, 140, 2)


def test_open_intervals_are_drawn_open() -> None:
    """An end at infinity is null on record, and an arrow in the figure, not a bar that ends."""
    held = {"log_z_ais": Estimate(1.0, 0.1, hi=math.inf, evidence=Evidence.LOWER).record()}
    assert held["log_z_ais"]["hi"] is None
    closed = {"log_z_ais": Estimate(1.0, 0.1, evidence=Evidence.LOWER).record()}
    charts = [log_z([Shown("rbm", 0, record("d", "rbm", metrics), {})]).charts[0] for metrics in (held, closed)]
    assert svg(charts[0]).count("<use") > svg(charts[1]).count("<use")
    tips = [[trace["marker"]["symbol"] for trace in chart.plot()["data"]] for chart in charts]
    assert tips == [["circle", "triangle-right"], ["circle"]]


def numbers(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_every_figure_is_also_a_file(tmp_path: pathlib.Path) -> None:
    """As PNG, SVG and CSV, linked from below it; the CSV holds what is drawn, and the page holds the CSV."""
    held = content()
    made = {path.relative_to(tmp_path).as_posix(): path for path in export(held, tmp_path)}
    page = render(held)
    links = {load for load in checked(page).loads if load.startswith("figures/")}
    assert links == set(made) and len(made) % 3 == 0
    for name, path in made.items():
        start = path.read_bytes()[:200]
        assert name.endswith(".csv") or b"\x89PNG" in start or b"<?xml" in start, name
    embedded = [json.loads(text) for text in re.findall(r'<script type="application/json">(\{"plots".*?)</script>', page)]
    files = {path.read_text() for name, path in made.items() if name.endswith(".csv")}
    assert {figure["csv"] for figure in embedded} - {""} <= files
    rows = numbers(made["figures/gaussians8/masses.csv"].read_text())
    assert rows[0][:3] == ["chart", "series", "x [mode]"] and len(rows) == 1 + 9 * 16
    mine = next(row for row in rows if row[:3] == ["ebm-dsm", "model", "3"])
    assert [float(value) for value in mine[5:]] == pytest.approx([0.125, 0.115, 0.135])
    wide = numbers(made["figures/gaussians8/landscapes.csv"].read_text())
    assert wide[0][:3] == ["x", "y", "truth [nats]"] and len(wide[0]) == 2 + 9 and len(wide) == 1 + 90 * 90
    pictures = numbers(made["figures/digits/draws.csv"].read_text())
    assert {len(row) for row in pictures} == {3 + 64} and len(pictures) == 1 + 4 * 64


def test_nine_styles_are_told_apart_without_colour() -> None:
    looks = [style(place) for place in range(9)]
    assert len({look.marker for look in looks}) == len({look.dash for look in looks}) == len({look.color for look in looks}) == 9
    assert len(set(MARKERS.values())) == len(MARKERS) and len(set(DASHES)) == 9


def test_the_picture_is_in_order_and_names_its_evidence() -> None:
    ring, *_ = overview(content().records).charts
    assert ring.rows[:2] == ("flow", "diffusion") and ring.rows[-1] == "gan"
    assert ring.notes[0] == "2.830(12) =" and ring.notes[-1] == "no likelihood"
    assert [mark.label for mark in ring.marks] == ["= exact", "≈ unbiased", "↔ interval", "≥ lower bound", "≤ upper bound"]
    lower, upper = ring.marks[3], ring.marks[4]
    assert np.isinf(lower.along_x[1]).all() and np.isfinite(lower.along_x[0]).all()
    assert np.isinf(upper.along_x[0]).all() and np.isfinite(upper.along_x[1]).all()
    assert ring.line == pytest.approx(2.82)


def test_a_model_far_off_leaves_the_others_apart() -> None:
    made = {"a": fit(1.0), "b": fit(1.1), "c": fit(1.2), "d": fit(90.0)}
    chart = overview([record("d", model, held.metrics) for model, held in made.items()]).charts[0]
    assert chart.xlim[1] < 2 and chart.notes[-1].startswith("90.00")
    far = chart.marks[0]
    assert np.isinf(far.along_x[1]).tolist() == [False, False, False, True] and far.x[-1] <= chart.xlim[1]


def test_landscapes_travel_in_sixteen_bits() -> None:
    """What the explorer unpacks is what was packed, to 400 nats / 65535, and infinity is the top."""
    heights = np.array([[1.5, 2.25, 30.0], [401.0, np.inf, 1e6]])
    packed = Ground("m", heights, np.zeros((3, 2))).packed()
    levels = np.frombuffer(base64.b64decode(packed["heights"]), "<u2").reshape(packed["shape"])
    back = packed["low"] + levels * (packed["high"] - packed["low"]) / LEVELS
    assert np.abs(back - np.minimum(heights, 401.5)).max() < 0.5 * 400 / LEVELS + 1e-9
    assert "heights" not in Ground("gan", None, np.zeros((3, 2))).packed()


def test_a_landscape_without_its_constant_says_so() -> None:
    """Its depth is set to that of the others, for energies alone say nothing about it."""
    held = content()
    shown = [cell for cell in held.shown("gaussians8") if cell.name in ("flow", "rbm")]
    lost = dict(shown[0].record, metrics={"nll": Estimate(None, None).record()})
    shown[0] = shown[0]._replace(record=lost, arrays=dict(shown[0].arrays, landscape=shown[0].arrays["landscape"] - 500))
    scene = held.scenes["gaussians8"]
    _truth, vague, sure = landscapes(scene, shown).charts
    assert "log Z unknown" in vague.caption and "log Z unknown" not in sure.caption
    low = min(scene.truth.min(), shown[1].arrays["landscape"].min())
    assert vague.marks[0].heights.min() == pytest.approx(low) and vague.marks[0].limits[0] == pytest.approx(low)
    assert f"up to a constant for {shown[0].name}" in explorer(scene, shown, "a", None)
    assert "up to a constant" not in explorer(scene, shown[1:], "a", None)


def test_files_carry_captions_and_the_scale_of_colours(tmp_path: pathlib.Path) -> None:
    made = {path.relative_to(tmp_path).as_posix(): path for path in export(content(), tmp_path)}
    drawn = made["figures/gaussians8/landscapes.svg"].read_text()
    assert "with its draws" in drawn and "-log p(x), nats" in drawn
    assert "total variation" in made["figures/gaussians8/masses.svg"].read_text()


def test_cards_tell_all_of_a_cell(page: str) -> None:
    cards = re.findall(r'<details class="model">.*?</details>', page, re.S)
    assert len(cards) == 14
    flow = next(card for card in cards if "<b>flow</b>" in card and "gaussians8" in card)
    for part in (
        "6 M evaluations in 24 seconds",
        "what flow cannot &lt;tell&gt;",
        "0.0015",
        "non finite",
        'gibbsite.load("cells/gaussians8_flow_0")',
    ):
        assert part in flow, part
    pcd = next(card for card in cards if "<b>ebm-pcd</b>" in card and "gaussians8" in card)
    assert "misses mode masses" in pcd and "misses mode masses" not in flow
    failed = next(card for card in cards if "diverged" in card)
    assert "gibbsite.load" not in failed
    assert page.count("What each model cannot tell") == 3


def test_figures_go_to_folders_of_plain_names() -> None:
    assert safe("My table (2).csv") == "my-table--2--csv"
    assert list(figures_of(content())) == ["gaussians8", "digits", "digits-binary"]


def test_several_seeds_show_their_mean_with_its_error() -> None:
    """The spread between fits joined to the error that all share: sqrt(0.05^2 + 0.02^2 / 4)."""
    several = [record("d", "flow", fit(value).metrics, seed=seed) for seed, value in enumerate((1.0, 1.04, 1.0, 1.04))]
    text = table([*several, record("d", "rbm", {}, seed=0, status="failed", reason="no")], plain=True)
    assert re.search(r"flow, mean of 4 +1\.02\(5\)", text)
    assert all(f"flow #{seed}" in text for seed in range(4))
    assert "flow, mean of 4" in table_html(several, None)
    assert "mean of" not in table(several[:1], plain=True)
    mean = with_means(several, ["nll"])[0]
    assert mean["evaluations"] == several[0]["evaluations"] and mean["seconds"] == pytest.approx(several[0]["seconds"])  # of one fit


def test_what_annealing_leaves_open_is_no_scatter() -> None:
    """A model 2 nats behind whose marginal may be 5 nats better is not said to be worse, and three seeds do not average that out."""
    rng = np.random.default_rng(2)

    def found(missed: float) -> Estimate:
        records, arrays = [], {}
        for model, nll, left_open in (("autoregressive", 1.0, 0.0), ("vae", 3.0, missed)):
            for seed in range(3):
                gap_of = {"marginal_gap": Estimate(left_open, 0.0).record()} if left_open else {}
                arrays[Cell("d", model, seed)] = {"energy_data": nll + 0.1 * rng.normal(size=200)}
                records.append(record("d", model, {"nll": Estimate(nll, 0.1).record()} | gap_of, seed=seed))
        return gap(*standings(records, arrays))

    assert found(0.0).lo > 1.5
    assert found(5.0).lo == pytest.approx(found(0.0).lo - 5, abs=0.2)


def test_intervals_wider_than_their_error_are_written_out() -> None:
    wide = Estimate(-70.3, 0.72, -148.0, -68.9, evidence=Evidence.INTERVAL).record()
    plain = Estimate(-70.3, 0.72, evidence=Evidence.INTERVAL).record()
    assert number(wide) == "-70.3 [-148.0, -68.9]"
    assert number(plain) == "-70.3(7)"


def test_numbers_on_the_pictures_keep_their_digits() -> None:
    chart, *_ = overview(content().records).charts
    assert any("2.830(12)" in note for note in chart.notes)
    written = {html.unescape(text).strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg(chart))}
    assert set(chart.notes) <= written, written


def test_walls_stand_in_the_explorer() -> None:
    """Flat inside, infinite outside: outside is drawn as high as the scale goes, and no finite point at all is no landscape."""
    heights = np.full((4, 4), np.inf)
    assert "heights" not in Ground("none", heights, np.zeros((1, 2))).packed()
    heights[1:3, 1:3] = 3.4
    packed = Ground("truth", heights, np.zeros((1, 2))).packed()
    levels = np.frombuffer(base64.b64decode(packed["heights"]), "<u2").reshape(4, 4)
    assert packed["high"] > packed["low"] == 3.4
    assert levels[0, 0] == LEVELS and levels[1, 1] == 0


@pytest.mark.parametrize("n", [1, 7, 9, 64, 70])
def test_any_number_of_pictures_makes_a_sheet(n: int) -> None:
    sheet = Pictures("picture", np.random.default_rng(0).uniform(size=(n, 8, 8))).sheet()
    assert sheet.shape == (9 * math.ceil(min(n, 64) / 8) + 1, 73)
