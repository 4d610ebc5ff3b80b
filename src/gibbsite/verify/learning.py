"""Learning by likelihood: what the gradients of contrastive divergence and its relatives are, and where they drift."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Binary, Estimate, Geometric, Reals, as_float, draw, log_prob
from gibbsite.core.energy import Scalar
from gibbsite.objectives import PersistentContrastiveDivergence
from gibbsite.samplers import ULA, BlockGibbs
from gibbsite.testing import problems
from gibbsite.testing.objective import Shifted
from gibbsite.thermo import anneal
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import averaged, bell, law, mixture, on, settled

LEGS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128])
SHARES = np.array([5, 1, 0, 2, 0, 7, 0, 0, 1, 0, 0, 3, 0, 0, 2, 0]) / 21  # of the data on 16 states
CHAINS = 2**14


def _block_gibbs() -> np.ndarray:
    """Transitions of the visible bits of a small machine: hidden bits given visible, then visible given hidden, summed exactly."""
    machine: Any = problems.rbm().energy
    visible, hidden = (jnp.asarray(problems.states(Binary((n,)))) for n in (4, 3))
    up = on(lambda v: jax.vmap(lambda h: log_prob(machine.hidden_given(v), h))(hidden), visible)
    down = on(lambda h: jax.vmap(lambda v: log_prob(machine.visible_given(h), v))(visible), hidden)
    return np.exp(up) @ np.exp(down)


def contrastive_divergence() -> Comparison:
    """A machine of four visible and three hidden bits: every gradient by enumeration, and that of the library's walkers for k = 1."""
    machine = problems.rbm().energy
    params, back = ravel_pytree(machine)
    xs = jnp.asarray(problems.states(machine.space))
    slopes = np.asarray(jax.jit(jax.vmap(jax.grad(lambda p, x: back(p)(x)), in_axes=(None, 0)))(params, xs))
    model, step = law(machine, xs).shares, _block_gibbs()
    after = [SHARES @ np.linalg.matrix_power(step, int(k)) for k in LEGS]
    divergences = np.array([(SHARES - p) @ slopes for p in after])
    rate = np.sort(np.abs(np.linalg.eigvals(step)))[-2]
    found, error = _of_walkers(machine, xs, after[1], slopes)

    def compare(rule: Rule) -> Findings:
        right = rule(SHARES @ slopes, model @ slopes)
        gaps = np.abs(divergences - right).max(axis=1)
        series = (
            Series("CD-k less the formula", LEGS[:7], np.log10(gaps[:7]), joined=True),
            Series("second eigenvalue^k", LEGS[:7], np.log10(gaps[1]) + (LEGS[:7] - 1) * np.log10(rate), joined=True),
        )
        statements = [
            Statement("CD-k for k = 128", settled(divergences[-1]), settled(right)),
            Statement("CD-1 of walkers", settled(found, error), settled(divergences[1])),
            Statement("CD-1 is not the gradient", settled(np.abs(divergences[1] - right).max()), settled(0.0), "!="),
        ]
        return Findings(statements, [Panel("Towards the likelihood", "k", "log10 largest gap", series)])

    return compare


