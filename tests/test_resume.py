"""Kills, full disks, and reports made again: what is finished stays finished."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from doomed import doomed
from typer.testing import CliRunner

import gibbsite
from gibbsite.cli import app
from gibbsite.compare import Budget, Card, CardError, report
from gibbsite.compare.scene import Scene
from gibbsite.compare.staging import read_scenes, write_scenes

CARD = """
name = "points"
data = ["points.csv"]
models = ["flow", "ebm-dsm"]
[budget]
name = "mine"
evaluations = 60000
parameters = 200
draws = 64
walkers = 32
temperatures = 8
seeds = 1
trials = 2
"""


def points(folder: pathlib.Path) -> None:
    rows = np.random.default_rng(3).normal([5.0, -2.0], [0.5, 2.0], size=(200, 2))
    np.savetxt(folder / "points.csv", rows, delimiter=",", header="length,width", comments="")
    (folder / "card.toml").write_text(CARD)


BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv[1:2] = []
from gibbsite.cli import main
main()
"""


def start(folder: pathlib.Path, *more: str, limit: int | None = None, env: dict[str, str] | None = None) -> subprocess.Popen:
    how = ["-m", "gibbsite"] if limit is None else ["-c", BOUNDED, str(limit)]
    command = [sys.executable, *how, "compare", *more]
    quiet = (env or os.environ) | {"TF_CPP_MIN_LOG_LEVEL": "3"}  # the compiler's own remarks on programs in its cache
    with (folder / "said.txt").open("w") as said:  # a pipe would fill, and stop the process
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, env=quiet)


def ended(process: subprocess.Popen, folder: pathlib.Path) -> str:
    """What the process has said when it has ended."""
    process.wait(timeout=180)
    return (folder / "said.txt").read_text()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A comparison killed outright while its second cell was at work."""
    folder = tmp_path_factory.mktemp("killed")
    points(folder)
    process = start(folder, "card.toml", env=doomed())
    first = folder / "gibbsite-points" / "cells" / "points.csv_flow_0" / "record.json"
    deadline = time.monotonic() + 120
    while not first.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert first.exists()
    return folder


def test_a_killed_comparison_has_a_report_and_resumes(killed: pathlib.Path) -> None:
    """At most the cell at work is lost, and what is made afterwards is what an unbroken run makes."""
    out = killed / "gibbsite-points"
    done = report(out)
    assert [r["model"] for r in done.records] == ["flow"]
    assert "flow" in done.report.read_text()
    kept = (out / "cells" / "points.csv_flow_0" / "record.json").stat().st_mtime_ns
    (out / "cells" / ".left-over").mkdir()
    again = start(killed, "--resume", "--out", "gibbsite-points")
    told = ended(again, killed)
    assert again.returncode == 0, told
    assert "kept from an earlier start" in told
    assert (out / "cells" / "points.csv_flow_0" / "record.json").stat().st_mtime_ns == kept
    assert not list((out / "cells").glob(".*")) and not (out / "at-work").exists()
    whole = start(killed, "card.toml", "--out", "whole")
    assert ended(whole, killed) and whole.returncode == 0
    ours, theirs = (json.loads((folder / "results.json").read_text())["cells"] for folder in (out, killed / "whole"))
    assert [{**r, "seconds": 0} for r in ours] == [{**r, "seconds": 0} for r in theirs]


def test_trials_are_told_and_paid_for(killed: pathlib.Path) -> None:
    """Two learning rates a factor 2 apart, an eighth of the budget each, from the same budget as all else."""
    record = report(killed / "gibbsite-points").records[0]
    rates = [trial["learning_rate"] for trial in record["trials"]]
    assert min(abs(record["learning_rate"] - rate / 6**0.5) for rate in rates) < 1e-9  # six times as long: slower by the root
    assert rates[1] == pytest.approx(2 * rates[0])
    assert all(0 < trial["evaluations"] <= 60_000 / 8 for trial in record["trials"])
    assert all(np.isfinite(trial["score"]) for trial in record["trials"])
    assert sum(trial["evaluations"] for trial in record["trials"]) < record["evaluations"] <= 60_000


def test_a_full_disk_is_told_in_one_sentence(tmp_path: pathlib.Path) -> None:
    """No file may grow beyond 8 kB, the training state least of all."""
    points(tmp_path)
    process = start(tmp_path, "card.toml", limit=8192, env=doomed())
    told = ended(process, tmp_path)
    assert process.returncode == 1, told
    assert "There is no room left" in told and "finished cells are kept" in told
    assert "Traceback" not in told
    assert not list((tmp_path / "gibbsite-points").rglob(".*"))


def test_scenes_come_back(tmp_path: pathlib.Path) -> None:
    plain = Scene("a b", "note", ("x", "y"), np.zeros((3, 2), np.float32), (0.0, 1.0, 2.0, 3.0), np.ones((4, 4)), (0.2, 0.8))
    images = Scene("pictures", "", ("p",), np.zeros((2, 4)), image_shape=(2, 2))
    write_scenes(tmp_path / "scenes", [plain, images])
    back = read_scenes(tmp_path / "scenes")
    assert list(back) == ["a b", "pictures"]
    assert back["a b"].extent == plain.extent and back["a b"].masses == plain.masses
    np.testing.assert_array_equal(back["a b"].truth, plain.truth)
    assert back["pictures"].truth is None and back["pictures"].image_shape == (2, 2)


def test_what_cannot_be_resumed_or_reported_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CardError, match="no comparison in gibbsite-moons to resume"):
        gibbsite.compare("moons", resume=True)
    with pytest.raises(CardError, match="leave out models, fresh"):
        gibbsite.compare("moons", models="flow", fresh=True, resume=True)
    with pytest.raises(CardError, match=r"holds no card\.toml"):
        report(tmp_path)
    refused = CliRunner().invoke(app, ["report", os.fspath(tmp_path)])
    assert refused.exit_code == 2 and "holds no card.toml" in refused.output
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "card.toml").write_text(CARD)
    for text in ('{"cells": [', '{"cells": [{}]}', "[]"):
        (cut / "results.json").write_text(text)
        with pytest.raises(CardError, match=r"results\.json is not what a comparison writes: make it again with .* --resume"):
            report(cut)
    assert [path.name for path in tmp_path.iterdir()] == ["cut"]


def test_a_budget_without_trials_tunes_nothing() -> None:
    assert Budget("one", 1, 1, 4, 2, 1).trials == 1
    assert Card.parse('budget = "quick"').budget.trials == 3
