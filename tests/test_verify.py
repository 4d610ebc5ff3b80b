"""`gibbsite verify`: every identity holds, each fails where its formula is broken on purpose, and what is finished is kept."""

import dataclasses
import json
import pathlib
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from gibbsite.cli import app
from gibbsite.compare.export import export_figure
from gibbsite.core import Estimate, Status
from gibbsite.verify import IDENTITIES, Field, Findings, Identity, Panel, Series, Statement, VerifyError, chosen, verify
from gibbsite.verify import registry as names
from gibbsite.verify import run as running
from gibbsite.verify.numerics import limit, order, settled
from gibbsite.verify.page import render

ROOT = pathlib.Path(__file__).parents[1]
QUICK, REST = ([identity for identity in IDENTITIES if identity.quick is quick] for quick in (True, False))


def check(identity: Identity) -> None:
    """It holds, its twin does not, and every number of its record is one."""
    right, broken = identity.findings(identity.rule, identity.twin)
    assert right.holds(), [s.record() for s in right.statements if not s.holds()]
    assert not broken.holds()
    assert all(np.all(np.isfinite(s.gap())) for s in broken.statements)  # it fails by what it says, not by being no number
    json.dumps([panel.record() for panel in right.panels], allow_nan=False)
    for panel in right.panels:
        assert all(len(np.ravel(s.x)) == len(np.ravel(s.y)) > 0 for s in panel.series) and len({s.label for s in panel.series}) == len(
            panel.series
        )


@pytest.mark.parametrize("identity", QUICK, ids=lambda i: i.name)
def test_holds_and_fails_when_broken(identity: Identity) -> None:
    check(identity)


@pytest.mark.long
@pytest.mark.parametrize("identity", REST, ids=lambda i: i.name)
def test_holds_and_fails_when_broken_long(identity: Identity) -> None:
    check(identity)


def test_a_third_runs_in_every_test() -> None:
    assert 3 * len(QUICK) >= len(IDENTITIES)
    assert {identity.field for identity in IDENTITIES} == set(Field)
    assert len({identity.name for identity in IDENTITIES}) == len(IDENTITIES)
    order_of_fields = [identity.field for identity in IDENTITIES]
    assert order_of_fields == sorted(order_of_fields, key=list(Field).index)


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda i: i.name)
def test_every_identity_says_what_it_is(identity: Identity) -> None:
    text = identity.text()
    assert all(text.values()) and identity.broken and identity.check.__doc__
    assert identity.conditions.endswith(".") and not identity.source.endswith(".")
    assert identity.name == identity.name.lower() and " " not in identity.name


def side(value, stderr=0.1) -> Estimate:
    return Estimate(value, stderr)


@pytest.mark.parametrize(
    ("left", "right", "relation", "holds"),
    [
        (1.0, 1.7, "=", True),
        (1.0, 1.9, "=", False),
        (1.0, 1.9, "!=", True),
        (1.0, 1.7, "!=", False),
        (1.7, 1.0, "<=", True),
        (1.9, 1.0, "<=", False),
        (-9.0, 1.0, "<=", True),
        (1.0, 1.7, ">=", True),
        (1.0, 1.9, ">=", False),
        (9.0, 1.0, ">=", True),
    ],
)
def test_a_tolerance_is_a_multiple_of_the_stated_error(left, right, relation, holds) -> None:
    """5.6 times sqrt(2) 0.1 is 0.79."""
    assert Statement("", side(left), side(right), relation).holds() is holds


@pytest.mark.parametrize("relation", ["=", "<=", ">=", "!="])
@pytest.mark.parametrize("bad", [np.nan, None])
def test_what_is_not_a_number_holds_nowhere(relation, bad) -> None:
    for left, right in ((bad, 1.0), (1.0, bad)):
        sides = [side(v) if v is not None else Estimate(None, None, status=Status.NON_FINITE) for v in (left, right)]
        statement = Statement("", *sides, relation)
        assert not statement.holds()
        assert statement.record()["gap"] is None
    assert not Statement("", Estimate(1.0, np.nan), side(1.0), relation).holds()


def test_a_record_shows_the_worst_point() -> None:
    statement = Statement("many", settled([1.0, 2.0, 3.0], 0.1), settled([1.0, 2.5, 3.1], 0.0))
    record = statement.record()
    assert record["left"] == [2.0, 0.1] and record["right"] == [2.5, 0.0] and record["points"] == 3 and record["holds"]
    apart = Statement("apart", settled([1.0, 2.0], 0.1), settled([9.0, 2.1], 0.0), "!=")
    assert apart.record()["right"][0] == 2.1 and not apart.holds()


def test_limits_and_orders() -> None:
    steps = np.array([0.4, 0.2, 0.1])
    found = limit(list(3 + 2 * steps + steps**2))
    assert abs(found.value - 3) < 5.6 * found.stderr < 0.5
    power = order(list(steps**2 + steps**3))
    assert abs(power.value - 2) < 5.6 * power.stderr < 1


def fake(name: str, calls: list[str], **changes) -> Identity:
    """An identity that takes no time and tells when it is measured."""

    def measured():
        """On nothing."""
        calls.append(name)
        return lambda rule: Findings(
            [Statement("one side", settled(1.0), settled(rule()))],
            [Panel("<a panel>", "x", "y", (Series("s", [0, 1], [1, 2], [0.1, 0.2]),))],
        )

    words = {"title": f"Of {name} & co", "formula": "a < b", "conditions": "None.", "source": "here"}
    return Identity(name, field=Field.WORK, check=measured, rule=lambda: 1.0, twin=lambda: 2.0, broken="doubled", **{**words, **changes})


