"""Escape over barriers: mean first passage times with closed forms, Kramers' formula, and walkers that wait."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Callable, Estimate, Evidence, Reals, Status, Tempered
from gibbsite.energies import DoubleWell, MuellerBrown
from gibbsite.samplers import ULA
from gibbsite.testing.estimator import check_coverage
from gibbsite.testing.law import LawViolation
from gibbsite.thermo import Beyond, Passages, first_passages, kramers, mean_first_passage

KEY = jax.random.key(1940)
Z = 5.6


def quartic(height, x):
    """Two wells at -1 and 1, a barrier of `height` kT at 0."""
    return height * jnp.sum((x**2 - 1) ** 2)


def slope(c, x):
    return -c * jnp.sum(x)


def wells(height: float) -> Callable:
    return Callable(quartic, height, Reals(1))


class TestMeanFirstPassage:
    @pytest.mark.parametrize("c", [0.75, -0.5])
    def test_constant_force_in_closed_form(self, c) -> None:
        found = mean_first_passage(Callable(slope, c, Reals(1)), 0.0, 3.0, wall=0.0)
        truth = 3 / c - (1 - math.exp(-3 * c)) / c**2
        assert abs(found.value / truth - 1) < 3e-6 and abs(found.value - truth) < 3 * found.stderr and found.evidence is Evidence.EXACT

    def test_free_motion_from_within(self) -> None:
        """From x0 between a wall at 0 and L: (L^2 - x0^2) / 2."""
        found = mean_first_passage(Callable(slope, 0.0, Reals(1)), 1.0, 2.0, wall=0.0)
        assert found.value == pytest.approx(1.5, rel=1e-6)

    def test_the_other_way_round(self) -> None:
        tilted = DoubleWell()
        mirrored = Callable(lambda _, x: DoubleWell()(-x), None, Reals(1))
        there, back = mean_first_passage(tilted, 1.8, -1.7, wall=4.0), mean_first_passage(mirrored, -1.8, 1.7, wall=-4.0)
        assert there.value == pytest.approx(back.value, rel=1e-5)
        assert there.value > 4 * mean_first_passage(tilted, -1.7, 1.8, wall=-4.0).value  # the deeper well is left more slowly

    def test_against_another_quadrature(self) -> None:
        from scipy.integrate import cumulative_simpson, simpson

        x = np.linspace(-3.0, 1.0, 80_001)
        u = 5 * (x**2 - 1) ** 2
        inner = cumulative_simpson(np.exp(-u), x=x, initial=0)
        truth = simpson((np.exp(u) * inner)[x >= -1 - 1e-9], x=x[x >= -1 - 1e-9])
        assert mean_first_passage(wells(5.0), -1.0, 1.0, wall=-3.0).value == pytest.approx(truth, rel=2e-5)

    def test_what_is_refused(self) -> None:
        with pytest.raises(ValueError, match="one coordinate; MuellerBrown has 2"):
            mean_first_passage(MuellerBrown(), 0.0, 1.0, wall=-1.0)
        with pytest.raises(ValueError, match=r"start=0\.0 must lie between wall=0\.5 and stop=1\.0"):
            mean_first_passage(wells(1.0), 0.0, 1.0, wall=0.5)
        nothing = mean_first_passage(Callable(lambda _, x: jnp.sum(x) * jnp.nan, None, Reals(1)), 0.0, 1.0, wall=-1.0)
        assert nothing.value is None and nothing.status is Status.NON_FINITE
        assert mean_first_passage(wells(900.0), -1.0, 1.0, wall=-2.0).value is None  # e^900 is no float


class TestKramers:
    def test_formula(self) -> None:
        """U'' is 8 h in the wells and -4 h on top: rate = sqrt(32) h e^-h / (2 pi), and to first order 3 / (8 h) less."""
        found = kramers(wells(7.0), -0.9, 0.1)
        assert (found.well, found.barrier, found.height) == (
            pytest.approx(-1, abs=1e-5),
            pytest.approx(0, abs=1e-5),
            pytest.approx(7, rel=1e-5),
        )
        assert found.rate == pytest.approx(math.sqrt(32) * 7 * math.exp(-7) / (2 * math.pi), rel=1e-4)
        assert found.rate / found.corrected - 1 == pytest.approx(3 / 56, rel=1e-4)

    def test_it_tends_to_the_exact_rate(self) -> None:
        """Its error falls as one over the height, and that of the corrected rate as its square."""
        off = []
        for height in (5.0, 10.0, 20.0):
            exact = 1 / mean_first_passage(wells(height), -1.0, 1.0, wall=-3.0).value
            found = kramers(wells(height), -1.0, 0.0)
            off.append((abs(found.rate / exact - 1), abs(found.corrected / exact - 1)))
        (a, fa), (b, fb), (c, fc) = off
        assert 0.4 < b / a < 0.65 and 0.4 < c / b < 0.6 and fb / fa < 0.4 and fc / fb < 0.35, off
        assert fc < 0.005 < c

    def test_places_that_are_none(self) -> None:
        with pytest.raises(ValueError, match=r"well=0.1 leads to x = .* no minimum"):
            kramers(wells(3.0), 0.1, 0.0)
        with pytest.raises(ValueError, match=r"barrier=1\.0"):
            kramers(wells(3.0), -1.0, 1.0)


@pytest.fixture(scope="module")
def waited() -> dict[float, Passages]:
    """Of barriers of 2 and 3 kT, a third of the walkers still waiting; one program."""
    made = {}
    for height, steps in ((2.0, 3000), (3.0, 6000)):
        made[height] = first_passages(
            ULA(0.002), wells(height), Beyond(1.0), jnp.array([-1.0]), walkers=2000, steps=steps, dt=0.002, key=KEY
        )
    return made


class TestPassages:
    def test_rate_against_the_exact_time(self, waited) -> None:
        for height, passages in waited.items():
            exact, found = mean_first_passage(wells(height), -1.0, 1.0, wall=-3.0), passages.rate()
            print(f"height {height}: exact rate {1 / exact.value:.5f}, walkers {found}, {passages}")
            assert found.stderr < 0.04 * found.value and found.status in (Status.OK, Status.NOT_CONVERGED)
            assert abs(found.value * exact.value - 1) < Z * found.stderr / found.value + 0.02  # 0.02: steps, and the way down

    def test_waiting_is_exponential(self, waited) -> None:
        when, left = waited[3.0].survival()
        later = when > 1.0
        slope = np.polyfit(when[later], np.log(left[later]), 1)[0]
        assert -slope == pytest.approx(waited[3.0].rate().value, rel=0.15)

    def test_bars_cover_with_and_without_the_censored(self) -> None:
        rng = np.random.default_rng(0)
        for horizon in (0.5, 50.0):
            when = rng.exponential(1.0, (2000, 200))
            made = (Passages(np.minimum(t, horizon), t < horizon, horizon) for t in when)
            check_coverage((passages.rate() for passages in made), 1.0, limit=0.15, name="rate")

    def test_leaving_the_censored_out_fails(self) -> None:
        """A broken twin: one over the mean time of those that have arrived."""
        when = np.random.default_rng(0).exponential(1.0, (200, 200))
        twins = (Estimate(1 / t[t < 1.5].mean(), 1 / t[t < 1.5].mean() / math.sqrt((t < 1.5).sum())) for t in when)
        with pytest.raises(LawViolation, match="narrow"):
            check_coverage(twins, 1.0, limit=1.0)

    def test_a_rate_that_changes_is_not_established(self) -> None:
        when = 1.0 + np.random.default_rng(1).exponential(1.0, 4000)  # a second of way before any can arrive
        cut = Passages(np.minimum(when, 2.0), when < 2.0, 2.0)
        assert cut.rate().status is Status.NOT_CONVERGED and cut.rate().evidence is Evidence.NOT_ESTABLISHED
        whole = Passages(when, when < 1e9, 1e9)
        assert whole.rate().status is Status.OK and abs(whole.mean_time().value - 2) < Z * whole.mean_time().stderr

    def test_nobody_arrives(self) -> None:
        stuck = first_passages(ULA(0.001), wells(30.0), Beyond(1.0), jnp.array([-1.0]), walkers=8, steps=10, dt=0.001, key=KEY)
        rate = stuck.rate()
        assert rate.value is None and rate.status is Status.TOO_SHORT and rate.hi == pytest.approx(-math.log(0.05) / 0.08)
        assert stuck.mean_time().lo == pytest.approx(1 / rate.hi) and "0 of 8" in repr(stuck)

    def test_walkers_that_are_lost(self) -> None:
        gone = first_passages(ULA(1.0), wells(30.0), lambda x: x[0] > 1e37, jnp.array([-1.1]), walkers=8, steps=50, key=KEY)
        assert gone.lost > 0 and not gone.arrived.all()  # infinity is beyond everything, and nowhere
        none = Passages(np.array([3.0, 3.0]), np.array([False, True]), 3.0, lost=1)
        assert none.rate().value is None and none.rate().status is Status.NON_FINITE

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [({"steps": 0}, "steps=0"), ({"walkers": 0}, "walkers=0"), ({"dt": 0.0}, "dt=0"), ({"x": jnp.array([2.0])}, "start elsewhere")],
    )
    def test_bad_input(self, given, sentence) -> None:
        usual = {"steps": 5, "walkers": 4, "x": jnp.array([-1.0])} | given
        x = usual.pop("x")
        with pytest.raises(ValueError, match=sentence):
            first_passages(ULA(0.1), Tempered(DoubleWell(), 0.5), Beyond(1.8), x, key=KEY, **usual)

    def test_another_barrier_is_no_other_program(self) -> None:
        traced = []

        def counted(height, x):
            traced.append(1)
            return quartic(height, x)

        counts = []
        for height, level, step in ((2.0, 1.0, 0.01), (3.0, 0.9, 0.02)):
            first_passages(ULA(step), Callable(counted, height, Reals(1)), Beyond(level), jnp.array([-1.0]), walkers=4, steps=8, key=KEY)
            counts.append(len(traced))
        assert counts[0] == counts[1] > 0
