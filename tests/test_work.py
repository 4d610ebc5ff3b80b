"""Work out of equilibrium: exact laws of dragged and stiffened traps, and what each relation says of the free energy."""

import json
import math
import pathlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import AbstractExact, NoShadow
from typer.testing import CliRunner

from gibbsite.cli import app
from gibbsite.core import Estimate, Evidence, Geometric, Info, Linear, Normal, Status, Tempered, as_float, no_work, schedule
from gibbsite.energies import DoubleWell, Ising
from gibbsite.samplers import MALA, ULA, Gibbs
from gibbsite.simulate import TargetError, drive_named, work_figure
from gibbsite.testing.estimator import check_coverage
from gibbsite.testing.law import LawViolation
from gibbsite.thermo import Drag, Work, bar, crossing, drive, quadrature

KEY = jax.random.key(20260117)
Z = 5.6


def errors(estimate: Estimate, truth: float) -> float:
    return abs(estimate.value - truth) / estimate.stderr


class Settling(AbstractExact):
    """The exact Ornstein-Uhlenbeck step in a trap of width 1: a share `kept` of the way from its centre is left."""

    kept: jax.Array = eqx.field(converter=as_float)

    def step(self, energy, state, *, key):
        noise = jax.random.normal(key, state.shape)
        return energy.loc + self.kept * (state - energy.loc) + jnp.sqrt(1 - self.kept**2) * noise, Info(jnp.ones(()), no_work())


def gaussian(mean: float, spread: float, n: int, m: int, rng: np.random.Generator) -> Work:
    """Gaussian work of either direction, dF = mean - spread^2 / 2."""
    return Work(rng.normal(mean, spread, n), rng.normal(spread**2 - mean, spread, m))


@pytest.fixture(scope="module")
def dragged() -> dict[int, Work]:
    """k = v = 1, t = 5, in n jumps, by walkers that settle exactly."""
    path = Drag([0.0], [5.0])
    return {n: drive(path, Settling(math.exp(-5 / n)), times=schedule(n), walkers=2**14, key=KEY) for n in (5, 50)}


class TestDrag:
    @pytest.mark.parametrize(("n", "mean"), [(5, 4.49541), (50, 4.01173)])
    def test_work_is_the_exact_gaussian_at_any_step(self, dragged, n, mean) -> None:
        delta, a = 5 / n, math.exp(-5 / n)
        assert mean == pytest.approx(delta**2 * (n / 2 + a / (1 - a) * (n - (1 - a**n) / (1 - a))), abs=1e-5)
        for work in (dragged[n].forward, dragged[n].reverse):
            assert abs(work.mean() - mean) < Z * math.sqrt(2 * mean / len(work))
            assert abs(work.var() / (2 * mean) - 1) < Z * math.sqrt(2 / len(work))

    def test_every_relation_finds_no_free_energy(self, dragged) -> None:
        work = dragged[50]
        at, slope = work.crooks()
        for estimate in (work.bar(), at, work.near_equilibrium()):
            assert errors(estimate, 0.0) < Z and estimate.stderr < 0.06 and estimate.status is Status.OK
            assert estimate.evidence is Evidence.INTERVAL
        assert errors(slope, 1.0) < Z and slope.stderr < 0.05
        for lost in (work.dissipated(), work.dissipated_reverse()):
            assert errors(lost, 4.01173) < Z and lost.stderr < 0.05  # KL of two Gaussians a variance apart: half the variance

    def test_exponential_averages_of_heavy_tails_say_so(self, dragged) -> None:
        """At a variance of 8 a handful of walkers carry the mean."""
        for estimate, evidence in ((dragged[50].jarzynski(), Evidence.UPPER), (dragged[50].jarzynski_reverse(), Evidence.LOWER)):
            assert estimate.status in (Status.LOW_ESS, Status.INFINITE_VARIANCE) and estimate.evidence is evidence
        assert dragged[50].jarzynski().hi < math.inf and dragged[50].jarzynski().lo == -math.inf

    def test_second_law(self, dragged) -> None:
        for work in dragged.values():
            assert work.mean().value > work.bar().value and work.dissipated().lo > 0
        assert dragged[5].dissipated().value > dragged[50].dissipated().value + 0.3  # haste costs

    def test_another_trap_is_no_other_program(self) -> None:
        traced = []

        class Counted(ULA):
            def step(self, energy, state, *, key):
                traced.append(1)
                return super().step(energy, state, key=key)

        counts = []
        for distance, stiffness, step in ((1.0, 1.0, 0.1), (2.0, 3.0, 0.05)):
            drive(Drag([0.0], [distance], stiffness), Counted(step), times=schedule(8), walkers=16, key=KEY)
            counts.append(len(traced))
        assert counts[0] == counts[1] > 0


