"""Stochastic-gradient Langevin: its law, bias included, is known where the data are fitted by a line, after any number of steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.kernels import BIASED

from gibbsite.core import Cycle, Evidence, Minibatches, Normal, Repeat, Status, Tempered, need
from gibbsite.energies import Posterior
from gibbsite.samplers import MALA, SGLD, Gibbs, Silent, sample
from gibbsite.testing import LawViolation
from gibbsite.testing.law import z_test

KEY = jax.random.key(2011)
RNG = np.random.default_rng(4)
ROWS = RNG.normal(size=(40, 2)) * [1.0, 0.4] + [0.3, -0.2]
SEEN = ROWS @ [0.8, -1.5] + 0.7 * RNG.normal(size=40)
PRIOR = (np.array([0.5, -0.5]), np.array([1.0, 2.0]))
NOISE = 0.7


def fit(x, data):
    rows, seen = data
    return -0.5 * jnp.sum(((seen - rows @ x) / NOISE) ** 2)


LINE = Posterior(Normal(*PRIOR), fit, (np.float32(ROWS), np.float32(SEEN)), by_rows=True)


def moments(start: np.ndarray, sizes: np.ndarray, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and second moments of x after steps of these sizes from one place: a linear recursion with random coefficients.

    With d = x - m about the posterior's mean m, a batch gives the slope `A d + mean over the batch of (G_i d + g_i)`, where G_i and g_i
    are what row i, taken N times, has beyond the mean of all rows. So

        E d' = (1 - h A) E d,   E d'd' = (1 - h A) E dd (1 - h A) + 2 h + h^2 / n mean_i E (G_i d + g_i)(G_i d + g_i).
    """
    per_row = len(ROWS) * np.einsum("ni,nj->nij", ROWS, ROWS) / NOISE**2
    curvature = np.diag(PRIOR[1] ** -2.0) + per_row.mean(axis=0)
    centre = np.linalg.solve(curvature, PRIOR[0] / PRIOR[1] ** 2 + ROWS.T @ SEEN / NOISE**2)
    pull = len(ROWS) * ROWS * (ROWS @ centre - SEEN)[:, None] / NOISE**2
    G, g = per_row - per_row.mean(axis=0), pull - pull.mean(axis=0)
    mean, second = start - centre, np.outer(start - centre, start - centre)
    for h in sizes:
        keep = np.eye(2) - h * curvature
        cross = np.einsum("nij,j,nk->ik", G, mean, g) / len(ROWS)
        noise = np.einsum("nij,jk,nlk->il", G, second, G) / len(ROWS) + cross + cross.T + g.T @ g / len(ROWS)
        second = keep @ second @ keep.T + 2 * h * np.eye(2) + h**2 / batch * noise
        mean = keep @ mean
    return mean + centre, second + np.outer(centre, mean) + np.outer(mean, centre) + np.outer(centre, centre)


def check_recursion(kernel: SGLD, *, steps: int, chains: int = 2**15) -> None:
    """Mean and second moments after `steps` steps from one place; the products of 2^15 independent chains tell 2 % of a variance."""
    start = jnp.array([1.5, 0.5])

    def walk(key):
        first = kernel.init(LINE, start, key=key)
        last = jax.lax.fori_loop(0, steps, lambda t, s: kernel.step(LINE, s, key=jax.random.fold_in(key, t))[0], first)
        return kernel.position(last)

    xs = np.asarray(jax.jit(jax.vmap(walk))(jax.random.split(KEY, chains)), np.float64)
    sizes = float(kernel.step_size) * (1 + np.arange(steps) / float(kernel.delay)) ** -float(kernel.decay)
    mean, second = moments(np.asarray(start, float), sizes, kernel.batch)
    z_test(type(kernel).__name__, "mean of the recursion", xs, mean)
    z_test(type(kernel).__name__, "second moments of the recursion", xs[:, :, None] * xs[:, None, :], second)


CASES = {
    "one row": (SGLD(1e-3, batch=1), 80),
    "constant": (BIASED["sgld"], 80),
    "decaying": (SGLD(6e-3, batch=4, decay=0.55, delay=5.0), 60),
}


@pytest.mark.parametrize("name", CASES)
def test_moments_follow_the_recursion(name: str) -> None:
    kernel, steps = CASES[name]
    check_recursion(kernel, steps=steps)


