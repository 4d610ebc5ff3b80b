"""`compare` end to end on a small file: cells kept, resumed, failed one by one; folders refused; Ctrl-C heard."""

import ctypes
import dataclasses
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from doomed import doomed

from gibbsite.compare import Budget, CardError, Comparison, compare, grid
from gibbsite.compare.card import Card
from gibbsite.compare.constants import AGREE, annealed, chosen, constants, disagreement
from gibbsite.compare.evaluate import closeness, sample
from gibbsite.compare.plan import card_of, listed, plan
from gibbsite.compare.progress import Board, StoppedError
from gibbsite.compare.store import Store
from gibbsite.core import Estimate, Evidence, Normal, Normalised, Sampleable, Status, Sum, capability, need
from gibbsite.data import from_array
from gibbsite.data import load as load_data
from gibbsite.energies import GaussianMixture, Rescaled
from gibbsite.models import PARADIGMS
from gibbsite.samplers import Silent
from gibbsite.train import load

TINY = Budget("tiny", evaluations=100_000, parameters=120, draws=128, walkers=128, temperatures=24)
FIELDS = {"dataset", "model", "seed", "parameters", "evaluations", "seconds", "status", "metrics"}
PARTS = {"value", "stderr", "lo", "hi", "ess", "evidence", "status"}
MODELS = ("ebm-dsm", "flow")


def test_an_error_leaves_no_bar_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    board = Board(1)
    bars = board._bars
    assert bars.live.is_started
    with pytest.raises(ZeroDivisionError), board, board.cell("cell", "sampling", 4):
        assert len(bars.tasks) == 2
        raise ZeroDivisionError
    assert len(bars.tasks) == 1 and not bars.live.is_started


