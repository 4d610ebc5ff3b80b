"""`gibbsite scan`: curves against exact ones, critical points from several sizes, sentences for what cannot be scanned."""

import dataclasses
import json
import math
import pathlib

import numpy as np
import pytest
from scipy.signal import lfilter
from typer.testing import CliRunner

from gibbsite.cli import app
from gibbsite.core import Evidence, Status
from gibbsite.core.observer import split_rhat
from gibbsite.scan import Range, betas_of, exchange, scan
from gibbsite.scan.exchange import mover
from gibbsite.scan.scaling import Member, scaling
from gibbsite.scan.tau import autocorrelation_time
from gibbsite.simulate import TargetError
from gibbsite.simulate.targets import target
from gibbsite.testing import LawViolation, check_coverage

Z = 5.6
K_C = math.log(1 + math.sqrt(2)) / 2
SMALL = {"beta": Range(0.3, 0.5, 5), "chains": 16, "warmup": 50, "draws": 300, "quiet": True}
SIDE = {"side": 6}


@pytest.fixture(scope="module")
def small():
    return scan("ising", SIDE, **SMALL)


def test_curves_of_the_torus_are_kaufmans(small) -> None:
    """u, c, s and f at 201 temperatures, of 5 runs: all within 5.6 errors, and those are small."""
    ladder = small.ladders[0]
    assert set(ladder.exact) == {"u", "c", "s", "f"} and len(ladder.fine.betas) == 201
    assert max(ladder.deviations.values()) < Z, ladder.deviations
    limits = {"u": 0.01, "c": 0.04, "s": 0.02, "f": 0.02, "m": 0.01, "chi": 0.1, "U4": 0.01}
    for name, limit in limits.items():
        found = ladder.fine.estimates[name]
        assert np.max(found.stderr) < limit and found.evidence is Evidence.INTERVAL, name
    np.testing.assert_array_equal(ladder.runs.estimates["c"].value, ladder.fine.estimates["c"].value[::50])
    assert small.beta_c is None and not small.cautions()


def test_a_wrong_temperature_is_seen(small) -> None:
    """Curves moved by two per cent of beta lie some ten errors from Kaufman's: farther than 5.6."""
    ladder = small.ladders[0]
    moved = {name: np.interp(ladder.fine.betas * 1.02, ladder.fine.betas, values) for name, values in ladder.exact.items()}
    assert dataclasses.replace(ladder, exact={"u": moved["u"]}).deviations["u"] > Z


def test_another_range_is_the_same_program(small) -> None:
    held = exchange._advance._cached._cache_size()
    hot = scan("ising", SIDE, **(SMALL | {"beta": Range(0.2, 0.4, 5), "draws": 40}))
    assert exchange._advance._cached._cache_size() == held
    assert max(hot.ladders[0].deviations.values()) < 2 * Z  # 40 draws: the errors themselves are rough
    assert hot.ladders[0].exchange.betas == pytest.approx([0.2, 0.25, 0.3, 0.35, 0.4])


def test_the_command_writes_a_report(tmp_path: pathlib.Path) -> None:
    words = ["--set", "side=6", "--beta", "0.3:0.5:5", "--chains", "16", "--warmup", "50", "--draws", "300"]
    done = CliRunner().invoke(app, ["scan", "ising", *words, "--json", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == record
    size = record["sizes"][0]
    assert set(size["curves"]) == {"u", "c", "m", "chi", "U4", "s", "f"} and len(size["curves"]["u"]["value"]) == 201
    assert len(size["swap_prob"]) == 4 and size["round_trips"] > 0 and len(size["tau"]["energy"]) == 5
    assert max(size["largest_deviation"].values()) < Z
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        "results.json",
        "report.html",
        *(f"{name}.{kind}" for name in ("curves", "replicas") for kind in ("png", "svg", "csv")),
    }
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 10 and "http" not in page.replace("http://www.w3.org", "")
    rows = (tmp_path / "out" / "curves.csv").read_text().splitlines()
    assert sum("exact" in row for row in rows) == 4 * 201


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("isign", "--beta", "0.3:0.5:5"), "did you mean 'ising'"),
        (("ising", "--beta", "0.3:0.5"), "give LOW:HIGH:POINTS, such as 0.35:0.50:16"),
        (("ising", "--beta", "0.3:0.5:5:6"), "give LOW:HIGH:POINTS"),
        (("ising", "--beta", "0.3:cold:5"), "give LOW:HIGH:POINTS"),
        (("ising", "--beta", "0.5:0.3:5"), "did you mean 0.3:0.5:5"),
        (("ising", "--beta", "0.5:0.5:5"), "give two that differ"),
        (("ising", "--beta", "0.3:0.5:0"), "in 0 points: give 3 or more"),
        (("ising", "--beta", "-0.3:0.5:4"), "0 or more"),
        (("ising", "--beta", "0.3:inf:4"), "finite"),
        (("banana", "--beta", "0:1:4"), "no law at infinite temperature; begin above 0"),
        (("ising", "--beta", "0.3:0.5:5", "--chains", "4"), "chains=4: give 8 or more"),
        (("ising", "--beta", "0.3:0.5:5", "--draws", "0"), "draws=0"),
        (("ising", "--beta", "0.3:0.5:5", "--sizes", "8,small"), "give whole numbers"),
        (("ising", "--beta", "0.3:0.5:5", "--sizes", "16,8"), "the smallest first"),
        (("ising", "--beta", "0.3:0.5:5", "--sizes", "2,8"), "side"),
        (("banana", "--beta", "0.3:0.5:5", "--sizes", "8,16"), "banana has no side"),
        (("ising", "--beta", "0.3:0.5:5", "--seed", "-1"), "seed=-1"),
    ],
)
def test_bad_input_is_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    done = CliRunner().invoke(app, ["scan", *words])
    text = " ".join(done.output.split())
    assert done.exit_code == 2 and sentence in text and "Traceback" not in text, text


