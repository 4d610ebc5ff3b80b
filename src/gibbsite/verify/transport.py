"""Flows and diffusions: densities that are carried along, and the many dynamics that carry one and the same."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import Pushforward, as_float, need
from gibbsite.energies import GaussianMixture
from gibbsite.metrics import curl
from gibbsite.models import Diffusion, Flow, ProbabilityFlow
from gibbsite.models.noising import AbstractField, Cosine, FreeField, Time
from gibbsite.models.probability_flow import divergence
from gibbsite.nets import TimedMLP
from gibbsite.objectives import join, split
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import averaged, line, mixture, on, settled

LEGS = 100  # of a fourth-order integration that stands for the exact one


def _mixture() -> GaussianMixture:
    return mixture((0.9, -1.1), (0.5, 0.25), (0.55, 0.45))


def _noised(mixture: GaussianMixture, alpha: Any, sigma: Any) -> GaussianMixture:
    """The law of `alpha x + sigma noise`."""
    return GaussianMixture(alpha * mixture.means, jnp.hypot(alpha * mixture.scales, sigma), mixture.weights)


def change_of_variables() -> Comparison:
    """A coupling flow on the plane with weights at random: the library's density against its map and the map's own Jacobian."""
    flow = Flow.build(dim=2, layers=2, knots=0, width=8, key=jax.random.key(1))
    params, constants = split(flow)
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(8)
    moved = [leaf + 0.4 * as_float(rng.normal(size=leaf.shape)) for leaf in leaves]
    energy = join(jax.tree.unflatten(tree, moved), constants).as_energy()
    carry = need(energy, Pushforward, "change_of_variables").forward
    zs = rng.normal(size=(64, 2))
    xs = on(lambda z: carry(z)[0], zs)
    left = -on(energy, xs)
    volume = np.linalg.slogdet(on(jax.jacfwd(lambda z: carry(z)[0]), zs))[1]
    base = -np.sum(zs**2, axis=1) / 2 - np.log(2 * np.pi)

    def compare(rule: Rule) -> Findings:
        right = rule(base, volume)
        ends = [left.min(), left.max()]
        series = (Series("draws", right, left), Series("equal", ends, ends, joined=True))
        statements = [
            Statement("log q at 64 draws", settled(left, 1e-8), settled(right)),
            Statement("the volume does change", settled(np.ptp(volume)), settled(0.0), "!="),
        ]
        return Findings(statements, [Panel("Density of a flow", "by the map and its Jacobian", "log q", series)])

    return compare


def _carried(field: AbstractField, x: Float[np.ndarray, "n 1"], start: float) -> tuple[np.ndarray, np.ndarray]:
    """Where `dx / d angle = v` leads points from an angle to pi / 2, and the divergence met on the way: Runge-Kutta, fourth order."""
    size = (np.pi / 2 - start) / LEGS

    def slope(x: Array, angle: Array) -> tuple[Array, Array]:
        time = 2 / jnp.pi * angle
        return field(x, time), divergence(field, x, time)

    def leg(state: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], None]:
        x, met = state
        angle = start + k * size
        v1, d1 = slope(x, angle)
        v2, d2 = slope(x + size / 2 * v1, angle + size / 2)
        v3, d3 = slope(x + size / 2 * v2, angle + size / 2)
        v4, d4 = slope(x + size * v3, angle + size)
        return (x + size / 6 * (v1 + 2 * v2 + 2 * v3 + v4), met + size / 6 * (d1 + 2 * d2 + 2 * d3 + d4)), None

    def whole(x: Array) -> Array:
        end, met = jax.lax.scan(leg, (x, jnp.zeros(())), jnp.arange(LEGS, dtype=x.dtype))[0]
        return jnp.append(end, met)

    ends, met = on(whole, x).T
    return ends, met


def continuous_change() -> Comparison:
    """A random network as the velocity on a line: the density by its divergence, and by the spacing of carried points."""
    field = FreeField(TimedMLP(1, (16,), 1, waves=2, key=jax.random.key(5)))
    schedule, x = Cosine(as_float(0.05)), line(-7, 7, 701)
    cell = float(x[1, 0] - x[0, 0])
    ends, met = _carried(field, x, float(schedule.angle(schedule.t_min)))
    library = on(ProbabilityFlow(field, schedule, 1, 48), x[::50])
    coarse = on(ProbabilityFlow(field, schedule, 1, 24), x[::50])
    stretch = np.log(np.gradient(ends, cell))
    base = -(ends**2) / 2 - np.log(2 * np.pi) / 2

    def compare(rule: Rule) -> Findings:
        log_p = rule(base, met)
        inner = slice(20, -20)
        series = (
            Series("by the spacing of points", x[inner, 0][::5], np.exp(base + stretch)[inner][::5], joined=True),
            Series("the formula", x[inner, 0][::20], np.exp(log_p)[inner][::20]),
        )
        statements = [
            Statement("by the spacing of points", settled((base + stretch)[inner], 5e-4), settled(log_p[inner])),
            Statement("the library's energy", settled(-library, np.abs(library - coarse) + 1e-7), settled(log_p[::50])),
            Statement("total mass", settled(float(np.sum(np.exp(log_p)) * cell), 1e-4), settled(1.0)),
        ]
        return Findings(statements, [Panel("Density carried by a velocity", "x", "density", series)])

    return compare


class _Exact(AbstractField):
    """The velocity that noises a mixture: responsibilities times the data expected in each component."""

    mixture: GaussianMixture
    schedule: Cosine

    def __call__(self, x: Float[Array, " d"], t: Time) -> Float[Array, " d"]:
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        means, scales = alpha * self.mixture.means, alpha * self.mixture.scales
        shares = jax.nn.softmax(_noised(self.mixture, alpha, sigma).log_parts(x))
        pull = (alpha * self.mixture.scales**2 / (scales**2 + sigma**2))[:, None]
        data = shares @ (self.mixture.means + pull * (x - means))
        return (alpha * x - data) / sigma


def _law_at(angle: Any, x: Array) -> Array:
    """`log p` of the noised mixture at an angle."""
    return -_noised(_mixture(), jnp.cos(angle), jnp.sin(angle))(x)


def shared_marginals() -> Comparison:
    """A mixture on a line, noised by angles: the Fokker-Planck equation of three dynamics, the library's flow, and its reverse draws."""
    angles, x = np.linspace(0.15, 1.4, 6), line(-3, 3, 61)

    def parts(y: Array, angle: Array) -> tuple[Array, ...]:
        """d log p / d angle, and at x the score with its slope."""
        score = jax.grad(lambda z: _law_at(angle, z))
        return jax.grad(_law_at)(angle, y), score(y)[0], jax.jacfwd(score)(y)[0, 0]

    change, score, turn = (np.asarray(a) for a in jax.jit(jax.vmap(jax.vmap(parts, (0, None)), (None, 0)))(as_float(x), as_float(angles)))
    schedule = Cosine(as_float(0.05))
    model = Diffusion(_Exact(_mixture(), schedule), 1, schedule)
    truth = -on(_noised(_mixture(), schedule.alpha(0.05), schedule.sigma(0.05)), x)
    flows = [-on(ProbabilityFlow(model.field, schedule, 1, steps), x) for steps in (24, 48)]
    keys = jax.random.split(jax.random.key(6), 2**13)
    drawn = np.asarray(jax.jit(jax.vmap(lambda k: model.ancestral(steps=256, key=k)))(keys))[:, 0]
    dense = np.exp(-on(_noised(_mixture(), schedule.alpha(0.05), schedule.sigma(0.05)), line(-5, 5, 1001)))
    grid = line(-5, 5, 1001)[:, 0]

    def compare(rule: Rule) -> Findings:
        statements = []
        for name, noise in (("flow", 0.0), ("reverse SDE", 1.0), ("forward SDE", -1.0)):
            # Drift f - w g^2 s with noise eta g^2, where f = -tan(angle) x and g^2 = 2 tan(angle).
            pace = np.tan(angles)[:, None]
            weight = rule(noise)
            drift, slope = -pace * (x[:, 0] + 2 * weight * score), -pace * (1 + 2 * weight * turn)
            spread = noise * pace * (turn + score**2)  # the Laplacian of p over p
            statements.append(Statement(f"d log p of the {name}", settled(change), settled(-slope - drift * score - spread)))
        moments = {"x": drawn, "x^2": drawn**2, "x > 0": drawn > 0}
        cell = grid[1] - grid[0]
        exact = {"x": grid, "x^2": grid**2, "x > 0": np.where(grid == 0, 0.5, grid > 0)}
        for name, rows in moments.items():
            found = averaged(rows)  # 256 steps leave a bias of a few thousandths
            statements.append(
                Statement(f"E {name}, reverse SDE", settled(found.value, found.stderr + 1e-3), settled(np.sum(dense * exact[name]) * cell))
            )
        statements.append(Statement("log p of the flow", settled(flows[1], np.abs(flows[1] - flows[0]) + 1e-7), settled(truth)))
        counts, edges = np.histogram(drawn, 48, (-2.5, 2.5), density=True)
        series = (
            Series("noised mixture", grid[250:751:5], dense[250:751:5], joined=True),
            Series("flow", x[::2, 0], np.exp(flows[1])[::2]),
            Series("reverse SDE", (edges[1:] + edges[:-1]) / 2, counts),
        )
        return Findings(statements, [Panel("One law, three dynamics", "x", "density", series)])

    return compare


