"""`gibbsite sample`: by name, by file, from the command line; what cannot be sampled is refused in a sentence."""

import json
import math
import pathlib

import numpy as np
import pytest
from typer.testing import CliRunner

from gibbsite.cli import app
from gibbsite.samplers import Until
from gibbsite.simulate import TARGETS, TargetError, limit, simulate
from gibbsite.simulate.kernels import KERNELS, fitting
from gibbsite.simulate.observables import usual
from gibbsite.simulate.targets import setting, target
from gibbsite.thermo import kaufman

FIELDS = {"kernel", "seconds", "acceptance", "rhat", "ess_per_second", "observables"}
PARTS = {"value", "stderr", "ess", "status", "evidence"}


def energy_of_the_torus(side: int, k: float, step: float = 1e-5) -> float:
    """The mean of -sum s s' by the slope of Kaufman's log Z."""
    above, below = (float(kaufman(side, side, k + sign * step).value) for sign in (1, -1))
    return -(above - below) / (2 * step)


def told(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["sample", *words])
    return done.exit_code, done.output


def refused(words: tuple[str, ...], sentence: str) -> None:
    """The command ends with code 2 and the sentence, and shows no lines of ours."""
    code, text = told(*words)
    assert code == 2 and sentence in " ".join(text.split()), text
    assert "Traceback" not in text


def test_the_energy_is_untempered_and_exact(tmp_path: pathlib.Path) -> None:
    words = ("ising", "--set", "side=4", "--beta", "0.4", "--chains", "64", "--draws", "2000", "--json", "--out", str(tmp_path / "run"))
    done = CliRunner().invoke(app, ["sample", *words])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert set(record) >= FIELDS and all(set(held) == PARTS for held in record["observables"].values())
    energy = record["observables"]["energy"]
    assert abs(energy["value"] - energy_of_the_torus(4, 0.4)) < 5.6 * energy["stderr"]
    assert energy["stderr"] < 0.05 and energy["status"] == "ok" and record["rhat"] < 1.05
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == record
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {"results.json", *(f"{figure}.{kind}" for figure in ("trace", "histogram") for kind in ("png", "svg", "csv"))}
    rows = (tmp_path / "run" / "trace.csv").read_text().splitlines()
    heights = [float(row.split(",")[5]) for row in rows[1:] if row.startswith("energy")]
    assert min(heights) >= -32 and max(heights) <= 32 and len(set(heights)) > 3


def test_until_and_table() -> None:
    code, text = told("double-well", "--until", "x[0]=0.2", "--draws", "100")
    assert code == 0 and "was chosen" in text and "ESS/s" in text
    made = simulate("double-well", until=Until("x[0]", 0.2), draws=100, quiet=True)
    error = made.run.rows["x[0]"].estimate.stderr
    assert error is not None and error < 0.2 and made.record()["reached"]
    hot = simulate("ising", {"side": 4}, beta=0.2, until=Until("energy", 0.2), draws=32, quiet=True).run
    assert hot.energy.stderr < 0.2 and hot.until.limit == pytest.approx(0.2)  # of the target's own energy


@pytest.mark.parametrize("name", TARGETS)
def test_every_name_is_an_energy_with_observables(name: str) -> None:
    energy = target(name, {})
    import jax

    x = energy.space.struct()
    assert all(jax.eval_shape(fn, x).shape == () for fn in usual(energy.space).values())


MINE = """
import jax.numpy as jnp
from gibbsite import Callable
from gibbsite.core import Reals

def bowl(stiffness=1.0, dim=2):
    return Callable(lambda k, x: 0.5 * k * jnp.sum(x**2), stiffness, Reals(dim))

energy = bowl()
number = 3
"""


