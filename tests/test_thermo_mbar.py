"""MBAR against exact answers, identities and pymbar; what cannot be known is said."""

import importlib
import json
import math
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from wells_in_a_row import wells

from gibbsite.core import Estimate, Evidence, Status
from gibbsite.testing.estimator import check_coverage
from gibbsite.testing.law import LawViolation
from gibbsite.thermo import bar, bootstrap, mbar, profile
from gibbsite.thermo.reweighting.dual import dual, self_consistent
from gibbsite.thermo.reweighting.network import resistances

# The names of functions hide those of the modules that they live in.
solver = importlib.import_module("gibbsite.thermo.reweighting.solve")
resampled = importlib.import_module("gibbsite.thermo.reweighting.bootstrap")
KEY = jax.random.key(11)
Z = 5.6  # of single comparisons: a false alarm in 5e7
ROW = wells(0, [400, 900, 0, 600, 500])  # state 2 has no samples
SOLVED = mbar(ROW.u, ROW.counts)


def near(estimate: Estimate, truth: float, *, limit: float) -> None:
    assert estimate.status is Status.OK and estimate.evidence is Evidence.INTERVAL, estimate.status
    assert estimate.stderr < limit and abs(estimate.value - truth) < Z * estimate.stderr, (estimate, truth)


def test_free_energies_are_exact_within_their_errors() -> None:
    for k, f in enumerate(ROW.f):
        if k:
            near(SOLVED.difference(k), f, limit=0.1)
    near(SOLVED.difference(3, 1), ROW.f[3] - ROW.f[1], limit=0.1)
    assert SOLVED.difference(1).value == -SOLVED.difference(0, 1).value
    assert SOLVED.difference(0).evidence is Evidence.EXACT
    assert SOLVED.converged and SOLVED.steps < 20 and SOLVED.infinite == 0
    with pytest.raises(ValueError, match="correlated"):
        SOLVED.difference(1) + SOLVED.difference(3)


@pytest.mark.parametrize("state", [0, 2, 4])
def test_expectations_are_exact_within_their_errors(state: int) -> None:
    k, centre = ROW.stiffness[state], ROW.centres[state]
    near(SOLVED.expectation(ROW.x, state), centre, limit=0.1)
    near(SOLVED.expectation(ROW.x**2, state), centre**2 + 1 / k, limit=0.5)


def test_a_state_by_its_energies_alone_is_that_state() -> None:
    u = ROW.u[2]
    given, numbered = SOLVED.free_energy(u), SOLVED.difference(2)
    assert given.value == pytest.approx(numbered.value, abs=1e-12) and given.stderr == pytest.approx(numbered.stderr, rel=1e-9)
    assert SOLVED.expectation(ROW.x, u).stderr == pytest.approx(SOLVED.expectation(ROW.x, 2).stderr, rel=1e-9)
    k, centre = 1.4, float(np.mean(ROW.centres))
    near(SOLVED.free_energy(ROW.energy(k, centre, 7.0)), math.log(k / ROW.stiffness[0]) / 2 + 7.0 - ROW.offsets[0], limit=0.1)


def test_identities_hold_to_rounding() -> None:
    np.testing.assert_allclose(SOLVED.counts @ SOLVED.weights, 1.0, rtol=1e-12)
    np.testing.assert_allclose(SOLVED.weights.sum(axis=1), 1.0, rtol=1e-11)
    np.testing.assert_allclose(SOLVED.overlap.sum(axis=1), 1.0, rtol=1e-11)
    eigenvalues = np.sort(np.linalg.eigvals(SOLVED.overlap).real)
    assert SOLVED.overlap_scalar == pytest.approx(1 - eigenvalues[-2], abs=1e-12)
    theta = SOLVED.covariance  # equation D8: of states with samples, its inverse is (W'W)^-1 - N + constant
    own = SOLVED.counts > 0
    products, n = SOLVED.products[np.ix_(own, own)], SOLVED.counts[own]
    other = np.linalg.inv(np.linalg.inv(products) - np.diag(n) + np.ones((4, 4)))
    spreads = [np.add.outer(np.diag(m), np.diag(m)) - 2 * m for m in (theta[np.ix_(own, own)], other)]
    np.testing.assert_allclose(spreads[0], spreads[1], rtol=1e-6, atol=1e-12)