def _of_walkers(machine: AbstractEnergy, xs: Array, law_after: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The objective's gradient after one step of walkers that start at data, and its error."""
    data = xs[np.repeat(np.arange(len(xs)), np.rint(21 * SHARES).astype(int))]
    objective, model = PersistentContrastiveDivergence(BlockGibbs(), chains=CHAINS), Shifted(machine)
    begin, move = jax.random.split(jax.random.key(2))
    walkers = objective.init(model, jnp.tile(data, (CHAINS // len(data) + 1, 1)), key=begin)
    grads = eqx.filter_jit(objective.gradients)(model, data, walkers, key=move)[0]
    spread = law_after @ slopes**2 - (law_after @ slopes) ** 2
    return np.asarray(ravel_pytree(grads)[0]), np.sqrt(spread / CHAINS) + 1e-9


class _TwoModes(AbstractEnergy):
    """`U(x) = -log(exp(-|x - a|^2 / 2) + exp(-|x - b|^2 / 2 - z))`: b weighs e^-z of a."""

    z: Scalar = eqx.field(converter=as_float)
    a: float = eqx.field(static=True, default=-6.0)
    b: float = eqx.field(static=True, default=6.0)

    @property
    def space(self) -> AbstractSpace:
        return Reals((1,))

    def __call__(self, x: Float[Array, "1"]) -> Scalar:
        return -jnp.logaddexp(-((x[0] - self.a) ** 2) / 2, -((x[0] - self.b) ** 2) / 2 - self.z)


def pcd_drift() -> Comparison:
    """Two modes twelve widths apart: walkers that start as the model, data of other masses, 80 steps of the log-odds alone."""
    start, rate, steps = 1.0, 0.02, 80
    truth = mixture((-6.0, 6.0), (1.0, 1.0), (0.25, 0.75))
    drawn, birth, begin, run = jax.random.split(jax.random.key(0), 4)
    data = jax.jit(jax.vmap(lambda k: draw(truth, key=k)))(jax.random.split(drawn, 2000))
    own = mixture((-6.0, 6.0), (1.0, 1.0), (1.0, float(np.exp(-start))))
    born = jax.jit(jax.vmap(lambda k: draw(own, key=k)))(jax.random.split(birth, 1000))
    objective = PersistentContrastiveDivergence(ULA(as_float(0.1)), chains=1000)
    walkers = objective.init(Shifted(_TwoModes(as_float(start))), born, key=begin)
    parts, static = eqx.partition(walkers, eqx.is_array)

    def update(carry: tuple, key: Array) -> tuple[tuple, Array]:
        z, held = carry
        grads, state, _ = objective.gradients(Shifted(_TwoModes(z)), data, eqx.combine(held, static), key=key)
        z = z - rate * grads.energy.z
        return (z, eqx.filter(state, eqx.is_array)), z

    (_, last), path = jax.jit(lambda c, k: jax.lax.scan(update, c, k))((as_float(start), parts), jax.random.split(run, steps))
    places = walkers.kernel.position(walkers.states), walkers.kernel.position(eqx.combine(last, static).states)
    before, after = (float(np.mean(np.asarray(x) > 0)) for x in places)
    wanted, zs = float(np.mean(np.asarray(data) > 0)), np.append(start, np.asarray(path))

    def compare(rule: Rule) -> Findings:
        right = start + np.cumsum(np.append(0.0, [rule(rate, before, wanted, z) for z in zs[:-1]]))
        count = np.arange(steps + 1)
        series = (
            Series("PCD", count[::4], zs[::4]),
            Series("the formula", count, right, joined=True),
            Series("that of the data", count, np.full(steps + 1, np.log((1 - wanted) / wanted)), joined=True),
        )
        statements = [
            Statement("z, 80 steps", settled(zs, 1e-5), settled(right)),
            Statement("walkers in the second mode", settled(after), settled(before)),
        ]
        return Findings(statements, [Panel("Log-odds of the modes", "step", "z", series)])

    return compare


def weighted_gradient() -> Comparison:
    """Unadjusted walkers along a path of Gaussians that narrow: E dU/dk and E dU/dm by their weights, against the end's own law."""
    base, target = bell(0.0, 1.0), bell(0.5, 0.5)
    found = anneal(Geometric(base, target), ULA(as_float(0.1)), walkers=2**15, times=np.linspace(0, 1, 9), key=jax.random.key(3))
    x = np.asarray(found.positions, np.float64)[:, 0]
    slopes = np.stack([x**2 / 2, x], axis=1)  # of x^2 k / 2 - m x, but for signs
    truth = np.array([(0.5**2 + 0.5**2) / 2, 0.5])

    def compare(rule: Rule) -> Findings:
        shares = rule(np.exp(found.log_weights - found.log_weights.max()))
        shares = shares / shares.sum()
        mean = shares @ slopes
        error = np.sqrt((shares**2) @ (slopes - mean) ** 2)
        edges = np.linspace(-2, 2.5, 46)
        middle = (edges[1:] + edges[:-1]) / 2
        dense = [np.histogram(x, edges, weights=w)[0] / np.diff(edges) for w in (shares, np.full(len(x), 1 / len(x)))]
        exact = np.exp(-((middle - 0.5) ** 2) / 0.5) / np.sqrt(0.5 * np.pi)
        series = (
            Series("the formula's weights", middle, dense[0]),
            Series("unweighted", middle, dense[1], joined=True),
            Series("the model", middle, exact, joined=True),
        )
        statement = Statement("E of the slopes", settled(mean, error), settled(truth))
        return Findings([statement], [Panel("Walkers at the end", "x", "density", series)])

    return compare


def walker_drift() -> Comparison:
    """U = k x^2 / 2 at its optimum: one plain step of k driven by N exact walkers, 200,000 times, weights of the drivers and of others."""
    sizes, repeats, rate, curvature = (10, 20, 40), 200_000, 2e-3, 1.0
    rng = np.random.default_rng(5)
    drivers: list[Estimate] = []
    others: list[Estimate] = []
    for n in sizes:
        driving, held = (rng.normal(size=(repeats, n)) ** 2 / 2 for _ in range(2))  # dU/dk = x^2 / 2, of mean 1/2 and variance 1/2
        change = -rate * (0.5 - driving.mean(axis=1))  # gradient: mean over data less mean over walkers
        true = -0.5 * np.log1p(change / curvature)  # of log Z = -log(k) / 2 + constant
        for slopes, out in ((driving, drivers), (held, others)):
            out.append(averaged(np.log(np.mean(np.exp(-change[:, None] * slopes), axis=1)) - true))

    def compare(rule: Rule) -> Findings:
        right = [rule(rate, 0.5, n) for n in sizes]
        statements = [
            Statement(f"drift of log Z, N = {n}", side, settled(r, 0.01 * rate**2))
            for n, side, r in zip(sizes, drivers, right, strict=True)
        ]
        statements += [Statement(f"others, N = {n}", side, settled(0.0, 0.01 * rate**2)) for n, side in zip(sizes, others, strict=True)]
        series = (
            Series("walkers that drive", sizes, [s.value for s in drivers], [s.stderr for s in drivers]),
            Series("the formula", sizes, right, joined=True),
            Series("walkers held out", sizes, [s.value for s in others], [s.stderr for s in others]),
        )
        return Findings(statements, [Panel("Drift of log Z a step", "walkers", "nats", series)])

    return compare


IDENTITIES = (
    Identity(
        name="cd-to-likelihood",
        title="Contrastive divergence tends to the likelihood's gradient",
        field=Field.LEARNING,
        formula="E_data grad U - E_{data P^k} grad U  ->  E_data grad U - E_p grad U = -grad E_data log p  for k to infinity",
        conditions="P keeps p and mixes; the gap falls with its second eigenvalue.",
        source="Hinton, Neural Computation 14, 2002; Bengio & Delalleau, Neural Computation 21, 2009; Carbone, arXiv 2406.13661",
        check=contrastive_divergence,
        rule=lambda data, model: data - model,
        twin=lambda data, model: data + model,
        broken="the sign of the negative phase is turned",
    ),
    Identity(
        name="pcd-drift",
        title="Persistent walkers that cannot cross make the log-odds drift",
        field=Field.LEARNING,
        formula="z' = z + r (f - p),  f the share of the walkers, p of the data in the second mode, whatever z is",
        conditions="Modes so far apart that no walker crosses; U = -log(e^{-|x-a|^2/2} + e^{-|x-b|^2/2 - z}); gradient descent at rate r.",
        source="Carbone, Hua, Coste & Vanden-Eijnden, arXiv 2305.19414",
        check=pcd_drift,
        rule=lambda rate, walkers, data, z: rate * (walkers - data),
        twin=lambda rate, walkers, data, z: rate * (1 / (1 + np.exp(z)) - data),
        broken="the walkers are taken to follow the model",
        sampled=True,
    ),
    Identity(
        name="weighted-gradient",
        title="Jarzynski's weights make the gradient of moving walkers right",
        field=Field.LEARNING,
        formula="E_p[f] = <f exp(A)> / <exp(A)>,  A = -W along the way, at any step size",
        conditions="The protocol does not depend on these walkers; the ratio is consistent, its bias is of order 1/N.",
        source="Carbone et al., arXiv 2305.19414; Carbone, arXiv 2406.13661",
        check=weighted_gradient,
        rule=lambda weights: weights,
        twin=np.ones_like,
        broken="walkers are averaged without their weights",
        sampled=True,
    ),
    Identity(
        name="walker-drift",
        title="Walkers that drive the parameters and carry the weights lose log Z",
        field=Field.LEARNING,
        formula="<log Z estimated - log Z> = -r Var(dU) / N  a step",
        conditions="Plain gradient descent at rate r; walkers that are drawn anew; the model at its optimum; to first order in r.",
        source="expansion of the weights of arXiv 2305.19414 in the step; its walkers held out have no drift",
        check=walker_drift,
        rule=lambda rate, variance, walkers: -rate * variance / walkers,
        twin=lambda rate, variance, walkers: 0.0,
        broken="there is no drift",
    ),
)