def write_points(path: pathlib.Path) -> None:
    rng = np.random.default_rng(1)
    np.savetxt(path, rng.normal(size=(400, 2)) @ [[1.0, 0.4], [0.0, 0.6]] + [5.0, -2.0], delimiter=",", header="length,width", comments="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("compare")
    write_points(path / "leaves.csv")
    return path


@pytest.fixture(scope="module")
def done(folder: pathlib.Path) -> Comparison:
    return compare(folder / "leaves.csv", models=MODELS, budget=TINY, out=folder / "out", quiet=True)


def again(folder: pathlib.Path, **changes) -> Comparison:
    asked = {"models": MODELS, "budget": TINY, "out": folder / "out", "quiet": True} | changes
    return compare(folder / "leaves.csv", **asked)


def test_every_cell_is_on_record(done: Comparison) -> None:
    held = json.loads((done.out / "results.json").read_text())
    assert set(held) == {"card", "cells"}
    assert held["card"] == json.loads(json.dumps(dataclasses.asdict(done.card)))
    assert [(c["dataset"], c["model"], c["seed"], c["status"]) for c in held["cells"]] == [("leaves.csv", m, 0, "ok") for m in MODELS]
    for cell in held["cells"]:
        assert set(cell) >= FIELDS
        assert cell["parameters"] < 1.5 * TINY.parameters
        assert cell["parameters"] * 1.5 > TINY.parameters
        assert 0 < cell["evaluations"] <= TINY.evaluations
        for name in ("nll", "bits_per_dim", "mmd", "mmd_floor", "energy_distance", "log_z"):
            assert set(cell["metrics"][name]) >= PARTS, name
        assert cell["metrics"]["nll"]["evidence"] == "unbiased"  # exact log Z, a mean over the test set


def test_it_prints_and_shows(done: Comparison) -> None:
    assert "leaves.csv" in str(done)
    assert "noise floor" in str(done)
    assert "<table>" in done._repr_html_()
    assert json.loads(done.json())["cells"] == json.loads((done.out / "results.json").read_text())["cells"]
    page = done.report.read_text()
    assert "length" in page
    assert "<h3>Energy landscapes</h3>" in page


def test_a_model_comes_back(done: Comparison) -> None:
    model = load(done.out / "cells" / "leaves.csv_flow_0")
    draws = sample(model, 256, key=jax.random.key(0))
    assert np.abs(draws.mean(axis=0) - [5.0, -2.0]).max() < 1.0
    assert done.model("leaves.csv", "flow").space.shape == (2,)


def test_a_second_start_continues(done: Comparison, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "fit", None)  # nothing may be trained
    before = (done.out / "results.json").read_text()
    assert again(folder).records == done.records
    assert (done.out / "results.json").read_text() == before


def test_other_data_are_not_taken_up(done: Comparison, folder: pathlib.Path) -> None:
    cell = grid.Cell("leaves.csv", "flow", 0)
    assert Store(done.out).record(cell, done.records[1]["fingerprint"]) is not None
    assert Store(done.out).record(cell, "another") is None


def test_a_folder_of_another_card_is_refused(done: Comparison, folder: pathlib.Path) -> None:
    before = sorted(p.name for p in done.out.iterdir())
    with pytest.raises(CardError, match="another card"):
        again(folder, models=["rbm"])
    assert sorted(p.name for p in done.out.iterdir()) == before


def test_a_failed_cell_is_recorded_and_tried_again(done: Comparison, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder / "failing"
    (out / "cells").mkdir(parents=True)
    for name in ("card.toml", "cells/leaves.csv_flow_0"):
        (out / name).parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-r", done.out / name, out / name], check=True)

    def diverge(*_, **__):
        raise FloatingPointError("The loss became infinite: lower learning_rate.")

    monkeypatch.setattr(grid, "fit", diverge)
    failing = again(folder, out=out)
    assert [r["status"] for r in failing.records] == ["failed", "ok"]
    assert failing.failed[0]["reason"] == "The loss became infinite: lower learning_rate."
    assert "failed" in str(failing)
    assert "lower learning_rate" in failing.report.read_text()
    tried = []
    monkeypatch.setattr(grid, "fit", lambda model, data, **_: tried.append(data.name) or diverge())
    assert len(again(folder, out=out).failed) == 1
    assert tried == ["leaves.csv"]


def test_an_interrupted_second_start_forgets_no_later_cell(done: Comparison, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cells, the last kept from an earlier start: the first fails anew, the second is interrupted."""
    out, models = folder / "interrupted", ("ebm-dsm", "rbm", "flow")

    def diverge(*_, **__):
        raise FloatingPointError("The loss became infinite.")

    monkeypatch.setattr(grid, "fit", diverge)
    assert len(again(folder, models=models, out=out).failed) == 3
    subprocess.run(["cp", "-rT", done.out / "cells/leaves.csv_flow_0", out / "cells/leaves.csv_flow_0"], check=True)

    def stop(*_, **__):
        monkeypatch.setattr(grid, "fit", interrupt)
        raise FloatingPointError("The loss became infinite again.")

    def interrupt(*_, **__):
        raise StoppedError

    monkeypatch.setattr(grid, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        again(folder, models=models, out=out)
    held = json.loads((out / "results.json").read_text())["cells"]
    assert [(cell["model"], cell["status"]) for cell in held] == [("ebm-dsm", "failed"), ("flow", "ok")]


def test_784_columns_are_compared(tmp_path: pathlib.Path) -> None:
    """A density by the probability flow costs no more derivatives than its network is wide."""
    rows = np.random.default_rng(3).normal(size=(60, 784)) * np.linspace(0.5, 2, 784) + 1.0
    np.save(tmp_path / "wide.npy", rows)
    small = dataclasses.replace(TINY, evaluations=2_000, parameters=60, draws=16, walkers=8, temperatures=4)
    held = compare(tmp_path / "wide.npy", models=("diffusion", "flow"), budget=small, out=tmp_path / "out", quiet=True)
    for record in held.records:
        assert record["status"] == "ok", record["reason"]
        assert record["metrics"]["nll"]["evidence"] == "unbiased" and record["metrics"]["nll"]["status"] == "ok"


def test_fresh_starts_anew(done: Comparison, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder / "fresh"
    Store(out).claim(Card(name="old"))
    (out / "cells" / "leaves.csv_flow_0").mkdir()

    def refuse(*_, **__):
        raise ValueError("not today")

    monkeypatch.setattr(grid, "fit", refuse)
    assert len(again(folder, out=out, fresh=True).failed) == 2
    assert Card.read(out / "card.toml").name == "leaves"


def test_data_units_and_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """On data whose law is known, the truth itself scores a KL of 0, and its log Z is met by quadrature and by annealing."""
    data = load_data("gaussians8")
    budget = Budget("", 1, 1, 4, walkers=512, temperatures=100)
    held = constants(data.truth, data.train, budget, Silent(), key=jax.random.key(3))
    assert set(held) == {"own"} and float(held["own"]) == 0.0
    unknown = Sum(data.truth, Normal(jnp.zeros(2), jnp.full(2, 1e3)))  # the same law, its constant forgotten
    held = constants(unknown, data.train, budget, Silent(), key=jax.random.key(3))
    assert set(held) == {"quadrature", "ais"}
    assert abs(held["quadrature"].value) < 1e-4
    assert abs(disagreement(held)) < AGREE
    assert held["ais"].stderr < 0.05
    assert capability(data.truth, Sampleable)


def test_annealing_knows_no_units() -> None:
    """Columns a billion times apart in scale: the same log Z, as well known."""
    scale, centre = np.array([1e-6, 1e3]), np.array([3e-5, -2e4])
    rows = np.random.default_rng(4).normal(centre, scale, size=(500, 2))
    energy = Rescaled(GaussianMixture(jnp.array([[-1.0, 0.0], [1.0, 0.5]]), 0.5, jnp.array([0.3, 0.7])), centre, scale)
    budget = Budget("", 1, 1, 4, walkers=512, temperatures=100)
    found = annealed(energy, rows, budget, Silent(), key=jax.random.key(3))
    assert abs(found.value - need(energy, Normalised, "test").log_z()) < AGREE * found.stderr
    assert found.stderr < 0.05


def test_distances_know_no_units() -> None:
    rows, draws = np.random.default_rng(5).normal([[[0.0]], [[0.2]]], size=(2, 300, 2))
    plain, wide = (
        {name: m.value for name, m in closeness(draws * units, from_array(rows * units)).items()} for units in ([1, 1], [1, 1000])
    )
    assert plain == pytest.approx(wide, rel=1e-4)
    assert plain["energy_distance"] > 0


def test_models_and_data_as_people_give_them() -> None:
    rows = np.random.default_rng(6).normal(size=(60, 3))
    for models in ("flow, rbm", ["flow", "rbm"], ("flow", "rbm")):
        assert [cell.model for cell in plan(rows, models=models).cells] == ["flow", "rbm"]
    assert plan(rows, columns="x3,x1").datasets["data"].columns == ("x3", "x1")
    with pytest.raises(CardError, match="A list is no data for a comparison: give a name"):
        card_of([[1.0, 2.0]])
    with pytest.raises(CardError, match="no list of names"):
        listed(["flow", 3])
    with pytest.raises(CardError, match="draws = 1: give a whole number of at least 4"):
        dataclasses.replace(TINY, draws=1)
    for wrong in ({"seeds": ()}, {"data": ()}, {"models": ()}):
        with pytest.raises(CardError, match="give at least one"):
            Card(**wrong)
    with pytest.raises(CardError, match="did you mean 'flow'"):
        plan(rows, models="flwo")


def test_disagreement_and_choice() -> None:
    exact, apart = Estimate(1.0, 1e-6, evidence=Evidence.EXACT), Estimate(1.5, 0.01, evidence=Evidence.LOWER)
    below = Estimate(0.5, 0.01, evidence=Evidence.LOWER)
    assert chosen({"quadrature": exact, "ais": below}) is exact
    assert disagreement({"quadrature": exact, "ais": apart}) == pytest.approx(50, rel=0.01)
    assert chosen({"ais": apart}) is apart
    assert disagreement({"ais": apart}) is None
    above = chosen({"quadrature": exact, "ais": apart})
    assert above.status is Status.NOT_CONVERGED and above.evidence is Evidence.NOT_ESTABLISHED
    assert chosen({"own": exact, "ais": apart}) is exact
    broken = Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
    assert chosen({"quadrature": broken}).evidence is Evidence.NOT_ESTABLISHED
    assert chosen({"quadrature": broken, "ais": apart}) is apart


def test_every_paradigm_is_on_the_default_card() -> None:
    assert Card().models == tuple(PARADIGMS)


def to_the_process(pid: int) -> None:
    os.kill(pid, signal.SIGINT)


def to_another_thread(pid: int) -> None:
    """What the system may do with Ctrl-C: the main thread is not woken."""
    others = [int(thread.name) for thread in pathlib.Path(f"/proc/{pid}/task").iterdir() if int(thread.name) != pid]
    assert ctypes.CDLL(None).tgkill(pid, max(others), signal.SIGINT) == 0


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="threads are addressed through Linux's /proc and tgkill")


@pytest.mark.parametrize("interrupt", [to_the_process, pytest.param(to_another_thread, marks=LINUX)])
def test_ctrl_c_is_heard_within_two_seconds(tmp_path: pathlib.Path, interrupt: Callable[[int], None]) -> None:
    """A real process, stopped while its first cell compiles or trains; what is there can be continued."""
    write_points(tmp_path / "leaves.csv")
    command = [sys.executable, "-m", "gibbsite", "compare", "leaves.csv", "--models", "flow", "--budget", "full"]
    card = tmp_path / "gibbsite-leaves" / "card.toml"
    env = doomed() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            deadline = time.monotonic() + 60
            while not card.exists() and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.1)
            time.sleep(2.0)
            assert process.poll() is None, process.stderr.read()
            clock = time.monotonic()
            interrupt(process.pid)
            _, said = process.communicate(timeout=20)
            took = time.monotonic() - clock
        finally:
            process.kill()
    assert process.returncode == 130
    assert "same command continues" in said
    assert "Traceback" not in said
    assert took < 2.0, took
    assert card.exists()
    assert not list((tmp_path / "gibbsite-leaves" / "cells").glob(".*"))
