"""The command line: bad input is answered by one sentence and exit status 2, with nothing written."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import gibbsite
from gibbsite.cli import app

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(40, 2))


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def csv(path: pathlib.Path, rows: np.ndarray, header: str = "x,y") -> None:
    np.savetxt(path, rows, delimiter=",", header=header, comments="")


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """One file for each thing that can be wrong."""
    csv(tmp_path / "good.csv", POINTS)
    (tmp_path / "text.csv").write_text("x,name\n" + "\n".join(f"{x},anna" for x in POINTS[:, 0]))
    csv(tmp_path / "nan.csv", np.where(np.arange(40)[:, None] == 3, np.inf, POINTS))
    csv(tmp_path / "one.csv", POINTS[:1])
    csv(tmp_path / "still.csv", POINTS * [1, 0] + [0, 3.5])
    csv(tmp_path / "whole.csv", np.round(POINTS * 10))
    np.save(tmp_path / "deep.npy", RNG.normal(size=(40, 2, 2, 2)))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "bad.toml").write_text('name = "bad"\ndata = ["moons"\n')
    (tmp_path / "odd.toml").write_text('data = ["moons"]\nbudgets = "quick"\n')
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("keep")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "card.toml").write_text('data = ["checkerboard"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listing(folder: pathlib.Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


BAD = {
    "missing file": (["none.csv"], "none.csv", "does not exist"),
    "text": (["text.csv"], "anna", "columns"),
    "infinite": (["nan.csv"], "line 5", "inf"),
    "one row": (["one.csv"], "1 row", "at least"),
    "dimensions": (["deep.npy"], "4 dimensions", "(40, 2, 2, 2)"),
    "integers": (["whole.csv"], "integers", "--dequantise"),
    "objects": (["objects.npy"], "objects", "astype"),
    "data name": (["gausians8"], "gausians8", "did you mean 'gaussians8'"),
    "model name": (["moons", "--models", "flwo"], "flwo", "did you mean 'flow'"),
    "budget name": (["moons", "--budget", "qick"], "qick", "did you mean 'quick'"),
    "seed": (["moons", "--seed", "-3"], "-3", "whole number"),
    "column": (["good.csv", "--columns", "z"], "'z'", "x, y"),
    "card syntax": (["bad.toml"], "bad.toml", "line"),
    "card entry": (["odd.toml"], "odd.toml, line 2", "'budget'"),
    "no card": (["nowhere.toml"], "nowhere.toml", "TOML"),
    "space": (["digits-binary", "--models", "flow"], "flow", "choose from"),
    "files of others": (["moons", "--out", "taken"], "taken", "--out"),
    "another card": (["moons", "--out", "other"], "other", "--fresh"),
    "out is a file": (["moons", "--out", "good.csv"], "good.csv", "--out"),
    "unknown option": (["moons", "--modles", "flow"], "--modles", "--models"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(folder: pathlib.Path, case: str) -> None:
    arguments, thing, remedy = BAD[case]
    before = listing(folder)
    done = run("compare", *arguments)
    assert done.exit_code == 2, done.output
    said = " ".join(done.stderr.split())
    assert thing in said
    assert remedy in said
    assert "Traceback" not in done.output
    assert listing(folder) == before


def test_debug_shows_where(folder: pathlib.Path) -> None:
    done = run("compare", "none.csv", "--debug")
    assert done.exit_code == 2
    assert "Traceback" in done.stderr


def test_a_real_process_says_one_line(folder: pathlib.Path) -> None:
    done = subprocess.run([sys.executable, "-m", "gibbsite", "compare", "whole.csv"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_version() -> None:
    assert run("--version").output == f"gibbsite {gibbsite.__version__}\n"


@pytest.mark.parametrize("command", [[], ["compare"], ["doctor"], ["list"], ["log-z"]])
def test_help_has_an_example(command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert "Example" in done.output
    assert "gibbsite" in done.output


def test_doctor() -> None:
    done = run("doctor")
    assert done.exit_code == 0, done.output
    for word in ("versions", "devices", "self-check", "free disk", "jax"):
        assert word in done.output


def test_doctor_finds_wrong_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of JAX 0.10.2: compiled matrix-vector products under vmap lose terms."""
    import jax

    real = jax.jit
    monkeypatch.setattr(jax, "jit", lambda fn: lambda xs: 0.9 * real(fn)(xs))
    done = run("doctor")
    assert done.exit_code == 1
    assert "NOT OK" in done.output
    assert "wrong" in done.output


def test_json_for_machines() -> None:
    parts = json.loads(run("list", "--json").output)
    assert set(parts) == {"energies", "kernels", "objectives", "models", "data"}
    assert "MALA" in parts["kernels"] and "flow" in parts["models"]
    findings = json.loads(run("doctor", "--json").output)
    assert {finding["name"] for finding in findings} == {"versions", "devices", "self-check", "free disk"}
    assert all(finding["fine"] for finding in findings)


def test_list_has_every_part() -> None:
    done = run("list")
    assert done.exit_code == 0
    for part in ("GaussianMixture", "MALA", "MaximumLikelihood", "ebm-pcd", "flow", "digits-binary"):
        line = next(line for line in done.output.splitlines() if line.split()[:1] == [part])
        assert len(line.split()) > 3, line