def test_a_drag_over_a_barrier_against_quadrature() -> None:
    """Both ends are drawn from a fine grid, for the sum of well and trap has no draws of its own."""
    path = Drag([-1.0], [0.6], 2.0, Tempered(DoubleWell(), 0.3))
    log_zs = [quadrature(path(as_float(t)), low=-4, high=4) for t in (0.0, 1.0)]
    grid = np.linspace(-4, 4, 200_001)[:, None]
    rng, starts = np.random.default_rng(0), []
    for t in (0.0, 1.0):
        log_p = -np.asarray(jax.vmap(path(as_float(t)))(jnp.asarray(grid, jnp.float32)), np.float64)
        p = np.exp(log_p - log_p.max())
        starts.append(rng.choice(grid, 2**12, p=p / p.sum()).astype(np.float32))
    work = drive(path, ULA(0.02), times=schedule(40), walkers=2**12, start=starts[0], end=starts[1], key=KEY)
    truth = float(log_zs[0].value - log_zs[1].value)
    at, slope = work.crooks()
    assert errors(work.bar(), truth) < Z and errors(at, truth) < Z and errors(slope, 1.0) < Z
    assert work.bar().stderr < 0.1 and work.dissipated().value > 0.3


def trap(k: float) -> Normal:
    return Normal([0.0], [1 / math.sqrt(k)])


class TestSwitch:
    """A trap from stiffness 1 to k: dF = log(k) / 2."""

    @pytest.mark.parametrize("settle", ["own", "next"])
    def test_free_energy_at_a_large_step(self, settle) -> None:
        work = drive(Geometric(trap(1), trap(4)), ULA(0.2), times=schedule(8), walkers=2**13, end=trap(4), settle=settle, key=KEY)
        truth = math.log(4) / 2
        at, slope = work.crooks()
        for estimate in (work.bar(), at, work.jarzynski()):
            assert errors(estimate, truth) < Z and estimate.stderr < 0.03
        assert errors(slope, 1.0) < Z
        assert work.near_equilibrium().status is Status.NOT_CONVERGED  # the work is skewed

    def test_moves_that_hide_their_work_break_the_relation(self) -> None:
        """A broken twin: no estimate is right, and the slope shows it."""
        path = Geometric(trap(1), trap(4))
        at, slope = drive(path, NoShadow(ULA(0.2)), times=schedule(8), walkers=2**13, end=trap(4), key=KEY).crooks()
        assert errors(slope, 1.0) > Z and at.status is Status.NOT_CONVERGED, (at, slope)

    def test_a_quench_has_the_known_variance(self) -> None:
        found = drive(Geometric(trap(1), trap(2)), MALA(0.5), times=schedule(1), walkers=2**15, end=trap(2), key=KEY).jarzynski()
        assert errors(found, math.log(2) / 2) < Z
        assert abs(found.stderr**2 * 2**15 / 0.154700538 - 1) < 0.05

    def test_a_quench_to_a_wide_trap_has_none(self) -> None:
        work = drive(Geometric(trap(1), trap(0.2)), MALA(0.5), times=schedule(1), walkers=2**13, end=trap(0.2), key=KEY)
        assert work.jarzynski().status is Status.INFINITE_VARIANCE
        assert errors(work.bar(), math.log(0.2) / 2) < Z


