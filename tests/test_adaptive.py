"""Adaptive Hamiltonian moves: metric, length and step found from many chains, and twins broken in the usual ways."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Info, Normal, draw
from gibbsite.energies import Banana, Gaussian, GaussianMixture, Posterior
from gibbsite.samplers import HMC, MALA, AdaptiveHMC, ChEES, FisherScales, LowRank, ParallelTempering, sample
from gibbsite.samplers.chees import criterion_slope
from gibbsite.samplers.hamiltonian import Leap
from gibbsite.samplers.phase import Phase
from gibbsite.samplers.settle import level, looks
from gibbsite.samplers.slope import evaluate
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start

KEY = jax.random.key(59)
MIX = problems.mixture()


def turned(variances, *, seed: int = 0) -> Gaussian:
    """A Gaussian with these variances along axes turned at random, and a mean that is not 0."""
    rng, n = np.random.default_rng(seed), len(variances)
    axes = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return Gaussian.of_covariance(rng.normal(size=n), (axes * variances) @ axes.T)


TILTED = turned(np.logspace(-2, 2, 12))
COVARIANCE = np.linalg.inv(np.asarray(TILTED.factor, float) @ np.asarray(TILTED.factor, float).T)


def run(kernel, energy=TILTED, *, chains=32, warmup=100, draws=100):
    return sample(kernel, energy, chains=chains, warmup=warmup, draws=draws, observe={"x": lambda x: x}, progress=False, key=KEY)


def test_everything_is_found_in_a_short_warm_up() -> None:
    """Condition number 10^4: a hundred steps of warm-up, and a handful of leapfrog steps leads across."""
    found = run(AdaptiveHMC(0.1, jnp.eye(12)))
    whitened = np.linalg.solve(np.linalg.cholesky(COVARIANCE), np.asarray(found.kernel.scale))
    np.testing.assert_allclose(np.linalg.svd(whitened, compute_uv=False), 1.0, rtol=0.1)
    assert found.infos["leapfrog_steps"] < 6
    assert 0.6 < found.acceptance < 0.95
    row = found.rows["x"]
    assert np.max(row.rhat) < 1.02
    assert np.max(row.tau) < 2.5
    assert np.all(np.abs(row.estimate.value - TILTED.mean) < 5.6 * row.estimate.stderr)
    assert np.all(row.estimate.stderr < 0.05 * np.sqrt(np.diag(COVARIANCE)))


def test_without_settings_warm_up_ends_when_more_is_of_no_use() -> None:
    """Sixteen chains, and a fraction of the bound; the same steps and draws in chunks of any size."""

    def bare(**how):
        return sample("auto", TILTED, draws=64, observe={"x": lambda x: x}, progress=False, key=KEY, **how)

    found = bare()
    assert found.chains == 16 and found.settled and found.warmup in list(looks(500))[1:5]
    assert f"Warm-up had settled after {found.warmup} steps." in str(found)
    assert found.tuning["leapfrog_steps"] < 30
    assert np.all(np.abs(found["x"].value - TILTED.mean) < 7 * found["x"].stderr)
    cut = bare(chunk=7)
    assert cut.warmup == found.warmup and np.array_equal(cut["x"].value, found["x"].value)
    short = bare(warmup=40)
    assert short.warmup == 40 and short.settled is None and "settled" not in str(short)


def test_warm_up_that_changes_things_goes_on_to_its_bound() -> None:
    """Chains that still go down, prices that still change; a kernel that cannot tell is never asked."""
    here = np.linspace(-1.0, 1.0, 16)
    assert level(here, here[::-1] + 0.1) and not level(here, here - 0.1 * (1 + here**2))
    tuned = AdaptiveHMC(0.2, jnp.eye(12))
    cheap = eqx.tree_at(lambda k: k.step_size, tuned, 0.3)
    assert tuned.adaptation().settled(tuned, tuned) and not tuned.adaptation().settled(tuned, cheap)
    assert list(looks(60)) == [24, 36, 54, 60] and list(looks(10)) == [10]
    unmoved = sample(MALA(0.1), MIX.energy, chains=4, draws=4, progress=False, key=KEY)
    assert unmoved.warmup == 500 and unmoved.settled is None
    many = sample("auto", MIX.energy, init=jnp.zeros((5, 2)), warmup=4, draws=4, progress=False, key=KEY)
    assert many.chains == 5


def spiked(dim: int) -> Gaussian:
    """Of variance 1, but for four directions that are turned at random: 400, 50, 0.1 and 0.01."""
    return turned(np.concatenate([[400.0, 50.0, 0.1, 0.01], np.ones(dim - 4)]))


def test_few_directions_are_found() -> None:
    """Widths alone are of no help; four directions among them are learned, and the step goes by the rest."""
    energy = spiked(40)
    found = run(AdaptiveHMC(0.1, LowRank.identity((40,), 8)), energy, warmup=200, draws=64)
    factor = jax.vmap(found.kernel.scale.stretched)(jnp.eye(40)).T
    inside = np.asarray(energy.factor, float).T @ np.asarray(factor, float)
    values = np.linalg.svd(inside, compute_uv=False)
    assert values[0] / values[-1] < 6  # of 200
    assert found.infos["leapfrog_steps"] < 12
    assert np.all(np.abs(found["x"].value - energy.mean) < 5.6 * found["x"].stderr)


def test_a_low_rank_scale_is_the_matrix_that_it_stands_for() -> None:
    axes = jnp.linalg.qr(jax.random.normal(KEY, (6, 2)))[0]
    scale = LowRank(jnp.arange(1.0, 7.0).reshape(2, 3), axes, [3.0, 0.2])
    matrix = jnp.diag(jnp.arange(1.0, 7.0)) @ (jnp.eye(6) + axes @ jnp.diag(jnp.array([2.0, -0.8])) @ axes.T)
    q = jnp.arange(6.0).reshape(2, 3) - 2
    for made, exact in ((scale.stretched, matrix), (scale.pulled, matrix.T), (scale.shrunk, jnp.linalg.inv(matrix))):
        np.testing.assert_allclose(made(q), (exact @ q.ravel()).reshape(2, 3), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="rank=9: of 6 coordinates"):
        LowRank.identity((2, 3), 9)
    with pytest.raises(ValueError, match=r"scale\.stretch"):
        AdaptiveHMC(0.1, LowRank(jnp.ones(6), axes, [3.0, 0.0]))


@pytest.mark.long
def test_few_directions_of_many_coordinates() -> None:
    """Gradients an effective draw in 400 dimensions, against widths alone; where there is nothing to find, no more."""

    def price(energy, scale):
        found = run(AdaptiveHMC(0.1, scale), energy, chains=16, warmup=300, draws=400)
        return found.infos["leapfrog_steps"] / np.min(found["x"].ess)

    few, ones = LowRank.identity((400,)), jnp.ones(400)
    assert price(spiked(400), few) < price(spiked(400), ones) / 5
    plain = Normal(jnp.linspace(-1, 1, 400), jnp.logspace(-2, 2, 400))
    assert price(plain, few) < 1.3 * price(plain, ones)


def logistic(x, data):
    rows, ones = data
    return jnp.sum(jax.nn.log_sigmoid(ones * (rows @ x)))


def graded() -> tuple[Posterior, np.ndarray]:
    """Two slopes of unlike scale, and their means by quadrature."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(80, 2)) * [0.3, 4.0] + [0.2, 1.0]
    ones = np.where(rng.random(80) < 1 / (1 + np.exp(-rows @ [2.0, -0.3])), 1.0, -1.0)
    energy = Posterior(Normal(jnp.zeros(2), jnp.full(2, 5.0)), logistic, (jnp.asarray(rows), jnp.asarray(ones)))
    grid = np.stack(np.meshgrid(np.linspace(-3, 9, 400), np.linspace(-2, 1.5, 400)), -1).reshape(-1, 2)
    law = np.asarray(jax.nn.softmax(-jax.vmap(energy)(jnp.asarray(grid, jnp.float32))), float)
    return energy, law @ grid


