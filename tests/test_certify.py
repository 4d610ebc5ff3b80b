"""Certificates: sampled routes against exact log Z, the verdict's logic, and what must not be certified."""

import dataclasses
import json
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import norm
from typer.testing import CliRunner

from gibbsite.cli import app
from gibbsite.core import Callable, Coins, Estimate, Evidence, Geometric, Normal, Reals, Status, Tempered, Trajectory, as_float
from gibbsite.energies import BinaryRBM, DoubleWell, Funnel, Gaussian, Ising, ManyWell, Phi4
from gibbsite.samplers import MALA, ULA, Silent
from gibbsite.testing import LawViolation, check_coverage, problems
from gibbsite.thermo import Certificate, Route, certify, kaufman, stepping_stones
from gibbsite.thermo.certificate import judge
from gibbsite.thermo.certify import SAMPLED, chosen, pooled
from gibbsite.thermo.exchange import Exchange
from gibbsite.thermo.stones import stones
from gibbsite.thermo.weights import log_mean

KEY = jax.random.key(404)
K_C = math.log(1 + math.sqrt(2)) / 2
Z = 5.6
MANY_WELL = 164.695675313182

# Moved, stretched and tilted against its base.
TILTED = Gaussian(jnp.array([0.9, -0.8]), np.array([[2.0, 0.7], [0.7, 1.0]]))
PATH = Geometric(Normal(jnp.array([-0.5, 0.0]), jnp.array([1.0, 1.5]), 0.3), TILTED)
TRUTH = math.log(2 * math.pi) - 0.5 * math.log(2.0 * 1.0 - 0.7**2)

# Snapshots of one machine, the first of them idle.
WEIGHTS, FIELD = 0.8 * jax.random.normal(KEY, (24, 6)), -0.5 + 0.3 * jnp.arange(24) / 24
SHOTS = [BinaryRBM(share * WEIGHTS, FIELD, share * jnp.linspace(-1, 1, 6)) for share in (0.0, 0.3, 0.7, 1.0)]
TRAINING = Trajectory(Coins(SHOTS[0].space, FIELD, -6 * math.log(2)), SHOTS)


def sampled(energy, **options) -> Certificate:
    return certify(energy, **{"routes": ["sampled"], "key": KEY, "progress": Silent(), **options})


def route(name: str, value: float | None, stderr: float | None, **of) -> Route:
    return Route(name, Estimate(value, stderr, **{"evidence": Evidence.INTERVAL, **of}), 1.0)


def works(key, *, populations: int = 8, draws: int = 200, gap: float = 1.0) -> Exchange:
    """Draws of two unit Gaussians `gap` apart, whose log Z differ by 0.7."""
    x, y = jax.random.normal(key, (2, populations, draws))
    work = lambda z: np.asarray(gap**2 / 2 - gap * z - 0.7, np.float64)[..., None]  # noqa: E731
    return Exchange(np.array([0.0, 1.0]), work(x), work(y + gap), np.array([0.5]), np.zeros(populations, int))


