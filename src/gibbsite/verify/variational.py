"""Variational inference: bounds on the evidence, the linear autoencoder, and the two directions of KL."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize

from gibbsite.core import Marginal, as_float, log_prob, need
from gibbsite.models import VAE
from gibbsite.models.vae import FLOOR
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import Law, bell, law, line, mixture, on, settled

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(4)  # exact for what is quadratic in z
GRID = np.stack(np.meshgrid(NODES, NODES, indexing="ij"), -1).reshape(-1, 2)
SHARES = np.outer(WEIGHTS, WEIGHTS).ravel() / np.sum(WEIGHTS) ** 2
STRETCHES = np.array([0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2])


def _elbo(model: VAE, x: Array) -> Array:
    """`E_q log p(x, z) / q(z | x)` of a linear autoencoder with two hidden variables, by Gauss-Hermite."""
    energy = model.as_energy()
    guess: Any = need(energy, Marginal, "elbo").guess(x)
    zs = guess.loc + guess.scale * as_float(GRID)
    return as_float(SHARES) @ jax.vmap(lambda z: log_prob(energy, (x, z)) - log_prob(guess, z))(zs)


def _linear(weights: Array, place: Array, noise: Array, turn: Array, width: Array) -> VAE:
    """The linear autoencoder with decoder `N(W z + b, noise^2)` and guess `N(turn (x - b), width^2)`."""
    parts = (weights, place, _raw(noise)[None], turn, -turn @ place, _raw(width))
    return eqx.tree_at(_leaves, VAE.linear(len(place), 2, key=jax.random.key(0)), parts)


def _leaves(model: Any) -> tuple[Any, ...]:
    down, up = model.energy.decoder.net, model.energy.encoder
    return tuple(a for net in (down, up) for a in (net.mean.layers[0].weight, net.mean.layers[0].bias, net.raw))


def _raw(scale: Array) -> Array:
    """The number of which `positive` makes this scale."""
    return jnp.log(jnp.expm1(scale - FLOOR))


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forty rows of four correlated columns, their mean and covariance."""
    mixing = np.array([[1.6, 0.2, 0.1, 0.0], [0.4, 1.1, -0.3, 0.2], [0.0, 0.3, 0.7, 0.1], [0.2, 0.0, 0.1, 0.5]])
    rows = np.random.default_rng(7).normal(size=(40, 4)) @ mixing + np.array([0.7, -1.1, 0.2, 0.5])
    return rows, rows.mean(axis=0), np.cov(rows.T, bias=True)


def _principal(latent: int, *, less: float) -> tuple[np.ndarray, float]:
    """`W = U (Lambda - less sigma^2)^{1/2}` and sigma^2, the mean of the eigenvalues that are left out."""
    values, vectors = np.linalg.eigh(_rows()[2])
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = float(values[latent:].mean())
    return vectors[:, :latent] * np.sqrt(values[:latent] - less * noise), noise


