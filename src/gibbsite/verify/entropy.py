"""Maximum entropy and thermodynamics: Boltzmann's law, its free energy, and the derivatives of log Z."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from gibbsite.core import Coins, Normalised, Spins, as_float, log_prob, need
from gibbsite.energies import Ising
from gibbsite.testing import problems
from gibbsite.thermo import enumerate_log_z, kaufman, kaufman_energy, kaufman_heat_capacity
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import law, on, settled

BETAS = np.array([0.2, 0.3, 0.4, 0.5, 0.6])


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.sum(p * np.log(p / q)))


def _entropy(p: np.ndarray) -> float:
    return float(-np.sum(p * np.log(p)))


def maximum_entropy() -> Comparison:
    """Laws of the same mean energy on the 512 states of a 3 x 3 torus, along three directions from the one that is claimed."""
    energies = on(problems.ising().energy, problems.states(Spins((3, 3))))
    directions = np.random.default_rng(0).normal(size=(3, len(energies)))
    steps = np.linspace(-1, 1, 9)

    def compare(rule: Rule) -> Findings:
        p = rule(energies)
        curves = []
        for direction in directions:
            # A relative change that moves neither the total nor the mean energy, and leaves every share positive.
            basis, _ = np.linalg.qr(np.sqrt(p)[:, None] * np.stack([np.ones_like(p), energies], axis=1))
            change = np.sqrt(p) * direction
            change = (change - basis @ (basis.T @ change)) / np.sqrt(p)
            curves.append([p * (1 + 0.9 * step * change / np.abs(change).max()) for step in steps])
        lost = np.array([[_entropy(p) - _entropy(q) for q in laws] for laws in curves])
        apart = np.array([[_kl(q, p) for q in laws] for laws in curves])
        statements = [
            Statement("entropy lost = KL from the law", settled(lost), settled(apart)),
            Statement("no law of this mean energy has more", settled(lost), settled(0.0), ">="),
        ]
        series = [Series(f"direction {n + 1}", steps, curve, joined=True) for n, curve in enumerate(lost)]
        return Findings(statements, [Panel("Entropy lost off the law", "step", "S(p) - S(q), nats", tuple(series))])

    return compare


def boltzmann(energies: np.ndarray) -> np.ndarray:
    """`exp(-U) / Z`."""
    weights = np.exp(energies.min() - energies)
    return weights / weights.sum()


def power_law(energies: np.ndarray) -> np.ndarray:
    """The twin: a power of the energy above the ground state."""
    weights = (1 + energies - energies.min()) ** -3.0
    return weights / weights.sum()


def gibbs_variational() -> Comparison:
    """Independent spins in a field, tried on a 3 x 3 torus whose log Z is enumerated."""
    problem = problems.ising()
    xs = problems.states(problem.energy.space)
    target, log_z = law(problem.energy, xs), float(enumerate_log_z(problem.energy).value)
    fields = np.linspace(-0.6, 1.2, 13)
    spins = as_float(xs)

    def log_trial(field: jax.Array) -> jax.Array:
        trial = Coins(Spins((3, 3)), jnp.full((3, 3), field))
        return jax.vmap(lambda x: log_prob(trial, x))(spins)

    tried = np.exp(on(log_trial, fields))

    def compare(rule: Rule) -> Findings:
        free = np.array([q @ target.energies - _entropy(q) for q in tried])
        right = np.array([rule(log_z, q, target.shares) for q in tried])
        series = (
            Series("E U - S of the trial", fields, free),
            Series("the formula", fields, right, joined=True),
            Series("-log Z", fields, np.full(len(fields), -log_z), joined=True),
        )
        statements = [
            Statement("variational free energy", settled(free), settled(right)),
            Statement("bound", settled(free), settled(-log_z), ">="),
        ]
        return Findings(statements, [Panel("Free energy of independent spins", "field of the trial", "nats", series)])

    return compare


def log_z_derivatives() -> Comparison:
    """A machine of four visible and three hidden bits: log Z is known and smooth in 19 parameters, and U is not linear in them."""
    machine = problems.rbm().energy
    params, back = ravel_pytree(machine)
    xs = jnp.asarray(problems.states(machine.space))

    def log_z(p: jax.Array) -> jax.Array:
        return need(back(p), Normalised, "log_z_derivatives").log_z()

    slope, curvature = (np.asarray(d) for d in jax.jit(lambda p: (jax.grad(log_z)(p), jax.hessian(log_z)(p)))(params))

    def slopes(p: jax.Array) -> tuple[jax.Array, jax.Array]:
        def u(q: jax.Array, x: jax.Array) -> jax.Array:
            return back(q)(x)

        first = jax.vmap(jax.grad(u), in_axes=(None, 0))(p, xs)
        return first, jax.vmap(jax.hessian(u), in_axes=(None, 0))(p, xs)

    first, second = (np.asarray(d) for d in jax.jit(slopes)(params))
    shares = law(machine, xs).shares

    def compare(rule: Rule) -> Findings:
        mean = shares @ first
        covariance = (first - mean).T @ (shares[:, None] * (first - mean))
        right = rule(covariance, np.tensordot(shares, second, 1))
        entries = np.triu_indices(len(mean))
        ends = np.array([curvature[entries].min(), curvature[entries].max()])
        points = (Series("entries", right[entries], curvature[entries]), Series("equal", ends, ends, joined=True))
        statements = [
            Statement("gradient of log Z", settled(slope), settled(-mean)),
            Statement("Hessian of log Z", settled(curvature), settled(right)),
        ]
        return Findings(statements, [Panel("Hessian of log Z", "by moments", "by derivatives", points)])

    return compare


def _torus() -> tuple[np.ndarray, np.ndarray]:
    """Energies of all states of a 4 x 4 torus at unit coupling, and how many states have each."""
    energies = on(Ising((4, 4)), problems.states(Spins((4, 4))))
    return np.unique(np.round(energies), return_counts=True)


def _at(levels: np.ndarray, counts: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """The law of the energy at beta, and that of one state of each level."""
    weights = np.exp(-beta * (levels - levels.min()))
    state = weights / (counts @ weights)
    return counts * state, state


def heat_capacity() -> Comparison:
    """A 4 x 4 torus: Kaufman's second derivative of log Z against the fluctuations of the energy over all states."""
    levels, counts = _torus()
    left = np.array([16 * kaufman_heat_capacity(4, 4, beta).value for beta in BETAS])

    def variance(beta: float) -> float:
        p, _ = _at(levels, counts, beta)
        return float(p @ levels**2 - (p @ levels) ** 2)

    def compare(rule: Rule) -> Findings:
        right = np.array([rule(beta, variance(beta)) for beta in BETAS])
        fine = np.linspace(0.1, 0.8, 71)
        curve = [kaufman_heat_capacity(4, 4, beta).value for beta in fine]
        series = (Series("Kaufman", fine, curve, joined=True), Series("fluctuations", BETAS, right / 16))
        return Findings([Statement("C", settled(left), settled(right))], [Panel("Heat capacity a site", "beta", "C / N", series)])

    return compare


