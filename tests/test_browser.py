"""The report in a browser: it runs without a fault, draws everything, answers to mouse, keyboard and temperature, and prints.

With GIBBSITE_SCREENSHOT=gibbsite-default/report.html it also takes the picture of the README, docs/report.png, of that page.
"""

import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from report_content import content

from gibbsite.compare.report import render

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", *QUIET]
EXPLORER = "#data-gaussians8-explorer"
HEAT = f"document.querySelector('{EXPLORER} .plot').data[0]"
ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(content()), encoding="utf-8")
    return path.as_uri()


class Opened:
    """The page at one width and in one scheme, and all that went wrong on it."""

    def __init__(self, browser: Any, address: str, width: int, scheme: str) -> None:
        self.faults: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True)
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfailed", lambda request: self.faults.append(request.url[:100]))
        self.page.on("request", lambda request: self.faults.append(request.url[:100]) if request.url.startswith("http") else None)
        self.page.goto(address)

    def through(self) -> None:
        """Scrolls past every chart until it is drawn."""
        for chart in self.page.query_selector_all("figure:has(.live)"):
            chart.scroll_into_view_if_needed()
        self.page.wait_for_function(
            "document.querySelectorAll('figure:has(.live)').length === document.querySelectorAll('figure.on .main-svg:first-child').length"
        )


@pytest.fixture(scope="module")
def wide(browser: Any, address: str) -> Iterator[Opened]:
    opened = Opened(browser, address, 1280, "light")
    yield opened
    opened.page.close()


def explore(opened: Opened) -> Any:
    """The page with its explorer drawn."""
    opened.page.locator(EXPLORER).scroll_into_view_if_needed()
    opened.page.wait_for_function(f"document.querySelectorAll('{EXPLORER} .plot .heatmaplayer image').length >= 2")
    return opened.page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_runs_without_a_fault_and_fits(browser: Any, address: str, width: int, scheme: str) -> None:
    opened = Opened(browser, address, width, scheme)
    opened.through()
    explore(opened)
    assert not opened.faults, opened.faults[:5]
    assert opened.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(253, 252, 249)", "dark": "rgb(20, 23, 26)"}[scheme]
    empty = (
        "[...document.querySelectorAll('figure.on .live')].filter(p => !p.querySelector('.trace, .point') || p.clientHeight < 100).length"
    )
    assert opened.page.evaluate(empty) == 0
    ink = opened.page.evaluate("getComputedStyle(document.querySelector('.live .xtick text')).fill")
    assert ink == {"light": "rgb(29, 33, 38)", "dark": "rgb(230, 228, 222)"}[scheme]
    opened.page.close()


def test_a_badge_explains_itself_to_the_keyboard(wide: Opened) -> None:
    page = wide.page
    assert page.locator("#tip").is_hidden()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.badge')"):
            break
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")  # the scroll that focus caused
    assert page.locator("#tip").is_visible()
    described = page.evaluate("document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent")
    assert page.locator("#tip").inner_text() == described
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.locator("td .badge.bound").first.hover()
    assert "in expectation" in page.locator("#tip").inner_text()


def test_the_temperature_moves_by_the_keyboard(wide: Opened) -> None:
    """Cooling raises the peak. At beta = 2 the density is that of p^2, which the grid gives independently."""
    page = explore(wide)
    before = page.evaluate(f"{HEAT}.z.flat()")
    slider = page.locator(f"{EXPLORER} input[name=beta]")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    cell = page.evaluate(f"({HEAT}.x[1] - {HEAT}.x[0]) * ({HEAT}.y[1] - {HEAT}.y[0])")
    expected = max(before) ** 2 / (sum(value**2 for value in before) * cell)
    page.wait_for_function(f"document.querySelector('{EXPLORER} output').textContent === 'beta = 2.00 (T = 0.50)'")
    page.wait_for_function(f"Math.abs(Math.max(...{HEAT}.z.flat()) - {expected}) < 1e-3 * {expected}")
    page.locator(f"{EXPLORER} button").click()
    page.wait_for_function(f"Math.abs(Math.max(...{HEAT}.z.flat()) - {max(before)}) < 1e-6")


def test_the_explorer_shows_what_is_chosen(wide: Opened) -> None:
    page = explore(wide)
    held = content()
    shown = page.evaluate(f"{HEAT}.customdata.flat()")
    truth = held.scenes["gaussians8"].truth.ravel()
    low = truth < truth.min() + 20
    worst = max(abs(there - here) for there, here, kept in zip(shown, truth, low, strict=True) if kept)
    assert worst < 0.02  # 16 bits over 400 nats, and the mass outside the window
    page.get_by_label("gan", exact=True).check()
    page.wait_for_function(f"document.querySelectorAll('{EXPLORER} .ground').length === 3")
    assert "no density" in page.locator(f"{EXPLORER} .ground").nth(2).inner_text()
    page.set_viewport_size({"width": 1100, "height": 900})
    plots = "[...document.querySelectorAll('.explorer .plot, figure.on .live')]"
    drawn = "plot.querySelector('.main-svg')"
    sizes = [f"plot.{size} >= {drawn}.{size}" for size in ("clientWidth", "clientHeight")]
    room = f"{plots}.every(plot => {' && '.join(sizes)})"
    page.wait_for_function(room)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_label("energy", exact=True).check()
    page.wait_for_function(f"{HEAT}.zmax - {HEAT}.zmin === 12")
    traces = f"document.querySelector('{EXPLORER} .plot').data.length"
    page.get_by_label("held-out data (crosses)", exact=True).check()
    page.wait_for_function(f"{traces} === 3")
    page.get_by_label("draws (dots)", exact=True).uncheck()
    page.wait_for_function(f"{traces} === 2")
    page.get_by_label("gan", exact=True).uncheck()
    page.get_by_label("density", exact=True).check()
    page.wait_for_function(f"{HEAT}.zmin === 0")