def score_is_a_slope() -> Comparison:
    """Two networks with random weights: one is an energy at every level of noise, the other predicts the noise freely."""
    model, free = (make(2, (16, 16), key=jax.random.key(7)) for make in (Diffusion.of_energy, Diffusion.of_noise))
    xs, times = np.random.default_rng(9).normal(size=(32, 2)), (0.1, 0.4, 0.8)
    scores = np.stack([on(lambda x, t=t: model.score(x, t), xs) for t in times])
    slopes = np.stack([on(jax.grad(model.at(t)), xs) for t in times])
    turning = [curl(partial(m.score, t=0.4), xs.astype(np.float32), key=jax.random.key(0)) for m in (model, free)]

    def compare(rule: Rule) -> Findings:
        right = rule(slopes)
        ends = [scores.min(), scores.max()]
        series = (Series("components", right.ravel(), scores.ravel()), Series("equal", ends, ends, joined=True))
        statements = [
            Statement("score at three times", settled(scores, 1e-9), settled(right)),
            Statement("curl of an energy's score", turning[0], settled(0.0, 1e-7)),
            Statement("curl of a free one", turning[1], settled(0.0), "!="),
        ]
        return Findings(statements, [Panel("Score of a diffusion", "minus the slope of U_t", "score", series)])

    return compare


