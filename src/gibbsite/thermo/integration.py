"""Thermodynamic integration: the mean slope of the energy along a path, integrated.

    d log Z / dt = -E_t[dU_t/dt],   log Z = log Z_base - int_0^1 E_t[dU_t/dt] dt

(Kirkwood, J. Chem. Phys. 3, 1935). Chains at every node of a quadrature rule run side by side in one program. The error has two parts:
that of the means, from independent chains, and that of the rule, from a coarser rule on the same nodes.
"""

import dataclasses
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from gibbsite.core import (
    AbstractKernel,
    AbstractPath,
    Estimate,
    Evidence,
    Normalised,
    Pair,
    Sampleable,
    Status,
    as_float,
    need,
)
from gibbsite.core.energy import Scalar
from gibbsite.core.estimate import student
from gibbsite.core.keys import DEALING, INTEGRATION, STATE, TUNING, chain_keys, step_keys
from gibbsite.core.sums import zeros
from gibbsite.samplers import Progress
from gibbsite.samplers.checks import check_counts
from gibbsite.samplers.progress import chunks
from gibbsite.thermo.annealing import Ladder, base_of, begun, kernel_at, tuned
from gibbsite.thermo.length import thermodynamic_length
from gibbsite.thermo.rules import Rule, gauss

LEVEL = 0.95
NOISE = 3.0  # of its own errors: a difference between two rules that is no larger tells nothing
R_HAT = 1.05
ROUNDING = 1e-6  # of float32: a slope that varies by no more is constant
SHORT = 4  # a pilot makes one draw for so many of the run's
Effort = Literal["even", "optimal"]


@dataclasses.dataclass(frozen=True, repr=False)
class Integration:
    """log Z by thermodynamic integration, and the curve that was integrated.

    At `times`, `slopes` is the mean of dU/dt with its error, from `chains` independent chains each, and `metric` its variance over the
    law there. `statistical` and `quadrature` are the two parts of the error of `log_z`, in nats; `base_log_z` is the known constant.
    """

    log_z: Estimate
    times: Float[np.ndarray, " nodes"]
    slopes: Estimate
    metric: Float[np.ndarray, " nodes"]
    chains: Int[np.ndarray, " nodes"]
    statistical: float
    quadrature: float
    base_log_z: float

    @property
    def length(self) -> float:
        """The thermodynamic length of the path, `int sqrt Var_t[dU/dt] dt`."""
        return thermodynamic_length(self.times, self.metric)

    def __repr__(self) -> str:
        """`log Z = 12.81(3), interval; 11 nodes, 176 chains; errors 0.03 (means), 0 (rule); length 4.2`, and what to do where in doubt."""
        found, doubt = self.log_z, "" if self.log_z.status is Status.OK else f"\n? {self.log_z.status.value}"
        size = f"{len(self.times)} nodes, {int(np.sum(self.chains))} chains"
        parts = f"errors {self.statistical:.2g} (means), {self.quadrature:.2g} (rule)"
        return f"log Z = {found}, {found.evidence.value}; {size}; {parts}{doubt}"


