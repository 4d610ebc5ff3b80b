"""Noise contrast and adversaries: telling data from draws, and what the teller learns."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Reals, as_float, draw, log_prob
from gibbsite.core.energy import Scalar
from gibbsite.energies import DoubleWell, GaussianMixture, Offset
from gibbsite.energies.wells import LOG_Z
from gibbsite.objectives import NoiseContrastive, NonSaturating, Wasserstein
from gibbsite.testing.objective import Shifted
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import Law, averaged, bell, law, limit, line, mixture, on, settled


class _Bell(AbstractEnergy):
    """`U(x) = place x + width x^2 / 2 + log_z`: a Gaussian with a constant of its own."""

    place: Scalar = eqx.field(converter=as_float)
    width: Scalar = eqx.field(converter=as_float)
    log_z: Scalar = eqx.field(converter=as_float)

    @property
    def space(self) -> AbstractSpace:
        return Reals((1,))

    def __call__(self, x: Float[Array, "1"]) -> Scalar:
        return self.place * x[0] + self.width * x[0] ** 2 / 2 + self.log_z


def _narrow() -> GaussianMixture:
    return mixture((-1.2, 1.4), (0.6, 0.9), (0.7, 0.3))


def _contrasted(energy: AbstractEnergy, data: Law, noise: AbstractEnergy, ratio: Array | float) -> Array:
    """The loss of `NoiseContrastive` over a grid: `E_data softplus(-G) + ratio E_noise softplus(G)`."""
    x = as_float(data.points)
    log_noise = jax.vmap(lambda y: log_prob(noise, y))(x)
    log_odds = -jax.vmap(energy)(x) - log_noise - jnp.log(ratio)
    noise_shares = jnp.exp(log_noise) * (x[1, 0] - x[0, 0])
    return as_float(data.shares) @ jax.nn.softplus(-log_odds) + ratio * noise_shares @ jax.nn.softplus(log_odds)


def nce_to_likelihood() -> Comparison:
    """A Gaussian model (with its own constant) of a mixture, against wide noise: the gradients of three parameters by quadrature."""
    x = line(-12, 12, 2401)
    data, noise = law(_narrow(), x), bell(0.0, 2.0)
    params = as_float([0.2, 0.8, 0.5 * math.log(2 * math.pi / 0.8) + 0.2**2 / 1.6])

    def gradient(ratio: Array) -> Array:
        return jax.grad(lambda p: _contrasted(_Bell(p[0], p[1], p[2]), data, noise, ratio))(params)

    ratios = [10.0**k * 2**n for k in (0, 1, 2, 3) for n in (0, 1, 2)]
    found = on(gradient, np.array(ratios))
    model = law(_Bell(*params), x)
    slopes = np.stack([x[:, 0], x[:, 0] ** 2 / 2, np.ones(len(x))], axis=1)

    def compare(rule: Rule) -> Findings:
        right = rule(data.mean(slopes), model.mean(slopes))
        end = limit(list(found[-3:]))
        gaps = np.abs(found - right).max(axis=1)
        series = (
            Series("NCE less the formula", np.log10(ratios), np.log10(gaps)),
            Series("1 / ratio", np.log10(ratios), np.log10(gaps[-1] * ratios[-1] / np.array(ratios)), joined=True),
        )
        return Findings(
            [Statement("gradient, for much noise", end, settled(right))],
            [Panel("Towards the likelihood", "log10 noise draws for each example", "log10 largest gap", series)],
        )

    return compare


def _spread(ratio: int, key: Array, *, repeats: int = 768, rows: int = 512) -> np.ndarray:
    """Estimates of (place, width, log_z) from data N(0, 1) against as much noise of the same law, by Newton's method."""
    unit = bell(0.0, 1.0)
    objective = NoiseContrastive(unit, ratio)
    start = as_float([0.0, 1.0, 0.5 * math.log(2 * math.pi)])

    def fitted(key: Array) -> Array:
        own, other = jax.random.split(key)
        xs = jax.vmap(lambda k: draw(unit, key=k))(jax.random.split(own, rows))

        def loss(p: Array) -> Array:
            return objective.loss(Shifted(_Bell(p[0], p[1], p[2])), xs, key=other)

        def newton(p: Array, _: None) -> tuple[Array, None]:
            return p - jnp.linalg.solve(jax.hessian(loss)(p), jax.grad(loss)(p)), None

        return jax.lax.scan(newton, start, None, length=4)[0]

    return np.asarray(jax.jit(lambda ks: jax.lax.map(fitted, ks, batch_size=64))(jax.random.split(key, repeats)), np.float64)