def free_energy() -> Comparison:
    """A 4 x 4 torus: F and U by Kaufman, the entropy from the probabilities of all states."""
    levels, counts = _torus()
    left = np.array([-kaufman(4, 4, beta).value / beta for beta in BETAS])
    energy = np.array([16 * kaufman_energy(4, 4, beta).value for beta in BETAS])
    laws = [_at(levels, counts, beta) for beta in BETAS]
    entropy = np.array([-np.sum(p * np.log(state)) for p, state in laws])

    def compare(rule: Rule) -> Findings:
        right = rule(energy, 1 / BETAS, entropy)
        series = tuple(
            Series(name, 1 / BETAS, values, joined=True) for name, values in (("F", left), ("U", energy), ("U - F", energy - left))
        )
        return Findings([Statement("F", settled(left), settled(right))], [Panel("Free energy", "temperature", "units of J", series)])

    return compare


IDENTITIES = (
    Identity(
        name="maximum-entropy",
        title="Boltzmann's law has the largest entropy",
        field=Field.ENTROPY,
        formula="p = exp(-U)/Z:  S(p) - S(q) = KL(q|p) >= 0  for all q with E_q U = E_p U",
        conditions="q has the same mean energy and lives where p does.",
        source="Jaynes, Phys. Rev. 106, 1957; Carbone, arXiv 2406.13661",
        check=maximum_entropy,
        rule=boltzmann,
        twin=power_law,
        broken="the law is a power of the energy, not its exponential",
        quick=True,
    ),
    Identity(
        name="gibbs-variational",
        title="Gibbs' variational principle",
        field=Field.ENTROPY,
        formula="E_q U - S(q) = -log Z + KL(q|p) >= -log Z",
        conditions="q lives where p = exp(-U)/Z does.",
        source="Gibbs 1902; Feynman, Statistical Mechanics, 1972; Carbone, arXiv 2406.13661",
        check=gibbs_variational,
        rule=lambda log_z, q, p: -log_z + _kl(q, p),
        twin=lambda log_z, q, p: -log_z + _kl(p, q),
        broken="the divergence is taken the other way round",
        quick=True,
    ),
    Identity(
        name="log-z-derivatives",
        title="Derivatives of log Z are moments of derivatives of U",
        field=Field.ENTROPY,
        formula="grad log Z = -E[grad U],  Hess log Z = Cov(grad U) - E[Hess U]",
        conditions="U is twice differentiable in its parameters, and sums may be exchanged with derivatives.",
        source="Wainwright & Jordan, Found. Trends Mach. Learn. 1, 2008; Carbone, arXiv 2406.13661",
        check=log_z_derivatives,
        rule=lambda covariance, mean_hessian: covariance - mean_hessian,
        twin=lambda covariance, mean_hessian: covariance + mean_hessian,
        broken="the mean Hessian of U is added",
    ),
    Identity(
        name="heat-capacity",
        title="Heat capacity is the fluctuation of the energy",
        field=Field.ENTROPY,
        formula="C = dU/dT = beta^2 Var(U)",
        conditions="kT = 1/beta; the energy itself does not depend on T.",
        source="Einstein 1904; Kaufman, Phys. Rev. 76, 1949, for the left side",
        check=heat_capacity,
        rule=lambda beta, variance: beta**2 * variance,
        twin=lambda beta, variance: beta * variance,
        broken="one factor of beta is dropped",
        quick=True,
    ),
    Identity(
        name="free-energy",
        title="Free energy is energy less temperature times entropy",
        field=Field.ENTROPY,
        formula="F = -log Z / beta = U - T S",
        conditions="S is that of Boltzmann's law at T, in nats.",
        source="Helmholtz 1882; Carbone, arXiv 2406.13661",
        check=free_energy,
        rule=lambda energy, temperature, entropy: energy - temperature * entropy,
        twin=lambda energy, temperature, entropy: energy - entropy,
        broken="the entropy is not multiplied by the temperature",
        quick=True,
    ),
)