class TestStones:
    def test_a_tilted_gaussian(self) -> None:
        found = stepping_stones(PATH, MALA(0.4), times=np.linspace(0, 1, 6), draws=400, warmup=100, progress=Silent(), key=KEY)
        assert abs(found.log_z.value - TRUTH) < Z * found.log_z.stderr
        assert found.log_z.stderr < 0.02
        assert found.log_z.status is Status.OK and found.log_z.evidence is Evidence.INTERVAL
        assert np.all(found.run.trips > 0) and np.all(found.run.swaps > 0.5)
        assert repr(found).startswith("log Z = ")

    @pytest.mark.long
    def test_coverage_of_one_pair(self) -> None:
        """2000 replicates: the share inside is 0.95 within 5.6 errors, and the stated error is the actual one within 10 %."""
        found = [stones(works(key), 0.0).log_z for key in jax.random.split(KEY, 2000)]
        inside = np.mean([e.lo <= 0.7 <= e.hi for e in found])
        assert abs(inside - 0.95) < Z * math.sqrt(0.95 * 0.05 / 2000)
        assert np.median([e.ess for e in found]) == pytest.approx(np.prod(works(KEY).below.shape[:2]), rel=0.2)  # draws are independent
        actual = np.std([e.value for e in found])
        stated = math.sqrt(np.mean([e.stderr**2 for e in found]))
        assert stated == pytest.approx(actual, rel=0.1)  # the actual one is known to 1.6 %

    def test_the_works_must_overlap(self) -> None:
        assert stones(works(KEY, gap=9.0), 0.0).log_z.status is Status.NO_OVERLAP

    def test_populations_must_agree(self) -> None:
        run = works(KEY)
        run.below[0] += 2.0
        found = stones(run, 0.0).log_z
        assert found.status is Status.NOT_MIXED and found.evidence is Evidence.NOT_ESTABLISHED

    def test_infinite_works_are_allowed_below_alone(self) -> None:
        run = works(KEY)
        run.below[:, ::2] = np.inf  # half of the lower law lies where the upper has nothing
        found = stones(run, 0.0).log_z
        assert found.value == pytest.approx(0.7 - math.log(2), abs=0.2)
        run.above[0, 0] = np.nan
        assert stones(run, 0.0).log_z.value is None

    @pytest.mark.parametrize("share", [0.03, 0.6])
    def test_walls(self, share: float) -> None:
        """The upper law is the lower one where it is allowed: its log Z is the log of that share, beyond all finite works."""
        rng = np.random.default_rng(0)
        below = np.where(rng.uniform(size=(8, 400, 1)) < share, 0.0, np.inf)
        found = stones(Exchange(np.array([0.0, 1.0]), below, np.zeros((8, 400, 1)), np.ones(1), np.zeros(8, int)), 0.0).log_z
        assert found.value == pytest.approx(math.log(np.isfinite(below).mean()), abs=1e-9)
        assert abs(found.value - math.log(share)) < Z * found.stderr

    def test_moves_with_a_bias_are_told(self) -> None:
        found = stepping_stones(PATH, ULA(0.4), times=(0.0, 0.5, 1.0), draws=50, warmup=10, progress=Silent(), key=KEY)
        assert found.log_z.status is Status.UNADJUSTED and found.log_z.evidence is Evidence.NOT_ESTABLISHED

    @pytest.mark.parametrize(("options", "said"), [({"populations": 3}, "populations=3"), ({"times": (0.0, 0.5)}, "times=")])
    def test_bad_input(self, options, said) -> None:
        with pytest.raises(ValueError, match=said):
            stepping_stones(PATH, MALA(0.4), **{"times": (0.0, 1.0), "key": KEY, **options})

    def test_a_path_without_base(self) -> None:
        from gibbsite.core import Tempering

        with pytest.raises(TypeError, match="no base"):
            stepping_stones(Tempering(TILTED), MALA(0.4), times=(0.0, 1.0), key=KEY)


