"""Adaptive Hamiltonian moves: metric, length and step found from many chains, and twins broken in the usual ways."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Info, Normal, draw
from gibbsite.energies import Gaussian
from gibbsite.samplers import HMC, AdaptiveHMC, ChEES, FisherScales, ParallelTempering, sample
from gibbsite.samplers.chees import criterion_slope
from gibbsite.samplers.hamiltonian import Leap
from gibbsite.samplers.phase import Phase
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
