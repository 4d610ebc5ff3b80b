"""The laws of kernels: what they must leave invariant, account for, and never depend on."""

import dataclasses
from collections.abc import Callable as Function
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractPath, Box, Geometric, Reals, Tempered, Torus, as_float, reference
from gibbsite.samplers import Silent, sample
from gibbsite.testing.law import LawViolation, Z, bounded, chi_square, z_test
from gibbsite.testing.problems import Problem, few_states, numbers, states
from gibbsite.thermo import anneal

ENOUGH = 100  # moves whose share is compared with a probability
BATCH = 2**11  # chains that move side by side
COUNTED = 2**12  # states whose counts are held against their probabilities
Start = Function[[AbstractKernel, Key[Array, ""]], PyTree]


def check_kernel(
    kernel: AbstractKernel,
    problem: Problem,
    *,
    start: Start | None = None,
    path: AbstractPath | None = None,
    draws: int = 2**18,
    steps: int = 6,
    forgets: int = 500,
    key: Key[Array, ""],
) -> None:
    """All laws of one kernel on an exactly solvable problem; each has a function of its own below.

    `start(kernel, key)` draws a whole state from its exact law, where the state is more than one x (a population).
    `path` replaces the geometric one, where the kernel needs a capability that the latter loses. Where a chain starts must
    be forgotten after `forgets` moves. `check_chunks` tries the loop that runs kernels rather than the kernel, and is not among them.

    Raises:
        LawViolation: a law is broken; the message says which, by how much, and the bound.
    """
    one, two, three = jax.random.split(key, 3)
    check_exact_start(kernel, problem, start=start, draws=draws, steps=steps, key=one)
    check_moves(kernel, problem, key=one)
    if not kernel.settles_switch:
        check_forgets(kernel, problem, steps=forgets, key=two)
    if kernel.reversible:
        check_reversible(kernel, problem, draws=draws, key=two)
    if kernel.reports_work:
        check_log_z(kernel, problem, path=path, key=three)
    check_refresh(kernel, problem, key=key)
    check_compiles_once(kernel, problem, key=key)


def check_exact_start(
    kernel: AbstractKernel, problem: Problem, *, start: Start | None = None, draws: int = 2**18, steps: int = 6, key: Key[Array, ""]
) -> None:
    """From exact draws x0, `steps` moves of independent chains: E[exp(-work) f(x_k) - f(x_0)] = 0, exactly, for every f.

    No burn-in and no autocorrelation, so the false-alarm rate is known. f = 1 says E[exp(-work)] = 1. On small discrete
    spaces the counts of all states are also held against their probabilities.
    """
    walk = _walks(kernel, problem, start=start, steps=steps, draws=draws, key=key)
    weight, name = np.exp(-walk.work)[:, None], type(kernel).__name__
    z_test(name, "exact-start law, E[exp(-work) f(y)] = E f", weight * walk.g - walk.f)
    if few_states(space := problem.energy.space, COUNTED) and not np.any(walk.work):
        law = np.asarray(jax.nn.softmax(-jax.vmap(problem.energy)(states(space))), np.float64)
        chi_square(
            name, "exact-start law, counts of states", np.bincount(numbers(space, jnp.asarray(walk.y)), minlength=len(law)), law / law.sum()
        )


def check_moves(kernel: AbstractKernel, problem: Problem, *, draws: int = 2**14, key: Key[Array, ""]) -> None:
    """The energy that a kernel has at hand is that of its position; one that accepts or rejects moves as often as it says.

    On a discrete space a proposal may be x itself, which is accepted for certain: only those that are not certain count there.
    """
    walk, name = _walks(kernel, problem, steps=1, draws=draws, key=key), type(kernel).__name__
    bounded(name, "energy of the state against energy of its position", walk.cached - walk.energy, 1e-4 * (1 + np.abs(walk.energy)))
    moved = np.any([np.any((a != b).reshape(draws, -1), axis=1) for a, b in _pairs(walk.x, walk.y)], axis=0)
    if not np.any(moved):
        raise LawViolation(f"{name}: none of {draws} chains moved in one step.")
    counted = isinstance(problem.energy.space, Reals | Box | Torus) | (walk.accept < 1 - 1e-4)
    if kernel.reversible and np.sum(counted) >= ENOUGH:
        z_test(name, "acceptance stated against moves made", (moved - walk.accept)[counted])


def check_forgets(kernel: AbstractKernel, problem: Problem, *, draws: int = 2**11, steps: int = 500, key: Key[Array, ""]) -> None:
    """Started all at one point, chains follow the law after `steps` moves: a kernel that cannot reach a part of it is seen."""
    one, two = jax.random.split(key)
    there = _walks(kernel, problem, at=problem.sample(key=one), steps=steps, draws=draws, key=one)
    exact = _walks(kernel, problem, steps=0, draws=draws, key=two)
    z_test(type(kernel).__name__, f"law after {steps} moves from one point", there.g - exact.f)


