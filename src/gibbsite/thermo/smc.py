"""Sequential Monte Carlo: walkers go along a path by *weigh, resample, move*, and give log Z, draws, and F at every temperature.

A stage leads from t_k to t_{k+1}. Each walker's weight is multiplied by exp(-work) of the switch; where few effective walkers are
left, they are resampled; the kernel then moves them under the energy at t_{k+1} (Del Moral, Doucet & Jasra, JRSSB 68, 2006).

    log Z = log Z_base + sum_k log mean_i w_i exp(-work_i),   weights w of mean 1 before each stage.

*Population annealing* is this driver on a lattice, resampled at every temperature (`ess=1`): Hukushima & Iba, AIP Conf. Proc.
690, 2003; Machta, PRE 82, 2010. *Waste-free* SMC resamples few walkers, makes a chain of each, and keeps all states of the chains
(`chains=`): Dau & Chopin, JRSSB 84, 2022.

The error of log Z comes from the families of one run: see `thermo/families.py`.
"""

import dataclasses
from collections.abc import Callable as Function
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    ArrayLike,
    Estimate,
    Evidence,
    Normalised,
    Sampleable,
    Status,
    as_float,
    need,
)
from gibbsite.core.keys import POPULATION, RESAMPLING, chain_keys, step_keys
from gibbsite.samplers import Progress
from gibbsite.thermo.annealing import Ladder, base_of, begun, check_kernel, increasing
from gibbsite.thermo.families import Books, held, shares
from gibbsite.thermo.resampling import Rule, systematic

HALVINGS = 24  # of the bracket of log2(step), from 2^-40 of the way that is left to all of it
PERCENT = 100  # of the path, as progress tells it


@dataclasses.dataclass(frozen=True, repr=False)
class Population:
    """Weighted walkers at the end of a path, and what was met on it.

    `positions` (walkers *x) with `log_weights` follow the target; `families` numbers the ancestor of each.
    Along `times` t_0 = 0 < ... < t_n: `log_zs[k]` is log Z at t_k in nats, and stage k - 1 to k has `ess` (effective walkers
    after weighing), `rho_t` (mean family size then) and `acceptance` (mean over moves and walkers) at index k - 1. `kernel` is the
    kernel, or the `Ladder` it was tuned to: with `times` it makes a second run, or an `anneal`, that tunes nothing.
    """

    log_z: Estimate
    positions: PyTree
    log_weights: Float[np.ndarray, " walkers"]
    families: Int[np.ndarray, " walkers"]
    times: Float[np.ndarray, " times"]
    log_zs: Float[np.ndarray, " times"]
    ess: Float[np.ndarray, " stages"]
    rho_t: Float[np.ndarray, " stages"]
    acceptance: Float[np.ndarray, " stages"]
    kernel: AbstractKernel | Ladder
    base_log_z: float

    @property
    def family_entropy(self) -> float:
        """`-sum f log f` over families, in nats: exp of it is how many families are left (Wang, Machta & Katzgraber, PRE 92, 2015)."""
        parts = held(self.families, shares(self.log_weights))
        return -float(np.sum(parts[parts > 0] * np.log(parts[parts > 0])))

    def __repr__(self) -> str:
        """`log Z = 12.81(3), interval; 9 stages; ESS 512 or more, rho_t 7.1, of 1000 walkers; acceptance 0.66 to 0.96`, and doubts."""
        found = self.log_z
        doubt = "" if found.status is Status.OK else f"\n? {found.status.value}"
        if not len(self.acceptance):
            return f"log Z = {found}{doubt}"
        least = f"ESS {np.min(self.ess):.0f} or more, rho_t {self.rho_t[-1]:.1f}, of {len(self.log_weights)} walkers"
        accept = f"acceptance {np.min(self.acceptance):.2f} to {np.max(self.acceptance):.2f}"
        return f"log Z = {found}, {found.evidence.value}; {len(self.ess)} stages; {least}; {accept}{doubt}"


