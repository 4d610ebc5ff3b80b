"""How known laws are drawn: what makes the rows of `test_truths_sampled.py`, each a way to estimates and the truths that they must meet."""

import math
from collections.abc import Callable as Function
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from registry.twins import AbstractExact

from gibbsite import Callable, Estimate, Tempered, anneal, bar, certify, sample
from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    Geometric,
    Info,
    Normal,
    Reals,
    Repeat,
    Spins,
    Tempering,
    as_float,
    no_work,
    reference,
    schedule,
)
from gibbsite.energies import Copies, Funnel, Ising, edwards_anderson, sherrington_kirkpatrick
from gibbsite.samplers import MALA, Gibbs, Multispin, Silent
from gibbsite.testing.problems import states
from gibbsite.thermo import Drag, Work, drive, exponential_average, multicanonical, smc, stepping_stones, wang_landau
from gibbsite.thermo.observables import Derived, binder, heat_capacity, magnetisation

PARTS = 128  # independent parts that an error comes from, at the least
LOG_2PI = math.log(2 * math.pi)

Found = dict[str, Estimate]
Truths = dict[str, float]


class Row(NamedTuple):
    """A way to estimates of some quantities, and their truths."""

    drawn: Function[[Key[Array, ""]], Found]
    truths: Truths


def averaged(terms: Any) -> Estimate:
    """The mean of independent numbers."""
    rows = np.asarray(terms, np.float64)
    return Estimate(float(rows.mean()), float(rows.std(ddof=1) / math.sqrt(len(rows))))


# ---- means, by chains ----

QUANTITIES: dict[str, Function[[Any], Any]] = {
    "E / N": lambda u: lambda x: u(x) / (u.coupling * x.size),
    "C / N": lambda u: _per_site(heat_capacity(u, 1.0), u.space.size),
    "<|m|>": lambda u: magnetisation(u.space),
    "<m^2>": lambda u: lambda x: jnp.mean(x) ** 2,
    "U4": lambda u: binder(u.space),
    "<cos>": lambda u: lambda x: jnp.mean(jnp.cos(jnp.diff(x))),
    "<phi^2>": lambda u: lambda x: jnp.mean(x**2),
}


def _per_site(whole: Derived, sites: int) -> Derived:
    return Derived(whole.fn, lambda mean: whole.of(mean) / sites)


def observer(name: str, energy: AbstractEnergy) -> Any:
    """What to observe; of copies the mean of all."""
    if not isinstance(energy, Copies):
        return QUANTITIES[name](energy)
    one = QUANTITIES[name](energy.energy)
    fn = one.fn if isinstance(one, Derived) else one

    def mean(x: Array) -> Array:
        return jnp.mean(jax.vmap(fn)(x), axis=0)

    return Derived(mean, one.of) if isinstance(one, Derived) else mean


def chains(
    energy: AbstractEnergy, kernel: AbstractKernel, draws: int, truths: Truths, *, many: int = 1024, width: float | None = None
) -> Row:
    """`QUANTITIES`, and what the kernel itself reports, over `many` chains; they start from a Gaussian of that width, if one is given."""

    def drawn(key: Key[Array, ""]) -> Found:
        seen = {name: observer(name, energy) for name in truths if name in QUANTITIES}
        start = None if width is None else width * jax.random.normal(jax.random.fold_in(key, 1), (many, *energy.space.shape))
        run = sample(kernel, energy, chains=many, warmup=100, draws=draws, observe=seen, init=start, progress=False, key=key)
        return run.estimates | run.extras

    return Row(drawn, truths)


def packed(side: int, coupling: float, draws: int, truths: Truths, *, many: int = 1024) -> Row:
    """A torus in 32 copies, the bits of a word; eight sweeps a draw.

    Not 4 x 4: where a turn is free it is always made, and 36 of the 65,536 states there go back and forth for ever.
    """
    return chains(Copies(Ising(side, coupling), 32), Repeat(Multispin(), 8), draws, truths, many=many)


# ---- log Z ----