def check_reversible(kernel: AbstractKernel, problem: Problem, *, draws: int = 2**18, key: Key[Array, ""]) -> None:
    """Pairs (x0, x1) and (x1, x0) have one law: E[f_i(x0) f_j(x1) - f_j(x0) f_i(x1)] = 0."""
    walk = _walks(kernel, problem, steps=1, draws=draws, key=key)
    f, g = walk.f, walk.g
    mean = (f.T @ g - g.T @ f) / draws
    square = ((f * f).T @ (g * g) + (g * g).T @ (f * f) - 2 * (f * g).T @ (f * g)) / draws
    bounded(type(kernel).__name__, "reversibility", mean, Z * np.sqrt(np.maximum(square - mean**2, 0.0) / draws) + 1e-6)


def check_log_z(
    kernel: AbstractKernel,
    problem: Problem,
    *,
    path: AbstractPath | None = None,
    walkers: int = 2**14,
    limit: float = 0.1,
    key: Key[Array, ""],
) -> None:
    """Annealing over four switches recovers the known log Z, at whatever step size the kernel has."""
    path = path or Geometric(reference(problem.energy.space), problem.energy)
    found = anneal(path, kernel, walkers=walkers, times=as_float((0.0, 0.2, 0.45, 0.7, 1.0)), key=key).log_z
    if found.value is None or found.stderr > limit:
        raise LawViolation(
            f"{type(kernel).__name__}: annealed log Z is {found} ({found.status.value}), too uncertain to test; at most {limit:g}."
        )
    bounded(type(kernel).__name__, "log Z of a path", found.value - problem.log_z, Z * found.stderr + 1e-5)


def check_refresh(kernel: AbstractKernel, problem: Problem, *, key: Key[Array, ""]) -> None:
    """A state refreshed under another energy is the one that `init` builds there; a replaced x becomes its position."""
    first, other = (problem.sample(key=k) for k in jax.random.split(key))
    hot = Tempered(problem.energy, as_float(0.5))
    energy = hot if _survives(kernel, hot, first, key) else problem.energy
    for fresh, built in _refreshed(kernel, problem.energy, energy, first, other, key):
        for a, b in zip(jax.tree.leaves(fresh), jax.tree.leaves(built), strict=True):
            bounded(type(kernel).__name__, "refresh under another energy", a - b, 1e-5 * (1 + np.abs(b)))


@eqx.filter_jit
def _refreshed(
    kernel: AbstractKernel, old: AbstractEnergy, new: AbstractEnergy, first: PyTree, other: PyTree, key: Key[Array, ""]
) -> list[tuple[PyTree, PyTree]]:
    stale = kernel.init(old, first, key=key)
    pairs = ((first, None), (other, other))
    return [(kernel.refresh(new, stale, given), kernel.init(new, x, key=key)) for x, given in pairs]


def check_compiles_once(kernel: AbstractKernel, problem: Problem, *, key: Key[Array, ""]) -> None:
    """Hyper-parameters and temperatures given as floats, integers and arrays run one and the same program."""
    traces: list[int] = []
    x = problem.sample(key=key)

    @eqx.filter_jit
    def move(kernel: AbstractKernel, energy: AbstractEnergy, x: PyTree, key: Key[Array, ""]) -> PyTree:
        traces.append(1)
        return kernel.step(energy, kernel.init(energy, x, key=key), key=key)

    temper = _survives(kernel, Tempered(problem.energy, as_float(1.0)), x, key)
    spells: tuple[Function[[Any], Any], ...] = (float, lambda v: max(round(float(v)), 1), jnp.asarray)
    for spell in spells:  # lowered, not compiled: the cache of traces tells one program from several
        at = Tempered(problem.energy, spell(0.5)) if temper else problem.energy
        move.lower(respelled(kernel, spell), at, x, key)  # type: ignore[attr-defined]
    if len(traces) > 1:
        raise LawViolation(f"{type(kernel).__name__}: three temperatures and step sizes compiled {len(traces)} programs, not one.")


def check_chunks(kernel: AbstractKernel, problem: Problem, *, key: Key[Array, ""]) -> None:
    """The draws are the same, bit for bit, however the run is cut into chunks."""
    runs = [_draws(kernel, problem, chunk, key) for chunk in (12, 5)]
    if not all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, runs), strict=True)):
        raise LawViolation(f"{type(kernel).__name__}: chunks of 12 and of 5 steps give different draws.")


def _draws(kernel: AbstractKernel, problem: Problem, chunk: int, key: Key[Array, ""]) -> PyTree:
    return sample(kernel, problem.energy, chains=8, warmup=4, draws=12, keep=1, chunk=chunk, progress=Silent(), key=key).samples


def respelled(kernel: AbstractKernel, spell: Function[[Any], Any]) -> Any:
    """The kernel rebuilt with its scalar hyper-parameters written as `spell` writes them, those of its parts included."""

    def rewrite(value: Any) -> Any:
        if isinstance(value, AbstractKernel):
            return respelled(value, spell)
        if isinstance(value, tuple):
            return tuple(rewrite(v) for v in value)
        number = isinstance(value, float) or (eqx.is_inexact_array(value) and value.ndim == 0)
        return spell(value) if number else value

    return dataclasses.replace(kernel, **{f.name: rewrite(getattr(kernel, f.name)) for f in dataclasses.fields(kernel) if f.init})