def _posterior(weights: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """The matrix that takes x - b to the posterior mean of z, and the posterior covariance."""
    precision = np.eye(weights.shape[1]) + weights.T @ weights / noise
    return np.linalg.solve(precision, weights.T / noise), np.linalg.inv(precision)


def elbo_gap() -> Comparison:
    """A linear autoencoder of four columns whose guess is shifted and stretched: bound, evidence and divergence are all known."""
    rows, place, _ = _rows()
    weights, noise = _principal(2, less=1.0)
    turn, covariance = _posterior(weights, noise)
    marginal = weights @ weights.T + noise * np.eye(4)
    off = rows - place
    log_p = -0.5 * (np.sum(off * np.linalg.solve(marginal, off.T).T, axis=1) + np.linalg.slogdet(2 * np.pi * marginal)[1])
    guesses = [(0.8 * turn, stretch * np.sqrt(np.diag(covariance))) for stretch in STRETCHES]

    def bounds(width: Array) -> Array:
        model = _linear(as_float(weights), as_float(place), as_float(math.sqrt(noise)), as_float(0.8 * turn), width)
        return jax.vmap(lambda x: _elbo(model, x))(as_float(rows))

    left = on(bounds, np.array([width for _, width in guesses]))

    def compare(rule: Rule) -> Findings:
        right = np.array([rule(log_p, (off @ t.T, np.diag(w**2)), (off @ turn.T, covariance)) for t, w in guesses])
        series = (
            Series("ELBO", STRETCHES, left.mean(axis=1)),
            Series("the formula", STRETCHES, right.mean(axis=1), joined=True),
            Series("log p", STRETCHES, np.full(len(STRETCHES), log_p.mean()), joined=True),
        )
        statements = [
            Statement("ELBO of 40 rows", settled(left), settled(right)),
            Statement("bound", settled(left), settled(log_p), "<="),
        ]
        return Findings(statements, [Panel("Bound against the width of the guess", "stretch", "nats a row", series)])

    return compare


Gaussians = tuple[np.ndarray, np.ndarray]  # means, row by row, and one covariance


def _kl(q: Gaussians, p: Gaussians) -> np.ndarray:
    """KL between Gaussians, row by row."""
    (m, a), (n, b) = q, p
    off = n - m
    size = np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1] + np.trace(np.linalg.solve(b, a)) - len(a)
    return (np.sum(off * np.linalg.solve(b, off.T).T, axis=1) + size) / 2


def linear_vae() -> Comparison:
    """Forty rows of four columns: the gradient of the exact ELBO in all parameters, at the principal components."""
    rows, place, covariance = _rows()

    def loss(parts: tuple[Array, ...]) -> Array:
        model = _linear(*parts)
        return -jnp.mean(jax.vmap(lambda x: _elbo(model, x))(as_float(rows)))

    slopes = jax.jit(jax.value_and_grad(loss))
    values = np.sort(np.linalg.eigvalsh(covariance))[::-1]

    def compare(rule: Rule) -> Findings:
        weights, noise = rule(2)
        turn, posterior = _posterior(weights, noise)
        value, grads = slopes(tuple(map(as_float, (weights, place, math.sqrt(noise), turn, np.sqrt(np.diag(posterior))))))
        steep = np.concatenate([np.ravel(g) for g in grads])
        # Tipping & Bishop, eq. 8 at the maximum: of the spectrum alone.
        best = (np.sum(np.log(values[:2])) + 2 * math.log(noise) + 4 + 4 * math.log(2 * math.pi)) / 2
        statements = [
            Statement(f"gradient in {len(steep)} parameters", settled(steep, 1e-9), settled(0.0)),
            Statement("ELBO = the likelihood of PCA", settled(-float(value)), settled(-best)),
        ]
        count = np.arange(1, 5)
        series = (
            Series("data", count, values),
            Series("model", count, np.sort(np.linalg.eigvalsh(weights @ weights.T + noise * np.eye(4)))[::-1], joined=True),
        )
        return Findings(statements, [Panel("Spectrum of the covariance", "component", "eigenvalue", series)])

    return compare


