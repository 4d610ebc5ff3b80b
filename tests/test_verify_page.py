"""The page of `gibbsite verify` in a browser: no fault, every chart answers to the mouse, nothing is wider than the window."""

import pathlib
from typing import Any

import pytest
from test_browser import Opened, browser, pytestmark  # noqa: F401

from gibbsite.verify import chosen
from gibbsite.verify.page import render

NAMES = ("kl-decay", "bar-to-ti", "hopfield-attention", "mean-field-transition")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: pathlib.Path = tmp_path_factory.mktemp("verify") / "report.html"
    path.write_text(render([identity.run() | {"versions": "these"} for identity in chosen(NAMES)]), encoding="utf-8")
    return path.as_uri()


@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_runs_without_a_fault(browser: Any, address: str, width: int, scheme: str) -> None:  # noqa: F811
    opened = Opened(browser, address, width, scheme)
    opened.through()
    page = opened.page
    assert page.locator("article.identity").count() == len(NAMES)
    assert page.locator("figure.on .main-svg").count() >= len(NAMES)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".badge.bad").count() == 0
    assert not opened.faults
    page.close()
