"""Langevin dynamics `dx = -grad U dt + sqrt(2) dW` and the Fokker-Planck equation of its law."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.linalg import eigh_tridiagonal

from gibbsite.core import AbstractKernel, as_float, draw
from gibbsite.energies import Gaussian
from gibbsite.samplers import MALA, ULA
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import averaged, law, limit, line, mixture, on, order, settled

TESTS = {"x": lambda x: x, "x^2": lambda x: x**2, "x^3": lambda x: x**3, "sin 2x": lambda x: jnp.sin(2 * x)}
RATE, SHIFT = 2.0, 1.0  # of the Gaussian whose mean relaxes
TIMES = np.linspace(0, 1.5, 7)
FORGOTTEN = 64  # steps of a chain
CURVATURE, STEPS = 1.5, (0.1, 0.2, 0.4)  # of the Gaussian that unadjusted steps move on, and the steps


def stationary_law() -> Comparison:
    """The generator of the dynamics has mean zero under exp(-U)/Z, on two unequal Gaussians, for four test functions."""
    energy = mixture((-1.2, 1.4), (0.6, 0.9), (0.7, 0.3))
    held = law(energy, line(-9, 9))
    x = held.points[:, 0]
    slope = on(lambda y: jax.grad(lambda z: energy(z[None]))(y), x)
    derivatives = {name: (on(jax.grad(f), x), on(jax.grad(jax.grad(f)), x)) for name, f in TESTS.items()}

    def compare(rule: Rule) -> Findings:
        means = [held.mean(rule(slope, first, second)) for first, second in derivatives.values()]
        p = np.exp(held.log_density())
        near = np.abs(x) < 4.5
        series = (
            Series("p U', the drift", x[near][::10], (p * slope)[near][::10], joined=True),
            Series("-dp/dx, the diffusion", x[near][::10], -np.gradient(p, x)[near][::10], joined=True),
        )
        statements = [Statement(f"E L f, f = {name}", settled(mean), settled(0.0)) for name, mean in zip(TESTS, means, strict=True)]
        return Findings(statements, [Panel("Drift and diffusion cancel", "x", "current", series)])

    return compare


def _relaxing(points: int) -> np.ndarray:
    """KL from the law at `TIMES`, of a Gaussian whose mean starts off by `SHIFT`: jumps on a grid that keep the law exactly.

    Rates `exp((U_i - U_j) / 2) / dx^2` between neighbours, whose generator is symmetric after a scaling by sqrt p.
    """
    x = line(-6, 6.5, points)
    target, start = (law(Gaussian([mean], [[RATE]]), x).shares for mean in (0.0, SHIFT))
    dx = x[1, 0] - x[0, 0]
    root = np.sqrt(target)
    out = np.zeros(points)
    out[:-1] += root[1:] / root[:-1]
    out[1:] += root[:-1] / root[1:]
    rates, modes = eigh_tridiagonal(-out / dx**2, np.full(points - 1, 1 / dx**2))
    weights = modes.T @ (start / root)
    found = []
    for t in TIMES:
        p = np.maximum(root * (modes @ (np.exp(rates * t) * weights)), 1e-30)
        found.append(float(np.sum(p * np.log(p / target))))
    return np.array(found)


def kl_decay() -> Comparison:
    """The Fokker-Planck equation of a Gaussian on three grids, each twice as fine, from a law whose mean is off."""
    found = limit([_relaxing(points) for points in (126, 251, 501)], power=2)

    def compare(rule: Rule) -> Findings:
        right = rule(RATE * SHIFT**2 / 2, RATE, TIMES)
        series = (
            Series("Fokker-Planck", TIMES, np.log10(np.maximum(found.value, 1e-12))),
            Series("the formula", TIMES, np.log10(right), joined=True),
        )
        return Findings([Statement("KL at seven times", found, settled(right))], [Panel("Relaxation", "t", "log10 KL", series)])

    return compare


@eqx.filter_jit
def _squares(kernel: AbstractKernel, energy: Gaussian, keys: Key[Array, " chains"]) -> Float[Array, " chains"]:
    """The mean of x^2 along each chain, after it has forgotten that it started at an exact draw."""

    def chain(key: Key[Array, ""]) -> Array:
        born, start, run = jax.random.split(key, 3)
        state = kernel.init(energy, draw(energy, key=born), key=start)

        def step(state: Any, key: Key[Array, ""]) -> tuple[Any, Array]:
            state = kernel.step(energy, state, key=key)[0]
            return state, kernel.position(state)[0] ** 2

        return jnp.mean(jax.lax.scan(step, state, jax.random.split(run, FORGOTTEN + 256))[1][FORGOTTEN:])

    return jax.vmap(chain)(keys)


def ula_bias() -> Comparison:
    """A Gaussian of precision 1.5: second moments by unadjusted and adjusted Langevin at three steps."""
    energy, keys = Gaussian([0.0], [[CURVATURE]]), jax.random.split(jax.random.key(0), 1024)
    unadjusted, adjusted = (averaged(np.stack([_squares(kind(as_float(h)), energy, keys) for h in STEPS], axis=1)) for kind in (ULA, MALA))
    # The fixed point of v = (1 - h a)^2 v + 2 h, at steps that halve.
    halved = [2 * h / (1 - (1 - h * CURVATURE) ** 2) * CURVATURE for h in (0.02, 0.01, 0.005, 0.0025)]
    kl = [(ratio - 1 - math.log(ratio)) / 2 for ratio in halved]

    def compare(rule: Rule) -> Findings:
        right = np.array([rule(CURVATURE, h) for h in STEPS])
        series = (
            Series("unadjusted", STEPS, unadjusted.value, unadjusted.stderr),
            Series("the formula", STEPS, right, joined=True),
            Series("adjusted", STEPS, adjusted.value, adjusted.stderr),
            Series("exact", STEPS, np.full(len(STEPS), 1 / CURVATURE), joined=True),
        )
        statements = [
            Statement("E x^2, unadjusted", unadjusted, settled(right)),
            Statement("E x^2, adjusted", adjusted, settled(np.full(len(STEPS), 1 / CURVATURE))),
            Statement("order of the bias of moments", order([v - 1 for v in halved[:3]]), settled(1.0)),
            Statement("order of the bias in KL", order(kl[:3]), settled(2.0)),
        ]
        return Findings(statements, [Panel("Second moment against the step", "h", "E x^2", series)])

    return compare


IDENTITIES = (
    Identity(
        name="stationary-law",
        title="Langevin dynamics keeps Boltzmann's law",
        field=Field.LANGEVIN,
        formula="dx = -grad U dt + sqrt(2) dW:  E_p[Laplace f - grad U . grad f] = 0  for p = exp(-U)/Z",
        conditions="U grows fast enough that no mass escapes; f grows no faster than a polynomial.",
        source="Risken, The Fokker-Planck Equation, 1989; Carbone, arXiv 2406.13661",
        check=stationary_law,
        rule=lambda slope, first, second: second - slope * first,
        twin=lambda slope, first, second: second / 2 - slope * first,
        broken="the noise is sqrt(dt), not sqrt(2 dt)",
        quick=True,
    ),
    Identity(
        name="kl-decay",
        title="A shift of a Gaussian's mean is forgotten in KL at twice the rate",
        field=Field.LANGEVIN,
        formula="KL(p_t|p) = KL(p_0|p) exp(-2 lambda t)",
        conditions="p is Gaussian with precision lambda, p_0 the same law shifted; in general it is an upper bound (log-Sobolev).",
        source="Bakry & Emery 1985; Pavliotis, Stochastic Processes and Applications, 2014",
        check=kl_decay,
        rule=lambda start, rate, t: start * np.exp(-2 * rate * t),
        twin=lambda start, rate, t: start * np.exp(-rate * t),
        broken="the rate is that of the mean, not of its square",
        quick=True,
    ),
    Identity(
        name="ula-bias",
        title="Unadjusted Langevin is biased by its step, adjusted Langevin is not",
        field=Field.LANGEVIN,
        formula="E x^2 = 1 / (a (1 - h a / 2))  by ULA,  1 / a  by MALA; the KL of the bias is of order h^2",
        conditions="U = a x^2 / 2 and h a < 2; in general the bias of moments is of order h.",
        source="Roberts & Tweedie, Bernoulli 2, 1996; Vempala & Wibisono, arXiv 1903.08568",
        check=ula_bias,
        rule=lambda precision, h: 1 / (precision * (1 - h * precision / 2)),
        twin=lambda precision, h: 1 / precision,
        broken="unadjusted steps are taken to have no bias",
        sampled=True,
    ),
)
