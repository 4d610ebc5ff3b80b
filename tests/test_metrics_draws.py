"""Draws against data: transport, a classifier, balls of neighbours, copies, and the curl of a score, against exact answers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Evidence, Status
from gibbsite.metrics import (
    classifier_test,
    coverage,
    curl,
    density,
    memorisation,
    nearest_distances,
    noise_floor,
    precision,
    recall,
    sliced_wasserstein,
    support,
)

Z = 5.6
KEY = jax.random.key(3)
RNG = np.random.default_rng


def off(estimate, value: float) -> float:
    return abs(estimate.value - value) / estimate.stderr


# --- transport along lines


def test_a_shift_is_transported_exactly() -> None:
    """W_2^2 of a shift by v along theta is <theta, v>^2: |v|^2 / d on average, and v^2 on the line, whatever the law."""
    x = RNG(0).gamma(2.0, size=(300, 3))
    v = np.array([1.0, -2.0, 0.5])
    assert off(sliced_wasserstein(x + v, x, key=KEY), (v @ v) / 3) < Z
    line = x[:, :1]
    np.testing.assert_allclose(sliced_wasserstein(line + 1.5, line, key=KEY).value, 2.25, rtol=1e-5)
    assert sliced_wasserstein(line, RNG(1).permutation(line), key=KEY).value < 1e-12


def test_unequal_sizes_are_exact() -> None:
    """On the line, one row twice is two rows; and {0, 1} against {0, 0.5, 1} costs 2 * (1/6) * (1/2)^2 by hand."""
    x, y = RNG(0).normal(size=(40, 1)), RNG(1).normal(size=(30, 1)) + 0.3
    once = sliced_wasserstein(x, y, key=KEY).value
    np.testing.assert_allclose(sliced_wasserstein(np.repeat(x, 3, 0), np.repeat(y, 2, 0), key=KEY).value, once, rtol=1e-6)
    two, three = np.repeat([[0.0], [1.0]], 2, 0), np.repeat([[0.0], [0.5], [1.0]], 2, 0)
    np.testing.assert_allclose(sliced_wasserstein(two, three, key=KEY).value, 2 * 0.25 / 6, rtol=1e-6)


def test_transport_of_equal_laws_lies_at_its_floor() -> None:
    """An upper bound in expectation: above zero for equal laws, within errors of the floor, and far below a real shift."""
    x, y = RNG(0).normal(size=(2, 2000, 2))
    value, floor = sliced_wasserstein(x[:1000], y[:1000], key=KEY), noise_floor(lambda a, b: sliced_wasserstein(a, b, key=KEY), x, key=KEY)
    assert value.evidence is Evidence.UPPER and value.value > 0
    assert abs(value.value - floor.value) < Z * math.hypot(value.stderr, floor.stderr)
    shifted = sliced_wasserstein(x + 0.5, y, key=KEY)
    assert shifted.value > floor.value + Z * math.hypot(shifted.stderr, floor.stderr)


def test_transport_of_wider_laws() -> None:
    """Between N(0, 1) and N(0, s^2) it is (s - 1)^2, along every line; 3000 rows of each, bias below a hundredth of it."""
    x, y = 2 * RNG(0).normal(size=(3000, 2)), RNG(1).normal(size=(3000, 2))
    estimate = sliced_wasserstein(x, y, key=KEY)
    assert off(estimate, 1.0) < Z and estimate.stderr < 0.06
    again = sliced_wasserstein(x, y, key=KEY)
    assert again.value == estimate.value != sliced_wasserstein(x, y, key=jax.random.key(4)).value


# --- a classifier


@pytest.mark.parametrize("gap", [1.0, 2.0])
def test_the_classifier_is_nearly_the_best(gap: float) -> None:
    """The best accuracy on N(0, 1) against N(gap, 1) is Phi(gap / 2); the forest comes within 0.04 of it."""
    best = (1 + math.erf(gap / 2 / math.sqrt(2))) / 2
    estimate = classifier_test(RNG(0).normal(size=(2000, 1)), RNG(1).normal(size=(2000, 1)) + gap, key=KEY)
    assert best - 0.04 - Z * estimate.stderr < estimate.value < best + Z * estimate.stderr
    assert estimate.evidence is Evidence.LOWER and estimate.stderr < 0.012


def test_equal_laws_are_not_told_apart() -> None:
    """Twenty false alarms at z = 5.6 are about 4e-7; the mean accuracy is 0.5, and the errors are binomial."""
    runs = [classifier_test(*RNG(i).gamma(2.0, size=(2, 200, 3)), trees=10, key=jax.random.key(i)) for i in range(20)]
    z = np.array([(r.value - 0.5) / r.stderr for r in runs])
    assert np.abs(z).max() < Z and abs(z.mean()) < Z / math.sqrt(20)


def test_the_classifier_sees_dependence() -> None:
    """Bits with fair margins of which two agree always: the best accuracy is 0.75, and no margin tells them apart."""
    x, y = RNG(0).integers(0, 2, size=(2, 1000, 6)).astype(float)
    x[:, 1] = x[:, 0]
    estimate = classifier_test(x, y, key=KEY)
    assert 0.70 < estimate.value < 0.75 + Z * estimate.stderr
    assert estimate.value == classifier_test(x, y, key=KEY).value
    apart = classifier_test(x + 5, y, key=KEY)
    assert apart.value == 1.0 and apart.stderr > 0 and apart.hi == 1.0


# --- balls of neighbours


def test_balls_of_equal_laws() -> None:
    """Density is 1 and coverage 1 - prod (m - i) / (n + m - i) in any dimension (Naeem et al., lemmas 1 and 2)."""
    n, m, k = 60, 90, 4
    expected = 1 - math.prod((m - i) / (n + m - i) for i in range(1, k + 1))
    for d in (1, 3):
        runs = [support(RNG(i).gamma(2.0, size=(n, d)), RNG(999 + i).gamma(2.0, size=(m, d)), neighbours=k) for i in range(200)]
        for name, truth in (("coverage", expected), ("density", 1.0)):
            values = np.array([getattr(run, name).value for run in runs])
            assert abs(values.mean() - truth) < Z * values.std(ddof=1) / math.sqrt(len(runs)), (name, d)
            stated = math.sqrt(np.mean([getattr(run, name).stderr ** 2 for run in runs]))
            assert 0.9 < stated / values.std(ddof=1) < 1.6, (name, d)


def test_balls_by_hand() -> None:
    """On the line with one neighbour: data 0..15 have balls of radius 1, which hold what lies in [-1, 16]."""
    y = np.arange(16.0)[:, None]
    x = np.r_[np.full(4, 0.5), np.full(12, 100.0) + np.arange(12)][:, None]
    found = support(x, y, neighbours=1)
    assert found.precision.value == 4 / 16 and found.density.value == 4 * 2 / 16
    assert found.coverage.value == 2 / 16  # the balls of 0 and 1
    assert found.recall.value == 0.0  # draws at one place have balls of radius 0
    for name, metric in (("precision", precision), ("recall", recall), ("density", density), ("coverage", coverage)):
        assert metric(x, y, neighbours=1).value == getattr(found, name).value
    with pytest.raises(ValueError, match="share a source"):
        found.precision + found.recall


def test_missed_and_invented_modes() -> None:
    """A missed mode lowers recall and coverage by its mass, an invented one precision and density by its own."""
    rng = RNG(0)
    both = rng.normal(size=(1000, 2)) + 30 * (rng.random((1000, 1)) < 0.3)
    one = rng.normal(size=(1000, 2))
    missed, invented = support(one, both), support(both, one)
    floor = support(one, rng.normal(size=(1000, 2)))
    for low in (missed.recall, missed.coverage, invented.precision, invented.density):
        assert off(low, 0.7) < Z
    for high in (missed.precision, missed.density, invented.recall, invented.coverage):
        assert high.value > 0.9
    assert min(part.value for part in floor) > 0.9


# --- copies


@pytest.mark.parametrize("kind", ["plane", "bits"])
@pytest.mark.parametrize("held", [400, 100])
def test_a_model_of_the_law_copies_nothing(kind: str, held: int) -> None:
    """One half whatever the sizes of both parts, on bits too, where most distances are ties; the error is the spread."""
    runs = []
    for i in range(150):
        rng = RNG(i)
        draws, train, test = (
            rng.gamma(2.0, size=(n, 2)) if kind == "plane" else 1.0 * rng.integers(0, 2, (n, 9)) for n in (200, 400, held)
        )
        runs.append(memorisation(draws, train, test))
    values, errors = np.array([r.value for r in runs]), np.array([r.stderr for r in runs])
    spread = values.std(ddof=1)
    assert abs(values.mean() - 0.5) < Z * spread / math.sqrt(len(runs))
    assert 0.75 < math.sqrt((errors**2).mean()) / spread < 1.6


def test_copies_are_found() -> None:
    """A share q of copies gives (1 + q) / 2, however bad the other draws; a broken model that returns its rows gives 1."""
    rng = RNG(0)
    train, test, fresh = rng.normal(size=(3, 1000, 5))
    half = np.where(np.arange(1000)[:, None] % 2, train, fresh)
    assert off(memorisation(half, train, test), 0.75) < Z
    assert off(memorisation(fresh, train, test), 0.5) < Z
    assert off(memorisation(3 * fresh, train, test), 0.5) < Z
    # One copy in four is 7.8 errors away from one half where rows are a thousand: told in 98 of 100 cases at z = 5.6.
    some = memorisation(np.where(np.arange(1000)[:, None] % 4 == 0, train, fresh), train, test)
    assert some.value - Z * some.stderr > 0.5
    all_of_them = memorisation(train, train, test[:300])
    assert all_of_them.value == 1.0 and 0 < all_of_them.stderr < 0.01 and all_of_them.hi == 1.0
    np.testing.assert_allclose(nearest_distances(train + 0.01 * np.eye(5)[0], train), 0.01, atol=2e-3)
    images = rng.random((3, 30, 4, 4))
    assert 0 <= memorisation(*images).value <= 1


# --- the curl of a score


def linear(matrix: np.ndarray):
    return lambda x: jnp.sum(jnp.asarray(matrix, jnp.float32) * x, axis=1)


def share_of(matrix: np.ndarray) -> float:
    return float(np.square(matrix - matrix.T).sum() / (4 * np.square(matrix).sum()))


def test_curl_of_linear_fields() -> None:
    """A gradient has none, a rotation nothing else, and a matrix its antisymmetric share, the same at every row."""
    xs = RNG(0).normal(size=(50, 3))
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    mixed = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 0.0], [1.0, 0.0, 3.0]])
    for matrix in (np.diag([1.0, 2.0, -3.0]), turn, mixed):
        estimate = curl(linear(matrix), xs, key=KEY)
        np.testing.assert_allclose(estimate.value, share_of(matrix), atol=1e-6)
        assert estimate.stderr < 1e-6
    still = curl(jnp.ones_like, xs, key=KEY)
    assert still.value is None and still.status is Status.CONSTANT


def test_curl_of_a_score_of_an_energy() -> None:
    """The slope of any energy has none, up to rounding."""
    score = jax.grad(lambda x: -jnp.sum(jnp.log(jnp.cosh(x[:-1] * x[1:] + x[1:]))) - 0.1 * jnp.sum(x**4))
    estimate = curl(score, RNG(0).normal(size=(100, 5)), key=KEY)
    assert 0 <= estimate.value < 1e-10


def test_probes_agree_with_the_whole_jacobian() -> None:
    """Beyond 64 axes: the share of a fixed matrix of 80 axes, within its error; a gradient has none."""
    matrix = RNG(0).normal(size=(80, 80)) / 9 - np.eye(80)
    xs = RNG(1).normal(size=(200, 80))
    estimate = curl(linear(matrix), xs, key=KEY)
    assert off(estimate, share_of(matrix)) < Z and 0 < estimate.stderr < 0.01
    assert curl(linear(matrix + matrix.T), xs, key=KEY).value < 1e-9


# --- bad input


def test_bad_rows_are_told() -> None:
    x = RNG(0).normal(size=(40, 2))
    nan = np.where(np.arange(80).reshape(40, 2) == 5, np.nan, x)
    for metric in (
        lambda a, b: sliced_wasserstein(a, b, key=KEY),
        lambda a, b: classifier_test(a, b, key=KEY),
        precision,
        coverage,
        density,
    ):
        for pair in ((nan, x), (x, nan)):
            assert metric(*pair).value is None and metric(*pair).status is Status.NON_FINITE
        with pytest.raises(ValueError, match="x has 2 numbers a row and y has 1; both must agree"):
            metric(x, x[:, :1])
        with pytest.raises(ValueError, match="x has 40 rows and y has 3; at least"):
            metric(x, x[:3])
    assert memorisation(nan, x, x).status is Status.NON_FINITE
    with pytest.raises(ValueError, match="draws has 40 rows and train has 40 and test has 1; at least 4 of each"):
        memorisation(x, x, x[:1])
    with pytest.raises(ValueError, match="neighbours=0: give at least 1"):
        support(x, x, neighbours=0)
    with pytest.raises(ValueError, match="directions=1: give at least 2"):
        sliced_wasserstein(x, x, directions=1, key=KEY)
    assert curl(jnp.sqrt, x, key=KEY).status is Status.NON_FINITE