def test_two_states_are_bennetts() -> None:
    two = wells(1, [150, 400], far=1.5)
    forward, reverse = (two.u[1] - two.u[0])[:150], (two.u[0] - two.u[1])[150:]
    ours, theirs = mbar(two.u, two.counts).difference(1), bar(forward, reverse)
    assert -ours.value == pytest.approx(theirs.value, abs=1e-9)
    assert ours.stderr == pytest.approx(theirs.stderr, rel=0.1)  # the same variance, by other moments of the same samples


def test_order_of_states_and_energy_of_samples_do_not_matter() -> None:
    order = np.array([3, 0, 4, 2, 1])
    ends = np.cumsum(ROW.counts)
    columns = np.concatenate([np.arange(ends[k] - ROW.counts[k], ends[k]) for k in order])
    moved = ROW.u[np.ix_(order, columns)] + np.random.default_rng(2).normal(scale=50, size=len(columns))
    again = mbar(moved, ROW.counts[order])
    np.testing.assert_allclose(again.f - again.f[1], SOLVED.f[order] - SOLVED.f[0], atol=1e-9)
    assert again.difference(0, 1).stderr == pytest.approx(SOLVED.difference(3).stderr, rel=1e-8)


def test_the_solver_comes_home_from_anywhere() -> None:
    """From far away Newton's steps do not descend; the self-consistent ones lead him in, downhill all the way."""
    row = wells(3, [100, 200, 50])
    far = np.array([0.0, 400.0, -900.0])
    found = solver.solve(row.u, row.counts.astype(float), far)
    assert found.converged
    np.testing.assert_allclose(found.f, mbar(row.u, row.counts).f, atol=1e-9)

    def height(f: np.ndarray) -> float:
        return float(dual(row.u, row.counts.astype(float), f).log_mixture.sum() - row.counts @ f)

    for _ in range(5):
        lower = self_consistent(row.u, dual(row.u, row.counts.astype(float), far).log_mixture)
        assert height(lower) <= height(far) + 1e-9 * abs(height(far))
        far = lower