class TestVerdict:
    def test_three_that_agree(self) -> None:
        found = judge((route("a", 1.0, 0.1), route("b", 1.1, 0.1), route("c", 0.95, 0.05)), level=0.95, seconds=1.0)
        assert found.verdict == "established" and found.log_z.evidence is Evidence.INTERVAL
        assert found.log_z.value == pytest.approx((1.0 + 1.1 + 4 * 0.95) / 6)
        assert found.log_z.stderr == pytest.approx(math.sqrt(1 / 600))
        assert found.log_z.hi - found.log_z.value == pytest.approx(norm.ppf(0.975) * found.log_z.stderr, rel=1e-6)

    def test_scatter_widens_the_error(self) -> None:
        found = judge((route("a", 0.0, 1.0), route("b", 2.0, 1.0), route("c", 4.0, 1.0)), level=0.9, seconds=1.0)
        assert found.log_z.stderr == pytest.approx(math.sqrt(8 / 2) / math.sqrt(3))
        assert found.chance == pytest.approx(math.exp(-4))  # of chi^2 = 8 with two degrees of freedom
        assert found.log_z.level == 0.9

    def test_routes_that_disagree(self) -> None:
        found = judge((route("a", 0.0, 0.1), route("b", 0.0, 0.1), route("c", 1.0, 0.1)), level=0.95, seconds=1.0)
        assert found.verdict == "not established" and found.log_z.value is None
        assert "disagree" in found.why and found.log_z.lo < 0 < 1 < found.log_z.hi

    def test_two_are_too_few(self) -> None:
        found = judge((route("a", 0.0, 0.1), route("b", 0.0, 0.1)), level=0.95, seconds=1.0)
        assert found.log_z.value is None and "let 3 run" in found.why

    def test_a_doubtful_route(self) -> None:
        parts = (route("a", 0.0, 0.1), route("b", 0.0, 0.1), route("c", 0.0, 0.1, status=Status.NOT_MIXED))
        found = judge(parts, level=0.95, seconds=1.0)
        assert found.log_z.value is None and found.why == f"c: {Status.NOT_MIXED.value}"
        assert json.loads(found.json())["value"] is None

    def test_what_is_no_number_establishes_nothing(self) -> None:
        parts = (route("a", 0.0, 0.1), route("b", 0.0, 0.1), route("c", math.nan, 0.1))
        found = judge(parts, level=0.95, seconds=1.0)
        assert found.verdict == "not established" and found.log_z.status is Status.NON_FINITE
        json.loads(found.json())

    def test_exact_routes_come_first_and_must_agree(self) -> None:
        first, other = (route(name, value, 0.0, evidence=Evidence.EXACT) for name, value in (("x", 3.0), ("y", 3.5)))
        far = route("a", 9.0, 0.1)
        found = judge((first, far), level=0.95, seconds=1.0)
        assert found.verdict == "exact" and found.log_z.value == 3.0 and "errors: a" in found.why
        assert judge((first, other), level=0.95, seconds=1.0).verdict == "not established"

    def test_rounds_are_pooled(self) -> None:
        joint = pooled([route("a", value, 0.3) for value in (0.0, 0.3, -0.3)])
        assert joint.rounds == 3 and joint.log_z.stderr == pytest.approx(0.3 / math.sqrt(3))
        assert joint.log_z.value == pytest.approx(math.log(np.mean(np.exp([0.0, 0.3, -0.3]))))
        many = pooled([route("a", value, 0.001) for value in np.linspace(-1, 1, 9)])
        assert many.log_z.stderr > 0.2  # by the scatter of the rounds, which their own errors deny

    @pytest.mark.parametrize("rounds", [1, 4])
    def test_coverage_of_the_joint_interval(self, rounds: int) -> None:
        """2000 replicates: weights of annealing and population are log-normal, stones the mean of 16 populations; the truth is 0."""
        rng = np.random.default_rng(rounds)
        found = [judge(tuple(pooled(made) for made in _rounds(rng, rounds)), level=0.95, seconds=1.0).log_z for _ in range(2000)]
        check_coverage(found, 0.0, limit=0.033 / math.sqrt(rounds), name="certificate")
        with pytest.raises(LawViolation, match="too narrow"):
            check_coverage([dataclasses.replace(e, lo=e.value - e.stderr) for e in found if e.value is not None], 0.0, limit=1.0)


def _rounds(rng: np.random.Generator, count: int) -> list[list[Route]]:
    def weighed(name: str, walkers: int, variance: float) -> Route:
        logs = math.sqrt(variance) * rng.normal(size=walkers) - variance / 2
        return Route(name, log_mean(logs), 1.0)

    def of_populations() -> Route:
        totals = 0.2 * rng.normal(size=16)
        error = float(totals.std(ddof=1)) / 4
        half = float(stdtrit(15, 0.975)) * error
        mean = float(totals.mean())
        return Route("stones", Estimate(mean, error, mean - half, mean + half, evidence=Evidence.INTERVAL), 1.0)

    return [
        [weighed("annealing", 128, 0.4) for _ in range(count)],
        [weighed("population", 512, 0.6) for _ in range(count)],
        [of_populations() for _ in range(count)],
    ]