@pytest.mark.long
@pytest.mark.parametrize("name", ["banana", "mixture", "logistic", "gaussian"])
def test_error_bars_of_the_default_cover(name: str) -> None:
    """Twenty runs with nothing set: the z of all means spreads as it should, whatever stopped the warm-up."""
    near = GaussianMixture([[0.0, 0.0, 0.0], [3.0, 2.0, 0.0]], [0.6, 1.0], [0.4, 0.6])
    problems = {
        "banana": lambda: (Banana(3, 0.2, 2.0), np.zeros(3)),
        "mixture": lambda: (near, 0.6 * np.asarray(near.means[1])),
        "logistic": graded,
        "gaussian": lambda: (TILTED, np.asarray(TILTED.mean)),
    }
    energy, truth = problems[name]()
    zs = []
    for key in jax.random.split(KEY, 20):
        found = sample("auto", energy, draws=500, observe={"x": lambda x: x}, progress=False, key=key)
        zs.append((found["x"].value - truth) / found["x"].stderr)
    assert np.max(np.abs(zs)) < 7  # of Student's t with 15 degrees of freedom
    assert 0.6 < np.sqrt(np.mean(np.square(zs))) < 1.5


def test_widths_come_from_draws_and_slopes_where_there_are_no_correlations() -> None:
    wide = Normal(jnp.arange(1.0, 9.0), jnp.logspace(-2, 2, 8))
    found = run(AdaptiveHMC(0.1, jnp.ones(8)), wide)
    np.testing.assert_allclose(found.kernel.scale, wide.scale, rtol=0.1)