class TestErrors:
    """Replicates of Gaussian work, with more of it forward than in reverse: dF = 0.875, dissipated 1.125."""

    def replicates(self, count: int) -> list[Work]:
        rng = np.random.default_rng(5)
        return [gaussian(2.0, 1.5, 300, 200, rng) for _ in range(count)]

    @pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.long)])
    def test_crossing_covers(self, count: int) -> None:
        works = self.replicates(count)
        crossed = [work.crooks() for work in works]
        check_coverage((one.at for one in crossed), 0.875, limit=0.2, name="crooks")
        check_coverage((one.slope for one in crossed), 1.0, limit=0.2, name="slope")

    @pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.long)])
    def test_others_cover(self, count: int) -> None:
        works = self.replicates(count)
        check_coverage((work.dissipated() for work in works), 1.125, limit=0.15, name="dissipated")
        check_coverage((work.dissipated_reverse() for work in works), 1.125, limit=0.15, name="dissipated_reverse")
        check_coverage((work.near_equilibrium() for work in works), 0.875, limit=0.2, name="near_equilibrium")
        check_coverage((work.mean() for work in works), 2.0, limit=0.12, name="mean")

    @pytest.mark.long
    def test_an_error_without_the_covariance_fails(self) -> None:
        """A broken twin: the errors of <W> and of dF added as if they were of two sources."""
        parts = ((work.mean(), work.bar()) for work in self.replicates(700))
        twins = (Estimate(mean.value - free.value, math.hypot(mean.stderr, free.stderr)) for mean, free in parts)
        with pytest.raises(LawViolation, match="wide"):
            check_coverage(twins, 1.125, limit=0.2)


def test_crossing_is_no_better_than_bennett() -> None:
    work = gaussian(1.0, 1.0, 4000, 1000, np.random.default_rng(1))
    (at, _), best = work.crooks(), work.bar()
    assert at.stderr > 0.95 * best.stderr and abs(at.value - best.value) < 3 * at.stderr


class TestWhatIsWrong:
    def test_work_that_breaks_the_relation(self) -> None:
        """A reverse that did not start in equilibrium: its work is too narrow."""
        rng = np.random.default_rng(2)
        at, slope = Work(rng.normal(2, 2, 2000), rng.normal(2, 1.2, 2000)).crooks()
        assert at.status is Status.NOT_CONVERGED and at.evidence is Evidence.NOT_ESTABLISHED and errors(slope, 1.0) > Z

    def test_no_overlap(self) -> None:
        rng = np.random.default_rng(3)
        work = Work(rng.normal(40, 1, 100), rng.normal(40, 1, 100))
        for estimate in (work.bar(), *work.crooks(), work.dissipated()):
            assert estimate.value is None and estimate.status is Status.NO_OVERLAP
        assert "not established" in repr(work) and not work_figure(work).charts[0].line

    def test_separated_work_with_one_exception(self) -> None:
        """Shared samples without a slope to be told from them."""
        at, _ = crossing(np.append(np.full(50, 3.0), 0.0), np.append(np.full(50, 3.0), 0.5))
        assert at.value is None or at.status is not Status.OK

    def test_identical_work(self) -> None:
        work = Work(np.full(50, 0.7), np.full(50, -0.7))
        found = {name: held for name, held in work.record().items() if name != "walkers"}
        assert all(held["status"] == "constant" for held in found.values()), found
        assert len(work_figure(work).charts) == 1

    def test_work_that_is_not_finite(self) -> None:
        good = np.linspace(0, 1, 20)
        for work in (Work(np.append(good, np.nan), good), Work(np.append(good, np.inf), good)):
            assert work.mean().status is Status.NON_FINITE and work.near_equilibrium().status is Status.NON_FINITE
            json.dumps(work.record(), allow_nan=False)
        walled = Work(np.append(good, np.inf), -good)
        assert walled.bar().value is not None  # a wall is allowed: its weight is zero

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"reverse work has shape \(1,\)"):
            Work(np.zeros(3), np.zeros(1))
        with pytest.raises(ValueError, match="walkers=1"):
            drive(Drag([0.0], [1.0]), ULA(0.1), times=schedule(2), walkers=1, key=KEY)
        with pytest.raises(ValueError, match="start has 3 draws, and walkers=4"):
            drive(Drag([0.0], [1.0]), ULA(0.1), times=schedule(2), walkers=4, start=jnp.zeros((3, 1)), key=KEY)
        with pytest.raises(ValueError, match="stiffness"):
            Drag([0.0], [1.0], -1.0)

    def test_ends_that_cannot_be_drawn(self) -> None:
        with pytest.raises(TypeError, match="without end= draws"):
            drive(Geometric(trap(1), trap(2)), ULA(0.1), times=schedule(2), walkers=4, key=KEY)
        with pytest.raises(TypeError, match="without start= draws"):
            drive(Drag([0.0], [1.0], 1.0, DoubleWell()), ULA(0.1), times=schedule(2), walkers=4, key=KEY)

    def test_one_source(self) -> None:
        work = gaussian(1.0, 1.0, 100, 100, np.random.default_rng(4))
        with pytest.raises(ValueError, match="share a source"):
            work.mean() - work.bar()
        assert errors(bar(work.forward, work.reverse) * -1.0, work.bar().value) == 0


