"""Machines and lattices: hidden units summed out, memories, and phase transitions."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp

from gibbsite.core import Binary, Spins, as_float
from gibbsite.energies import DenseBoltzmannMachine, DenseHopfield, GaussianRBM, Ising, hebb
from gibbsite.samplers import SwendsenWang, sample
from gibbsite.testing import problems
from gibbsite.thermo import enumerate_log_z, kaufman, kaufman_energy
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import limit, on, settled

PATTERNS = np.array([[1, 1, -1, 1, -1, -1], [-1, 1, 1, 1, 1, -1]], float)
CRITICAL = math.log(1 + math.sqrt(2)) / 2
SIZES = (4000, 8000, 16000)  # of the mean field


def rbm_marginal() -> Comparison:
    """A machine of four visible and three hidden bits: the energy that the library gives, against its joint energies."""
    machine: Any = problems.rbm().energy
    hidden = jnp.asarray(problems.states(Binary((3,))))
    visible = problems.states(machine.space)
    joint = on(lambda v: jax.vmap(lambda h: machine.joint(v, h))(hidden), visible)
    left = on(machine, visible)

    def compare(rule: Rule) -> Findings:
        right = rule(joint)
        order = np.argsort(left)
        series = (Series("free energy", range(16), left[order]), Series("the formula", range(16), right[order], joined=True))
        return Findings(
            [Statement("F(v) of 16 states", settled(left), settled(right))], [Panel("Free energy", "state, sorted", "nats", series)]
        )

    return compare


def rbm_hopfield() -> Comparison:
    """Two patterns on six spins: Gaussian hidden units integrated out by quadrature, and Hebb's couplings."""
    count, n = PATTERNS.shape
    # Of a GaussianRBM the reals are the units summed out, and its bits are the spins s = 2 h - 1.
    weights = 2 * PATTERNS / math.sqrt(n)
    machine = GaussianRBM(*map(as_float, (weights, -weights.sum(axis=1) / 2, np.zeros(n), np.zeros(count))))
    bits = problems.states(Binary((n,)))
    memory = on(hebb(PATTERNS), 2 * np.asarray(bits) - 1)
    axis = np.linspace(-12, 12, 161)
    reals = as_float(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, count))

    def summed(h: Array) -> Array:
        return -jax.nn.logsumexp(-jax.vmap(lambda v: machine.joint(v, h))(reals))

    left = on(summed, bits) - count * np.log(axis[1] - axis[0]) - float(np.sum(machine.visible_bias**2)) / 2

    def compare(rule: Rule) -> Findings:
        right = rule(memory) - count / 2 - count / 2 * np.log(2 * np.pi)
        order = np.argsort(memory)
        series = (Series("hidden units integrated", range(64), left[order]), Series("the formula", range(64), right[order], joined=True))
        statement = Statement("energy of 64 states", settled(left, 1e-9), settled(right))
        return Findings([statement], [Panel("Energy of spins", "state, sorted", "nats", series)])

    return compare


def hopfield_attention() -> Comparison:
    """Five patterns in three dimensions, beta = 2.5: a step down the slope of the library's energy, from 64 queries."""
    rng = np.random.default_rng(10)
    patterns, queries, beta = rng.normal(size=(5, 3)), rng.normal(size=(64, 3)), 2.5
    memory = DenseHopfield(as_float(patterns), as_float(beta))
    left = queries - on(jax.grad(memory), queries)

    def compare(rule: Rule) -> Findings:
        right = rule(patterns, beta, queries)
        ends = [left.min(), left.max()]
        series = (Series("components", right.ravel(), left.ravel()), Series("equal", ends, ends, joined=True))
        return Findings(
            [Statement("update of 64 queries", settled(left), settled(right))], [Panel("One update", "attention", "x - grad U", series)]
        )

    return compare


def _attention(patterns: np.ndarray, beta: float, queries: np.ndarray) -> np.ndarray:
    """`softmax(beta q K') K`, keys and values both the patterns."""
    scores = beta * queries @ patterns.T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ patterns