def _survives(kernel: AbstractKernel, energy: AbstractEnergy, x: PyTree, key: Key[Array, ""]) -> bool:
    """Whether the kernel runs on the wrapped energy (a view such as Latent is lost by tempering)."""
    try:
        eqx.filter_eval_shape(lambda: kernel.step(energy, kernel.init(energy, x, key=key), key=key))
    except TypeError:
        return False
    return True


class _Walks(NamedTuple):
    """Independent chains before and after their moves, on the host: positions, features, the work of all moves.

    Acceptance is that of the last move; `cached` is the energy that the kernel has at hand, `energy` that of y.
    """

    x: PyTree
    y: PyTree
    f: Float[Array | np.ndarray, "*draws features"]
    g: Float[Array | np.ndarray, "*draws features"]
    work: Float[Array | np.ndarray, "*draws"]
    accept: Float[Array | np.ndarray, "*draws"]
    cached: Float[Array | np.ndarray, "*draws"]
    energy: Float[Array | np.ndarray, "*draws"]


def _walks(
    kernel: AbstractKernel,
    problem: Problem,
    *,
    steps: int,
    draws: int,
    key: Key[Array, ""],
    start: Start | None = None,
    at: PyTree = None,
) -> _Walks:
    """Chains from `start`, from one point or else from exact draws: all laws run one program, a batch at a time."""
    size, batches = min(draws, BATCH), []
    for number in range(draws // size):
        first, cache, moves = jax.random.split(jax.random.fold_in(key, number), 3)
        if start is None:
            xs = _exact(problem.sample, first, size) if at is None else jax.tree.map(lambda a: jnp.repeat(a[None], size, 0), at)
            begun = _placed(kernel, problem.energy, xs, cache)
        else:
            begun = _started(kernel, start, first, size)
        walk = _walk(kernel, problem.energy, problem.log_z, begun, jnp.asarray(steps), moves)
        batches.append(jax.tree.map(np.asarray, walk))
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *batches)
    return _Walks(whole.x, whole.y, *(np.asarray(a, np.float64) for a in whole[2:]))


@eqx.filter_jit
def _exact(sample: Function[..., PyTree], key: Key[Array, ""], size: int) -> PyTree:
    return jax.vmap(lambda k: sample(key=k))(jax.random.split(key, size))


@eqx.filter_jit
def _placed(kernel: AbstractKernel, energy: AbstractEnergy, xs: PyTree, key: Key[Array, ""]) -> PyTree:
    keys = jax.random.split(key, len(jax.tree.leaves(xs)[0]))
    return jax.vmap(lambda x, k: kernel.init(energy, x, key=k))(xs, keys)


@eqx.filter_jit
def _started(kernel: AbstractKernel, start: Start, key: Key[Array, ""], size: int) -> PyTree:
    return jax.vmap(partial(start, kernel))(jax.random.split(key, size))


@eqx.filter_jit
def _walk(kernel: AbstractKernel, energy: AbstractEnergy, log_z: float, states: PyTree, steps: Array, key: Key[Array, ""]) -> _Walks:
    features = partial(_features, energy, log_z)

    def one(state: PyTree, moves: Key[Array, ""]) -> _Walks:
        def move(k: Array, carry: tuple[PyTree, Array, Array]) -> tuple[PyTree, Array, Array]:
            state, info = kernel.step(energy, carry[0], key=jax.random.fold_in(moves, k))
            return state, carry[1] + info.shadow_work, jnp.mean(info.accept_prob)

        last, work, accept = jax.lax.fori_loop(0, steps, move, (state, jnp.zeros(()), jnp.ones(())))
        x, y = kernel.position(state), kernel.position(last)
        return _Walks(x, y, features(x), features(y), work, accept, kernel.energy(energy, last), energy(y))

    return jax.vmap(one)(states, jax.random.split(key, len(jax.tree.leaves(states)[0])))


def _pairs(xs: PyTree, ys: PyTree) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    return zip(jax.tree.leaves(xs), jax.tree.leaves(ys), strict=True)


def _features(energy: AbstractEnergy, log_z: float, x: PyTree) -> Float[Array, " features"]:
    """Bounded, asymmetric functions of x: 1, p(x)^(1/size), then tanh, its square, sine and a bump along fixed directions."""
    flat = jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(x)])
    axes = jax.random.normal(jax.random.key(7), (flat.size, 3)) / jnp.sqrt(flat.size)
    along = jnp.concatenate([flat[:1], flat @ axes])
    density = jnp.exp(-(energy(x) + log_z) / flat.size)[None]
    waves = [jnp.tanh(along), jnp.tanh(along) ** 2, jnp.sin(1.3 * along + 0.4), jnp.exp(-((along - 0.7) ** 2))]
    return jnp.concatenate([jnp.ones(1), density, *waves])
