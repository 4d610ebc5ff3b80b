"""Annealed importance sampling, forward and reverse, on any path with any kernel that accounts for its work.

Walkers go along `times` t_0 < ... < t_n by *switch, move, switch, ..., move, switch*. That order is its own mirror image:
the time reversal of an anneal is the same walk over the times reversed, with time-reversed kernels. Forward and reverse
work then obey Crooks' relation and may be given to `bar` (Neal, Statistics and Computing 11, 2001; Crooks, PRE 60, 1999).
"""

import dataclasses
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from gibbsite.core import (
    AbstractAdaptation,
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    ArrayLike,
    Estimate,
    Geometric,
    Normalised,
    Pair,
    Repeat,
    Sampleable,
    Status,
    as_float,
    draw,
    need,
    require,
)
from gibbsite.core.energy import check_values
from gibbsite.core.keys import BACKWARD, FORWARD, PILOT, POSITION, STATE, chain_keys, step_keys
from gibbsite.core.sums import zeros
from gibbsite.samplers import ULA, Progress
from gibbsite.samplers.progress import chunks
from gibbsite.thermo.weights import log_mean

ROUNDS = 16  # tuning moves at each time
FEW, SAME = 8, 1e-3  # draws at which an energy is held against an end of a path, and how nearly they must agree

_STEP_SIZES = attrgetter("kernel.kernel.step_size")
Settle = Literal["own", "next"]


class Ladder(eqx.Module):
    """One kernel per time: the leaves of `kernel` carry a leading axis, and entry k moves under the energy at `times[k]`."""

    kernel: AbstractKernel

    @classmethod
    def over(cls, kernel: AbstractKernel, times: ArrayLike) -> "Ladder":
        """The same kernel at every time, ready for `eqx.tree_at`."""
        count = len(as_float(times))
        return cls(jax.tree.map(lambda a: jnp.broadcast_to(a, (count, *a.shape)), kernel))

    def at(self, k: Int[Array, ""]) -> AbstractKernel:
        return jax.tree.map(lambda a: a[k] if eqx.is_array(a) else a, self.kernel)

    def reverse(self, settle: Settle) -> "Ladder":
        """The kernels met on the way back; a move that settles its switch belongs to the step between two times."""
        shift = 1 if settle == "next" else 0
        return Ladder(jax.tree.map(lambda a: jnp.roll(jnp.flip(a, 0), shift, 0), self.kernel.reverse()))


def annealed_langevin(sigmas: ArrayLike, *, step_size: ArrayLike, steps: int = 1) -> Ladder:
    """The kernels of annealed Langevin dynamics: at noise sigma_k, `steps` moves of `ULA(step_size sigma_k^2 / sigma_n^2)`.

    (Song & Ermon, NeurIPS 2019, arXiv 1907.05600, algorithm 1; their epsilon is `2 step_size`.) `sigmas` are the levels of noise at the
    `times` of a path, the last one least, and `step_size` that of the last: give the ladder to `anneal` with that path (of a
    `Diffusion`, `path()` and `path.sigma(times)`). The paper's draws are `positions`, each weighing the same; how far these are
    from the law is in `log_weights`. The walk ends with a switch, so the last moves are made under the last level but one.

    Raises:
        ValueError: sigmas are not positive numbers one after another, or step_size is not positive.
    """
    widths = as_float(sigmas)
    check_values("annealed_langevin", "sigmas", widths, lambda s: (s.ndim == 1) & np.all(s > 0), "positive numbers, one a time")
    least = as_float(step_size)
    ladder = Ladder.over(Repeat(ULA(least), steps), widths)
    return eqx.tree_at(_STEP_SIZES, ladder, least * (widths / widths[-1]) ** 2)


@dataclasses.dataclass(frozen=True, repr=False)
class Annealing:
    """Weighted walkers at the end of a path.

    `log_z` is that of the target (a lower bound in expectation forward, an upper one in reverse), `work` the nats each
    walker has spent, `positions` (walkers *x) where they ended, `acceptance` the mean over walkers of each move, and
    `kernel` the kernel or tuned `Ladder` used: give it to `anneal_reverse`. `base_log_z` is the known constant.
    """

    log_z: Estimate
    work: Float[np.ndarray, " walkers"]
    positions: PyTree
    acceptance: Float[np.ndarray, " moves"]
    kernel: "AbstractKernel | Ladder"
    base_log_z: float

    def __repr__(self) -> str:
        """`log Z = 12.81(3), lower bound; ESS 352 of 500 walkers; acceptance 0.66 to 0.96`, and what to do where it is in doubt."""
        found = self.log_z
        accept = f"; acceptance {np.min(self.acceptance):.2f} to {np.max(self.acceptance):.2f}" if len(self.acceptance) else ""
        doubt = "" if found.status is Status.OK else f"\n? {found.status.value}"
        ess = 0.0 if found.ess is None else found.ess
        return f"log Z = {found}, {found.evidence.value}; ESS {ess:.0f} of {len(self.work)} walkers{accept}{doubt}"

    @property
    def log_weights(self) -> Float[np.ndarray, " walkers"]:
        """`-work`: positions with these weights follow the law at the end of the walk."""
        return -self.work