def _fitted(target: Law, start: tuple[float, float], *, forward: bool) -> tuple[float, float, float]:
    """Mean, standard deviation and divergence of the Gaussian nearest to a law, in one direction of KL."""
    x = target.points[:, 0]
    cell = x[1] - x[0]
    log_p = target.log_density()

    def divergence(params: Float[np.ndarray, "2"]) -> float:
        log_q = -((x - params[0]) ** 2) / 2 * np.exp(-2 * params[1]) - params[1] - 0.5 * np.log(2 * np.pi)
        if forward:
            return float(np.sum(target.shares * (log_p - log_q)))
        return float(np.sum(np.exp(log_q) * (log_q - log_p)) * cell)

    found = minimize(divergence, [start[0], math.log(start[1])], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    return float(found.x[0]), math.exp(found.x[1]), float(found.fun)


def kl_directions() -> Comparison:
    """Two modes far apart, and the nearest Gaussians: started wide, and started at the heavier mode."""
    both = mixture((-5.0, 5.0), (0.5, 0.8), (0.35, 0.65))
    target = law(both, line(-12, 12, 2401))
    x = target.points[:, 0]
    mean = float(target.mean(x))
    moments = (mean, math.sqrt(float(target.mean((x - mean) ** 2))))
    cover = _fitted(target, (0.5, 3.0), forward=True)
    seek = _fitted(target, (4.0, 1.0), forward=False)

    def compare(rule: Rule) -> Findings:
        covering, seeking = rule(moments, (5.0, 0.8))
        statements = [
            Statement("min KL(p|q): mean, deviation", settled(cover[:2], 1e-6), settled(covering)),
            Statement("min KL(q|p): mean, deviation", settled(seek[:2], 1e-6), settled(seeking)),
            Statement("KL(q|p) there = -log share of the mode", settled(seek[2], 1e-8), settled(-math.log(0.65))),
        ]
        shown = x[::20, None]
        curves = [np.exp(-on(bell(m, s), shown)) / (s * np.sqrt(2 * np.pi)) for m, s, _ in (cover, seek)]
        series = (
            Series("the law", shown[:, 0], np.exp(target.log_density())[::20]),
            Series("min KL(p|q), covering", shown[:, 0], curves[0], joined=True),
            Series("min KL(q|p), seeking", shown[:, 0], curves[1], joined=True),
        )
        return Findings(statements, [Panel("Two nearest Gaussians", "x", "density", series)])

    return compare


IDENTITIES = (
    Identity(
        name="elbo-gap",
        title="The gap of the evidence bound is a variational free energy less a free energy",
        field=Field.VARIATIONAL,
        formula="log p(x) - ELBO(x) = KL(q(z|x) | p(z|x)) = F[q] - F,  F = -log p(x)",
        conditions="q lives where the posterior does; the energy is U(z) = -log p(x, z) at this x.",
        source="Jordan et al., Mach. Learn. 37, 1999; Kingma & Welling, arXiv 1312.6114, eq. 1; Carbone, arXiv 2406.13661",
        check=elbo_gap,
        rule=lambda log_p, guess, posterior: log_p - _kl(guess, posterior),
        twin=lambda log_p, guess, posterior: log_p - _kl(posterior, guess),
        broken="the divergence is taken the other way round",
        quick=True,
    ),
    Identity(
        name="linear-vae",
        title="A linear variational autoencoder is probabilistic PCA",
        field=Field.VARIATIONAL,
        formula="at the optimum of the ELBO  W = U_k (Lambda_k - sigma^2 I)^{1/2},  sigma^2 = mean of the other eigenvalues",
        conditions="Affine maps, one noise, prior N(0, I), diagonal guess; up to a rotation that keeps the columns of W orthogonal.",
        source="Tipping & Bishop, J. R. Stat. Soc. B 61, 1999, eqs. 7 and 8; Lucas et al., arXiv 1911.02469",
        check=linear_vae,
        rule=lambda latent: _principal(latent, less=1.0),
        twin=lambda latent: _principal(latent, less=0.0),
        broken="the noise is not taken off the eigenvalues",
    ),
    Identity(
        name="kl-directions",
        title="One direction of KL covers, the other seeks a mode",
        field=Field.VARIATIONAL,
        formula="argmin_q KL(p|q) has the moments of p;  argmin_q KL(q|p) is one mode, at KL = -log of its share",
        conditions="q Gaussian, p of Gaussian modes far apart; the second is a local minimum at every mode.",
        source="Minka, Divergence measures and message passing, 2005; Bishop, PRML, 2006, section 10.1.2",
        check=kl_directions,
        rule=lambda moments, mode: (moments, mode),
        twin=lambda moments, mode: (mode, moments),
        broken="the directions are exchanged",
        quick=True,
    ),
)
