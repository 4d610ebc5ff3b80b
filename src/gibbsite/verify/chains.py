"""Markov chain Monte Carlo: balance, acceptance, and the energy that a trajectory loses."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from gibbsite.core import AbstractKernel, Binary, Conditionals, as_float, need
from gibbsite.energies import BoltzmannMachine
from gibbsite.samplers import Gibbs, GibbsWithGradients, SingleSite
from gibbsite.samplers.phase import Phase, leapfrog, lost
from gibbsite.samplers.slope import evaluate
from gibbsite.testing import problems
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import law, limit, line, mixture, on, order, settled

MOVES = 2**13  # from each state
STEPS = (0.2, 0.1, 0.05)  # of leapfrog, over one unit of time


def _machine() -> BoltzmannMachine:
    """Three bits that see each other, their couplings of both signs."""
    return BoltzmannMachine(Binary((3,)), [[0, 1], [1, 2], [2, 0]], [1.5, -1.1, 0.8], [0.5, -0.8, 0.2])


def _transitions(kernel: AbstractKernel, key: Key[Array, ""]) -> np.ndarray:
    """The share of moves from each of the eight states to each."""
    energy = _machine()
    xs = problems.states(energy.space)

    def move(x: Array, key: Key[Array, ""]) -> Array:
        start, step = jax.random.split(key)
        return kernel.position(kernel.step(energy, kernel.init(energy, x, key=start), key=step)[0])

    ends = jax.jit(jax.vmap(jax.vmap(move, in_axes=(None, 0))))(xs, jax.random.split(key, (len(xs), MOVES)))
    return np.array([np.bincount(problems.numbers(energy.space, rows), minlength=len(xs)) for rows in ends]) / MOVES


def detailed_balance() -> Comparison:
    """All transitions between the states of three bits: two reversible kernels, and a sweep, which keeps the law without balance."""
    energy = _machine()
    p = law(energy, problems.states(energy.space)).shares
    key, upper = jax.random.key(1), np.triu_indices(len(p), 1)
    kernels = {"one site by heat bath": SingleSite(), "informed flips": GibbsWithGradients(), "a sweep": Gibbs()}
    moves = {name: _transitions(kernel, key) for name, kernel in kernels.items()}

    def compare(rule: Rule) -> Findings:
        statements, series = [], []
        for name, shares in moves.items():
            flux = rule(p[:, None], shares)
            weight = flux / np.where(shares > 0, shares, 1)
            error = weight * np.sqrt(np.maximum(shares * (1 - shares), 1 / MOVES) / MOVES)
            there, back = (settled(a[upper], e[upper]) for a, e in ((flux, error), (flux.T, error.T)))
            if name == "a sweep":
                worst = int(np.argmax(np.abs(there.value - back.value)))
                there, back = (settled(side.value[worst], side.stderr[worst]) for side in (there, back))
                statements.append(Statement(f"{name}, the worst pair", there, back, "!="))
            else:
                statements.append(Statement(f"{name}, 28 pairs", there, back))
            series.append(Series(name, flux[upper], flux.T[upper]))
        ends = [0, max(max(s.x) for s in series)]
        panel = Panel("Flow there and back", "p(x) P(x, y)", "p(y) P(y, x)", (*series, Series("equal", ends, ends, joined=True)))
        return Findings(statements, [panel])

    return compare


def gibbs_is_metropolis() -> Comparison:
    """Every change of one site on a 3 x 3 Ising torus with fields and on a Blume-Capel lattice of 729 states."""
    gains = []
    for problem in (problems.ising(), problems.blume_capel()):
        energy = problem.energy
        xs = problems.states(energy.space)
        energies = on(energy, xs)
        logits = np.asarray(jax.jit(jax.vmap(need(energy, Conditionals, "gibbs_is_metropolis").logits))(xs), np.float64)
        levels, size = len(np.unique(xs)), energy.space.size
        logits = np.stack([0 * logits, logits], -1) if logits.shape == xs.shape else logits
        chances = (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).reshape(len(xs), size, levels)
        number = np.arange(len(xs))
        for site in range(size):
            place = levels**site
            old = number // place % levels
            for new in range(levels):
                other = number + (new - old) * place
                # The heat bath's odds: to the new level from x, and to the old one from y.
                gains.append(np.stack([energies - energies[other], chances[number, site, new], chances[other, site, old]]))
    rows = np.concatenate(gains, axis=1)

    def compare(rule: Rule) -> Findings:
        accepted = rule(*rows)
        sort = np.sort(accepted)[:: max(1, len(accepted) // 200)]
        blind = np.sort(np.minimum(1, np.exp(rows[0])))[:: max(1, len(accepted) // 200)]
        share = np.linspace(0, 1, len(sort))
        series = (Series("heat bath", share, sort, joined=True), Series("blind proposals", share, blind, joined=True))
        statement = Statement(f"acceptance of {rows.shape[1]} moves", settled(accepted), settled(1.0))
        return Findings([statement], [Panel("Acceptance, sorted", "share of moves", "acceptance", series)])

    return compare


def hmc_energy_error() -> Comparison:
    """Leapfrog over a fixed time from all points (x, v) of a grid, for two unequal Gaussians on a line; the step is halved twice."""
    energy = mixture((1.2, -1.4), (0.9, 0.7), (0.35, 0.65))
    place, kick = (axis.ravel() for axis in np.meshgrid(line(-8, 8, 321), line(-7, 7, 141), indexing="ij"))
    one, scale = law(energy, line(-8, 8, 321)), as_float(1.0)
    shares = np.outer(one.shares, _gaussian(line(-7, 7, 141)[:, 0])).ravel()

    def change(x: Array, v: Array, size: Array, steps: Array) -> Array:
        start = Phase(evaluate(energy, x[None]), v[None])
        return -lost(start, leapfrog(energy, start, size, scale, steps))

    run = jax.jit(jax.vmap(change, in_axes=(0, 0, None, None)))
    changes = [np.asarray(run(as_float(place), as_float(kick), as_float(h), jnp.asarray(round(1 / h)))) for h in STEPS]
    means = [float(shares @ c) for c in changes]
    variances = [float(shares @ c**2) - mean**2 for c, mean in zip(changes, means, strict=True)]
    rms = [float(np.sqrt(shares @ c**2)) for c in changes]

    def compare(rule: Rule) -> Findings:
        right = [rule(variance) for variance in variances]
        statements = [
            Statement("<exp(-D)>", settled([shares @ np.exp(-c) for c in changes], 1e-9), settled(1.0)),
            Statement("mean over the formula, for h to 0", limit(list(np.divide(means, right)), power=2), settled(1.0)),
            Statement("order of the rms", order(rms), settled(2.0)),
        ]
        logs = np.log10(STEPS)
        series = (
            Series("rms", logs, np.log10(rms), joined=True),
            Series("mean", logs, np.log10(means)),
            Series("the formula", logs, np.log10(right), joined=True),
        )
        return Findings(statements, [Panel("Energy error of a trajectory", "log10 step", "log10 error, nats", series)])

    return compare


def _gaussian(v: np.ndarray) -> np.ndarray:
    weights = np.exp(-(v**2) / 2)
    return weights / weights.sum()


IDENTITIES = (
    Identity(
        name="detailed-balance",
        title="Detailed balance",
        field=Field.CHAINS,
        formula="p(x) P(x, y) = p(y) P(y, x)",
        conditions="The kernel is reversible; a sweep in fixed order keeps p without it.",
        source="Metropolis et al., J. Chem. Phys. 21, 1953; Hastings, Biometrika 57, 1970",
        check=detailed_balance,
        rule=lambda p, transition: p * transition,
        twin=lambda p, transition: transition,
        broken="the probability of the start is dropped",
        sampled=True,
    ),
    Identity(
        name="gibbs-is-metropolis",
        title="Gibbs sampling is Metropolis-Hastings that always accepts",
        field=Field.CHAINS,
        formula="min(1, p(y) q(x|y) / p(x) q(y|x)) = 1  for q(y|x) = p(y_i | rest)",
        conditions="y differs from x at site i alone.",
        source="Hastings, Biometrika 57, 1970; Geman & Geman, IEEE PAMI 6, 1984; Brooks et al., Handbook of MCMC, 2011, chapter 1",
        check=gibbs_is_metropolis,
        rule=lambda gain, there, back: np.exp(np.minimum(0, gain + back - there)),
        twin=lambda gain, there, back: np.exp(np.minimum(0, gain)),
        broken="the odds of the proposals are left out",
        quick=True,
    ),
    Identity(
        name="hmc-energy-error",
        title="The energy error of leapfrog is of second order, and its mean half its variance",
        field=Field.CHAINS,
        formula="<D> = Var(D) / 2  and  rms(D) = O(h^2)  for D = H(end) - H(start)",
        conditions="The start follows exp(-H), so that <exp(-D)> = 1; the next term is a third cumulant.",
        source="Creutz, Phys. Rev. D 38, 1988; Neal, arXiv 1206.1901",
        check=hmc_energy_error,
        rule=lambda variance: variance / 2,
        twin=lambda variance: variance,
        broken="the factor 1/2 is dropped",
        quick=True,
    ),
)