def test_spins_on_a_field_that_turns() -> None:
    """Discrete work, a sweep that is not its own reversal: the field of a ring of spins, drawn exactly at both ends, is turned round."""
    ends = [Ising((6,), 0.5, field, periodic=True) for field in (0.3, -0.6)]
    rng, states = np.random.default_rng(6), np.array(np.meshgrid(*[(-1.0, 1.0)] * 6)).reshape(6, -1).T.astype(np.float32)
    tables = [-np.asarray(jax.vmap(end)(jnp.asarray(states)), np.float64) for end in ends]
    log_zs = [np.log(np.exp(table).sum()) for table in tables]
    draws = [states[rng.choice(64, 4096, p=np.exp(t - z))] for t, z in zip(tables, log_zs, strict=True)]
    work = drive(Linear(ends[0], *ends), Gibbs(), times=schedule(5), walkers=4096, start=draws[0], end=draws[1], key=KEY)
    at, slope = work.crooks()
    truth = log_zs[0] - log_zs[1]
    assert errors(work.bar(), truth) < Z and errors(at, truth) < Z and errors(slope, 1.0) < Z and at.stderr < 0.1


class TestCommand:
    def test_json_and_files(self, tmp_path: pathlib.Path) -> None:
        words = ["work", "drag", "--steps", "8", "--json", "--out", str(tmp_path / "made")]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        record = json.loads(done.stdout)
        assert record["protocol"] == "drag" and record["walkers"] == [4096, 4096] and set(record) >= {"bar", "crooks", "dissipated"}
        assert {path.name for path in (tmp_path / "made").iterdir()} == {"results.json", "work.png", "work.svg", "work.csv"}

    @pytest.mark.parametrize(("name", "truth"), [pytest.param("switch", math.log(4) / 2, marks=pytest.mark.long), ("drag", 0.0)])
    def test_protocols(self, name: str, truth: float) -> None:
        made = drive_named(name, steps=8, walkers=4096, quiet=True)
        assert errors(made.work.bar(), truth) < Z and "crooks" in str(made)
        charts = work_figure(made.work).charts
        assert len(charts) == 2 and charts[0].line is not None

    def test_quench(self) -> None:
        made = drive_named("quench", walkers=4096, quiet=True)
        truth = 0.5 * math.log(2 * math.pi / 0.3) - math.log(11784.5092651278267)
        assert made.steps == 1 and errors(made.work.bar(), truth) < Z

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("darg",), "did you mean 'drag'"),
            (("drag", "--set", "lenght=3"), "drag: unknown setting 'lenght'"),
            (("drag", "--set", "stiffness=-1"), "give a positive number"),
            (("drag", "--steps", "0"), "steps=0"),
            (("switch", "--walkers", "1"), "walkers=1"),
            (("switch", "--time", "nan"), "time=nan"),
            (("switch", "--seed", "-1"), "seed=-1"),
        ],
    )
    def test_bad_input(self, words: tuple[str, ...], sentence: str) -> None:
        done = CliRunner().invoke(app, ["work", *words])
        assert done.exit_code == 2 and sentence in " ".join(done.output.split()), done.output

    def test_refused_in_python(self) -> None:
        with pytest.raises(TargetError, match="positive number"):
            drive_named("switch", {"stop": 0.0})

    def test_help_has_an_example(self) -> None:
        done = CliRunner().invoke(app, ["work", "--help"])
        assert done.exit_code == 0 and "Example: gibbsite work" in done.output


def test_work_of_two_values_is_not_near_equilibrium() -> None:
    """A field of 2 on a free spin, all at once: dF = -log cosh 2 = -1.325, where two cumulants would have -2, without a third one."""
    work = np.where(np.random.default_rng(0).uniform(size=4096) < 0.5, 2.0, -2.0)
    assert Work(work, -work).near_equilibrium().status is Status.NOT_CONVERGED