def nce_efficiency() -> Comparison:
    """A Gaussian model of Gaussian data, contrasted with noise of the data's own law, fitted 768 times."""
    rows, truth = 512, np.array([0.0, 1.0, 0.5 * math.log(2 * math.pi)])
    likelihood = np.array([1.0, 2.0])  # n Var of the likelihood's estimates: the inverse of Cov(x, x^2 / 2)
    found = {ratio: _spread(ratio, jax.random.key(ratio)) for ratio in (1, 4)}

    def compare(rule: Rule) -> Findings:
        statements, series = [], []
        for ratio, estimates in found.items():
            variance = averaged(rows * (estimates[:, :2] - estimates[:, :2].mean(axis=0)) ** 2)
            # Terms of relative order 1/n are left out of the asymptotic variance.
            left = settled(variance.value, np.hypot(variance.stderr, 10 / rows * likelihood))
            statements.append(Statement(f"n Var, {ratio} draws of noise each", left, settled(rule(ratio) * likelihood)))
            constant = averaged(estimates[:, 2])
            statements.append(
                Statement(f"log Z learned, {ratio} each", settled(constant.value, constant.stderr + 1 / rows), settled(truth[2]))
            )
            series.append(Series(f"{ratio} each", [1, 2], left.value / likelihood, left.stderr / likelihood))
        ends = [Series(f"the formula, {ratio}", [1, 2], [rule(ratio)] * 2, joined=True) for ratio in found]
        return Findings(statements, [Panel("Variance over that of the likelihood", "parameter", "ratio", (*series, *ends))])

    return compare


def nce_constant() -> Comparison:
    """A double well whose log Z is known to 17 digits: the population's loss against a wide Gaussian, as its constant moves."""
    x = line(-6, 6, 2401)
    data, noise = law(DoubleWell(), x), bell(0.0, 2.0)

    def at(constant: Array) -> Array:
        return _contrasted(Offset(DoubleWell(), constant), data, noise, 1.0)

    places = np.linspace(LOG_Z - 2, LOG_Z + 2, 21)
    heights, slope = on(at, places), jax.jit(jax.grad(at))

    def compare(rule: Rule) -> Findings:
        claimed = rule(LOG_Z)
        steep = float(slope(as_float(claimed)))
        series = (
            Series("loss", places, heights, joined=True),
            Series("the formula", [claimed], [float(at(as_float(claimed)))]),
        )
        statement = Statement("slope of the loss there", settled(steep, 1e-7), settled(0.0))
        return Findings([statement], [Panel("Loss against the constant", "constant", "nats", series)])

    return compare


class _Ratio(eqx.Module):
    """A multiple of the log ratio of two densities: a critic."""

    data: AbstractEnergy
    drawn: AbstractEnergy
    factor: Scalar = eqx.field(converter=as_float, default=1.0)

    def __call__(self, x: Float[Array, "1"]) -> Scalar:
        return self.factor * (log_prob(self.data, x) - log_prob(self.drawn, x))


