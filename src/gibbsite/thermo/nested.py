"""Nested sampling: a likelihood integrated shell by shell over the mass of a base law (Skilling, Bayesian Analysis 1, 2006).

With `L(x) = exp(-U(x)) / p_0(x)` and X(l) the mass of the base where L exceeds l,

    Z = int L dp_0 = int_0^1 L(X) dX.

Live points follow the base above a rising floor. When n are alive and the lowest dies, the mass above shrinks by a factor t, the
largest of n uniform numbers: `log t = log(u) / n`. Nobody sees the t, so they are simulated; the spread of log Z over simulations is
its error, about `sqrt(H / n)` with the information `H = E[log(L / Z)]` under the posterior. Moves are BlackJAX's: slices along directions
of the live points' covariance (Yallup, Kroupa & Handley, arXiv 2601.23252). It is imported when first used.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, Box, Estimate, Evidence, Normalised, Reals, Sampleable, Status, as_float, need
from gibbsite.core.energy import Scalar
from gibbsite.core.keys import NESTED, chain_keys
from gibbsite.samplers import Progress
from gibbsite.samplers.blackjax import blackjax
from gibbsite.samplers.checks import check_counts, check_energy
from gibbsite.samplers.metropolis import check_space
from gibbsite.thermo.annealing import draw_base
from gibbsite.thermo.weights import log_sum_exp

BURST = 16  # deaths of a batch between looks at what is left
SIMULATIONS = 400  # of the shrinkage; the error is known to 4 %
REMAINDER = 1e-3  # of Z among the living, below which they may stop


@dataclasses.dataclass(frozen=True, repr=False)
class Nested:
    """log Z, and every point that ever lived, in the order of death.

    `positions` (points *x) with `log_weights` (normalised) follow `exp(-energy)`; `log_likelihoods` is `-energy - log p_0`, `log_volumes`
    the mean log X at each death. `information` is the mean of `log(L / Z)`, in nats: how far the posterior is from the base.
    """

    log_z: Estimate
    positions: Float[np.ndarray, "points *x"]
    log_weights: Float[np.ndarray, " points"]
    log_likelihoods: Float[np.ndarray, " points"]
    log_volumes: Float[np.ndarray, " points"]
    information: Estimate
    live: int

    def __repr__(self) -> str:
        """`log Z = 12.81(3), interval; 9000 points, 500 alive at a time; information 8.1`, and what to do where in doubt."""
        found, doubt = self.log_z, "" if self.log_z.status is Status.OK else f"\n? {self.log_z.status.value}"
        size = f"{len(self.log_weights)} points, {self.live} alive at a time"
        return f"log Z = {found}, {found.evidence.value}; {size}; information {self.information}{doubt}"


def nested(
    energy: AbstractEnergy,
    base: AbstractEnergy,
    *,
    live: int = 500,
    batch: int | None = None,
    moves: int | None = None,
    most: int = 10_000,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Nested:
    """log Z of an energy whose law lies within that of `base`, which has a known constant and exact draws.

    Of `live` points the lowest `batch` (a tenth) die together, for `most` rounds at most, until a thousandth of Z is left among the living.
    Each is replaced by a copy of another after `moves` slices (twice the dimensions, at least 5). A base that is a `Uniform` box is the
    textbook's prior; a Bayesian evidence is `log Z` of the `Posterior`.

    The error is that of the unknown shrinkage. It does not know of moves that were too few to forget where a point came from, nor of
    modes that held no point when they parted from the others: compare with twice the `moves`, and with more points alive.

    Raises:
        ImportError: BlackJAX is not installed.
        TypeError: the space is not one of real numbers, or the base has no known constant or exact draws.
        ValueError: numbers make no sense, or the spaces of energy and base differ.
    """
    batch = max(live // 10, 1) if batch is None else batch
    check_energy(energy)
    check_space(energy, "nested", Reals, Box)
    moves = max(5, 2 * energy.space.size) if moves is None else moves
    check_counts(live=live, batch=batch, moves=moves, most=most)
    if base.space.shape != energy.space.shape:
        raise ValueError(f"nested has a base of shape {base.space.shape} and an energy of {energy.space.shape}: both must be one space.")
    if not energy.space.size < live or not 2 * batch <= live:
        raise ValueError(f"live={live}, batch={batch}: give more points than dimensions, and let half of them survive.")
    need(base, Normalised, "nested")
    need(base, Sampleable, "nested")
    blackjax()  # says at once that it is missing
    own = jax.random.fold_in(key, NESTED)
    problem = _Problem(energy, base, moves, batch)
    state, dead, left = _begun(problem, draw_base(base, chain_keys(own, live))), list[_Points](), as_float(np.inf)
    sound = not np.any(np.isnan(state.particles.loglikelihood))
    with progress or Progress("nested sampling", most) as shown:
        for burst in range(-(-most // BURST) if sound else 0):
            state, gone, left = _burst(problem, state, jax.random.fold_in(own, burst))
            dead.append(jax.tree.map(lambda a: np.asarray(a).reshape(-1, *a.shape[2:]), gone))
            shown.advance(BURST)
            if not left >= math.log(REMAINDER):
                break
    points = jax.tree.map(lambda *parts: np.concatenate(parts), *dead, _points(state.particles))
    return summary(points, live=live, finished=bool(left < math.log(REMAINDER)), key=own)


class _Problem(eqx.Module):
    """What stays the same; another energy of one kind is no other program."""

    energy: AbstractEnergy
    base: AbstractEnergy
    moves: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)

    def algorithm(self) -> Any:
        """BlackJAX's pair of functions."""
        constant, space = need(self.base, Normalised, "nested").log_z(), self.energy.space

        def inside(x: Array, value: Scalar) -> Scalar:
            return jnp.where(space.contains(x), value, -jnp.inf)

        def log_prior(x: Array) -> Scalar:
            return inside(x, -self.base(x) - constant)

        def log_likelihood(x: Array) -> Scalar:
            return inside(x, self.base(x) + constant - self.energy(x))

        return blackjax().nss(log_prior, log_likelihood, num_inner_steps=self.moves, num_delete=self.batch)


