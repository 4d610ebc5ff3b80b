"""log Z of a trained energy by every estimator that applies, and how far they agree."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.compare.card import COLUMNS, Budget
from gibbsite.compare.scene import Window
from gibbsite.core import (
    Z95,
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    Coins,
    Estimate,
    Evidence,
    Geometric,
    Latent,
    Normalised,
    Status,
    as_float,
    capability,
    exact,
    reference,
    schedule,
    two_valued,
)
from gibbsite.energies import Rescaled
from gibbsite.samplers import MALA, BlockGibbs, GibbsWithGradients, Progress
from gibbsite.thermo import Annealing, Ladder, anneal, anneal_reverse, bar, enumerate_log_z, quadrature

TOLERANCE = 2.5e-3  # of a mass on a grid, so that a percent is four errors
EXACT = ("own", "quadrature", "enumeration")  # in the order of preference
AGREE = 4.0  # errors; two that agree are called apart once in 16,000
SUMMABLE = 16  # bits
USABLE = (Status.OK, Status.LOW_ESS, Status.INFINITE_VARIANCE)  # the last two are told beside the number
APART = 32  # moves between a resampled walker and its way back
FLIPS = 2  # single-site moves flip one site where a block move redraws all: so many more temperatures
FEWEST = 256  # walkers


def constants(
    energy: AbstractEnergy, data: Float[np.ndarray, "n *x"], budget: Budget, progress: Progress, *, key: Key[Array, ""]
) -> dict[str, Estimate]:
    """log Z in nats by name of the estimator: its own where it knows it; else quadrature, enumeration, ais; also both ways
    where none of these is exact."""
    if (own := _own(energy)) is not None:
        return {"own": own}
    there, back = jax.random.split(key)
    held = {"quadrature": _quadrature(energy, data), "enumeration": _enumeration(energy)}
    found = {name: estimate for name, estimate in held.items() if estimate is not None}
    route, exact_one = _route(energy, data, budget), any(map(_usable, found.values()))
    progress.total = route.steps if exact_one else 2 * route.steps
    forward = _annealed(route, progress, key=there)
    found["ais"] = forward.log_z
    return found if exact_one else found | both_ways(route.path, forward, schedule(route.steps), progress, key=back)


def chosen(estimates: Mapping[str, Estimate]) -> Estimate:
    """The one that likelihoods are computed with: the first exact one that worked, else the annealed one (both ways, if they met).

    Annealing finds less than the truth on average: where it finds clearly more than quadrature, mass lies outside the
    box or between the points, and the integral is in doubt.
    """
    usable = [name for name in (*EXACT, "both", "ais") if name in estimates and _usable(estimates[name])]
    if not usable:
        return Estimate(None, None, status=Status.NOT_CONVERGED, evidence=Evidence.NOT_ESTABLISHED)
    best = estimates[usable[0]]
    missed = usable[0] == "quadrature" and "ais" in usable and _errors_above(estimates["ais"], best) > AGREE
    return best.doubted(Status.NOT_CONVERGED) if missed else best


def _usable(estimate: Estimate) -> bool:
    return estimate.value is not None and estimate.status in USABLE


def _errors_above(one: Estimate, other: Estimate) -> float:
    return (one.value - other.value) / max(math.hypot(one.stderr or 0.0, other.stderr or 0.0), 1e-6)


def disagreement(estimates: Mapping[str, Estimate]) -> float | None:
    """How many errors the annealed log Z (where the constant is known: the mass on a grid) lies from the exact one; None
    where there are not two."""
    reference, other = chosen(estimates), estimates.get("ais", estimates.get("grid"))
    if other is None or reference.value is None or other.value is None or not any(name in estimates for name in EXACT):
        return None
    return _errors_above(other, reference)


def on_the_grid(heights: Float[np.ndarray, "*grid"], window: Window) -> Estimate:
    """log of the mass of `exp(-heights)` in a window, by the sum over its grid: 0 for a normalised law that the window holds.

    The error is the change on every second point, plus the mass in the outer sixteenth (more than is left outside, as
    `thermo.quadrature` argues), and never below `TOLERANCE`: the sum is a check, not a proof.
    """
    mass = np.exp(-np.asarray(heights, np.float64))
    sides = [(high - low) / (n - 1) for low, high, n in zip(window[::2], window[1::2], mass.shape[::-1], strict=True)]
    cell, inner = math.prod(sides), tuple(slice(n // 16, n - n // 16) for n in mass.shape)
    whole, coarse = mass.sum() * cell, mass[(slice(None, None, 2),) * mass.ndim].sum() * cell * 2**mass.ndim
    if whole == 0:
        return Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
    error = abs(whole - coarse) + whole - mass[inner].sum() * cell
    return Estimate(math.log(whole), max(error / whole, TOLERANCE), evidence=Evidence.UNBIASED)


def _own(energy: AbstractEnergy) -> Estimate | None:
    view = capability(energy, Normalised)
    return None if view is None else exact(float(view.log_z()))


def _quadrature(energy: AbstractEnergy, data: np.ndarray) -> Estimate | None:
    if two_valued(energy.space) or energy.space.size > 2:
        return None
    centre, spread = data.mean(axis=0), data.std(axis=0)
    return quadrature(energy, low=centre - 6 * spread, high=centre + 6 * spread, rtol=1e-4)


def _enumeration(energy: AbstractEnergy) -> Estimate | None:
    if not two_valued(energy.space) or energy.space.size > SUMMABLE:
        return None
    return enumerate_log_z(energy)


def annealed(
    energy: AbstractEnergy, data: Float[np.ndarray, "n *x"], budget: Budget, progress: Progress, *, key: Key[Array, ""]
) -> Estimate:
    """Annealed from the independent law with the data's own means and spreads (Neal 2001)."""
    return _annealed(_route(energy, data, budget), progress, key=key).log_z