def optimal_critic() -> Comparison:
    """A mixture as data, a Gaussian as the generator's law: the library's critic loss on 2^15 draws of each, and quadrature."""
    data, drawn = _narrow(), bell(0.3, 1.4)
    one, two = (
        jax.jit(jax.vmap(lambda k, e=e: draw(e, key=k)))(jax.random.split(jax.random.key(n), 2**15)) for n, e in enumerate((data, drawn))
    )
    game, key = NonSaturating(as_float(0.0)), jax.random.key(9)
    factors = np.array([0.25, 0.5, 1.0, 1.5, 2.0])
    critic = _Ratio(data, drawn)
    told = jax.jit(lambda f: game.critic_loss(_Ratio(data, drawn, f), one, two, key=key))
    losses = [float(told(f)) for f in factors]
    terms = [np.asarray(jax.jit(jax.vmap(lambda x, s=s: jax.nn.softplus(s * critic(x))))(xs)) for s, xs in ((-1, one), (1, two))]
    error = math.hypot(*(float(t.std()) / math.sqrt(len(t)) for t in terms))
    x = line(-10, 10, 4001)
    p, q = law(data, x), law(drawn, x)
    steep = on(lambda f: _population(_Ratio(data, drawn, f), p.points, p.shares, q.shares), factors)

    def compare(rule: Rule) -> Findings:
        middle = np.log((np.exp(p.log_density()) + np.exp(q.log_density())) / 2)
        divergence = (p.mean(p.log_density() - middle) + q.mean(q.log_density() - middle)) / 2
        right = rule(divergence)
        statements = [
            Statement("value of the game", settled(-losses[2], error), settled(right, 1e-6)),
            Statement("no multiple does better", settled(steep), settled(steep[2]), ">="),
        ]
        series = (
            Series("draws", factors, -np.array(losses)),
            Series("quadrature", factors, -steep, joined=True),
            Series("the formula", [1.0], [right]),
        )
        return Findings(statements, [Panel("Value against the critic", "multiple of the log ratio", "value", series)])

    return compare


def _population(critic: Any, points: np.ndarray, p: np.ndarray, q: np.ndarray) -> Array:
    """What the critic minimises, over a grid."""
    c = jax.vmap(critic)(as_float(points))
    return as_float(p) @ jax.nn.softplus(-c) + as_float(q) @ jax.nn.softplus(c)


def wasserstein_critic() -> Comparison:
    """Two Gaussians on a line of other places and widths: the best critic of slope 1 by their distribution functions."""
    x = line(-12, 14, 5201)
    p, q = (law(bell(m, s), x) for m, s in ((1.5, 0.7), (0.0, 1.3)))
    cell = float(x[1, 0] - x[0, 0])
    below = np.cumsum(p.shares) - p.shares / 2, np.cumsum(q.shares) - q.shares / 2
    slope = np.sign(below[1] - below[0])
    critic = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2) * cell])
    gain = p.mean(critic) - q.mean(critic)
    lookup = _Table(as_float(x[:, 0]), as_float(critic))
    rows = [np.asarray(e.points)[np.searchsorted(np.cumsum(e.shares), (np.arange(20000) + 0.5) / 20000)] for e in (p, q)]
    told = -float(Wasserstein(as_float(0.0)).critic_loss(lookup, *(as_float(r) for r in rows), key=jax.random.key(0)))

    def compare(rule: Rule) -> Findings:
        right = float(np.sum(rule(below[0], below[1])) * cell)
        tilted = q.shares * np.exp(critic - critic.max())
        tilted = tilted / tilted.sum()
        exact = q.shares * np.exp(p.log_density() - q.log_density())
        divergences = [float(np.sum(p.shares * np.log(p.shares / law_))) for law_ in (tilted, exact)]
        statements = [
            Statement("gain of the best critic", settled(gain, 1e-4), settled(right)),
            Statement("minus the library's loss", settled(told, 1e-3), settled(right)),
            Statement("KL(p | q e^critic / Z): no log ratio", settled(divergences[0], 1e-3), settled(0.0), "!="),
            Statement("KL(p | q e^{log ratio})", settled(divergences[1]), settled(0.0)),
        ]
        near = slice(1600, 3600, 40)
        series = (
            Series("best critic of slope 1", x[near, 0], critic[near] - critic[2400], joined=True),
            Series("log p/q", x[near, 0], (p.log_density() - q.log_density())[near], joined=True),
        )
        return Findings(statements, [Panel("Two critics", "x", "height", series)])

    return compare