def _curie_weiss(n: int, beta: float) -> tuple[float, float]:
    """log Z and <|m|> of n spins that all see each other, `U = -(sum s)^2 / (2 n)`."""
    up = np.arange(n + 1)
    m = (2 * up - n) / n
    logs = gammaln(n + 1) - gammaln(up + 1) - gammaln(n - up + 1) + beta * n * m**2 / 2
    log_z = float(logsumexp(logs))
    return log_z, float(np.exp(logs - log_z) @ np.abs(m))


def mean_field() -> Comparison:
    """Spins that all see each other: exact sums over the magnetisation, ever more spins, above and below the transition."""
    n, beta = 10, 0.8
    machine = DenseBoltzmannMachine(Spins((n,)), beta / n * (1 - np.eye(n)))
    betas = np.array([1.1, 1.2, 1.5, 2.0])
    found = [limit([_curie_weiss(size, b)[1] for size in SIZES]) for b in betas]
    below = settled([f.value for f in found], [f.stderr for f in found])
    above = limit([_curie_weiss(size, 0.8)[1] for size in SIZES], power=0.5)

    def compare(rule: Rule) -> Findings:
        right = np.array([rule(b) for b in betas])
        fine = np.linspace(0.5, 2, 61)
        series = (
            Series("40 spins", fine, [_curie_weiss(40, b)[1] for b in fine], joined=True),
            Series("4000 spins", fine, [_curie_weiss(4000, b)[1] for b in fine], joined=True),
            Series("the formula", fine, [rule(b) for b in fine], joined=True),
        )
        log_z = enumerate_log_z(machine).value
        statements = [
            Statement("|m| below T_c", below, settled(right)),
            Statement("|m| above T_c", above, settled(rule(0.8))),
            Statement("log Z of ten spins, enumerated", settled(log_z + beta / 2), settled(_curie_weiss(n, beta)[0])),
        ]
        return Findings(statements, [Panel("Magnetisation of the mean field", "beta", "|m|", series)])

    return compare


def _root(slope: float) -> float:
    """The positive root of `m = tanh(slope m)`, or 0 where there is none."""
    return 0.0 if slope <= 1 else float(brentq(lambda m: m - math.tanh(slope * m), 1e-6, 1.0, xtol=1e-14))


def onsager_limit() -> Comparison:
    """Kaufman's tori of growing sides against Onsager's integral; a torus of side 16 by Swendsen and Wang against Kaufman."""
    sides, couplings = (32, 64, 128), (0.2, 0.3, 0.4)
    tori = {k: [kaufman(side, side, k).value / side**2 for side in sides] for k in (*couplings, CRITICAL)}
    run = sample(
        SwendsenWang(), Ising((16, 16), as_float(CRITICAL)), chains=64, warmup=100, draws=800, progress=False, key=jax.random.key(11)
    )
    energy = run.energy / (256 * CRITICAL)
    exact = kaufman_energy(16, 16, CRITICAL)

    def compare(rule: Rule) -> Findings:
        statements = [Statement(f"log Z / N, K = {k:g}", settled(tori[k][-1], 1e-9), settled(rule(k), 1e-10)) for k in couplings]
        statements.append(Statement("log Z / N at the critical point", limit(tori[CRITICAL], power=2), settled(rule(CRITICAL), 1e-9)))
        statements.append(Statement("energy a site of the simulation", energy, settled(exact.value, 1e-5)))
        inverse = [1 / side**2 for side in sides]
        series = (
            Series("Kaufman", inverse, tori[CRITICAL], joined=True),
            Series("the formula", [0.0], [rule(CRITICAL)]),
        )
        return Findings(statements, [Panel("Tori at the critical point", "1 / side^2", "log Z / N", series)])

    return compare