class _Route(NamedTuple):
    """A path, the kernel that moves along it, and how the budget is spent on it: many temperatures or many walkers."""

    path: AbstractPath
    kernel: AbstractKernel
    steps: int
    walkers: int


def _annealed(route: _Route, progress: Progress, *, key: Key[Array, ""]) -> Annealing:
    tune = 0 if route.kernel.adaptation() is None else 32
    times = schedule(route.steps)
    return anneal(route.path, route.kernel, walkers=route.walkers, times=times, tune=tune, progress=progress, key=key)


def both_ways(
    path: AbstractPath, forward: Annealing, times: Float[Array, " times"], progress: Progress, *, key: Key[Array, ""]
) -> dict[str, Estimate]:
    """log Z from the way back as well: `reverse`, and `both`, Bennett's ratio between the ends of the two bounds.

    The way back starts from the walkers, resampled by their weights and moved on, so the upper end holds as far as they
    follow the model: modes that all walkers missed are missing from both ends (Salakhutdinov & Murray, ICML 2008, give
    the lower one; Burda, Grosse & Salakhutdinov, AISTATS 2015, the way back). Nothing where the two do not overlap.
    """
    choose, move, walk = jax.random.split(key, 3)
    chosen_rows = jax.random.choice(choose, len(forward.work), (len(forward.work),), p=jax.nn.softmax(jnp.asarray(forward.log_weights)))
    xs = _moved(path, forward.kernel, forward.positions[chosen_rows], jax.random.split(move, len(chosen_rows)))
    reverse = anneal_reverse(path, forward.kernel, xs, times=times, progress=progress, key=walk)
    ratio = bar(forward.work, reverse.work)
    found = {"reverse": reverse.log_z}
    if ratio.value is None or forward.log_z.value is None or reverse.log_z.value is None:
        return found
    both = ratio + forward.base_log_z
    lo, hi = min(both.lo, forward.log_z.lo), max(both.hi, reverse.log_z.hi)
    if not math.isfinite(hi - lo):
        return found
    stderr = (hi - lo) / (2 * Z95)
    return found | {"both": Estimate(both.value, stderr, lo, hi, ess=both.ess, status=both.status, evidence=Evidence.INTERVAL)}


@eqx.filter_jit
def _moved(path: AbstractPath, kernel: AbstractKernel | Ladder, xs: Array, keys: Key[Array, " n"]) -> Array:
    """Every row after `APART` moves under the target, so that copies part."""
    mover, energy = kernel.at(jnp.asarray(-1)) if isinstance(kernel, Ladder) else kernel, path(as_float(1.0))

    def one(x: Array, key: Key[Array, ""]) -> Array:
        start, run = jax.random.split(key)

        def step(state: Any, key: Key[Array, ""]) -> tuple[Any, None]:
            return mover.step(energy, state, key=key)[0], None

        return mover.position(jax.lax.scan(step, mover.init(energy, x, key=start), jax.random.split(run, APART))[0])

    return jax.vmap(one)(xs, keys)


def _route(energy: AbstractEnergy, data: np.ndarray, budget: Budget) -> _Route:
    """What suits the space and the capabilities. Work grows with the columns, so the same cost buys more temperatures, fewer walkers."""
    longer = max(1, energy.space.size // COLUMNS)
    walkers = max(min(budget.walkers, FEWEST), budget.walkers // longer)
    if not two_valued(energy.space):
        centre, spread = data.mean(axis=0), data.std(axis=0)
        standard = Rescaled(energy, -centre / spread, 1 / spread)  # x = centre + spread z: one step size suits all columns
        return _Route(Geometric(reference(energy.space), standard), MALA(as_float(0.1)), longer * budget.temperatures, walkers)
    coins = Coins.like(energy.space, data)
    latent = capability(energy, Latent)
    if latent is not None and latent.path is not None:
        return _Route(latent.path(coins.field), BlockGibbs(), longer * budget.temperatures, walkers)
    return _Route(Geometric(coins, energy), GibbsWithGradients(), FLIPS * longer * budget.temperatures, walkers)