def test_panels_move_and_zoom_by_the_keyboard(wide: Opened) -> None:
    """Right and up by a tenth, then to four fifths about the new centre, in all panels; 0 brings them back."""
    page = explore(wide)
    plots = f"[...document.querySelectorAll('{EXPLORER} .plot')]"
    ranges = f"document.querySelector('{EXPLORER} .plot').layout"
    view = f"[...{ranges}.xaxis.range, ...{ranges}.yaxis.range]"
    left, right, bottom, top = page.evaluate(view)
    page.locator(f"{EXPLORER} .plot").first.focus()
    for key in ("ArrowRight", "ArrowUp", "+"):
        page.keyboard.press(key)
    wanted = [low + (0.6 + side) * (high - low) for low, high in ((left, right), (bottom, top)) for side in (-0.4, 0.4)]
    at = "[...p.layout.xaxis.range, ...p.layout.yaxis.range]"
    page.wait_for_function(f"{plots}.every(p => {at}.every((end, n) => Math.abs(end - {wanted}[n]) < 1e-6))")
    page.keyboard.press("0")
    page.wait_for_function(f"{plots}.every(p => {at}.every((end, n) => Math.abs(end - {[left, right, bottom, top]}[n]) < 1e-6))")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Landscape of truth")


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl(wide: Opened) -> None:
    page = explore(wide)
    plot = page.locator(f"{EXPLORER} .plot").first
    plot.scroll_into_view_if_needed()
    plot.hover()
    across = f"document.querySelector('{EXPLORER} .plot').layout.xaxis.range"
    before, place = page.evaluate(across), page.evaluate("scrollY")
    page.mouse.wheel(0, 120)
    page.wait_for_function(f"scrollY !== {place}")
    assert page.evaluate(across) == before
    plot.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    page.wait_for_function(f"{across}[1] - {across}[0] < {before[1] - before[0]}")
    plot.focus()
    page.keyboard.press("0")


def test_panels_move_together(wide: Opened) -> None:
    page = explore(wide)
    page.evaluate(f"Plotly.relayout(document.querySelector('{EXPLORER} .plot'), {{'xaxis.range': [0, 2], 'yaxis.range': [1, 3]}})")
    page.wait_for_function(f"[...document.querySelectorAll('{EXPLORER} .plot')].every(p => p.layout.xaxis.range[1] === 2)")


@pytest.mark.parametrize(("place", "kind"), [(0, "svg"), (0, "png"), (0, "csv"), (1, "csv"), (1, "png"), (6, "csv"), (6, "svg")])
def test_files_come_from_the_page_alone(wide: Opened, place: int, kind: str) -> None:
    """Of the overview, the landscapes and the sheets of digits."""
    figure = wide.page.locator(".figure").nth(place)
    with wide.page.expect_download() as waiting:
        figure.locator(f".files a[data-kind={kind}]").click()
    held = pathlib.Path(waiting.value.path()).read_bytes()
    assert waiting.value.suggested_filename == f"{('overview', 'landscapes', None, None, None, None, 'draws')[place]}.{kind}"
    assert held.startswith({"svg": b"<svg", "png": b"\x89PNG"}.get(kind, (b"chart,", b"x,y,truth")[place == 1]))
    assert len(held) > 500 and b"var(" not in held[:100_000]
    assert kind != "csv" or len(held.splitlines()) > (10, 8000)[place == 1]


def test_print_opens_all_and_shows_the_drawings(wide: Opened) -> None:
    page = wide.page
    wide.through()
    closed = page.evaluate("document.querySelectorAll('details:not([open])').length")
    page.emulate_media(media="print")
    page.wait_for_function("document.querySelectorAll('details:not([open])').length === 0")
    drawn = "f.querySelector('svg').clientWidth > 0 && !f.querySelector('.live').clientWidth"
    assert page.evaluate(f"[...document.querySelectorAll('figure.on')].every(f => {drawn})")
    assert page.locator(EXPLORER).is_hidden() and page.locator(".files").first.is_hidden()
    page.set_viewport_size({"width": 718, "height": 1100})  # A4 between its margins
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate("getComputedStyle(document.querySelector('tbody tr')).display") == "table-row"
    assert page.locator(".cards").first.is_hidden()
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate("[...document.querySelectorAll('details.blind > dl')].every(d => d.clientHeight > 0)")
    page.emulate_media(media="screen")
    page.wait_for_function(f"document.querySelectorAll('details:not([open])').length === {closed}")


def test_without_script_the_drawings_stay(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("figure > svg").count() == page.locator("figure > svg:visible").count() > 30
    assert page.locator(EXPLORER).is_hidden()
    context.close()


@pytest.mark.skipif(not os.environ.get("GIBBSITE_SCREENSHOT"), reason="takes the picture of the README of the page GIBBSITE_SCREENSHOT")
def test_picture_for_the_readme(browser: Any) -> None:
    opened = Opened(browser, pathlib.Path(os.environ["GIBBSITE_SCREENSHOT"]).resolve().as_uri(), 1280, "light")
    rest = "nav, .files, ul.legend, #summary > p, #paradigms, #made, footer, .verdict details, .explorer .note, .explorer > .small"
    sections = "section[id^=data] > :not(.explorer), section[id^=data]:not(:has(.explorer))"
    opened.page.add_style_tag(content=f"{rest}, {sections} {{ display: none }}")
    explore(opened)
    opened.page.evaluate("scrollTo(0, 0)")
    opened.page.wait_for_function("document.querySelectorAll('#summary figure.on').length > 0")
    picture = ROOT / "docs" / "report.png"
    opened.page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size < 400_000
    opened.page.close()