def onsager(coupling: float, factor: float = 2.0) -> float:
    """`log(sqrt 2 cosh 2K) + (1/pi) int_0^{pi/2} log(1 + sqrt(1 - k^2 sin^2 a)) da`, k = 2 sinh 2K / cosh^2 2K."""
    c = math.cosh(2 * coupling)
    k = factor * math.sinh(2 * coupling) / c**2
    integral = quad(lambda a: math.log1p(math.sqrt(max(0.0, 1 - (k * math.sin(a)) ** 2))), 0, math.pi / 2, epsabs=1e-12, epsrel=1e-12)[0]
    return math.log(math.sqrt(2) * c) + integral / math.pi


IDENTITIES = (
    Identity(
        name="rbm-marginal",
        title="The marginal of a restricted Boltzmann machine is its free energy",
        field=Field.PHYSICS,
        formula="F(v) = -log sum_h exp(-E(v, h)) = -a.v - sum_j log(1 + exp(b_j + (v W)_j))",
        conditions="Hidden units do not see each other.",
        source="Smolensky 1986; Hinton, A practical guide to training RBMs, 2010",
        check=rbm_marginal,
        rule=lambda joint: -logsumexp(-joint, axis=1),
        twin=lambda joint: joint.min(axis=1),
        broken="the best hidden state stands for the sum over all",
        quick=True,
    ),
    Identity(
        name="rbm-hopfield",
        title="A machine with Gaussian hidden units is a Hopfield network",
        field=Field.PHYSICS,
        formula="-log int exp(-h^2/2 + sum_p h_p xi_p.s / sqrt n) dh = -1/2 sum_{i != j} J_ij s_i s_j + const,  J = sum_p xi_p xi_p' / n",
        conditions="One hidden unit a pattern; beta = 1.",
        source="Barra, Bernacchia, Santucci & Contucci, Neural Networks 34, 2012; Hopfield, PNAS 79, 1982",
        check=rbm_hopfield,
        rule=lambda energy: energy,
        twin=lambda energy: 2 * energy,
        broken="pairs are counted twice",
    ),
    Identity(
        name="hopfield-attention",
        title="One update of a modern Hopfield network is attention",
        field=Field.PHYSICS,
        formula="x - grad U(x) = softmax(beta x Xi') Xi",
        conditions="Keys and values are both the patterns: attention before its projection of values.",
        source="Ramsauer et al., arXiv 2008.02217, eq. 3",
        check=hopfield_attention,
        rule=_attention,
        twin=lambda patterns, beta, queries: _attention(patterns, 1.0, queries),
        broken="beta is dropped",
        quick=True,
    ),
    Identity(
        name="mean-field-transition",
        title="The mean field has a phase transition at beta = 1",
        field=Field.PHYSICS,
        formula="<|m|> -> m = tanh(beta m)  for N to infinity,  m > 0 only where beta > 1",
        conditions="U = -(sum s)^2 / (2 N), no field.",
        source="Curie 1895; Weiss 1907; Baxter, Exactly Solved Models, 1982, chapter 3",
        check=mean_field,
        rule=_root,
        twin=lambda beta: _root(beta / 2),
        broken="couplings are halved",
        quick=True,
    ),
    Identity(
        name="onsager-limit",
        title="Onsager's free energy is the limit of Kaufman's tori, and both meet simulation",
        field=Field.PHYSICS,
        formula="log Z_L / L^2 -> log(sqrt 2 cosh 2K) + (1/pi) int_0^{pi/2} log(1 + sqrt(1 - k^2 sin^2 a)) da,  k = 2 sinh 2K / cosh^2 2K",
        conditions="Square lattice, no field; corrections fall exponentially off the critical point, as 1/L^2 at it.",
        source="Onsager, Phys. Rev. 65, 1944; Kaufman, Phys. Rev. 76, 1949",
        check=onsager_limit,
        rule=onsager,
        twin=lambda coupling: onsager(coupling, 1.0),
        broken="the factor 2 of k is dropped",
        sampled=True,
    ),
)