class TestCertify:
    def test_ising(self) -> None:
        found = sampled(Tempered(Ising(8), as_float(0.4)), walkers=256, width=0.5)
        truth = 56.59938876042537
        assert found.verdict == "established"
        assert abs(found.log_z.value - truth) < Z * found.log_z.stderr
        assert [part.name for part in found.routes] == list(SAMPLED)
        for part in found.routes:
            assert abs(part.log_z.value - truth) < Z * part.log_z.stderr, part.name
        record = json.loads(found.json())
        assert {"value", "stderr", "lo", "hi", "level", "status", "evidence", "routes"} <= set(record)

    def test_an_rbm_from_its_own_path(self) -> None:
        weights = 0.6 * jax.random.normal(KEY, (24, 6))
        machine = BinaryRBM(weights, -0.5 + 0.3 * jnp.arange(24) / 24, jnp.linspace(-1, 1, 6))
        found = sampled(machine, walkers=256, width=0.5)
        assert found.verdict == "established"
        assert abs(found.log_z.value - float(machine._log_z())) < Z * found.log_z.stderr

    @pytest.mark.long
    def test_bimodal_on_the_reals(self) -> None:
        found = sampled(DoubleWell(), walkers=256, width=0.5)
        assert found.verdict == "established"
        assert abs(found.log_z.value - math.log(11784.5092651278267)) < Z * found.log_z.stderr

    def test_an_energy_without_finite_z(self) -> None:
        found = sampled(Callable(lambda _, x: 0.2 * jnp.sum(jnp.log1p(x**2)), None, Reals((2,))), walkers=64)
        assert found.log_z.value is None and found.log_z.status is Status.DRIFTING
        assert "Z may be infinite" in str(found)

    def test_a_base_of_ones_own_hides_no_escape(self) -> None:
        energy = Callable(lambda _, x: 0.2 * jnp.sum(jnp.log1p(x**2)), None, Reals((2,)))
        found = sampled(energy, walkers=64, base=Normal(jnp.zeros(2), jnp.ones(2)))
        assert found.log_z.status is Status.DRIFTING

    @pytest.mark.long
    def test_an_rbm_along_its_own_training(self) -> None:
        *_, last = SHOTS
        found = sampled(last, path=TRAINING, walkers=256, width=0.5)
        assert found.verdict == "established"
        assert abs(found.log_z.value - float(last._log_z())) < Z * found.log_z.stderr

    def test_a_path_must_end_at_the_energy(self) -> None:
        *_, other, last = SHOTS
        with pytest.raises(ValueError, match="ends where path"):
            sampled(other, path=TRAINING)
        with pytest.raises(ValueError, match="give one of them"):
            sampled(last, path=TRAINING, base=TRAINING.base)

    @pytest.mark.long
    def test_the_critical_lattice_within_a_fifth_of_a_nat(self) -> None:
        found = sampled(Tempered(Ising(32), as_float(K_C)), width=0.2)
        assert found.verdict == "established" and found.log_z.hi - found.log_z.lo <= 0.2
        assert abs(found.log_z.value - 952.6480795485428) < Z * found.log_z.stderr

    @pytest.mark.long
    def test_many_well_32(self) -> None:
        found = sampled(ManyWell(), width=0.05)
        assert found.verdict == "established"
        assert abs(found.log_z.value - MANY_WELL) <= min(0.02, Z * found.log_z.stderr)

    @pytest.mark.long
    def test_a_funnel(self) -> None:
        """Its neck is e^9 times as narrow as its mouth: few draws are there, and weights are of heavy tail."""
        found = sampled(Funnel(), width=0.02, seconds=240.0)
        assert found.verdict == "established"
        assert abs(found.log_z.value) <= min(0.02, Z * found.log_z.stderr)

    @pytest.mark.long
    def test_a_field_with_two_phases(self) -> None:
        """No exact value is known here: three routes must agree within 0.1."""
        found = sampled(Phi4(14, -4.75, 5.1), width=0.1, seconds=400.0)
        assert found.verdict == "established" and found.log_z.hi - found.log_z.lo <= 0.1

    def test_doubt_doubles_the_effort(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stones that mix with four times the draws: the rounds before that do not count."""
        asked, ising = [], Ising(4, 0.4)
        truth = float(kaufman(4, 4, 0.4))

        def slow(problem, energy, effort, key):
            asked.append(effort)
            fine = Status.OK if effort >= 4 else Status.NOT_MIXED
            return Estimate(truth if effort >= 4 else 99.0, 0.02, status=fine, evidence=Evidence.INTERVAL), 0.5

        monkeypatch.setitem(SAMPLED, "stones", slow)
        found = sampled(ising, walkers=64, width=0.05, seconds=1000.0)
        assert asked[:4] == [1, 2, 4, 4] and set(asked[2:]) == {4}
        assert found.verdict == "established" and found.routes[-1].rounds == len(asked) - 2

    def test_disagreement_doubles_the_effort_of_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stones that are sure of a wrong number at first."""
        asked, ising = [], Ising(4, 0.4)

        def wrong(problem, energy, effort, key):
            asked.append(effort)
            return Estimate(float(kaufman(4, 4, 0.4)) + (effort == 1), 0.02, evidence=Evidence.INTERVAL), 0.5

        monkeypatch.setitem(SAMPLED, "stones", wrong)
        found = sampled(ising, walkers=64, width=0.05, seconds=1000.0)
        assert found.verdict == "established" and asked[:2] == [1, 2] and found.routes[-1].rounds == len(asked) - 1
        assert all(route.rounds == len(asked) - 1 for route in found.routes)

    def test_routes_by_name(self) -> None:
        assert chosen(None, []) == list(SAMPLED)
        assert chosen(None, ["kaufman"]) == ["kaufman"]
        assert chosen(["sampled"], ["kaufman"]) == list(SAMPLED)
        assert chosen(["exact", "stones", "kaufman"], ["kaufman"]) == ["kaufman", "stones"]
        with pytest.raises(ValueError, match="route=magic: this energy has kaufman, annealing, population, stones, exact, sampled"):
            chosen(["magic"], ["kaufman"])
        with pytest.raises(ValueError, match="route=exact"):
            chosen(["exact"], [])

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"width": 0.0}, "width=0"),
            ({"seconds": -1}, "seconds=-1"),
            ({"level": 1}, "level=1"),
            ({"walkers": 3}, "walkers=3"),
        ],
    )
    def test_bad_numbers(self, options, said) -> None:
        with pytest.raises(ValueError, match=said):
            certify(TILTED, key=KEY, **options)