def path_to(energy: AbstractEnergy, width: float) -> AbstractPath:
    """From infinite temperature or, on the reals, from a Gaussian of that width."""
    space = energy.space
    if isinstance(space, Reals):
        return Geometric(Normal(jnp.zeros(space.shape), jnp.full(space.shape, width)), energy)
    return Tempering(energy, reference(space))


def population(energy: AbstractEnergy, kernel: AbstractKernel, walkers: int, log_z: float, *, width: float = 1.0) -> Row:
    """Walkers weighed, resampled and moved."""

    def drawn(key: Key[Array, ""]) -> Found:
        return {"log Z": smc(path_to(energy, width), kernel, walkers=walkers, moves=2, progress=Silent(), key=key).log_z}

    return Row(drawn, {"log Z": log_z})


def stones(energy: AbstractEnergy, kernel: AbstractKernel, times: Sequence[float], draws: int, log_z: float) -> Row:
    """Bennett's ratios along a replica exchange in `PARTS` populations."""

    def drawn(key: Key[Array, ""]) -> Found:
        options = {"times": times, "populations": PARTS, "draws": draws, "warmup": draws // 4, "progress": Silent()}
        return {"log Z": stepping_stones(path_to(energy, 1.0), kernel, key=key, **options).log_z}

    return Row(drawn, {"log Z": log_z})


def certified(energy: AbstractEnergy, width: float, log_z: float) -> Row:
    """Three routes that agree."""
    return Row(lambda key: {"log Z": certify(energy, routes=["sampled"], width=width, progress=Silent(), key=key).log_z}, {"log Z": log_z})


def uniform(energy: Function[[Array], Array], low: float, high: float, dim: int, many: int, key: Key[Array, ""]) -> Estimate:
    """log Z in a cube, by `many` times 2^16 draws that know nothing of the energy."""

    @eqx.filter_jit
    def works(keys: Key[Array, " many"]) -> Array:
        return jax.lax.map(lambda k: jax.vmap(energy)(jax.random.uniform(k, (2**16, dim), minval=low, maxval=high)), keys)

    work = np.asarray(works(jax.random.split(key, many)), np.float64).ravel()
    return exponential_average(work) + dim * math.log(high - low)


def weighed(
    base: AbstractEnergy, target: AbstractEnergy, kernel: AbstractKernel, steps: int, walkers: int, truths: Truths, **how: Any
) -> Row:
    """log Z, and the share at x_0 > 0, by annealed walkers and their weights: right whether they cross between modes or not."""

    def drawn(key: Key[Array, ""]) -> Found:
        out = anneal(Geometric(base, target), kernel, walkers=walkers, times=schedule(steps), progress=Silent(), key=key, **how)
        return {"log Z": out.log_z, "x_0 > 0": share(out.log_weights, np.asarray(out.positions[:, 0] > 0))}

    return Row(drawn, truths)


def share(log_weights: Float[np.ndarray, " walkers"], inside: np.ndarray) -> Estimate:
    """A ratio, its error to first order."""
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    mean = float(weights @ inside)
    return Estimate(mean, math.sqrt(float(weights**2 @ (inside - mean) ** 2)))


FUNNEL = 5 * LOG_2PI + math.log(3)


def funnel(key: Key[Array, ""]) -> Found:
    """Neal's funnel of ten axes, without the constant that makes its log Z zero: by Bennett, from a Gaussian and from exact draws."""
    target = Funnel(10)
    times = np.append(1 - np.logspace(0, -6, 40), 1.0)  # the last steps set the tails free
    wide = Normal(jnp.zeros(10), jnp.full(10, 3.0))
    work = drive(Geometric(wide, target), MALA(0.3), times=times, walkers=2**17, end=target, progress=Silent(), key=key)
    return {"log Z": -work.bar() + 10 * (LOG_2PI / 2 + math.log(3)) + FUNNEL}


def gaussian(kernel: AbstractKernel, walkers: int) -> Row:
    """`x' A x / 2 - b' x` with `A = 1 + J / 2`, J of ones alone, and b = (2, ..., 2) in eight dimensions: det A = 5, b' A^-1 b = 32 / 5."""
    bowl = Callable(lambda p, x: x @ p[0] @ x / 2 - p[1] @ x, (jnp.eye(8) + 0.5, jnp.full(8, 2.0)), Reals(8))
    return population(bowl, kernel, walkers, 4 * LOG_2PI - math.log(5) / 2 + 16 / 5)


# ---- the Ising torus ----


def closed(side: int, coupling: float, energy: float) -> float:
    """How many bonds a cluster move closes: `(1 - e^{-2K}) <satisfied>`, of the energy a site in units of J."""
    return (1 - math.exp(-2 * coupling)) * side**2 * (2 - energy) / 2


def density(side: int, sweeps: int, counts: dict[int, int]) -> Row:
    """`S(E) = log g(E)` by walkers that see all energies alike, of some numbers of states."""

    def drawn(key: Key[Array, ""]) -> Found:
        torus = Ising(side)
        weights = wang_landau(torus, walkers=PARTS, sweeps=sweeps // 5, progress=Silent(), key=key)
        held = multicanonical(torus, weights, sweeps=sweeps, progress=Silent(), key=key)
        s = held.entropy()
        return {f"S({e:g})": Estimate(v, d, status=s.status) for e, v, d in zip(held.energies, s.value, s.stderr, strict=True)}

    return Row(drawn, {f"S({e})": math.log(g) for e, g in counts.items()})


def limit_of_tori(coupling: float, truths: Truths) -> Row:
    """At K_c the corrections to u go as 1 / L, to log z as 1 / L^2; of these sizes 4e-5 and 5e-6 are left, by Kaufman's sums."""

    def drawn(key: Key[Array, ""]) -> Found:
        first, second, third, fourth = jax.random.split(key, 4)
        u, u2 = (packed(side, coupling, 64, {"E / N": 0.0}, many=PARTS).drawn(k)["E / N"] for side, k in ((16, first), (32, second)))
        f, f2 = (population(Ising(n, coupling), Gibbs(), 1024, 0.0).drawn(k)["log Z"] / n**2 for n, k in ((8, third), (16, fourth)))
        return {"E / N": 2 * u2 - u, "log z": (4 * f2 - f) / 3}

    return Row(drawn, truths)


# ---- disorder ----


def nishimori(side: int, p: float) -> Row:
    """+-J bonds on square tori, a share p of them positive, at the temperature of Nishimori's line: E a bond, in units of J."""
    k = math.log(p / (1 - p)) / 2

    def bond(key: Key[Array, ""]) -> float:
        disorder, run = jax.random.split(key)
        glass = edwards_anderson(side, k, positive=p, key=disorder)
        return sample(Gibbs(), glass, chains=1, warmup=100, draws=100, progress=False, key=run).energy.value / (2 * k * side**2)

    return Row(lambda key: {"E / bond": averaged([bond(k) for k in jax.random.split(key, PARTS)])}, {"E / bond": -(2 * p - 1)})


def annealed_glass(n: int, beta: float, truths: Truths) -> Row:
    """Z of the Sherrington-Kirkpatrick model over its mean, and the square, over 2^17 disorders."""
    xs = states(Spins(n))

    @eqx.filter_jit
    def z(keys: Key[Array, " n"]) -> Array:
        def one(key: Key[Array, ""]) -> Array:
            return jnp.sum(jnp.exp(-beta * jax.vmap(sherrington_kirkpatrick(n, key=key))(xs)))

        return jax.lax.map(one, keys, batch_size=1024)

    def drawn(key: Key[Array, ""]) -> Found:
        ratio = np.asarray(z(jax.random.split(key, 2**17)), np.float64) / (2**n * math.exp(beta**2 * (n - 1) / 4))
        return {"Z / E[Z]": averaged(ratio), "(Z / E[Z])^2": averaged(ratio**2)}

    return Row(drawn, truths)


def quenched_glass(n: int, beta: float, log_z: float) -> Row:
    """The mean over 256 disorders of its log Z, of each by a population; a log of a mean is low by half its variance."""

    def one(key: Key[Array, ""]) -> float:
        disorder, run = jax.random.split(key)
        glass = Tempered(sherrington_kirkpatrick(n, key=disorder), as_float(beta))
        found = population(glass, Gibbs(), 512, 0.0).drawn(run)["log Z"]
        return found.value + found.stderr**2 / 2

    return Row(lambda key: {"E[log Z]": averaged([one(k) for k in jax.random.split(key, 256)])}, {"E[log Z]": log_z})


# ---- work ----


class Relaxation(AbstractExact):
    """A time dt in a trap: `x - c` falls to the share `a = e^{-k dt / g}`, with the noise that keeps its law."""

    a: Array = eqx.field(converter=as_float)

    def step(self, energy, state, *, key):
        noise = energy.scale * jax.random.normal(key, state.shape)
        return energy.loc + self.a * (state - energy.loc) + jnp.sqrt(1 - self.a**2) * noise, Info(jnp.ones(()), no_work())


def dragged(distance: float, jumps: int, walkers: int, truths: Truths) -> Row:
    """A trap of k = g = 1 at a speed of 1, in jumps: the mean of its Gaussian work, half the variance, and the free energy."""

    def drawn(key: Key[Array, ""]) -> Found:
        kernel = Relaxation(math.exp(-distance / jumps))
        work = drive(Drag([0.0], [distance]), kernel, times=schedule(jumps), walkers=walkers, progress=Silent(), key=key)
        found = {"<W>": work.mean(), "Var W / 2": averaged((work.forward - work.forward.mean()) ** 2 / 2)}
        return found if "Delta F" not in truths else {"Delta F": work.bar(), "<W> - Var W / 2": work.near_equilibrium()}

    return Row(drawn, truths)


def stiffened(k: float, walkers: int, truths: Truths) -> Row:
    """A trap of stiffness 1 made k at one step: the free energy, and the relative variance of a weight as its error tells it."""
    first, last = (Normal([0.0], [1 / math.sqrt(stiffness)]) for stiffness in (1.0, k))

    def drawn(key: Key[Array, ""]) -> Found:
        options = {"times": schedule(1), "walkers": walkers, "end": last, "progress": Silent()}
        work = drive(Geometric(first, last), MALA(0.5), key=key, **options)
        parts = work.forward.reshape(PARTS, -1)
        return {"Delta F": work.jarzynski(), "n Var": averaged([exponential_average(w).stderr ** 2 * len(w) for w in parts])}

    return Row(drawn, truths)


def bennett(apart: float, n_var: float) -> Row:
    """n Var of Bennett's estimate between unit Gaussians, as its error tells it."""

    def drawn(key: Key[Array, ""]) -> Found:
        x, y = apart * np.asarray(jax.random.normal(key, (2, PARTS, 2**14)), np.float64)
        works = (Work(apart**2 / 2 - there, apart**2 / 2 + back) for there, back in zip(x, y, strict=True))
        return {"n Var": averaged([bar(work.forward, work.reverse).stderr ** 2 * 2**14 for work in works])}

    return Row(drawn, {"n Var": n_var})


def core(r: Array) -> Array:
    """`-log[(1 - e^{-u}) r^2]` at r below sigma, at T = 1."""
    return -jnp.log(-jnp.expm1(-4 * (r[0] ** -12 - r[0] ** -6))) - 2 * jnp.log(r[0])


def tail(s: Array) -> Array:
    """`-log[(e^{-u} - 1) r^2 dr / ds]` at r = 1 / s beyond it."""
    return -jnp.log(jnp.expm1(-4 * (s[0] ** 12 - s[0] ** 6))) + 4 * jnp.log(s[0])


def virial(key: Key[Array, ""]) -> Found:
    """`B2 / sigma^3 = 2 pi int (1 - e^{-u}) r^2 dr` of Lennard-Jones particles at T = 1: of two positive parts, each a Z."""
    inside, outside = (uniform(part, 1e-3, 1.0, 1, 32, k) for part, k in zip((core, tail), jax.random.split(key), strict=True))
    sizes = math.exp(inside.value), math.exp(outside.value)
    error = 2 * math.pi * math.hypot(sizes[0] * inside.stderr, sizes[1] * outside.stderr)
    return {"B2": Estimate(2 * math.pi * (sizes[0] - sizes[1]), error)}