def test_temperatures_too_far_apart_are_refused() -> None:
    with pytest.raises(TargetError, match=r"do not overlap at side=6.*give about \d+ points"):
        scan("ising", SIDE, **(SMALL | {"beta": Range(0.05, 4.0, 5), "draws": 40}))


def test_ranges() -> None:
    assert betas_of("0.35:0.50:16") == Range(0.35, 0.5, 16)
    held = Range(0.1, 0.3, 5)
    np.testing.assert_allclose(held.grid[:: held.parts], held.betas)


def test_clusters_where_bonds_attract_and_else_what_suits() -> None:
    assert mover(target("ising", {}))[1].startswith("clusters")
    assert type(mover(target("ising", {"coupling": -1.0}))[0]).__name__ == "Gibbs"
    assert type(mover(target("double-well", {}))[0]).__name__ == "AdaptiveHMC"


def test_how_long_a_series_remembers() -> None:
    """tau = (1 + rho) / (1 - rho) = 9 for rho = 0.8, in 64 chains of 4000; chains apart have an R-hat far from 1."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(64, 1))
    series = lfilter([1.0], [1.0, -0.8], 0.6 * rng.normal(size=(64, 4000)), axis=1, zi=0.8 * start)[0]
    assert autocorrelation_time(series) == pytest.approx(9, rel=0.05)
    assert autocorrelation_time(rng.normal(size=(64, 4000))) == pytest.approx(1, abs=0.05)
    assert math.isnan(autocorrelation_time(np.ones((4, 50))))
    assert split_rhat(series) < 1.01 < 1.5 < split_rhat(series + 3 * (np.arange(64) % 2)[:, None])


@dataclasses.dataclass(frozen=True)
class Made:
    """Curves of a size that scale exactly, with noise that chains share out: what `scaling` sees of a histogram."""

    side: int
    noise: np.ndarray  # chains 2
    betas: np.ndarray = dataclasses.field(default_factory=lambda: np.array([0.3, 0.6]))
    status: Status = Status.OK

    def replicates(self, fn, betas):
        """Row 0 is of all chains, the others leave one out; noise tilts a curve and lifts it."""
        whole = self.noise.mean(axis=0)
        rows = [whole, *((len(self.noise) * whole - one) / (len(self.noise) - 1) for one in self.noise)]
        x = (betas - 0.45) * self.side**1.25

        def mean(row):
            u4 = 0.55 + 0.1 * x - 0.02 * x**2 + row[0] + row[1] * x
            square = self.side**-0.6 * np.exp(0.4 * x + row[0] + 0.5 * row[1])
            return {"m^2": square, "m^4": 3 * square**2 * (1 - u4)}.__getitem__

        return np.stack([fn(mean(row), None, betas) for row in rows])


def made(seed: int, *, sides=(8, 16, 32), error: float = 0.01) -> object:
    rng, grid = np.random.default_rng(seed), np.linspace(0.3, 0.6, 201)
    members = [Member(side, 3, Made(side, error * rng.normal(size=(32, 2)))) for side in sides]
    return scaling(members, grid)


def test_a_collapse_that_is_exact_is_found_exactly() -> None:
    found = made(0, error=1e-9)
    fit = found.collapse
    assert fit.sides == (8, 16, 32)
    assert float(found.limit) == pytest.approx(0.45, abs=1e-6) and float(fit.beta_c) == pytest.approx(0.45, abs=1e-6)
    assert float(fit.nu) == pytest.approx(0.8, abs=1e-4)
    assert float(fit.beta_over_nu) == pytest.approx(0.3, abs=1e-4) and float(fit.gamma_over_nu) == pytest.approx(2.4, abs=2e-4)


@pytest.mark.parametrize("count", [120, pytest.param(2000, marks=pytest.mark.long)])
def test_coverage_of_critical_points_and_exponents(count: int) -> None:
    """From noisy sets of curves: the stated 95 % hold for crossings, their limit, and the collapse."""
    held = [made(seed, sides=(8, 16, 32, 64)) for seed in range(1, count + 1)]
    assert all(one.collapse is not None for one in held)
    crossing = [one.crossings[1].beta for one in held]
    check_coverage(crossing, 0.45, limit=0.003, name="crossing")
    check_coverage([one.limit for one in held], 0.45, limit=0.003, name="limit")
    for name, truth, limit in (("beta_c", 0.45, 0.002), ("nu", 0.8, 0.2), ("beta_over_nu", 0.3, 0.01)):
        check_coverage([getattr(one.collapse, name) for one in held], truth, limit=limit, name=name)
    with pytest.raises(LawViolation, match="too narrow"):
        check_coverage([narrowed(one) for one in crossing], 0.45, limit=0.003)


def narrowed(estimate):
    return dataclasses.replace(estimate, lo=estimate.value - 0.8 * estimate.stderr, hi=estimate.value + 0.8 * estimate.stderr)


def test_curves_that_do_not_cross_or_collapse_say_so(small) -> None:
    """The same side twice never crosses itself; a curve that is shifted does not fall on the others."""
    members = [Member(side, 2, Made(8, np.zeros((8, 2)))) for side in (8, 16)]
    found = scaling(members, np.linspace(0.3, 0.6, 201))
    assert found.limit is None and found.collapse is None
    assert made(0, sides=(8, 16)).collapse is None  # of two sizes exponents and corrections cannot be told apart
    said = dataclasses.replace(small, scaling=found)
    assert "do not cross" in said.cautions()[-1] and said.t_c is None and json.loads(said.json())["scaling"]["limit"] is None


def test_one_crossing_tells_no_limit(small) -> None:
    """Where it lies is told, in doubt: its drift with the sizes is not known."""
    told = dataclasses.replace(small, scaling=made(0, sides=(8, 16)))
    assert told.t_c.status is Status.NOT_CONVERGED and told.t_c.evidence is Evidence.NOT_ESTABLISHED
    assert any("One crossing drifts" in text for text in told.cautions()) and "limit" not in told.summary()


@pytest.mark.long
def test_the_critical_temperature_of_the_square_lattice() -> None:
    """Sides 8 to 64: T_c within 0.1 % and within 4 of its errors, exponents of Onsager's, the largest size within 5.6 errors of Kaufman."""
    found = scan("ising", beta=Range(0.35, 0.5, 16), sizes=(8, 16, 32, 64), quiet=True)
    t_c, fit = found.t_c, found.scaling.collapse
    assert abs(float(t_c) * K_C - 1) < 1e-3 and abs(float(t_c) - 1 / K_C) < 4 * t_c.stderr
    assert t_c.stderr * K_C < 1e-3 and t_c.status is Status.OK
    for name, truth in (("nu", 1.0), ("beta_over_nu", 1 / 8), ("gamma_over_nu", 7 / 4)):
        estimate = getattr(fit, name)
        assert abs(float(estimate) - truth) < 4 * estimate.stderr < 0.2 * truth, name
    assert max(found.ladders[-1].deviations.values()) < Z


