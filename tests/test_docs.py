"""Every Python block of the README and the docs runs, page by page, in order."""

import os
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


LONG = "<!-- long -->\n"  # before a block that trains for half a minute: it runs with `-m long`


def blocks(page: pathlib.Path, *, long: bool = False) -> list[str]:
    found = re.findall(rf"({LONG})?```python\n(.*?)```", page.read_text(), re.S)
    return [block for mark, block in found if long or not mark]


def run(page: pathlib.Path, *, long: bool = False) -> None:
    scope: dict = {"__name__": "page"}
    for number, block in enumerate(blocks(page, long=long), 1):
        exec(compile(block, f"{page.name} block {number}", "exec"), scope)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.stem)
def test_page_runs(page: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page)


@pytest.mark.long
@pytest.mark.parametrize("page", [p for p in PAGES if LONG in p.read_text()], ids=lambda p: p.stem)
def test_page_runs_whole(page: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page, long=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_and_pictures_exist(page: pathlib.Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert not missing, missing


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_example_runs(example: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(example.read_text(), example.name, "exec"), {"__name__": "__main__"})


def test_readme_holds_the_two_commands() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    from readme_command import command

    for name in ("compare", "test"):
        assert command(name)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_newcomers_path_is_short() -> None:
    """The files that CONTRIBUTING names for a first reading: there, and about 900 lines in all."""
    chapter = (ROOT / "CONTRIBUTING.md").read_text().split("## A newcomer's path")[1].split("\n## ")[0]
    files = re.findall(r"`([\w/.]+\.(?:md|py))`", chapter)
    assert len(files) >= 10
    assert sum(len((ROOT / file).read_text().splitlines()) for file in files) < 950