def anneal(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    *,
    walkers: int = 1024,
    times: ArrayLike,
    settle: Settle = "own",
    tune: int = 0,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Annealing:
    """log Z of the path's target from exact draws of its base: `log Z_base + log mean exp(-work)`.

    `times` run from 0 to 1 (see `schedule`). `tune=32` first sends 32 pilot walkers along to fit the kernel to every
    time as its `adaptation()` says, and throws them away; a kernel without one is used as it is. Annealed Langevin dynamics is this
    walk with the kernels of `annealed_langevin`, its draws the `positions` without their weights. `settle="next"` lets a
    kernel that can (`settles_switch`) settle the switch within the move: one gradient a step instead of two.

    Raises:
        TypeError: the kernel does not report work, or the base has no known constant or exact draws.
        ValueError: times, walkers or settle make no sense.
    """
    times = increasing(times)
    check_kernel(kernel, len(times), settle)
    base = base_of(path)
    need(base, Sampleable, "anneal")
    if not hasattr(walkers, "__index__") or walkers < 2:
        raise ValueError(f"walkers={walkers}: give a whole number of at least two.")
    if tune and isinstance(kernel, AbstractKernel):
        kernel = tuned(path, kernel, times, tune, jax.random.fold_in(key, PILOT))
    keys = chain_keys(jax.random.fold_in(key, FORWARD), walkers)
    xs = begun(path, keys)
    work, positions, acceptance = walk(path, kernel, times, xs, keys, settle, progress or Progress("annealing", len(times)))
    constant = float(need(base, Normalised, "anneal").log_z())
    return Annealing(log_mean(-work) + constant, work, positions, acceptance, kernel, constant)


def anneal_reverse(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    x: PyTree,
    *,
    times: ArrayLike,
    settle: Settle = "own",
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Annealing:
    """The exact time reversal of `anneal`, from draws `x` (walkers *x) of the target: `log Z_base - log mean exp(-work)`.

    It is an upper bound in expectation where `x` are exact, independent draws; otherwise it is as good as they are.
    """
    times = increasing(times)
    check_kernel(kernel, len(times), settle)
    constant = float(need(base_of(path), Normalised, "anneal_reverse").log_z())
    xs = require(path(times[-1]).space, x, "x", batched=True)
    back = kernel.reverse(settle) if isinstance(kernel, Ladder) else kernel.reverse()
    keys = chain_keys(jax.random.fold_in(key, BACKWARD), len(jax.tree.leaves(xs)[0]))
    work, positions, acceptance = walk(path, back, times[::-1], xs, keys, settle, progress or Progress("annealing back", len(times)))
    log_z = -log_mean(-work) + constant
    return Annealing(log_z, work, positions, acceptance, kernel, constant)


def increasing(times: ArrayLike) -> Float[Array, " times"]:
    """The times as an array, refused unless they increase from 0 to 1."""
    array = np.asarray(times, np.float64)
    if array.ndim != 1 or len(array) < 2 or array[0] != 0 or array[-1] != 1 or np.any(np.diff(array) <= 0):
        raise ValueError(f"times={array}: give increasing numbers from 0 to 1, for example schedule(100).")
    return as_float(times)


def check_kernel(kernel: AbstractKernel | Ladder, times: int, settle: str) -> None:
    """Refuses a kernel whose work cannot be accounted for, or one of another number of times."""
    if isinstance(kernel, Ladder):
        rungs = {len(leaf) for leaf in jax.tree.leaves(kernel) if eqx.is_array(leaf)}
        if rungs - {times}:
            raise ValueError(
                f"the Ladder has kernels for {min(rungs - {times})} times and times= has {times}: give the times it was made for."
            )
        kernel = kernel.kernel
    name = type(kernel).__name__
    if not kernel.reports_work:
        raise TypeError(
            f"{name} does not report its work, so nothing can be weighted with it; use one with reports_work = True, such as MALA."
        )
    if settle not in ("own", "next"):
        raise ValueError(f'settle="{settle}": choose "own" or "next".')
    if settle == "next" and not kernel.settles_switch:
        raise ValueError(f'{name} cannot settle a switch within its move; use settle="own".')


def base_of(path: AbstractPath) -> AbstractEnergy:
    """The energy a path starts from, refused where it has none."""
    if path.base is None:
        raise TypeError(
            f"{type(path).__name__} has no base; annealing needs one with a known constant, such as Geometric(reference(space), energy)."
        )
    return path.base


def begun(path: AbstractPath, keys: Key[Array, " walkers"]) -> PyTree:
    """Exact draws of a path's base, one a walker.

    Raises:
        TypeError: it has none.
        ValueError: the base is not the energy of the path at t = 0, from which work is counted.
    """
    base = base_of(path)
    xs = draw_base(base, keys)
    if not isinstance(path, Geometric):  # which begins at its base by its formula
        apart = _apart(base, path, 0.0, jax.tree.map(lambda a: a[:FEW], xs))
        if apart:
            raise ValueError(
                f"{type(path).__name__} has a base of energy {apart[0]:.6g} where path(0) has {apart[1]:.6g}: give as base the "
                "energy at which the path begins, constant included."
            )
    return xs


def check_end(path: AbstractPath, energy: AbstractEnergy, keys: Key[Array, " walkers"]) -> None:
    """Refuses a path to another energy, one that differs by more than a thousandth (`SAME`) where the base has its draws.

    Raises:
        TypeError: the path has no base, from which places are drawn to look at.
        ValueError: at one of them path(1) is another number than the energy.
    """
    apart = _apart(energy, path, 1.0, draw_base(base_of(path), keys))
    if apart:
        raise ValueError(
            f"{type(path).__name__} ends where path(1) has energy {apart[1]:.6g} and {type(energy).__name__} has {apart[0]:.6g}: give a "
            "path that ends at the energy, constant included."
        )


def _apart(energy: AbstractEnergy, path: AbstractPath, t: float, xs: PyTree) -> tuple[float, float] | None:
    """What energy and path say at the first of these places where they differ."""
    told, there = (np.asarray(a, np.float64) for a in _both(energy, path, as_float(t), xs))
    apart = ~np.isclose(told, there, rtol=SAME, atol=SAME)
    return (float(told[apart][0]), float(there[apart][0])) if np.any(apart) else None


@eqx.filter_jit
def _both(energy: AbstractEnergy, path: AbstractPath, t: Array, xs: PyTree) -> tuple[Array, Array]:
    return jax.vmap(energy)(xs), jax.vmap(path(t))(xs)


class _Carry(NamedTuple):
    states: PyTree
    work: Pair
    acceptance: Float[Array, " moves"]


def walk(
    path: AbstractPath,
    kernel: AbstractKernel | Ladder,
    times: Float[Array, " times"],
    xs: PyTree,
    keys: Key[Array, " walkers"],
    settle: Settle,
    progress: Progress,
) -> tuple[np.ndarray, PyTree, np.ndarray]:
    """Work in float64, last positions and acceptance of walkers that start at `xs`."""
    moves = len(times) - (1 if settle == "next" else 2)
    states = _start(path, kernel, times, xs, keys)
    carry = _Carry(states, zeros((len(keys),)), jnp.zeros(moves))
    with progress:
        for start, stop in chunks(moves, progress):
            carry = jax.block_until_ready(_advance(path, kernel, times, carry, keys, jnp.asarray((start, stop), jnp.int32), settle=settle))
        positions, work = _finish(path, kernel, times, carry, settle=settle)
    return work.float64(), positions, np.asarray(carry.acceptance, np.float64)


def traced_walk(
    path: AbstractPath, kernel: AbstractKernel, times: Float[Array, " times"], xs: PyTree, keys: Key[Array, " walkers"]
) -> tuple[Pair, PyTree, Float[Array, " moves"]]:
    """Work, last positions and acceptance in one traced piece, so that `jax.vmap` can take many paths at once."""
    moves = len(times) - 2
    carry = _Carry(_start(path, kernel, times, xs, keys), zeros((len(keys),)), jnp.zeros(moves))
    carry = _advance(path, kernel, times, carry, keys, jnp.asarray((0, moves), jnp.int32), settle="own")
    positions, work = _finish(path, kernel, times, carry, settle="own")
    return work, positions, carry.acceptance


def kernel_at(kernel: AbstractKernel | Ladder, k: Int[Array, ""]) -> AbstractKernel:
    """The kernel of the time numbered `k`."""
    return kernel.at(k) if isinstance(kernel, Ladder) else kernel


@eqx.filter_jit
def draw_base(energy: AbstractEnergy, keys: Key[Array, " walkers"]) -> PyTree:
    """One exact draw per walker."""
    return jax.vmap(lambda k: draw(energy, key=k))(step_keys(keys, jnp.asarray(POSITION)))


@eqx.filter_jit
def _start(path: AbstractPath, kernel: AbstractKernel | Ladder, times: Array, xs: PyTree, keys: Array) -> PyTree:
    first = kernel_at(kernel, jnp.asarray(1))
    return jax.vmap(lambda x, key: first.init(path(times[0]), x, key=key))(xs, step_keys(keys, jnp.asarray(STATE)))


@eqx.filter_jit
def _advance(
    path: AbstractPath, kernel: AbstractKernel | Ladder, times: Array, carry: _Carry, keys: Array, span: Array, *, settle: Settle
) -> _Carry:
    """Moves `span[0]` to `span[1]`: each switches from t_k to t_{k+1} and moves under the energy at t_{k+1}."""

    def one(k: Array, state: PyTree, work: Pair, key: Array) -> tuple[PyTree, Pair, Array]:
        mover, energy = kernel_at(kernel, k + 1), path(times[k + 1])
        if settle == "own":
            work = work.add(path.work(times[k], times[k + 1], mover.position(state)))
            state = mover.refresh(energy, state)
        state, info = mover.step(energy, state, key=key)
        return state, work.add(info.shadow_work), jnp.mean(info.accept_prob)

    def body(k: Array, carry: _Carry) -> _Carry:
        states, work, accept = jax.vmap(one, in_axes=(None, 0, 0, 0))(k, carry.states, carry.work, step_keys(keys, k))
        return _Carry(states, work, carry.acceptance.at[k].set(jnp.mean(accept)))

    return jax.lax.fori_loop(span[0], span[1], body, carry)


@eqx.filter_jit
def _finish(path: AbstractPath, kernel: AbstractKernel | Ladder, times: Array, carry: _Carry, *, settle: Settle) -> tuple[PyTree, Pair]:
    """The last switch, unless it is settled already."""
    positions = jax.vmap(kernel_at(kernel, jnp.asarray(1)).position)(carry.states)
    if settle == "next":
        return positions, carry.work
    return positions, carry.work.add(jax.vmap(lambda x: path.work(times[-2], times[-1], x))(positions))


def tuned(path: AbstractPath, kernel: AbstractKernel, times: Array, walkers: int, key: Key[Array, ""]) -> AbstractKernel | Ladder:
    """The kernel fitted to every time by pilot walkers, or the kernel itself if there is nothing to fit."""
    adaptation = kernel.adaptation()
    return kernel if adaptation is None else _pilot(path, kernel, adaptation, times, chain_keys(key, walkers))


@eqx.filter_jit
def _pilot(path: AbstractPath, kernel: AbstractKernel, adaptation: AbstractAdaptation, times: Array, keys: Array) -> Ladder:
    xs = draw_base(base_of(path), keys)
    states = jax.vmap(lambda x, k: kernel.init(path(times[0]), x, key=k))(xs, step_keys(keys, jnp.asarray(STATE)))
    arrays, static = eqx.partition(kernel, eqx.is_array)

    def rung(carry: tuple[Any, PyTree], k: Array) -> tuple[tuple[Any, PyTree], Any]:
        energy, kernel = path(times[k]), eqx.combine(carry[0], static)
        states = jax.vmap(lambda s: kernel.refresh(energy, s))(carry[1])

        def round_(i: Array, inner: tuple[Any, PyTree, PyTree]) -> tuple[Any, PyTree, PyTree]:
            kernel = eqx.combine(inner[0], static)
            states, info = jax.vmap(lambda s, key: kernel.step(energy, s, key=key))(inner[1], step_keys(keys, k * ROUNDS + i))
            kernel, adapt = adaptation.update(kernel, inner[2], info, jax.vmap(kernel.position)(states))
            return eqx.filter(kernel, eqx.is_array), states, adapt

        arrays, states, adapt = jax.lax.fori_loop(0, ROUNDS, round_, (carry[0], states, adaptation.init(kernel)))
        tuned = eqx.filter(adaptation.final(eqx.combine(arrays, static), adapt), eqx.is_array)
        return (tuned, states), tuned

    _, tuned = jax.lax.scan(rung, (arrays, states), jnp.arange(1, len(times)))
    return Ladder(eqx.combine(jax.tree.map(lambda a: jnp.concatenate([a[:1], a]), tuned), static))