def interpolant() -> Comparison:
    """`x_t = (1 - t) x_0 + t x_1`, x_0 normal, x_1 of a mixture: the mean velocity by quadrature, and continuity."""
    data, xs, times = _mixture(), line(-2, 2, 41), np.array([0.2, 0.5, 0.8])
    nodes = line(-5, 5, 1001)
    log_p1 = as_float(-on(data, nodes))

    def log_p(t: Array, x: Array) -> Array:
        return -_noised(data, t, 1 - t)(x)

    def expected(t: Array, x: Array, of: Callable[..., Any]) -> Array:
        """The mean of `of(x_0, x_1)` at given x_t."""
        x1 = as_float(nodes[:, 0])
        x0 = (x[0] - t * x1) / (1 - t)
        return jax.nn.softmax(log_p1 - x0**2 / 2) @ of(x0, x1)

    def compare(rule: Rule) -> Findings:
        def sides(t: Array, x: Array) -> Array:
            velocity, slope = jax.value_and_grad(lambda y: expected(t, y, rule))(x)
            score = jax.grad(log_p, argnums=1)(t, x)[0]
            return jnp.stack([jax.grad(log_p)(t, x), -slope[0] - velocity * score, velocity])

        at = np.repeat(times, len(xs)), np.tile(xs, (len(times), 1))
        left, right, velocity = on(sides, *at).T.reshape(3, len(times), len(xs))
        series = tuple(Series(f"t = {t:g}", xs[:, 0], v, joined=True) for t, v in zip(times, velocity, strict=True))
        return Findings([Statement("d log p_t", settled(left, 1e-9), settled(right))], [Panel("Mean velocity", "x", "v", series)])

    return compare


