"""Cards: TOML and dataclasses say the same; what is wrong is named with its line."""

import dataclasses
import pathlib

import numpy as np
import pytest

from gibbsite.compare.card import BUDGETS, Budget, Card, CardError, budget_named, check_models
from gibbsite.compare.plan import plan
from gibbsite.compare.store import Store
from gibbsite.data import NAMES

FULL = Card(
    "mine",
    ("moons", "a b.csv"),
    ("rbm", "flow"),
    (3, 4),
    Budget("tiny", 10, 20, 30, 40, 50, 2),
    ("x", 'q"uote'),
    dequantise=True,
    drop_missing=True,
)


@pytest.mark.parametrize("card", [Card(), FULL, Card(budget=BUDGETS["full"], seeds=(0, 1, 2, 3, 4))], ids=["default", "full", "budget"])
def test_toml_and_back(card: Card) -> None:
    assert Card.parse(card.to_toml()) == card


def test_a_card_may_be_short() -> None:
    assert Card.parse('data = ["moons"]') == Card(data=("moons",))
    assert Card.parse('budget = "standard"').seeds == (0, 1, 2)
    custom = Card.parse("[budget]\nevaluations = 1000\n").budget
    assert custom == dataclasses.replace(BUDGETS["quick"], name="custom", evaluations=1000)
    assert Card.parse(Card(budget=custom).to_toml()).budget == custom


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('name = "a"\ndata = ["moons"\nmodels = 3', "line 3", "not valid TOML"),
        ('name = "a"\n\nmodel = ["rbm"]', "line 3", "'models'"),
        ('data = "moons"', "line 1", "list of names"),
        ("seeds = [1]\ndata = []", "line 2", "list of names"),
        ('models = ["rbm", "folw"]', "line 1", "did you mean 'flow'"),
        ("seeds = [-1]", "line 1", "whole numbers"),
        ("seeds = [true]", "line 1", "whole numbers"),
        ('budget = "quik"', "line 1", "did you mean 'quick'"),
        ("budget = 3", "line 1", "[budget]"),
        ("[budget]\nevaluations = 0", "line 2", "at least 1"),
        ("[budget]\ndraws = 3", "line 2", "at least 4"),
        ("[budget]\nevaluation = 5", "line 2", "'evaluations'"),
        ('name = "a/b"', "line 1", "output folder"),
        ("dequantise = 1", "line 1", "true or false"),
        ("drop_missing = 'no'", "line 1", "true or false"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        Card.parse(text, source="my.toml")
    assert "my.toml" in str(caught.value)
    assert line in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_checked() -> None:
    with pytest.raises(CardError, match="did you mean 'ebm-pcd'"):
        check_models(["ebm-pdc"])
    with pytest.raises(CardError, match="No model is named"):
        check_models([])
    assert check_models(["rbm", "rbm"]) == ("rbm",)
    with pytest.raises(CardError, match="did you mean 'standard'"):
        budget_named("standart")


def test_nothing_is_named_twice() -> None:
    """The second of two equal seeds would be no second fit."""
    for twice in ({"seeds": (0, 1, 0)}, {"models": ("flow", "flow")}, {"data": ("digits", "digits")}):
        with pytest.raises(CardError, match="twice"):
            Card(**twice)


def test_every_card_can_be_read_back(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CardError, match="names the output folder"):
        Card(name="my data")
    (tmp_path / "my card.toml").write_text("seeds = [1]\n", encoding="utf-8")
    card = Card.read(tmp_path / "my card.toml")
    assert card.name == "my-card" and Card.parse(card.to_toml()) == card


def test_files_are_found_beside_the_card(tmp_path: pathlib.Path) -> None:
    (tmp_path / "points.csv").write_text("x\n1\n")
    (tmp_path / "study.toml").write_text('data = ["points.csv", "moons"]\n')
    card = Card.read(tmp_path / "study.toml")
    assert card.name == "study"
    assert card.data == (str(tmp_path / "points.csv"), "moons")
    with pytest.raises(CardError, match="cannot be read"):
        Card.read(tmp_path / "none.toml")


def test_a_folder_belongs_to_one_card(tmp_path: pathlib.Path) -> None:
    store = Store(tmp_path / "out")
    store.claim(Card())
    store.claim(Card())
    with pytest.raises(CardError, match=r"models: ebm-pcd.*there, rbm now.*--fresh"):
        store.check(Card(models=("rbm",)))
    (store.root / "cells" / "old").mkdir()
    store.claim(Card(models=("rbm",)), fresh=True)
    assert not list((store.root / "cells").iterdir())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    for fresh in (False, True):
        with pytest.raises(CardError, match="holds no gibbsite card"):
            Store(tmp_path / "photos").claim(Card(), fresh=fresh)
    (tmp_path / "file").touch()
    with pytest.raises(CardError, match="is a file"):
        Store(tmp_path / "file").claim(Card())
    assert sorted(p.name for p in (tmp_path / "photos").iterdir()) == ["cat.png"]


def test_data_sets_that_would_share_a_folder_are_refused(tmp_path: pathlib.Path) -> None:
    for name in ("my-rows.csv", "My rows.csv"):
        np.savetxt(tmp_path / name, np.random.default_rng(1).normal(size=(40, 2)), delimiter=",", header="a,b", comments="")
    card = Card(data=(str(tmp_path / "my-rows.csv"), str(tmp_path / "My rows.csv")))
    with pytest.raises(CardError, match="would share a folder"):
        plan(card)


@pytest.mark.parametrize("example", sorted((pathlib.Path(__file__).parents[1] / "examples").glob("*.toml")), ids=lambda p: p.stem)
def test_the_cards_of_the_examples_are_good(example: pathlib.Path) -> None:
    card = Card.read(example)
    assert card.name == example.stem
    assert set(card.data) <= set(NAMES)
