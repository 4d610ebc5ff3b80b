"""The likelihood of data under an energy of pairs (x, z), as bounds that close: hidden variables weighted, or annealed.

    log p(x) = log E_{z ~ q(.|x)} exp(-U(x, z)) / q(z | x) - log_z,   q = guess(x),

so the log of a mean of such weights is a lower bound in expectation (Jensen). From one draw of q it is the ELBO, from K the
importance-weighted bound (arXiv 1509.00519); annealing from q to the posterior closes what is left (arXiv 1611.04273),
and, from exact draws of the posterior, run backwards gives an upper bound (Grosse et al., arXiv 1511.02543).
"""

import dataclasses
import math
from collections.abc import Callable as Function

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import (
    Z95,
    AbstractEnergy,
    AbstractKernel,
    ArrayLike,
    Estimate,
    Evidence,
    Geometric,
    Given,
    Marginal,
    Normalised,
    Product,
    Sampleable,
    Status,
    as_float,
    draw,
    log_prob,
    need,
    require,
)
from gibbsite.core.energy import Scalar
from gibbsite.core.keys import BACKWARD, FORWARD, PILOT, chain_keys
from gibbsite.energies import Rescaled
from gibbsite.samplers import MALA, Progress
from gibbsite.samplers.progress import chunks
from gibbsite.thermo.annealing import check_kernel, draw_base, increasing, traced_walk

CHAINS = 4096  # at once: rows come in chunks of so many walkers together
PILOTS = 64  # draws of the guess that measure its place and width
STEP = 0.3  # of Langevin moves where the guess has unit width


@dataclasses.dataclass(frozen=True)
class Marginals:
    """`log p(x)` in nats: `rows` holds an array with a bound for each row, `mean` its average over rows as independent draws.

    The error of a row is that of its own walkers (None for one); that of the mean holds both sorts of scatter.
    `acceptance` is the average over all moves, where there were any.
    """

    rows: Estimate
    mean: Estimate
    acceptance: float | None = None


@dataclasses.dataclass(frozen=True)
class Sandwich:
    """What annealing makes of rows whose posterior is known, drawn from the energy itself.

    `forward` and `reverse` bound the same rows from below and above, `mean` is the interval between the two, errors
    included, and `gap` the mean distance: on data like the model's own, no more than that is missing from `marginal`.
    """

    forward: Marginals
    reverse: Marginals
    mean: Estimate
    gap: Estimate