def test_an_energy_of_a_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    path = str(tmp_path / "mine.py")
    made = simulate(f"{path}:bowl", {"stiffness": 4.0, "dim": 3}, beta=0.5, quiet=True)
    energy = made.run.rows["energy"].estimate
    assert abs(energy.value - 1.5 / 0.5) < 5.6 * energy.stderr < 0.3  # equipartition: 3 / 2 kT of the target itself
    short = simulate(f"{path}:energy", chains=2, draws=8, quiet=True)
    assert np.isfinite(short.run.energy.value) and " ?" in short.trace().charts[0].caption  # too few draws for an error
    (tmp_path / "broken.py").write_text("energy = undefined")
    refused((f"{tmp_path / 'broken.py'}:energy",), "cannot be run: NameError")
    for words, sentence in {
        ("energy", "stiffness=2"): "already built",
        ("number", ""): "is a int: name an energy",
        ("nothing", ""): "unknown name 'nothing'",
        ("bowl", "stifness=2"): "did you mean 'stiffness'",
    }.items():
        refused((f"{path}:{words[0]}", *(("--set", words[1]) if words[1] else ())), sentence)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("isign",), "did you mean 'ising'"),
        (("ising", "--set", "size=3"), "did you mean 'side'"),
        (("ising", "--set", "side"), "give name=value"),
        (("gmm40", "--set", "components=3"), "gmm40 has nothing to set: leave out components"),
        (("ising", "--set", "side=4", "--set", "side=5"), "--set side is given twice"),
        (("ising", "--set", "side=big"), "the value is a number"),
        (("ising", "--set", "side=2"), "side"),
        (("ising", "--beta", "0"), "positive inverse temperature"),
        (("ising", "--beta", "nan"), "positive inverse temperature"),
        (("ising", "--chains", "0"), "chains=0"),
        (("ising", "--beta", "1e-50"), "positive inverse temperature"),
        (("ising", "--seed", "99999999999"), "seed=99999999999: give a whole number"),
        (("edwards-anderson", "--set", "seed=1.5"), "seed=1.5: give a whole number"),
        (("ising", "--kernel", "mala"), "not on Spins"),
        (("ising", "--kernel", "mala"), "there are auto, discrete-langevin, gibbs, gibbs-with-gradients"),
        (("banana", "--kernel", "hcm"), "did you mean 'hmc'"),
        (("banana", "--kernel", "hcm"), "there are auto, adaptive-hmc, baoab"),
        (("banana", "--kernel", "hmc", "--set", "kernel.stepsize=1"), "did you mean 'step_size'"),
        (("banana", "--kernel", "hmc", "--set", "kernel.step_size=-1"), "step_size=-1"),
        (("banana", "--set", "kernel.step_size=1"), "name a kernel with --kernel"),
        (("ising", "--until", "energy"), "give an observable and a positive number"),
        (("ising", "--until", "energy=-1"), "give an observable and a positive number"),
        (("ising", "--until", "magnet=1"), "not observed: there are energy, m, |m|"),
        (("nowhere.py:energy",), "is no file"),
        (("nowhere.py",), "give file.py:name"),
    ],
)
def test_bad_input_is_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    refused(words, sentence)


OWN = """
from __future__ import annotations
import dataclasses
import jax.numpy as jnp
from beside import K
from gibbsite import Callable
from gibbsite.core import Reals

@dataclasses.dataclass
class Held:
    k: float = K

energy = Callable(lambda k, x: 0.5 * k * jnp.sum(x**2), Held().k, Reals(2))
branches = Callable(lambda k, x: x[0] if x[0] > 0 else -x[0], None, Reals(2))
typo = Callable(lambda k, x: jnp.summ(x), None, Reals(2))

def build(n):
    return Callable(lambda k, x: jnp.sum(x**2), None, Reals(n)) if n else undefined

def radius(x):
    return jnp.linalg.norm(x)

def broken(x):
    return x.nothing
"""


