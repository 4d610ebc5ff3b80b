"""Score matching: what it measures, when its forms agree, and what it cannot see."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gibbsite.core import AbstractEnergy, Reals, as_float, draw
from gibbsite.energies import Gaussian, GaussianMixture, NeuralEnergy
from gibbsite.nets import MLP
from gibbsite.objectives import DenoisingScoreMatching
from gibbsite.testing import problems
from gibbsite.testing.objective import Shifted
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import averaged, law, line, mixture, on, settled, weighed

SIGMA = 0.5  # of the noise that scores are matched under
APART = (2.0, 4.0, 6.0, 8.0)  # half the distance of two modes


def _data() -> GaussianMixture:
    """Two Gaussians on a line, unequal in every way."""
    return mixture((-1.2, 1.4), (0.6, 0.9), (0.7, 0.3))


def _score(energy: AbstractEnergy, x: np.ndarray) -> np.ndarray:
    """`-dU/dx` at points of one axis."""
    return on(lambda y: -jax.grad(energy)(y)[0], x)


def _turning(energy: AbstractEnergy, x: np.ndarray) -> np.ndarray:
    """`-d2U/dx2`, as automatic differentiation has it."""
    return on(lambda y: -jax.hessian(energy)(y)[0, 0], x)


def score_matching() -> Comparison:
    """A mixture as data and networks of eight hidden units as models, one smooth and one of ReLUs, by quadrature."""
    x = line(-9, 9, 4001)
    data = law(_data(), x)
    own, key = _score(_data(), x), jax.random.key(3)
    smooth, kinked = (NeuralEnergy(MLP(1, (8, 8), activation=f, key=key), Reals((1,))) for f in (jax.nn.silu, jax.nn.relu))
    found = {name: (_score(e, x), _turning(e, x)) for name, e in (("smooth", smooth), ("ReLU", kinked))}
    fisher = {name: data.mean((s - own) ** 2) / 2 - data.mean(own**2) / 2 for name, (s, _) in found.items()}

    def compare(rule: Rule) -> Findings:
        right = {name: data.mean(rule(score, turn)) for name, (score, turn) in found.items()}
        statements = [
            Statement("a smooth network", settled(fisher["smooth"], 1e-8), settled(right["smooth"])),
            Statement("ReLUs, whose kinks it does not see", settled(fisher["ReLU"], 1e-4), settled(right["ReLU"]), "!="),
        ]
        near = slice(1000, 3000, 20)
        series = tuple(Series(f"score of {name}", x[near, 0], s[near], joined=True) for name, (s, _) in found.items())
        return Findings(statements, [Panel("Scores", "x", "-dU/dx", (Series("data", x[near, 0], own[near], joined=True), *series))])

    return compare


def denoising() -> Comparison:
    """Two models against one mixture: the library's denoising loss on 64 batches of 4096, and quadrature over the noised law."""
    truth, x = _data(), line(-10, 10, 4001)
    noised = GaussianMixture(truth.means, jnp.hypot(truth.scales, SIGMA), truth.weights)
    models = [Gaussian([0.3], [[0.5]]), Gaussian([-0.5], [[1.2]])]
    objective = DenoisingScoreMatching(as_float(SIGMA))

    def losses(key: Array) -> Array:
        rows, noise = jax.random.split(key)
        xs = jax.vmap(lambda k: draw(truth, key=k))(jax.random.split(rows, 4096))
        return jnp.stack([objective.loss(Shifted(m), xs, key=noise) for m in models])

    one, two = np.asarray(jax.jit(lambda ks: jax.lax.map(losses, ks))(jax.random.split(jax.random.key(4), 64)), np.float64).T
    scores = [_score(m, x) for m in models]
    laws = {name: (law(e, x), _score(e, x)) for name, e in (("noised", noised), ("clean", truth))}

    def compare(rule: Rule) -> Findings:
        held, own = laws[rule()]
        divergences = [held.mean((s - own) ** 2) / 2 for s in scores]
        statement = Statement("loss of one model less that of another", averaged(one - two), settled(divergences[0] - divergences[1], 1e-6))
        near = slice(1000, 3000, 20)
        series = (
            Series("data", x[near, 0], np.exp(laws["clean"][0].log_density())[near], joined=True),
            Series("noised data", x[near, 0], np.exp(laws["noised"][0].log_density())[near], joined=True),
        )
        return Findings([statement], [Panel("The law whose score is matched", "x", "density", series)])

    return compare


def sliced() -> Comparison:
    """The Hessian of a mixture on the plane at 64 points, and every sign vector as a direction."""
    energy = problems.mixture().energy
    xs = np.random.default_rng(6).normal(size=(64, 2)) * 1.5
    score, jacobian = -on(jax.grad(energy), xs), -on(jax.hessian(energy), xs)
    implicit = np.trace(jacobian, axis1=1, axis2=2) + np.sum(score**2, axis=1) / 2
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=2)))

    def compare(rule: Rule) -> Findings:
        directions = rule(signs)
        along = np.einsum("vi,nij,vj->nv", directions, jacobian, directions) + (score @ directions.T) ** 2 / 2
        right = along.mean(axis=1)
        ends = [implicit.min(), implicit.max()]
        series = (Series("points", right, implicit), Series("equal", ends, ends, joined=True))
        return Findings(
            [Statement("integrand at 64 points", settled(implicit), settled(right))],
            [Panel("Two integrands", "sliced", "implicit", series)],
        )

    return compare