def test_a_wall_is_an_infinite_energy() -> None:
    """A Gaussian, and the part of it above 1/2: f = -log(1 - Phi(1/2)) exactly."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=6000)
    x = np.concatenate([x[:2000], x[2000:][x[2000:] > 0.5]])
    u = np.stack([x**2 / 2, np.where(x > 0.5, x**2 / 2, np.inf)])
    counts = [2000, len(x) - 2000]
    walled = mbar(u, counts)
    near(walled.difference(1), -math.log(0.5 * math.erfc(0.5 / math.sqrt(2))), limit=0.05)
    assert walled.infinite == int(np.sum(x <= 0.5)) and "inf" not in repr(walled)
    nowhere = walled.free_energy(np.full(len(x), np.inf))
    assert nowhere.value is None and nowhere.status is Status.NON_FINITE
    assert walled.expectation(x, np.full(len(x), np.inf)).status is Status.NON_FINITE


def test_states_apart_are_told_and_the_others_are_not_harmed() -> None:
    row = wells(6, [300, 300, 300, 300])
    u = np.concatenate([row.u, (row.u - 7.0)])
    split = np.where(np.arange(8)[:, None] // 4 == np.arange(2400) // 1200, np.tile(u, 2), np.tile(u, 2) + 2000.0)
    both = mbar(split, np.tile(row.counts, 2))
    lost = both.difference(5)
    assert lost.value is None and lost.stderr is None and lost.status is Status.NO_OVERLAP
    alone = mbar(row.u, row.counts)
    assert both.difference(2).value == pytest.approx(alone.difference(2).value, abs=1e-7)
    assert both.difference(2).stderr == pytest.approx(alone.difference(2).stderr, rel=1e-5)
    assert both.overlap_scalar < 1e-12
    x = np.tile(row.x, 2)
    assert both.expectation(x, 1).value == pytest.approx(alone.expectation(row.x, 1).value, abs=1e-7)
    between = np.where(np.arange(2400) < 1200, np.tile(u[0], 2), np.tile(u[4], 2))  # a law with weight in both groups
    assert both.free_energy(between).status is Status.NO_OVERLAP
    with pytest.raises(ValueError, match="no value"):
        float(lost)


def test_few_shared_samples_are_told() -> None:
    apart = wells(7, [60, 60], far=3.5, offset=0.0)
    assert mbar(apart.u, apart.counts).difference(1).status is Status.LOW_ESS
    beyond = SOLVED.free_energy(ROW.energy(1.0, ROW.centres.max() + 4.0, 0.0))
    assert beyond.status is Status.LOW_ESS and beyond.evidence is Evidence.NOT_ESTABLISHED


@pytest.mark.parametrize("copies", [5, 50])
def test_identical_samples_have_no_error_bar(copies: int) -> None:
    stuck = np.repeat(np.array([[1.0, 2.5], [3.0, 1.5]]), copies, axis=1)
    found = mbar(stuck, [copies, copies]).difference(1)
    assert found.status is Status.CONSTANT and found.stderr is None and found.evidence is Evidence.NOT_ESTABLISHED
    same = mbar(np.tile(np.random.default_rng(1).normal(size=200), (2, 1)), [100, 100]).difference(1)
    assert same.status is Status.CONSTANT and same.stderr is None  # two states that are one
    two = np.repeat(np.array([[1.0, 2.5], [3.0, 1.7]]), copies, axis=1)
    assert mbar(two, [copies, copies]).difference(1).status is Status.CONSTANT  # each stuck, at works that differ
    assert SOLVED.expectation(np.full(len(ROW.x), 0.1), 1).status is Status.CONSTANT


@pytest.mark.parametrize(("counts", "u"), [([1, 0], [[1.0], [2.0]]), ([1, 1], [[1.0, 1.2], [1.1, 1.2]])])
def test_one_sample_is_too_short(counts: list[int], u: list[list[float]]) -> None:
    found = mbar(u, counts).difference(1)
    assert found.value is None and found.status is Status.TOO_SHORT


def test_a_solver_that_gives_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "STEPS", 1)
    short = mbar(ROW.u, ROW.counts)
    assert not short.converged
    assert short.difference(1).status is Status.NOT_CONVERGED and short.difference(1).evidence is Evidence.NOT_ESTABLISHED
    assert bootstrap(short, 4, key=KEY).difference(1).status is Status.NOT_CONVERGED


U = wells(9, [5, 5]).u


def broken(k: int, n: int, value: float) -> np.ndarray:
    u = U.copy()
    u[k, n] = value
    return u


@pytest.mark.parametrize(
    ("u", "counts", "sentence"),
    [
        (broken(1, 3, np.nan), [5, 5], r"u_kn\[1, 3\] is nan"),
        (broken(0, 7, -np.inf), [5, 5], r"u_kn\[0, 7\] is -inf"),
        (broken(1, 8, np.inf), [5, 5], "sample 8 was drawn from state 1"),
        (U.T, [5, 5], "each of the 10 rows of u_kn. It looks transposed"),
        (U, [2, 3, 5], "each of the 2 rows of u_kn.$"),
        (U, [5.5, 4.5], "whole numbers"),
        (U, [11, -1], "whole numbers"),
        (U, [5, 4], "counts add up to 9, but u_kn has 10 columns"),
        (U[0], [10], "one row of reduced energies"),
        (np.empty((2, 0)), [0, 0], "one row of reduced energies"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(u: np.ndarray, counts: list, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        mbar(u, counts)


def test_bad_questions_are_refused_in_a_sentence() -> None:
    for ask, sentence in {
        lambda: SOLVED.difference(5): "no state 5",
        lambda: SOLVED.expectation(ROW.x[:3]): "one number for each of the 2400 samples",
        lambda: SOLVED.expectation(np.where(np.arange(2400) == 7, np.nan, 0.0)): r"values\[7\] is nan",
        lambda: SOLVED.expectation(np.where(np.arange(2400) == 7, np.inf, 0.0), 1): r"values\[7\] is infinite",
        lambda: SOLVED.free_energy(np.full(2400, -np.inf)): r"u_n\[0\] is -inf",
        lambda: bootstrap(SOLVED, 1, key=KEY): "at least two",
        lambda: profile(SOLVED, ROW.x, [1.0, 0.0]): "rise",
        lambda: profile(SOLVED, ROW.x, [100.0, 101.0]): "No sample with weight",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            ask()


def test_bootstrap_and_covariance_agree() -> None:
    drawn = bootstrap(SOLVED, 200, key=KEY)
    assert drawn.failed == 0 and drawn.f.shape == (200, 5)
    for found, known in [
        *((drawn.difference(k), SOLVED.difference(k)) for k in (1, 2, 3)),
        (drawn.expectation(ROW.x**2, 2), SOLVED.expectation(ROW.x**2, 2)),
    ]:
        assert found.value == known.value
        assert abs(found.stderr / known.stderr - 1) < Z / math.sqrt(2 * 200) + 0.05  # the spread of 200, and finite samples


@pytest.mark.parametrize(("counts", "chords"), [([400, 900, 600], 30), ([400, 900, 600], 2), ([6, 9, 4], 30)])
def test_replicates_are_solutions(counts: list[int], chords: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chords from the full solution end where the solver ends that knows nothing of it; replicates that do not get there are solved."""
    monkeypatch.setattr(resampled, "CHORDS", chords)
    row = wells(12, counts)
    drawn = bootstrap(mbar(row.u, row.counts), 6, key=KEY)
    assert drawn.failed == 0
    for f, c in zip(drawn.f, drawn.drawn, strict=True):
        np.testing.assert_allclose(f, mbar(np.repeat(row.u, c, axis=1), row.counts).f, atol=2e-5)
    assert np.all(np.add.reduceat(drawn.drawn, [0, counts[0], counts[0] + counts[1]], axis=1) == counts)