def told(energy, xs) -> Info:
    """What a kernel would report whose chains stand at xs."""
    now = jax.vmap(lambda x: evaluate(energy, x))(xs)
    return Info(jnp.ones(len(xs)), jnp.zeros(()), tuning=Leap(now, Phase(now, jnp.zeros_like(xs)), now))


def test_a_gaussian_is_known_from_draws_of_another_law() -> None:
    """Draws and slopes at points that have nothing to do with the law: S and G fit together all the same."""
    mild = turned(np.logspace(-1, 1, 12))  # G has the square of its condition number, which float32 must hold
    kernel, adaptation = AdaptiveHMC(0.1, jnp.eye(12)), FisherScales()
    state = adaptation.init(kernel)
    for key in jax.random.split(KEY, 8):
        xs = 3.0 + 0.3 * jax.random.normal(key, (400, 12))
        kernel, state = adaptation.update(kernel, state, told(mild, xs), xs)
    whitened = np.asarray(mild.factor, float).T @ np.asarray(kernel.scale)
    np.testing.assert_allclose(np.linalg.svd(whitened, compute_uv=False), 1.0, rtol=0.1)


class OnlyLength(AdaptiveHMC):
    """Small steps, so that a trajectory is as long as it should be."""

    def adaptation(self):
        return ChEES()


def test_the_length_is_a_quarter_of_a_period() -> None:
    """Of a standard Gaussian, |q|^2 changes most from start to end after a quarter of its period, pi / 2."""
    energy = Normal(jnp.full(6, 2.0), jnp.ones(6))
    for start in (0.8, 2.5):
        found = run(OnlyLength(0.1, length=start), energy, chains=128, warmup=400, draws=16)
        assert abs(found.kernel.length - np.pi / 2) < 0.2, float(found.kernel.length)