def blind_to_masses() -> Comparison:
    """Two unit Gaussians of shares 1/4 and 3/4, and a model that has them even, ever further apart."""
    x = line(-16, 16, 3201)

    def parts(half: Array, share: Array) -> tuple[Array, Array]:
        def energy(y: Array) -> Array:
            return -jnp.logaddexp(jnp.log(1 - share) - (y + half) ** 2 / 2, jnp.log(share) - (y - half) ** 2 / 2)

        return jax.vmap(jax.value_and_grad(energy))(as_float(x[:, 0]))

    run = jax.jit(jax.vmap(parts, in_axes=(0, None)))
    (one, slope), (other, wrong) = (tuple(map(np.asarray, run(as_float(APART), as_float(share)))) for share in (0.75, 0.5))
    pairs = [(weighed(x, u), weighed(x, v)) for u, v in zip(one, other, strict=True)]
    fisher = np.array([p.mean((s - t) ** 2) / 2 for (p, _), s, t in zip(pairs, slope, wrong, strict=True)])
    kl = np.array([p.mean(p.log_density() - q.log_density()) for p, q in pairs])

    def compare(rule: Rule) -> Findings:
        limit = rule(np.array([0.25, 0.75]), np.array([0.5, 0.5]))
        statements = [
            Statement("KL at distance 16", settled(kl[-1]), settled(limit)),
            Statement("Fisher divergence at distance 16", settled(fisher[-1]), settled(0.0)),
            Statement("Fisher divergence at distance 4", settled(fisher[0]), settled(0.0), "!="),
        ]
        distance = 2 * np.array(APART)
        series = (
            Series("Fisher divergence", distance, np.log10(fisher), joined=True),
            Series("KL", distance, np.log10(kl), joined=True),
            Series("the formula, of KL", distance, np.log10(np.full(len(distance), limit)), joined=True),
        )
        return Findings(statements, [Panel("What each divergence sees", "distance of the modes", "log10 nats", series)])

    return compare


IDENTITIES = (
    Identity(
        name="score-matching",
        title="Score matching is half the Fisher divergence and a constant",
        field=Field.SCORES,
        formula="E[|s|^2 / 2 + div s] = E|s - grad log p|^2 / 2 - E|grad log p|^2 / 2",
        conditions="s is continuous and p s vanishes at infinity; of ReLU networks s jumps, and derivatives miss the jumps.",
        source="Hyvarinen, JMLR 6, 2005, theorem 1; Carbone, arXiv 2406.13661",
        check=score_matching,
        rule=lambda score, turn: score**2 / 2 + turn,
        twin=lambda score, turn: score**2 + turn,
        broken="the factor 1/2 is dropped",
        quick=True,
    ),
    Identity(
        name="denoising",
        title="Denoising score matching is explicit score matching of the noised law",
        field=Field.SCORES,
        formula="E|s(y) - (x - y)/sigma^2|^2 / 2 = E|s(y) - grad log p_sigma(y)|^2 / 2 + constant,  y = x + sigma noise",
        conditions="The noise is Gaussian; the constant is the same for every s.",
        source="Vincent, Neural Computation 23, 2011",
        check=denoising,
        rule=lambda: "noised",
        twin=lambda: "clean",
        broken="the score is held against that of the data without noise",
        sampled=True,
    ),
    Identity(
        name="sliced-score-matching",
        title="Sliced score matching is implicit score matching where E[v v'] = 1",
        field=Field.SCORES,
        formula="E_v[v' (grad s) v + (v . s)^2 / 2] = div s + |s|^2 / 2",
        conditions="E[v v'] is the identity: signs or unit normals, not unit vectors.",
        source="Song, Garg, Shi & Ermon, arXiv 1905.07088",
        check=sliced,
        rule=lambda signs: signs,
        twin=lambda signs: signs / np.sqrt(signs.shape[1]),
        broken="directions are unit vectors",
        quick=True,
    ),
    Identity(
        name="blind-to-masses",
        title="Score matching does not see the masses of separated modes",
        field=Field.SCORES,
        formula="E|s_q - s_p|^2 -> 0  while  KL(p|q) -> sum_k p_k log(p_k / q_k)  for modes far apart",
        conditions="p and q have the same modes, with shares p_k and q_k.",
        source="Wenliang & Kanagawa, arXiv 2008.10087; Carbone, arXiv 2406.13661",
        check=blind_to_masses,
        rule=lambda p, q: float(np.sum(p * np.log(p / q))),
        twin=lambda p, q: float(np.sum(q * np.log(q / p))),
        broken="the divergence is taken the other way round",
        quick=True,
    ),
)