def test_profile_is_the_well() -> None:
    """-log of the exact mass of each bin, a well without samples of its own."""
    k, centre = ROW.stiffness[2], ROW.centres[2]
    edges = centre + np.array([-9.0, -8.0, -1.1, -0.7, -0.2, 0.3, 0.6, 1.2]) / math.sqrt(k)
    found = profile(SOLVED, ROW.x, edges, 2)
    at = np.array([math.erf(z / math.sqrt(2)) for z in math.sqrt(k) * (edges - centre)])
    exact = -np.log(np.diff(at) / np.diff(edges))
    lowest = next(b for b, bin_ in enumerate(found.bins) if bin_.evidence is Evidence.EXACT)
    assert found.centres.shape == (7,) and found.bins[lowest].value == 0.0
    told = [b for b, bin_ in enumerate(found.bins) if bin_.status is Status.OK and b != lowest]
    assert len(told) >= 5
    for b in told:
        near(found.bins[b], exact[b] - exact[lowest], limit=0.3)
    empty = profile(SOLVED, ROW.x, [-1e3, -9e2, ROW.x.max()], 2).bins[0]
    assert empty.value is None and empty.evidence is Evidence.NOT_ESTABLISHED


def test_errors_that_forget_the_counts_break_the_law() -> None:
    """The registry holds `mbar` to the law of coverage; the resistance alone, without - 1/N_i - 1/N_j, is too wide for it."""
    rows = [wells(seed, [60, 40, 80], far=0.3) for seed in range(200)]
    solved = [mbar(row.u, row.counts) for row in rows]
    own = [m.difference(2) for m in solved]
    wide = [math.sqrt(resistances(m.inverse)[0, 2]) for m in solved]
    check_coverage((Estimate(e.value, e.stderr, level=0.5) for e in own), rows[0].f[2], limit=0.2)
    with pytest.raises(LawViolation, match="too wide"):
        check_coverage((Estimate(e.value, s, level=0.5) for e, s in zip(own, wide, strict=True)), rows[0].f[2], limit=1.0)