def test_what_did_not_mix_establishes_no_transition() -> None:
    rng, grid = np.random.default_rng(3), np.linspace(0.3, 0.6, 201)
    statuses = {8: Status.NOT_MIXED}
    sizes = (8, 16, 32, 64)
    members = [Member(n, 3, Made(n, 0.01 * rng.normal(size=(32, 2)), status=statuses.get(n, Status.OK))) for n in sizes]
    found = scaling(members, grid)
    assert [one.beta.status for one in found.crossings] == [Status.NOT_MIXED, Status.OK, Status.OK]
    assert found.limit.status is Status.NOT_MIXED and found.collapse.beta_c.evidence is Evidence.NOT_ESTABLISHED


def test_an_unknown_power_of_corrections_is_part_of_the_error() -> None:
    rng, grid = np.random.default_rng(4), np.linspace(0.3, 0.6, 201)
    members = [Member(side, 3, Made(side, 0.01 * rng.normal(size=(32, 2)))) for side in (8, 16, 32, 64)]
    known, slow, both = (scaling(members, grid, omegas=omegas).collapse for omegas in ((2.0,), (0.8,), (2.0, 0.8)))
    change = abs(float(known.nu) - float(slow.nu))
    assert both.nu.stderr == pytest.approx(np.hypot(known.nu.stderr, change), rel=1e-9) and float(both.nu) == float(known.nu)