class _Table(eqx.Module):
    """A function by its values on a grid."""

    at: Float[Array, " n"]
    heights: Float[Array, " n"]

    def __call__(self, x: Float[Array, "1"]) -> Scalar:
        return jnp.interp(x[0], self.at, self.heights)


IDENTITIES = (
    Identity(
        name="nce-to-likelihood",
        title="Noise-contrastive estimation tends to maximum likelihood",
        field=Field.CONTRAST,
        formula="grad of the NCE loss -> E_data grad U - E_p grad U  for ever more noise",
        conditions="The noise lives wherever the data do; U holds its own constant and is normalised at this point.",
        source="Gutmann & Hyvarinen, JMLR 13, 2012; Mnih & Teh, arXiv 1206.6426",
        check=nce_to_likelihood,
        rule=lambda data, model: data - model,
        twin=lambda data, model: data,
        broken="the negative phase is dropped",
        quick=True,
    ),
    Identity(
        name="nce-efficiency",
        title="The price of contrast: a variance 1 + 1/ratio times that of the likelihood",
        field=Field.CONTRAST,
        formula="n Var(theta) = (1 + 1/ratio) / Fisher information,  ratio draws of noise for each example; and log Z is learned",
        conditions="The noise has the law of the data, which the model contains; n large.",
        source="Gutmann & Hyvarinen, JMLR 13, 2012",
        check=nce_efficiency,
        rule=lambda ratio: 1 + 1 / ratio,
        twin=lambda ratio: 1.0,
        broken="contrast is taken to be as good as the likelihood",
        sampled=True,
    ),
    Identity(
        name="nce-constant",
        title="Noise contrast learns the constant of the energy",
        field=Field.CONTRAST,
        formula="argmin over c of the NCE loss of U + c  is  c = log Z",
        conditions="exp(-U)/Z is the law of the data.",
        source="Gutmann & Hyvarinen, JMLR 13, 2012",
        check=nce_constant,
        rule=lambda log_z: log_z,
        twin=lambda log_z: 0.9 * log_z,
        broken="the constant is off by a tenth",
        quick=True,
    ),
    Identity(
        name="optimal-critic",
        title="The best discriminator is the density ratio, and its value a Jensen-Shannon divergence",
        field=Field.CONTRAST,
        formula="max_c E_p log sigmoid(c) + E_q log sigmoid(-c) = 2 JS(p, q) - log 4,  at c = log p/q",
        conditions="The critic may be any function; no penalty.",
        source="Goodfellow et al., arXiv 1406.2661, theorem 1",
        check=optimal_critic,
        rule=lambda divergence: 2 * divergence - math.log(4),
        twin=lambda divergence: divergence - math.log(4),
        broken="the factor 2 is dropped",
    ),
    Identity(
        name="wasserstein-critic",
        title="A Wasserstein critic is a height of slope 1, not a log density",
        field=Field.CONTRAST,
        formula="max over |c'| <= 1 of E_p c - E_q c = int |F_p - F_q| dx;  q exp(c)/Z is not p",
        conditions="One axis; F are distribution functions.",
        source="Vallender 1974; Arjovsky, Chintala & Bottou, arXiv 1701.07875; Carbone, arXiv 2406.13661",
        check=wasserstein_critic,
        rule=lambda p, q: np.abs(p - q),
        twin=lambda p, q: (p - q) ** 2,
        broken="the area is squared (Cramer's distance)",
        quick=True,
    ),
)