@pytest.mark.long
def test_coverage_of_every_error_bar() -> None:
    """2000 small problems: a difference, a state without samples, and means in both."""
    row = wells(0, [60, 40, 80])
    k, centre = 0.9, float(row.centres.mean())
    f = math.log(k / row.stiffness[0]) / 2 - row.offsets[0]
    solved = [(mbar(r.u, r.counts), r) for r in (wells(seed, [60, 40, 80]) for seed in range(2000))]
    check_coverage((m.difference(2, 1) for m, _ in solved), row.f[2] - row.f[1], limit=0.3)
    check_coverage((m.free_energy(r.energy(k, centre, 0.0)) for m, r in solved), f, limit=0.3)
    check_coverage((m.expectation(r.x, 1) for m, r in solved), row.centres[1], limit=0.3)
    check_coverage((m.expectation(r.x, r.energy(k, centre, 0.0)) for m, r in solved), centre, limit=0.3)


PYMBAR = """
import json, sys
import numpy as np
from pymbar import MBAR, timeseries
held = np.load(sys.argv[1])
mbar = MBAR(held["u"], held["counts"], solver_protocol="robust")
free = mbar.compute_free_energy_differences()
seen = mbar.compute_expectations(held["x"])
new = mbar.compute_expectations(held["x"], u_kn=held["new"][None])
f = mbar.compute_perturbed_free_energies(np.stack([held["u"][0], held["new"]]))
print(json.dumps({
    "f": np.asarray(free["Delta_f"])[0].tolist(), "df": np.asarray(free["dDelta_f"])[0].tolist(),
    "x": np.asarray(seen["mu"]).tolist(), "dx": np.asarray(seen["sigma"]).tolist(),
    "new": [float(np.ravel(new["mu"])[0]), float(np.ravel(new["sigma"])[0])],
    "perturbed": [float(np.asarray(f["Delta_f"])[0, 1]), float(np.asarray(f["dDelta_f"])[0, 1])],
    "overlap": np.asarray(mbar.compute_overlap()["matrix"]).tolist(), "scalar": float(np.real(mbar.compute_overlap()["scalar"])),
    "ess": np.asarray(mbar.compute_effective_sample_number()).tolist(),
    "g": float(timeseries.statistical_inefficiency(held["series"])),
}))
"""


def peer() -> str:
    """An interpreter that has pymbar: this one, or the one that GIBBSITE_PYMBAR names."""
    python = os.environ.get("GIBBSITE_PYMBAR", sys.executable)
    if subprocess.run([python, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('pymbar') is None)"]).returncode:
        pytest.skip("pymbar is not installed here: set GIBBSITE_PYMBAR to a Python that has it (extra bench)")
    return python


def test_pymbar_agrees(tmp_path: pathlib.Path) -> None:
    """Version 4, in a process of its own, on the same input: to 1e-8."""
    python = peer()
    from gibbsite.thermo import statistical_inefficiency

    rng = np.random.default_rng(3)
    series = np.convolve(rng.normal(size=2000), np.exp(-np.arange(30) / 5), mode="same")
    new = ROW.energy(1.4, 3.0, 0.0)
    held = {"u": ROW.u, "counts": ROW.counts, "x": ROW.x, "new": new, "series": series}
    np.savez(tmp_path / "held.npz", **held)
    done = subprocess.run([python, "-c", PYMBAR, str(tmp_path / "held.npz")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    seen = [SOLVED.expectation(ROW.x, k) for k in range(5)]
    mean, f = SOLVED.expectation(ROW.x, new), SOLVED.free_energy(new)
    ours = {
        "f": SOLVED.f,
        "df": [SOLVED.difference(k).stderr for k in range(5)],
        "x": [e.value for e in seen],
        "dx": [e.stderr for e in seen],
        "new": [mean.value, mean.stderr],
        "perturbed": [f.value, f.stderr],
        "overlap": SOLVED.overlap,
        "scalar": SOLVED.overlap_scalar,
        "ess": SOLVED.ess,
        "g": statistical_inefficiency(series),
    }
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=1e-8, atol=1e-8, err_msg=name)