IDENTITIES = (
    Identity(
        name="change-of-variables",
        title="Change of variables",
        field=Field.TRANSPORT,
        formula="log q(T(z)) = log N(z; 0, I) - log |det dT/dz|",
        conditions="T is smooth with a smooth inverse.",
        source="Rezende & Mohamed, arXiv 1505.05770, eq. 5; Papamakarios et al., arXiv 1912.02762",
        check=change_of_variables,
        rule=lambda base, volume: base - volume,
        twin=lambda base, volume: base + volume,
        broken="the sign of the volume is turned",
    ),
    Identity(
        name="continuous-change",
        title="Continuous change of variables",
        field=Field.TRANSPORT,
        formula="log p_0(x) = log p_1(x_1) + int_0^1 div v(x_t, t) dt,  dx_t/dt = v(x_t, t)",
        conditions="v is Lipschitz in x, so that paths exist and do not cross.",
        source="Chen et al., arXiv 1806.07366, theorem 1",
        check=continuous_change,
        rule=lambda base, met: base + met,
        twin=lambda base, met: base - met,
        broken="the sign of the divergence is turned",
    ),
    Identity(
        name="shared-marginals",
        title="Forward SDE, reverse SDE and probability flow have the same marginals",
        field=Field.TRANSPORT,
        formula="dp/dt = -div[(f - (1 + eta)/2 g^2 grad log p) p] - eta g^2/2 Laplace p:  eta = -1 forward SDE, 0 flow, 1 reverse SDE",
        conditions="The score is exact, that of the law at every time; discrete steps leave a bias.",
        source="Anderson 1982; Song et al., arXiv 2011.13456, eqs. 6 and 13 and appendix D",
        check=shared_marginals,
        rule=lambda eta: (1 + eta) / 2,
        twin=lambda eta: 1 + eta,
        broken="the factor 1/2 is dropped",
    ),
    Identity(
        name="score-is-a-slope",
        title="A diffusion's score is minus the slope of an energy that depends on time",
        field=Field.TRANSPORT,
        formula="score(x, t) = -grad U_t(x)",
        conditions="The network is an energy; a free vector field has a curl, and no energy.",
        source="Salimans & Ho, Should EBMs model the energy or the score?, ICLR workshop 2021; Carbone, arXiv 2406.13661",
        check=score_is_a_slope,
        rule=lambda slopes: -slopes,
        twin=lambda slopes: slopes,
        broken="the sign is turned",
    ),
    Identity(
        name="interpolant-velocity",
        title="The velocity of a stochastic interpolant is a conditional mean",
        field=Field.TRANSPORT,
        formula="d p_t/dt = -div(v p_t)  for  v(x, t) = E[x_1 - x_0 | x_t = x],  x_t = (1 - t) x_0 + t x_1",
        conditions="0 < t < 1; x_0 and x_1 are independent here, and need not be.",
        source="Albergo, Boffi & Vanden-Eijnden, arXiv 2303.08797; Lipman et al., arXiv 2210.02747, theorem 1",
        check=interpolant,
        rule=lambda x0, x1: x1 - x0,
        twin=lambda x0, x1: x1,
        broken="where the path comes from is forgotten",
        quick=True,
    ),
)