@pytest.fixture
def own(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the user's, and one beside it."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.py").write_text(OWN)
    pathlib.Path("beside.py").write_text("K = 4.0")


@pytest.mark.usefixtures("own")
def test_observables_of_a_file() -> None:
    """The mean length of x under k |x|^2 / 2 in the plane is sqrt(pi / (2 k))."""
    found = simulate("mine.py:energy", kernel="hmc", observe=["mine.py:radius"], quiet=True).run["radius"]
    assert abs(found.value - math.sqrt(math.pi / 8)) < 5.6 * found.stderr < 0.1


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("branches",), "say what depends on x with jnp.where, and take jnp for numpy (line 14)."),
        (("typo",), "cannot be evaluated: AttributeError: module 'jax.numpy' has no attribute 'summ' (line 15)."),
        (("build", "--set", "n=0"), "NameError: name 'undefined' is not defined (line 18)."),
        (("energy", "--observe", "mine.py:broken"), "mine.py:broken cannot be evaluated: AttributeError"),
        (("energy", "--observe", "mine.py:typo"), "mine.py:typo cannot be evaluated"),
        (("energy", "--observe", "mine.py:radius", "--observe", "mine.py:radius"), "is observed already"),
        (("energy", "--observe", "mine.py:K"), "is a float: name a function of x"),
        (("energy", "--out", "beside.py"), "beside.py is a file; give a folder"),
        (("energy", "--out", "beside.py/deep/er"), "beside.py is a file; give a folder"),
    ],
)
def test_what_is_wrong_with_the_users_own_lines_is_told(words: tuple[str, ...], sentence: str) -> None:
    refused((f"mine.py:{words[0]}", *words[1:]), sentence)


def test_a_comparison_is_not_overwritten(tmp_path: pathlib.Path) -> None:
    (tmp_path / "card.toml").write_text("")
    refused(("ising", "--out", str(tmp_path)), "holds a comparison; give another folder")


def test_settings_are_read() -> None:
    assert setting("side=8,8,8") == ("side", (8, 8, 8))
    assert setting("coupling=-0.5") == ("coupling", -0.5)
    assert setting("periodic=False") == ("periodic", False)
    assert limit("|m|=0.01") == Until("|m|", 0.01) and limit(None) is None
    with pytest.raises(TargetError):
        setting("=3")
    first, second = (target("edwards-anderson", {"seed": seed, "side": (3, 3)}) for seed in (0, 1))
    assert not np.array_equal(first.coupling, second.coupling)
    assert math.isclose(float(target("ising", {"coupling": 0.3}).coupling), 0.3, rel_tol=1e-6)


def test_a_kernel_by_name_with_its_parameters() -> None:
    code, text = told("banana", "--kernel", "hmc", "--set", "kernel.steps=3", "--chains", "2", "--warmup", "9", "--draws", "9")
    assert code == 0 and text.splitlines()[1].startswith("HMC: 2 chains x 9 draws"), text
    plain = simulate("banana", kernel="hmc", chains=2, warmup=0, draws=4, quiet=True).run.kernel
    assert float(plain.step_size) == pytest.approx(0.1) and plain.scale.shape == (2,)
    made = simulate("ising", {"side": 4, "kernel.flips": 3}, kernel="path-auxiliary", chains=2, warmup=2, draws=4, quiet=True)
    assert made.run.kernel.flips == 3 and made.run.target.side == (4, 4)


def test_every_kernel_of_the_list_fits_somewhere() -> None:
    energies = [target(name, {}) for name in ("ising", "banana", "xy", "blume-capel")]
    fit = {name for energy in energies for name in fitting(energy)}
    assert set(KERNELS) - fit == {"block-gibbs"}  # hidden units
    assert "hmc" in fitting(energies[1]) and "hmc" not in fitting(energies[0])


PARTED = """
import jax.numpy as jnp
from gibbsite.core import Callable, Product, Reals, Spins

energy = Callable(lambda p, x: 0.5 * jnp.sum((x[0] - jnp.sum(x[1])) ** 2), None, Product((Reals(2), Spins(3))))

def steep(x):
    return jnp.log(x[0][0])
"""


def test_a_product_and_an_observable_that_is_no_number_everywhere(tmp_path: pathlib.Path) -> None:
    (tmp_path / "parted.py").write_text(PARTED)
    path = tmp_path / "parted.py"
    words = (f"{path}:energy", "--observe", f"{path}:steep", "--chains", "4", "--draws", "20", "--json", "--out", str(tmp_path / "out"))
    done = CliRunner().invoke(app, ["sample", *words])
    assert done.exit_code == 0, done.output
    observables = json.loads(done.stdout)["observables"]
    assert {"x[0] of part 0", "x[1] of part 0", "m of part 1"} <= set(observables)
    assert observables["steep"]["status"] == "non_finite" and (tmp_path / "out" / "histogram.png").exists()
    refused((f"{path}:energy", "--kernel", "mala"), "moves one array, and this energy lives on 2 parts: take auto")