def test_the_slope_of_the_criterion_is_its_derivative() -> None:
    """Along the free flow of a Gaussian, q' = q cos t + v sin t, by differences of the criterion itself."""
    q, v = jax.random.normal(KEY, (2, 4096, 3)) * jnp.array([1.5, 1.0, 0.5])

    def flow(t):
        return q * jnp.cos(t) + v * jnp.sin(t), v * jnp.cos(t) - q * jnp.sin(t)

    def criterion(t):
        first, last = (jnp.sum((z - jnp.mean(z, axis=0)) ** 2, axis=1) for z in (q, flow(t)[0]))
        return jnp.mean((last - first) ** 2) / 4

    end, velocity = flow(0.9)
    now = jax.vmap(lambda x: evaluate(Normal(jnp.zeros(3), jnp.ones(3)), x))
    leap = Leap(now(q), Phase(now(end), velocity), now(end))
    np.testing.assert_allclose(criterion_slope(jnp.ones(()), leap, jnp.ones(4096)), jax.grad(criterion)(0.9), rtol=1e-3)


def test_a_trajectory_that_was_lost_tells_nothing_of_the_length() -> None:
    """Its end may be as far as a float goes."""
    now = jax.vmap(lambda x: evaluate(Normal(jnp.zeros(2), jnp.ones(2)), x))
    q, v, w = jax.random.normal(KEY, (3, 16, 2))
    far, accept = q.at[3].set(1e30), jnp.full(16, 0.7).at[3].set(0.0)
    told = [criterion_slope(jnp.ones(()), Leap(now(v), Phase(now(end), w), now(v)), accept) for end in (q, far)]
    assert np.isfinite(told[1]) and told[0] == told[1]


def test_rungs_are_tuned_each() -> None:
    energy = Normal(jnp.array([2.0, -1.0]), jnp.array([0.1, 5.0]))
    rungs = run(ParallelTempering.over(AdaptiveHMC(0.1, jnp.eye(2)), [0.3, 1.0]), energy, draws=16).kernel.kernel
    widths = np.linalg.norm(rungs.scale, axis=2)
    np.testing.assert_allclose(widths[1], energy.scale, rtol=0.2)
    np.testing.assert_allclose(widths[0], energy.scale / np.sqrt(0.3), rtol=0.3)


def test_lengths_compile_once() -> None:
    traces, x = [], draw(TILTED, key=KEY)

    @eqx.filter_jit
    def move(kernel):
        traces.append(1)
        return kernel.step(TILTED, kernel.init(TILTED, x, key=KEY), key=KEY)[1].extra["leapfrog_steps"]

    assert [int(move(AdaptiveHMC(h, length=t))) for h, t in ((0.1, 0.5), (0.3, 2), (0.2, 0.1))] == [5, 7, 1]
    assert len(traces) == 1


def test_a_matrix_is_a_change_of_units() -> None:
    """HMC with the Cholesky factor of the covariance sees a standard Gaussian."""
    found = run(HMC(0.1, jnp.eye(12)), warmup=600, draws=200)
    whitened = np.linalg.solve(np.linalg.cholesky(COVARIANCE), np.asarray(found.kernel.scale))
    np.testing.assert_allclose(np.linalg.svd(whitened, compute_uv=False), 1.0, rtol=0.4)
    with pytest.raises(ValueError, match=r"scale of shape \(3, 3\)"):
        HMC(0.1, jnp.eye(3)).init(TILTED, jnp.zeros(12), key=KEY)


class OwnLength(AdaptiveHMC):
    """Each chain stops where its start says: a way that the way back does not take."""

    def step(self, energy, state, *, key):
        short = self.length / (1 + jnp.linalg.norm(state.grad))
        return AdaptiveHMC.step(eqx.tree_at(lambda k: k.length, self, short), energy, state, key=key)


def test_trajectories_of_unlike_lengths_are_caught() -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(OwnLength(0.4, length=4.0), MIX, draws=2**16, key=KEY)


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: AdaptiveHMC(0.1, length=0.0), "length"), (lambda: AdaptiveHMC(0.1, [[1.0, 0.5], [0.0, 1.0]]), "lower-triangular")],
)
def test_hyper_parameters_without_meaning_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