def thermodynamic_integration(
    path: AbstractPath,
    kernel: AbstractKernel,
    *,
    rule: Rule | None = None,
    chains: int = 16,
    warmup: int = 200,
    draws: int = 500,
    effort: Effort = "even",
    tune: int = 0,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Integration:
    """log Z of the path's target, from `chains` chains at each node of `rule` (`gauss(11)` where not given; or `trapezoid(times)`).

    Each chain starts from a draw of the base, is led to its time in the first half of `warmup` moves, settles there in the second, and
    then makes `draws` more. Any chain kernel will do; `tune=32` fits its step size to every time with so many pilot walkers, as in
    `anneal`. With `effort="optimal"` a short pilot run tells the spread of chains at each node, and the same number of chains is dealt out
    anew, to each node by its weight times that spread (Neyman, JRSS 97, 1934), which makes the error of the sum least.

    Raises:
        TypeError: the path has no base with a known constant and exact draws.
        ValueError: numbers make no sense.
    """
    rule = gauss(11) if rule is None else rule
    check_counts(chains=chains, warmup=warmup, draws=draws)
    if chains < 2 or warmup < 1:
        raise ValueError(f"chains={chains}, warmup={warmup}: give two chains or more (the error is theirs), and a move or more.")
    if effort not in ("even", "optimal"):
        raise ValueError(f'effort="{effort}": choose "even" or "optimal".')
    base = base_of(path)
    need(base, Sampleable, "thermodynamic_integration")
    constant = float(need(base, Normalised, "thermodynamic_integration").log_z())
    own, nodes = jax.random.fold_in(key, INTEGRATION), as_float(np.append(0.0, rule.times))
    mover = tuned(path, kernel, nodes, tune, jax.random.fold_in(own, TUNING)) if tune else kernel
    which = np.repeat(np.arange(len(rule.times)), chains)
    total = draws + warmup if effort == "even" else draws + draws // SHORT + 2 * warmup
    with progress or Progress("thermodynamic integration", total) as shown:
        if effort == "optimal":
            pilot = run_lanes(path, mover, nodes, which, warmup, max(draws // SHORT, 1), shown, jax.random.fold_in(own, DEALING))
            which = _dealt(rule.weights * _spreads(which, pilot.means), len(which))
        lanes = run_lanes(path, mover, nodes, which, warmup, draws, shown, own)
    return summary(rule, which, lanes, constant, unadjusted=kernel.biased or bool(np.any(lanes.shadow != 0)))


class Lanes(NamedTuple):
    """Of each chain: mean and variance of dU/dt over its draws, in float64, and its mean shadow work."""

    means: Float[np.ndarray, " lanes"]
    variances: Float[np.ndarray, " lanes"]
    shadow: Float[np.ndarray, " lanes"]


class _Sums(NamedTuple):
    """Of one chain; numbers are added up as they differ from the first, so that large ones keep their digits."""

    first: Scalar
    total: Pair
    squares: Pair
    shadow: Scalar


def slope(path: AbstractPath, t: Scalar, x: PyTree) -> Scalar:
    """`dU_t(x)/dt`, by differentiating the work of a switch."""
    return jax.jvp(lambda to: path.work(t, to, x), (t,), (jnp.ones_like(t),))[1]


def run_lanes(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    nodes: Float[Array, " times"],
    which: Int[np.ndarray, " lanes"],
    warmup: int,
    draws: int,
    progress: Progress,
    key: Key[Array, ""],
) -> Lanes:
    """One chain for every entry of `which`, at that node."""
    keys, at = chain_keys(key, len(which)), jnp.asarray(which + 1)
    states, sums = _led(path, kernel, nodes, at, begun(path, keys), keys, jnp.asarray(warmup))
    progress.advance(warmup)
    for start, stop in chunks(draws, progress):
        span = jnp.asarray((warmup + start, warmup + stop), jnp.int32)
        states, sums = jax.block_until_ready(_observed(path, kernel, nodes, at, states, sums, keys, span))
    first, shift, square = np.asarray(sums.first, np.float64), sums.total.float64() / draws, sums.squares.float64() / draws
    return Lanes(first + shift, np.maximum(square - shift**2, 0.0), np.asarray(sums.shadow, np.float64) / draws)


@eqx.filter_jit
def _led(
    path: AbstractPath, kernel: AbstractKernel | Ladder, nodes: Array, at: Array, xs: PyTree, keys: Array, warmup: Array
) -> tuple[PyTree, _Sums]:
    """Chains led from the base to their own time in even steps, and settled there."""

    def one(x: PyTree, key: Array, k: Array) -> tuple[PyTree, _Sums]:
        mover, t = kernel_at(kernel, k), nodes[k]

        def move(i: Array, state: PyTree) -> PyTree:
            energy = path(t * jnp.minimum(2 * (i + 1) / warmup, 1.0))
            return mover.step(energy, mover.refresh(energy, state), key=jax.random.fold_in(key, i))[0]

        state = mover.init(path(jnp.zeros_like(t)), x, key=jax.random.fold_in(key, STATE))
        state = mover.refresh(path(t), jax.lax.fori_loop(0, warmup, move, state))
        return state, _Sums(slope(path, t, mover.position(state)), zeros(), zeros(), jnp.zeros(()))

    return jax.vmap(one)(xs, keys, at)


@eqx.filter_jit
def _observed(
    path: AbstractPath, kernel: AbstractKernel | Ladder, nodes: Array, at: Array, states: PyTree, sums: _Sums, keys: Array, span: Array
) -> tuple[PyTree, _Sums]:
    """Steps `span[0]` to `span[1]` of every chain at its time."""

    def one(state: PyTree, sums: _Sums, key: Array, k: Array) -> tuple[PyTree, _Sums]:
        mover, t = kernel_at(kernel, k), nodes[k]
        state, info = mover.step(path(t), state, key=key)
        off = slope(path, t, mover.position(state)) - sums.first
        return state, _Sums(sums.first, sums.total.add(off), sums.squares.add(off**2), sums.shadow + info.shadow_work)

    def body(i: Array, held: tuple[PyTree, _Sums]) -> tuple[PyTree, _Sums]:
        return jax.vmap(one)(*held, step_keys(keys, i), at)

    return jax.lax.fori_loop(span[0], span[1], body, (states, sums))


def _by_node(which: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    return [values[which == k] for k in range(which.max() + 1)]


def _spreads(which: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The standard deviation over the chains of every node."""
    return np.array([np.std(some, ddof=1) for some in _by_node(which, means)])


def _dealt(pull: Float[np.ndarray, " nodes"], chains: int) -> Int[np.ndarray, " lanes"]:
    """Which node every chain goes to: two to each, and the others as hard as nodes pull."""
    pull = np.ones_like(pull) if not np.all(np.isfinite(pull)) or not np.any(pull > 0) else pull
    steps = np.cumsum(pull) / np.sum(pull) * (chains - 2 * len(pull))
    more = np.diff(np.round(steps), prepend=0.0).astype(int)
    return np.repeat(np.arange(len(pull)), 2 + more)


def summary(rule: Rule, which: Int[np.ndarray, " lanes"], lanes: Lanes, constant: float, *, unadjusted: bool) -> Integration:
    """The sum over nodes with its two errors, from chains of which `which` says at what node they are."""
    means, inner = _by_node(which, lanes.means), _by_node(which, lanes.variances)
    number = np.array([len(some) for some in means])
    slopes = np.array([np.mean(some) for some in means])
    between = np.array([np.var(some, ddof=1) for some in means])
    within = np.array([np.mean(some) for some in inner])
    errors = np.sqrt(between / number)
    parts = (rule.weights * errors) ** 2
    statistical = float(np.sqrt(np.sum(parts)))
    apart, unsure = np.sum((rule.weights - rule.coarse) * slopes), np.sqrt(np.sum(((rule.weights - rule.coarse) * errors) ** 2))
    quadrature = abs(float(apart)) * (1.0 if abs(apart) > NOISE * unsure else rule.share)
    curve = Estimate(slopes, errors, evidence=Evidence.UNBIASED if np.all(np.isfinite(slopes)) else Evidence.NOT_ESTABLISHED)
    value = constant - float(np.sum(rule.weights * slopes))
    found = _estimate(value, parts, number, quadrature, _status(number, slopes, between, within, unadjusted=unadjusted))
    return Integration(found, rule.times, curve, within + between, number, statistical, quadrature, constant)


def _estimate(value: float, parts: np.ndarray, number: np.ndarray, quadrature: float, status: Status) -> Estimate:
    """The two errors together; Student's t of as many degrees as the chains give (Welch, Biometrika 34, 1947)."""
    if status is Status.NON_FINITE:
        return Estimate(None, None, status=status, evidence=Evidence.NOT_ESTABLISHED)
    variance = float(np.sum(parts))
    degrees = variance**2 / np.sum(parts**2 / (number - 1)) if variance > 0 else np.inf
    reach = student(LEVEL, degrees) * variance**0.5 + quadrature
    stderr = float(np.hypot(variance**0.5, quadrature))
    found = Estimate(value, stderr, value - reach, value + reach, LEVEL, float(np.sum(number)), status, Evidence.INTERVAL)
    return found if status is Status.OK else found.doubted(status)


def _status(number: np.ndarray, slopes: np.ndarray, between: np.ndarray, within: np.ndarray, *, unadjusted: bool) -> Status:
    """What is in doubt: chains of one node that disagree (R-hat, allowing for its noise), or that stand still."""
    if not np.all(np.isfinite(between)) or not np.all(np.isfinite(within)):
        return Status.NON_FINITE
    if np.all(between + within <= (ROUNDING * slopes) ** 2):
        return Status.CONSTANT
    slack = 1 + 3 * np.sqrt(2 / (number - 1))
    if np.any(between > (R_HAT**2 - 1) * slack * within + 1e-12 * (within + between).max()):
        return Status.NOT_MIXED
    return Status.UNADJUSTED if unadjusted else Status.OK