class Unscaled(SGLD):
    """The batch stands for itself and not for all rows."""

    def step(self, energy, state, *, key):
        return SGLD.step(self, Few(energy, self.batch), state, key=key)


class Few(Posterior):
    """A posterior whose estimates forget the factor N / n."""

    few: int

    def __init__(self, energy, few):
        self.prior, self.log_likelihood, self.data, self.by_rows, self.few = energy.prior, energy.log_likelihood, energy.data, True, few

    def views(self):
        rows, seen = self.data
        return (Minibatches(len(seen), lambda x, i: self.prior(x) - self.log_likelihood(x, (rows[i], seen[i]))),)


class FixedBatch(SGLD):
    """The same rows every time."""

    def step(self, energy, state, *, key):
        rows, seen = energy.data
        held = Posterior(energy.prior, energy.log_likelihood, (jnp.repeat(rows[:10], 4, axis=0), jnp.repeat(seen[:10], 4)), by_rows=True)
        return SGLD.step(self, held, state, key=key)


class Colder(SGLD):
    """Noise sqrt(h) for sqrt(2 h)."""

    def step(self, energy, state, *, key):
        new, info = SGLD.step(self, energy, state, key=key)
        noise = jnp.sqrt(2 * self.step_size) * jax.random.normal(jax.random.split(key)[1], (2,))
        return new._replace(position=new.position - (1 - jnp.sqrt(0.5)) * noise), info


@pytest.mark.parametrize("twin", [Unscaled, FixedBatch, Colder])
def test_the_recursion_catches(twin: type[SGLD]) -> None:
    with pytest.raises(LawViolation, match="recursion"):
        check_recursion(twin(4e-3, batch=4), steps=80)


def test_without_a_decay_the_law_is_wider_by_the_closed_form() -> None:
    """One mean of many numbers: U has curvature A and all slopes the variance V, so the variance is (2 + h V) / (A (2 - h A))."""
    seen = np.float32(RNG.gamma(2.0, size=100))
    mean = Posterior(Normal(0.0, 2.0), lambda x, y: -0.5 * jnp.sum((y - x) ** 2), seen, by_rows=True)
    h, batch = 2e-4, 8
    curvature, spread = 0.25 + 100, 100**2 * np.var(seen) / batch
    centre, expected = float(np.sum(seen) / curvature), (2 + h * spread) / (curvature * (2 - h * curvature))
    kernel, observe = Repeat(SGLD(h, batch), 20), {"x": lambda x: x, "square": lambda x: (x - centre) ** 2}
    run = sample(kernel, mean, chains=256, warmup=20, draws=200, observe=observe, progress=Silent(), key=KEY)
    assert abs(run["x"].value - centre) < 5.6 * run["x"].stderr
    assert abs(run["square"].value - expected) < 5.6 * run["square"].stderr < 0.5 * (expected - 1 / curvature)
    assert run.status is Status.UNADJUSTED and run["x"].evidence is Evidence.NOT_ESTABLISHED
    assert "mini-batches" in str(run)


def test_what_is_no_sum_over_rows_is_refused() -> None:
    whole = Posterior(LINE.prior, fit, LINE.data)
    with pytest.raises(TypeError, match="Minibatches"):
        sample(SGLD(1e-3), whole, chains=2, draws=2, key=KEY)
    with pytest.raises(ValueError, match="same number of rows"):
        Posterior(LINE.prior, fit, (np.zeros((3, 2)), np.zeros(4)), by_rows=True)
    for name, value in {"step_size": 0.0, "batch": 0, "decay": -1.0, "delay": 0.0}.items():
        with pytest.raises(ValueError, match=f"{name}="):
            SGLD(**{"step_size": 0.1} | {name: value})
    with pytest.raises(TypeError, match="lose its memory"):
        Cycle((SGLD(1e-3), MALA(0.1)))
    assert not SGLD(0.1).reports_work and SGLD(0.1).biased and not Gibbs().biased


def test_an_estimate_follows_temperature() -> None:
    x, index = jnp.array([0.3, -0.2]), jnp.arange(5)
    whole, half = (need(e, Minibatches, "test").estimate(x, index) for e in (LINE, Tempered(LINE, 0.5)))
    assert float(half) == pytest.approx(float(whole) / 2)