def smc(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    *,
    walkers: int = 1024,
    times: ArrayLike | None = None,
    cess: float = 0.9,
    ess: float = 0.5,
    moves: int = 5,
    chains: int | None = None,
    resample: Rule = systematic,
    tune: bool = True,
    most: int = 1000,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Population:
    """log Z and weighted draws of the path's target, from exact draws of its base.

    Without `times` the next temperature is the farthest at which the switch keeps a share `cess` of the effective walkers
    (conditional ESS: Zhou, Johansen & Aston, arXiv 1303.3123), found by bisection, for `most` stages at most. Walkers are
    resampled where ESS falls below a share `ess` of them; 1 resamples at every stage. Then each makes `moves` moves.
    `chains=M` is waste-free: M walkers are resampled at every stage, and of each all `walkers / M` states are kept, the start
    and others `moves` moves apart. With `tune`, the kernel's `adaptation()` goes on from move to move, pooled over walkers.

    The log Z is a lower bound in expectation, Z itself unbiased, where nothing is chosen by the walkers: at given `times` with a
    `Ladder`, `tune=False`, or a kernel without adaptation. Else Z is unbiased only as walkers become many, and the evidence is an
    interval. LOW_ESS says that weights collapsed: fewer than 30 effective walkers at a stage, or families at the end.

    Raises:
        TypeError: the kernel does not report work, or the base has no known constant or exact draws.
        ValueError: numbers make no sense.
    """
    given = None if times is None else np.asarray(increasing(times))
    rule = _Rule(as_float(cess), as_float(ess), jnp.asarray(moves), walkers if chains is None else chains, resample)
    _check(kernel, given, walkers, rule)
    base = base_of(path)
    need(base, Sampleable, "smc")
    constant = float(need(base, Normalised, "smc").log_z())
    own = jax.random.fold_in(key, POPULATION)
    cloud = _Cloud(begun(path, chain_keys(own, walkers)), jnp.zeros(walkers), jnp.arange(walkers))
    with progress or Progress("along the path", PERCENT) as shown:
        carry, books, used = _walk(path, kernel, rule, given, _begun(kernel, cloud, tune=tune), most, shown, own)
    fixed = given is not None and carry.adapt is None
    found = books.estimate(Evidence.LOWER if fixed else Evidence.INTERVAL) + constant
    tuned = kernel if carry.adapt is None else Ladder(_stacked(carry.kernel, used))
    return Population(
        found,
        carry.cloud.positions,
        np.asarray(carry.cloud.log_weights, np.float64),
        np.asarray(carry.cloud.families),
        np.asarray(books.times),
        np.asarray(books.log_zs) + constant,
        np.asarray(books.ess),
        np.asarray(books.rho_t),
        np.asarray(books.acceptance),
        tuned,
        constant,
    )


class _Rule(NamedTuple):
    """What stays the same in a run; a compiled program depends on `chains` and `resample` alone."""

    cess: Float[Array, ""]
    ess: Float[Array, ""]
    moves: Int[Array, ""]
    chains: int
    resample: Rule


class _Cloud(NamedTuple):
    """Walkers on their way; the weights after the last weighing have mean 1."""

    positions: PyTree
    log_weights: Float[Array, " walkers"]
    families: Int[Array, " walkers"]


class _Carry(NamedTuple):
    cloud: _Cloud
    kernel: AbstractKernel
    adapt: PyTree


def _check(kernel: AbstractKernel | Ladder, given: np.ndarray | None, walkers: int, rule: _Rule) -> None:
    if isinstance(kernel, Ladder) and given is None:
        raise ValueError("a Ladder has one kernel for each time: give times= it was made for.")
    check_kernel(kernel, 0 if given is None else len(given), "own")
    if not hasattr(walkers, "__index__") or walkers < 2:
        raise ValueError(f"walkers={walkers}: give a whole number of at least two.")
    if not 0 < rule.cess < 1 or not 0 <= rule.ess <= 1:
        raise ValueError(f"cess={rule.cess}, ess={rule.ess}: both are shares of the walkers, cess above 0 and below 1.")
    if rule.moves < 1:
        raise ValueError(f"moves={rule.moves}: give at least one at every stage, for copies of one walker must part.")
    if not 2 <= rule.chains <= walkers or walkers % rule.chains:
        raise ValueError(f"chains={rule.chains} of walkers={walkers}: give a number that divides it, from two on.")


def _begun(kernel: AbstractKernel | Ladder, cloud: _Cloud, *, tune: bool) -> _Carry:
    if isinstance(kernel, Ladder):
        return _Carry(cloud, kernel.at(jnp.asarray(0)), None)
    adaptation = kernel.adaptation() if tune else None
    return _Carry(cloud, kernel, None if adaptation is None else adaptation.init(kernel))


def _walk(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    rule: _Rule,
    given: np.ndarray | None,
    carry: _Carry,
    most: int,
    progress: Progress,
    key: Key[Array, ""],
) -> tuple[_Carry, Books, list[AbstractKernel]]:
    """Stage after stage to the end of the path, and the kernel of each; two compiled programs, whatever the stages."""
    books, used = Books(len(carry.cloud.log_weights), given=given is not None), list[AbstractKernel]()
    while books.times[-1] < 1 and len(used) < most:
        stage = len(used)
        goal = None if given is None else as_float(given[stage + 1])
        t, log_weights = _weighed(path, carry.cloud, as_float(books.times[-1]), goal, rule.cess)
        if not books.weigh(float(t), np.asarray(log_weights, np.float64), np.asarray(carry.cloud.families)):
            break
        mover = kernel.at(jnp.asarray(stage + 1)) if isinstance(kernel, Ladder) else carry.kernel
        carry = _Carry(carry.cloud._replace(log_weights=log_weights - books.shift), mover, carry.adapt)
        anew = rule.chains < len(log_weights) or books.ess[-1] < float(rule.ess) * len(log_weights)
        carry, accept = _moved(path, carry, t, rule, jnp.asarray(anew), jnp.asarray(stage), key)
        books.settle(float(accept), np.asarray(carry.cloud.families), anew=anew)
        used.append(eqx.filter(carry.kernel, eqx.is_array))
        progress.advance(round(PERCENT * float(t)) - progress.done)
    return carry, books, used


def _stacked(kernel: AbstractKernel, used: list[AbstractKernel]) -> AbstractKernel:
    """The kernels of all stages along a leading axis; nothing moves at the first time, so the first kernel stands there too."""
    arrays = jax.tree.map(lambda *a: jnp.stack(a), *(used[:1] or [eqx.filter(kernel, eqx.is_array)]), *used)
    return eqx.combine(arrays, eqx.filter(kernel, eqx.is_array, inverse=True))


@eqx.filter_jit
def _weighed(path: AbstractPath, cloud: _Cloud, t: Array, goal: Array | None, cess: Array) -> tuple[Array, Array]:
    """Where the stage leads, and the log-weights there."""

    def switched(to: Array) -> Array:
        return -jax.vmap(lambda x: path.work(t, to, x))(cloud.positions)

    def near(to: Array) -> Bool[Array, ""]:
        gain = switched(to)
        once, twice = (jax.nn.logsumexp(cloud.log_weights + k * gain) for k in (1, 2))
        return 2 * once - twice - jax.nn.logsumexp(cloud.log_weights) >= jnp.log(cess)

    to = _farthest(near, t) if goal is None else goal
    return to, cloud.log_weights + switched(to)


def _farthest(near: Function[[Array], Array], t: Array) -> Array:
    """The end of the path if it is near, else the last time that is, by bisection of the log of the step; always beyond t."""
    left = 1 - t

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        inside = near(t + left * 2**middle)
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    low, _ = jax.lax.fori_loop(0, HALVINGS, halve, (as_float(-40.0), as_float(0.0)))
    return jnp.where(near(jnp.ones_like(t)), 1.0, jnp.maximum(t + left * 2**low, jnp.nextafter(t, jnp.ones_like(t))))


@eqx.filter_jit
def _moved(
    path: AbstractPath, carry: _Carry, t: Array, rule: _Rule, anew: Bool[Array, ""], stage: Int[Array, ""], key: Key[Array, ""]
) -> tuple[_Carry, Array]:
    """Resampled, if `anew`, and moved under the energy at `t`, with the mean acceptance."""
    (positions, log_weights, families), walkers = carry.cloud, len(carry.cloud.log_weights)
    wasteless = rule.chains < walkers
    chosen = _chosen(log_weights, rule, anew, jax.random.fold_in(jax.random.fold_in(key, RESAMPLING), stage))
    xs = jax.tree.map(lambda a: a[chosen], positions)
    even = jnp.where(anew, 0.0, log_weights[chosen])
    blocks = walkers // rule.chains - 1 if wasteless else 1
    ends, work, kernel, adapt, accept = _trajectories(path(t), carry, xs, rule.moves, blocks, stage, chain_keys(key, rule.chains))
    if wasteless:
        ends = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), xs, ends)
        work = jnp.concatenate([jnp.zeros((1, rule.chains)), work])
    rest = jax.tree.map(lambda a: a.reshape(walkers, *a.shape[2:]), ends)
    cloud = _Cloud(rest, (even - work).reshape(walkers), jnp.tile(families[chosen], walkers // rule.chains))
    return _Carry(cloud, kernel, adapt), accept


def _chosen(log_weights: Array, rule: _Rule, anew: Array, key: Key[Array, ""]) -> Int[Array, " chains"]:
    """Who goes on."""
    if rule.chains < len(log_weights):
        return rule.resample(log_weights, rule.chains, key=key)
    return jax.lax.cond(anew, lambda: rule.resample(log_weights, rule.chains, key=key), lambda: jnp.arange(rule.chains))


def _trajectories(
    energy: AbstractEnergy, carry: _Carry, xs: PyTree, moves: Array, blocks: int, stage: Array, keys: Array
) -> tuple[PyTree, Array, Any, Any, Array]:
    """Where chains from `xs` are after every `moves` moves, `blocks` times (blocks chains *x), and the shadow work till then."""
    first = stage * (blocks * moves + 1)
    states = jax.vmap(lambda x, k: carry.kernel.init(energy, x, key=k))(xs, step_keys(keys, first))
    arrays, static = eqx.partition((carry.kernel, carry.adapt), eqx.is_array)

    def move(i: Array, now: tuple[Any, PyTree, Array, Array]) -> tuple[Any, PyTree, Array, Array]:
        kernel, adapt = eqx.combine(now[0], static)
        states, info = jax.vmap(lambda s, k: kernel.step(energy, s, key=k))(now[1], step_keys(keys, i))
        if adapt is not None:
            kernel, adapt = kernel.adaptation().update(kernel, adapt, info, jax.vmap(kernel.position)(states))
        return eqx.filter((kernel, adapt), eqx.is_array), states, now[2] + info.shadow_work, now[3] + jnp.mean(info.accept_prob)

    def block(now: Any, b: Array) -> tuple[Any, tuple[PyTree, Array]]:
        start = first + 1 + b * moves
        now = jax.lax.fori_loop(start, start + moves, move, now)
        return now, (jax.vmap(carry.kernel.position)(now[1]), now[2])

    begun = (arrays, states, jnp.zeros(len(keys)), jnp.zeros(()))
    (arrays, _, _, accepted), (ends, work) = jax.lax.scan(block, begun, jnp.arange(blocks))
    kernel, adapt = eqx.combine(arrays, static)
    return ends, work, kernel, adapt, accepted / (blocks * moves)