def replaced(monkeypatch: pytest.MonkeyPatch, *identities: Identity) -> None:
    for module in (names, running):
        monkeypatch.setattr(module, "IDENTITIES", identities)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> list[str]:
    """Two identities instead of all, and the names of those that were measured."""
    made: list[str] = []
    few = (fake("first", made), fake("second", made))
    replaced(monkeypatch, *few)
    monkeypatch.setattr(running, "export_figure", lambda figure, folder: [])
    monkeypatch.setattr(running, "render", lambda records: " ".join(r["title"] for r in records))
    monkeypatch.chdir(tmp_path)
    return made


def told(*words: str):
    return CliRunner().invoke(app, ["verify", *words])


def test_what_is_finished_is_kept(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    verify("second", quiet=True)
    assert calls == ["second"]
    done = verify(quiet=True)
    assert calls == ["second", "first"] and [r["name"] for r in done.records] == ["first", "second"] and not done.failed
    verify("work", fresh=True, quiet=True)
    assert calls[2:] == ["first", "second"]
    reworded = dataclasses.replace(names.IDENTITIES[0], formula="a <= b")
    replaced(monkeypatch, reworded, names.IDENTITIES[1])
    verify(quiet=True)
    assert calls[4:] == ["first"]
    monkeypatch.setattr(running, "versions", lambda: "another")
    verify("second", quiet=True)
    assert calls[5:] == ["second"]


def test_the_page_holds_everything_and_loads_nothing(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "export_figure", export_figure)
    monkeypatch.setattr(running, "render", render)
    done = verify("first", quiet=True)
    page = done.report.read_text()
    for text in (
        "Of first &amp; co",
        "a &lt; b",
        "&lt;a panel&gt;",
        "1 of 1 identities hold",
        "On nothing.",
        "<svg",
        'id="plotly"',
        "one side",
    ):
        assert text in page, text
    assert "<script src" not in page and "<link" not in page
    folder = done.report.parent
    assert {p.name for p in (folder / "figures").iterdir()} == {f"first.{kind}" for kind in ("png", "svg", "csv")}
    assert json.loads((folder / "results.json").read_text()) == json.loads(done.json())


def test_the_page_is_of_all_that_the_folder_holds(calls: list[str]) -> None:
    verify("first", quiet=True)
    assert verify("second", quiet=True).report.read_text() == "Of first & co Of second & co"


def test_an_identity_that_fails_is_told(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, dataclasses.replace(fake("wrong", calls), rule=lambda: 2.0))
    done = told()
    assert done.exit_code == 1
    assert "fails" in done.stdout and "one side: 1 = 2 fails, tolerance" in done.stdout and "0 of 1 identities hold" in done.stdout
    assert told("--json").exit_code == 1


def test_the_command(calls: list[str]) -> None:
    done = told("--out", "here")
    assert done.exit_code == 0 and "2 of 2 identities hold." in done.stdout and "here/report.html" in done.stdout
    again = told("--out", "here", "--json")
    assert [r["verdict"] for r in json.loads(again.stdout)] == ["holds", "holds"] and calls == ["first", "second"]
    listed = told("--list")
    assert "first: Of first & co" in listed.stdout and calls == ["first", "second"]
    assert json.loads(told("second", "--list", "--json").stdout)[0]["formula"] == "a < b"
    assert "first: holds" in told("first").stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("frist",), "unknown identity 'frist': did you mean 'first'?"),
        (("first", "--out", "file"), "is a file; give a folder"),
        (("first", "--out", "file/below"), "is a file; give a folder"),
        (("first", "--out", "taken"), "holds no verification; give another folder"),
        (("frist", "--list"), "unknown identity"),
    ],
)
def test_bad_input_is_a_sentence(calls: list[str], tmp_path: pathlib.Path, words: tuple[str, ...], sentence: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("keep")
    done = told(*words)
    assert done.exit_code == 2 and sentence in " ".join(done.output.split()), done.output
    assert not calls and not (tmp_path / "gibbsite-verify").exists()


def test_an_interrupt_keeps_what_is_done(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed():
        raise KeyboardInterrupt

    replaced(monkeypatch, names.IDENTITIES[0], dataclasses.replace(names.IDENTITIES[1], check=pressed))
    done = told()
    assert done.exit_code == 130 and "the same command continues" in done.stderr
    assert [p.name for p in pathlib.Path("gibbsite-verify/identities").iterdir()] == ["first.json"]


def test_a_record_that_cannot_be_read_is_made_again(calls: list[str]) -> None:
    verify("first", quiet=True)
    pathlib.Path("gibbsite-verify/identities/first.json").write_text("{")
    verify("first", quiet=True)
    assert calls == ["first", "first"]


def test_names_and_fields() -> None:
    assert [i.name for i in chosen(["jarzynski"])] == ["jarzynski"]
    assert {i.field for i in chosen(["work"])} == {Field.WORK} and len(chosen([])) == len(IDENTITIES)
    with pytest.raises(VerifyError, match="did you mean 'crooks'"):
        chosen(["croks"])


def test_the_chapter_lists_them_all() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    from verify_chapter import PAGE, chapter

    text = PAGE.read_text(encoding="utf-8")
    assert chapter(text) == text, "run: python tools/verify_chapter.py"
    assert all(f"`{identity.name}`" in text for identity in IDENTITIES)


@pytest.mark.parametrize("relation", ["=", "<=", ">=", "!="])
def test_what_has_no_finite_error_or_did_not_work_holds_nowhere(relation) -> None:
    doubted = side(1.0).doubted(Status.LOW_ESS)
    for bad in (Estimate(1.0, np.inf), doubted):
        assert not Statement("", bad, side(1.0), relation).holds() and not Statement("", side(1.0), bad, relation).holds()