class _Points(NamedTuple):
    """Points with their log-likelihoods and the floors above which they were born (NaN: none)."""

    positions: Float[np.ndarray, "points *x"]
    log_likelihoods: Float[np.ndarray, " points"]
    births: Float[np.ndarray, " points"]


def _points(particles: Any) -> _Points:
    return _Points(particles.position, particles.loglikelihood, particles.loglikelihood_birth)


@eqx.filter_jit
def _begun(problem: _Problem, xs: Float[Array, "live *x"]) -> Any:
    return problem.algorithm().init(xs)


@eqx.filter_jit
def _burst(problem: _Problem, state: Any, key: Key[Array, ""]) -> tuple[Any, _Points, Scalar]:
    """`BURST` rounds, the points that died in each, and the log of the share of Z among the living."""
    step = problem.algorithm().step

    def one(state: Any, key: Key[Array, ""]) -> tuple[Any, _Points]:
        state, info = step(key, state)
        return state, _points(info.particles)

    state, dead = jax.lax.scan(one, state, jax.random.split(key, BURST))
    found = state.integrator
    return state, dead, found.logZ_live - jnp.logaddexp(found.logZ, found.logZ_live)


def summary(points: _Points, *, live: int, finished: bool, key: Key[Array, ""]) -> Nested:
    """log Z from points that died, those alive at the end among them, by simulations of the volumes that nobody saw."""
    order = np.argsort(points.log_likelihoods, kind="stable")
    positions, likelihoods, births = (np.asarray(part)[order] for part in points)
    likelihoods = likelihoods.astype(np.float64)
    if np.any(np.isnan(likelihoods)) or np.any(likelihoods == np.inf) or likelihoods[-1] == -np.inf:
        nothing = Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
        unknown = np.full(len(order), np.nan)
        return Nested(nothing, positions, unknown, likelihoods, unknown, nothing, live)
    alive = _alive(likelihoods, np.sort(births[~np.isnan(births)]), live)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    log_zs, informations = np.empty(SIMULATIONS), np.empty(SIMULATIONS)
    weights, volumes = np.zeros(len(order)), np.zeros(len(order))
    for s in range(SIMULATIONS):
        log_x, log_shell = _shrunk(alive, rng)
        log_zs[s] = log_sum_exp(likelihoods + log_shell)
        share = np.exp(likelihoods + log_shell - log_zs[s])
        informations[s] = np.sum(share * np.maximum(likelihoods, np.finfo(float).min)) - log_zs[s]  # where L is 0 so is the share
        weights += share / SIMULATIONS
        volumes += log_x / SIMULATIONS
    ess = float(np.sum(weights) ** 2 / np.sum(weights**2))
    found, information = (
        Estimate(float(a.mean()), float(a.std(ddof=1)), ess=ess, evidence=Evidence.INTERVAL) for a in (log_zs, informations)
    )
    if not finished:
        found, information = found.doubted(Status.NOT_CONVERGED), information.doubted(Status.NOT_CONVERGED)
    with np.errstate(divide="ignore"):
        return Nested(found, positions, np.log(weights), likelihoods, volumes, information, live)


def _alive(likelihoods: Float[np.ndarray, " points"], births: Float[np.ndarray, " later"], live: int) -> Float[np.ndarray, " points"]:
    """How many live when each dies: the first and those born below it, less the dead (Fowlie, Handley & Su, MNRAS 503, 2021)."""
    born = live + np.searchsorted(births, likelihoods, side="left")
    return np.maximum(born - np.arange(len(likelihoods)), 1).astype(np.float64)


def _shrunk(alive: Float[np.ndarray, " points"], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One course of log X after every death, and of the mass between each and the one before; the last has all that is left."""
    log_x = np.cumsum(-rng.standard_exponential(len(alive)) / alive)
    before = np.append(0.0, log_x[:-1])
    return log_x, before + np.append(np.log(-np.expm1((log_x - before)[:-1])), 0.0)