def guess_weight(energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> Scalar:
    """`-U(x, z) - log q(z | x) - log_z` of one draw z of the guess: the log-weight that all bounds are made of."""
    guess = need(energy, Marginal, "guess_weight").guess(x)
    z = draw(guess, key=key)
    return log_prob(energy, (x, z)) - log_prob(guess, z)


def importance_bound(
    energy: AbstractEnergy, xs: Float[ArrayLike, "n *x"], *, samples: int = 64, progress: Progress | None = None, key: Key[Array, ""]
) -> Marginals:
    """`log 1/K sum_k p(x, z_k) / q(z_k | x)` of each row, a lower bound in expectation; `samples=1` is the ELBO.

    Raises:
        TypeError: the energy has no guess of its hidden variables, or no known constant.
    """
    rows = _rows(energy, xs, samples, "importance_bound")
    weights = _by_chunks(lambda x, k: _weights(energy, x, k, samples), rows, samples, progress or Progress("weighing", len(rows)), key)
    return _marginals(weights, Evidence.LOWER)


def marginal(
    energy: AbstractEnergy,
    xs: Float[ArrayLike, "n *x"],
    *,
    walkers: int = 16,
    times: ArrayLike,
    kernel: AbstractKernel | None = None,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Marginals:
    """`log p` of each row by annealing z from `guess(x)` to the posterior, all rows in one program: a lower bound in expectation.

    `times` run from 0 to 1 (see `schedule`). Each row moves in units in which its guess has unit width (as 64 draws of it
    say), so that one step size suits all; `kernel` is MALA at 0.3 unless given.

    Raises:
        TypeError: the energy has no guess, no known constant, or hidden variables that are not reals.
    """
    rows = _rows(energy, xs, walkers, "marginal")
    ts, kernel = _checked(times, kernel)

    def program(x: Array, keys: Key[Array, " rows"]) -> tuple[Array, Array]:
        return _anneal(energy, kernel, ts, x, keys, walkers)

    progress = progress or Progress("annealing", len(rows))
    log_weights, acceptance = _by_chunks(program, rows, walkers, progress, jax.random.fold_in(key, FORWARD))
    return _marginals(log_weights, Evidence.LOWER, acceptance)


def marginal_reverse(
    energy: AbstractEnergy,
    xs: Float[ArrayLike, "n *x"],
    zs: Float[ArrayLike, "n *z"],
    *,
    walkers: int = 16,
    times: ArrayLike,
    kernel: AbstractKernel | None = None,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Marginals:
    """The time reversal of `marginal`, from one exact posterior draw `zs` a row: an upper bound in expectation.

    Pairs (x, z) drawn from the energy together are such draws. All walkers of a row start at its one z, so their scatter
    understates the error of the row; that of the mean is right.
    """
    rows = _rows(energy, xs, walkers, "marginal_reverse")
    assert isinstance(energy.space, Product)
    ends = require(energy.space.parts[1], zs, "zs", batched=True)
    ts, kernel = _checked(times, kernel)

    def program(pair: tuple[Array, Array], keys: Key[Array, " rows"]) -> tuple[Array, Array]:
        return _anneal_back(energy, kernel, ts, *pair, keys, walkers)

    progress = progress or Progress("annealing back", len(rows))
    log_weights, acceptance = _by_chunks(program, (rows, ends), walkers, progress, jax.random.fold_in(key, BACKWARD))
    return _marginals(log_weights, Evidence.UPPER, acceptance)


def sandwich(
    energy: AbstractEnergy,
    *,
    rows: int = 256,
    walkers: int = 16,
    times: ArrayLike,
    kernel: AbstractKernel | None = None,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Sandwich:
    """Both bounds on `rows` pairs drawn from the energy itself: how much of `log p` annealing finds (bidirectional Monte Carlo).

    Raises:
        TypeError: the energy has no exact draws.
    """
    need(energy, Sampleable, "sandwich")
    if rows < 2:
        raise ValueError(f"sandwich of rows={rows}: give at least two, for one has no error.")
    born, there, back = jax.random.split(key, 3)
    xs, zs = draw_base(energy, chain_keys(born, rows))
    forward = marginal(energy, xs, walkers=walkers, times=times, kernel=kernel, progress=progress, key=there)
    reverse = marginal_reverse(energy, xs, zs, walkers=walkers, times=times, kernel=kernel, progress=progress, key=back)
    return Sandwich(forward, reverse, _between(forward.mean, reverse.mean), _gap(forward.rows, reverse.rows))


def _rows(energy: AbstractEnergy, xs: ArrayLike, walkers: int, user: str) -> Float[Array, "n *x"]:
    """The rows as arrays of the data's space; refuses energies without a guess."""
    need(energy, Marginal, user)
    need(energy, Normalised, user)
    if walkers < 1:
        raise ValueError(f"{user} with {walkers} draws a row: give at least one.")
    assert isinstance(energy.space, Product)
    return require(energy.space.parts[0], xs, "xs", batched=True)


def _checked(times: ArrayLike, kernel: AbstractKernel | None) -> tuple[Float[Array, " times"], AbstractKernel]:
    ts, kernel = increasing(times), MALA(as_float(STEP)) if kernel is None else kernel
    check_kernel(kernel, len(ts), "own")
    return ts, kernel


def _by_chunks(program: Function[..., PyTree], rows: PyTree, walkers: int, progress: Progress, key: Key[Array, ""]) -> PyTree:
    """`program(rows, keys)` in chunks of one size, the last one padded: one compilation, bounded memory, any chunking the same."""
    n = len(jax.tree.leaves(rows)[0])
    size, keys, found = min(n, max(1, CHAINS // walkers)), chain_keys(key, n), []
    with progress:
        for start, _ in chunks(n, progress, chunk=size):
            index = np.minimum(np.arange(start, start + size), n - 1)
            found.append(jax.device_get(program(jax.tree.map(lambda a, index=index: a[index], rows), keys[index])))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:n].astype(np.float64), *found)


@eqx.filter_jit
def _weights(energy: AbstractEnergy, xs: Array, keys: Key[Array, " rows"], samples: int) -> Float[Array, "rows samples"]:
    def one(x: Array, key: Key[Array, ""]) -> Array:
        return jax.vmap(lambda k: guess_weight(energy, x, key=k))(chain_keys(key, samples))

    return jax.vmap(one)(xs, keys)


def _path(energy: AbstractEnergy, x: PyTree, key: Key[Array, ""]) -> tuple[Geometric, Array, Array]:
    """From the guess to the posterior at x, in units of the guess: `z = shift + scale e`, from draws that no walker uses."""
    guess = need(energy, Marginal, "marginal").guess(x)
    pilots = jax.vmap(lambda k: draw(guess, key=k))(jax.random.split(key, PILOTS))
    shift, scale = jnp.mean(pilots, axis=0), jnp.std(pilots, axis=0)
    base, target = (Rescaled(law, -shift / scale, 1 / scale) for law in (guess, Given(energy, 1, (x,))))
    return Geometric(base, target), shift, scale


def _offset(energy: AbstractEnergy, path: Geometric) -> Scalar:
    """The known constants: log Z of the guess less that of the joint."""
    return need(path.base, Normalised, "marginal").log_z() - need(energy, Normalised, "marginal").log_z()


@eqx.filter_jit
def _anneal(
    energy: AbstractEnergy, kernel: AbstractKernel, times: Array, xs: Array, keys: Key[Array, " rows"], walkers: int
) -> tuple[Float[Array, "rows walkers"], Float[Array, " rows"]]:
    def one(x: Array, key: Key[Array, ""]) -> tuple[Array, Array]:
        path, _, _ = _path(energy, x, jax.random.fold_in(key, PILOT))
        own = chain_keys(key, walkers)
        work, _, acceptance = traced_walk(path, kernel, times, draw_base(path.base, own), own)
        return _offset(energy, path) - work.value(), jnp.mean(acceptance)

    return jax.vmap(one)(xs, keys)


@eqx.filter_jit
def _anneal_back(
    energy: AbstractEnergy, kernel: AbstractKernel, times: Array, xs: Array, zs: Array, keys: Key[Array, " rows"], walkers: int
) -> tuple[Float[Array, "rows walkers"], Float[Array, " rows"]]:
    def one(x: Array, z: Array, key: Key[Array, ""]) -> tuple[Array, Array]:
        path, shift, scale = _path(energy, x, jax.random.fold_in(key, PILOT))
        starts = jnp.broadcast_to((z - shift) / scale, (walkers, *z.shape))
        work, _, acceptance = traced_walk(path, kernel.reverse(), times[::-1], starts, chain_keys(key, walkers))
        return -work.value() - _offset(energy, path), jnp.mean(acceptance)

    return jax.vmap(one)(xs, zs, keys)


def _marginals(log_weights: Float[np.ndarray, "n k"], evidence: Evidence, acceptance: np.ndarray | None = None) -> Marginals:
    """The bounds of all rows (an upper one is minus the log of a mean) and their average.

    The bias of a row is about half its variance: where that exceeds the error of the average, the status says so.
    """
    values, stderr = _log_means(log_weights)
    values = -values if evidence is Evidence.UPPER else values
    accepted, n = None if acceptance is None else float(np.mean(acceptance)), len(values)
    if not np.isfinite(values).all():
        lost = Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
        return Marginals(dataclasses.replace(lost, value=values), lost, accepted)
    error = float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else None
    biased = stderr is not None and error is not None and float(np.mean(stderr**2)) / 2 > error
    status = Status.TOO_SHORT if error is None else Status.LOW_ESS if biased else Status.OK
    rows = Estimate(values, stderr, status=Status.LOW_ESS if biased else Status.OK, evidence=evidence)
    mean = Estimate(float(np.mean(values)), error, ess=float(n), status=status, evidence=evidence, sources=rows.sources)
    return Marginals(rows, mean, accepted)


def _log_means(log_weights: Float[np.ndarray, "n k"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"] | None]:
    """`log mean_k w` of each row, with its error by the delta method; one weight has none."""
    k = log_weights.shape[1]
    top = np.max(log_weights, axis=1)
    weights = np.exp(log_weights - np.where(np.isfinite(top), top, 0.0)[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = weights.mean(axis=1)
        error = weights.std(axis=1, ddof=1) / (mean * math.sqrt(k)) if k > 1 else None
        return np.log(mean) + top, error


def _between(lower: Estimate, upper: Estimate) -> Estimate:
    """The interval from the lower end of the one to the upper end of the other."""
    status = lower.status if lower.status is not Status.OK else upper.status
    if lower.value is None or upper.value is None:
        return Estimate(None, None, status=status, evidence=Evidence.NOT_ESTABLISHED)
    middle, stderr = (lower.value + upper.value) / 2, (upper.hi - lower.lo) / (2 * Z95)
    return Estimate(middle, stderr, lower.lo, upper.hi, ess=lower.ess, status=status, evidence=Evidence.INTERVAL)


def _gap(lower: Estimate, upper: Estimate) -> Estimate:
    """The mean distance between the bounds of the same rows; noise apart it is positive, and no less than either misses."""
    apart = upper.value - lower.value
    if not np.isfinite(apart).all():
        return Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
    error = float(np.std(apart, ddof=1)) / math.sqrt(len(apart))
    return Estimate(float(np.mean(apart)), error, ess=float(len(apart)), evidence=Evidence.UPPER)
