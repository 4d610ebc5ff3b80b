"""Nested sampling against exact constants, and what its error does not know; broken twins must fail."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Box, Callable, Evidence, Normal, Reals, Status, Uniform
from gibbsite.energies import Ising, ManyWell
from gibbsite.samplers import Silent
from gibbsite.thermo import nested

KEY = jax.random.key(2006)
Z = 5.6
CENTRE, WIDTHS = jnp.array([1.0, -2.0]), jnp.array([0.3, 0.6])
GAUSSIAN = Callable(lambda p, x: jnp.sum(((x - p[0]) / p[1]) ** 2) / 2, (CENTRE, WIDTHS), Box(jnp.full(2, -5.0), jnp.full(2, 5.0)))
PRIOR = Uniform(GAUSSIAN.space)
TRUTH = math.log(2 * math.pi * 0.3 * 0.6)  # the walls are five widths away and more


def run(energy=GAUSSIAN, base=PRIOR, **options):
    return nested(energy, base, **{"live": 200, "progress": Silent(), "key": KEY, **options})


def errors(found, truth) -> float:
    return abs(found.value - truth) / found.stderr


@pytest.fixture(scope="module")
def found():
    return run()


def test_a_gaussian_in_a_box(found) -> None:
    """H = log(V / Z) - d/2 exactly, and the error is sqrt(H / n)."""
    assert errors(found.log_z, TRUTH) < Z
    assert found.log_z.evidence is Evidence.INTERVAL
    assert found.log_z.status is Status.OK
    information = math.log(100) - TRUTH - 1
    assert errors(found.information, information) < Z
    assert found.log_z.stderr == pytest.approx(math.sqrt(information / 200), rel=0.25)


def test_weighted_points_follow_the_posterior(found) -> None:
    weights = np.exp(found.log_weights)
    assert weights.sum() == pytest.approx(1.0, rel=1e-9)
    mean = weights @ found.positions
    spread = np.sqrt(weights @ (found.positions - mean) ** 2)
    size = np.asarray(WIDTHS) / math.sqrt(found.log_z.ess)
    assert np.all(np.abs(mean - CENTRE) < Z * size)
    assert np.all(np.abs(spread - WIDTHS) < Z * size / math.sqrt(2))
    assert np.all(np.diff(found.log_likelihoods) >= 0)
    assert np.all(np.diff(found.log_volumes) < 0)


@pytest.mark.long
def test_four_basins() -> None:
    """Many-Well-4: two pairs of wells, the right ones with 84.43 % of the mass, from a wide Gaussian."""
    wells = ManyWell(2)
    out = run(wells, Normal(jnp.zeros(4), jnp.full(4, 2.0)), live=400)
    assert errors(out.log_z, 164.695675313182 / 8) < Z
    assert out.log_z.stderr < 0.2
    right = np.exp(out.log_weights) @ (out.positions[:, ::2] > 0)
    # Points of one basin are copies of those that were there when the basins parted, at about exp(-2) of the volume.
    assert np.all(np.abs(right - 0.8443) < 0.1)


@pytest.mark.long
def test_walls_inside_the_base() -> None:
    """Half of a Gaussian: points where the energy is infinite die first, and together."""
    half = Callable(lambda c, x: jnp.where(x[0] > c, x[0] ** 2 / 2, jnp.inf), 0.0, Reals((1,)))
    out = run(half, Normal(jnp.zeros(1), jnp.ones(1)))
    assert errors(out.log_z, 0.5 * math.log(math.pi / 2)) < Z
    assert out.information.value == pytest.approx(math.log(2), abs=0.2)


@pytest.mark.long
def test_a_likelihood_that_says_nothing() -> None:
    """All of the base is one plateau: Z is the base's, and no information is gained."""
    out = run(Normal(jnp.ones(1), jnp.ones(1)), Normal(jnp.ones(1), jnp.ones(1)), live=50)
    assert out.log_z.value == pytest.approx(0.5 * math.log(2 * math.pi), abs=1e-4)
    assert out.information.value == pytest.approx(0.0, abs=1e-4)


def test_shrinkage_counted_wrongly_is_seen(found) -> None:
    """A broken twin: a volume that shrinks by 1 / (n + n / 10) at every death."""
    module = sys.modules[nested.__module__]
    points = module._Points(found.positions, found.log_likelihoods, np.full(len(found.log_likelihoods), np.nan))
    twin = module.summary(points, live=len(found.log_likelihoods), finished=True, key=KEY)
    assert errors(twin.log_z, TRUTH) > Z


def test_stages_run_out() -> None:
    out = run(most=16)
    assert out.log_z.status is Status.NOT_CONVERGED
    assert out.log_z.evidence is Evidence.NOT_ESTABLISHED
    assert repr(out).endswith(f"\n? {Status.NOT_CONVERGED.value}")


def test_not_a_number() -> None:
    out = run(Callable(GAUSSIAN.fn, (jnp.full(2, jnp.nan), WIDTHS), GAUSSIAN.space))
    assert out.log_z.value is None
    assert out.log_z.status is Status.NON_FINITE


def test_another_energy_is_no_other_program() -> None:
    program = sys.modules[nested.__module__]._burst
    run(most=16)
    held = program._cached._cache_size()
    other = Callable(GAUSSIAN.fn, (jnp.zeros(2), jnp.ones(2)), GAUSSIAN.space)
    run(other, most=16)
    assert program._cached._cache_size() == held


def test_one_key_one_run(found) -> None:
    assert run().log_z.value == found.log_z.value


def test_it_prints_as_one_line(found) -> None:
    assert repr(found).startswith(f"log Z = {found.log_z}, interval; {len(found.log_weights)} points, 200 alive at a time; information ")
    assert "\n" not in repr(found)


def test_refusals_name_the_remedy(monkeypatch) -> None:
    for energy, base, kind, said in (
        (Ising(4), PRIOR, TypeError, "nested moves on Reals or Box"),
        (GAUSSIAN, Uniform(Box(jnp.zeros(3), jnp.ones(3))), ValueError, "both must be one space"),
        (GAUSSIAN, GAUSSIAN, TypeError, "needs the capability Normalised"),
    ):
        with pytest.raises(kind, match=said):
            run(energy, base)
    for options, said in (({"live": 1}, "live=1"), ({"batch": 150}, "batch=150"), ({"moves": 0}, "moves=0"), ({"most": 0}, "most=0")):
        with pytest.raises(ValueError, match=said):
            run(**options)
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(ImportError, match="gibbsite\\[blackjax\\]"):
        run()