class TestCommand:
    def run(self, *arguments: str):
        return CliRunner().invoke(app, ["log-z", *arguments])

    def test_json(self) -> None:
        told = self.run("ising", "--set", "side=4", "--beta", "0.5", "--json")
        assert told.exit_code == 0, told.output
        found = json.loads(told.stdout)
        assert found["verdict"] == "exact" and found["evidence"] == "exact"
        assert found["lo"] <= found["value"] <= found["hi"] and abs(found["value"] - kaufman(4, 4, 0.5).value) < 1e-10

    def test_json_of_an_energy_of_ones_own(self, tmp_path: pathlib.Path) -> None:
        """A user's own energy: a Gaussian at beta 2, whose log Z is log(2 pi) - log 2 - log det of the precision / 2."""
        (tmp_path / "mine.py").write_text(MINE)
        few = ("--route", "sampled", "--width", "0.5", "--walkers", "128")
        told = self.run(f"{tmp_path / 'mine.py'}:energy", "--beta", "2", *few, "--json")
        assert told.exit_code == 0, told.output
        found = json.loads(told.stdout)
        assert found["verdict"] == "established" and found["beta"] == 2
        truth = math.log(2 * math.pi) - math.log(2) - 0.5 * math.log(4 * 1)
        assert abs(found["value"] - truth) < Z * found["stderr"]
        assert found["lo"] < found["value"] < found["hi"]
        assert [part["name"] for part in found["routes"]] == list(SAMPLED)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("isng",), "did you mean 'ising'"),
            (("ising", "--beta", "-1"), "beta=-1"),
            (("ising", "--set", "side=8", "--route", "magic"), "route=magic"),
            (("ising", "--seconds", "0"), "seconds=0"),
            (("ising", "--level", "95"), "level=95"),
            (("ising", "--set", "size=8"), "size"),
        ],
    )
    def test_bad_input(self, words: tuple[str, ...], said: str) -> None:
        told = self.run(*words)
        assert told.exit_code == 2 and said in told.stderr and told.stderr.count("\n") == 1


MINE = """
import jax.numpy as jnp
from gibbsite import Callable
from gibbsite.core import Reals

energy = Callable(lambda _, x: 2 * (x[0] - 3) ** 2 + 0.5 * (x[1] + x[0]) ** 2, None, Reals((2,)))
"""


def test_the_interval_of_an_exact_route_is_at_the_level_that_was_asked_for() -> None:
    found = certify(DoubleWell(), level=0.5, key=KEY)
    assert found.verdict == "exact" and found.log_z.level == 0.5
    assert found.log_z.hi - found.log_z.lo == pytest.approx(2 * norm.ppf(0.75) * found.log_z.stderr, rel=1e-6)


def test_too_few_routes_to_join_end_when_each_is_narrow() -> None:
    found = sampled(TILTED, routes=["annealing"], base=PATH.base, seconds=600.0, width=0.5)
    assert found.verdict == "not established" and found.log_z.status is Status.TOO_SHORT and found.seconds < 300


@pytest.mark.long
def test_a_product_with_real_parts() -> None:
    """Real numbers begin at a Gaussian, whose energy is no part of infinite temperature."""
    problem = problems.mixed()
    found = sampled(problem.energy, width=0.2, seconds=120.0)
    assert found.verdict == "established", str(found)
    assert abs(float(found.log_z) - problem.log_z) < Z * found.log_z.stderr < 0.3
