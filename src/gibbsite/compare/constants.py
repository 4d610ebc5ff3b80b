"""log Z of a trained energy by every estimator that applies, and how far they agree."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.compare.card import Budget
from gibbsite.core import (
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
from gibbsite.thermo import anneal, enumerate_log_z, quadrature

EXACT = ("own", "quadrature", "enumeration")  # in the order of preference
AGREE = 4.0  # errors; two that agree are called apart once in 16,000
SUMMABLE = 16  # bits
USABLE = (Status.OK, Status.LOW_ESS, Status.INFINITE_VARIANCE)  # the last two are told beside the number
FLIPS = 8  # single-site moves flip one site where a block move redraws all: so many more temperatures


def constants(
    energy: AbstractEnergy, data: Float[np.ndarray, "n *x"], budget: Budget, progress: Progress, *, key: Key[Array, ""]
) -> dict[str, Estimate]:
    """log Z in nats by name of the estimator: own, quadrature, enumeration, ais."""
    held = {
        "own": _own(energy),
        "quadrature": _quadrature(energy, data),
        "enumeration": _enumeration(energy),
        "ais": annealed(energy, data, budget, progress, key=key),
    }
    return {name: estimate for name, estimate in held.items() if estimate is not None}


def chosen(estimates: Mapping[str, Estimate]) -> Estimate:
    """The one that likelihoods are computed with: the first exact one that worked, else the annealed one.

    Annealing finds less than the truth on average: where it finds clearly more than quadrature, mass lies outside the
    box or between the points, and the integral is in doubt.
    """
    usable = [name for name in (*EXACT, "ais") if name in estimates and _usable(estimates[name])]
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
    """How many errors the annealed log Z lies from the chosen exact one; None where there are not two."""
    reference, annealed = chosen(estimates), estimates.get("ais")
    if annealed is None or reference.value is None or reference is annealed or annealed.value is None:
        return None
    return _errors_above(annealed, reference)


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
    path, kernel, steps = _route(energy, data, budget)
    progress.total = steps
    tune = 0 if kernel.adaptation() is None else 32
    return anneal(path, kernel, walkers=budget.walkers, times=schedule(steps), tune=tune, progress=progress, key=key).log_z


def _route(energy: AbstractEnergy, data: np.ndarray, budget: Budget) -> tuple[AbstractPath, AbstractKernel, int]:
    """The path, the kernel and the number of temperatures that suit the space and the capabilities."""
    if not two_valued(energy.space):
        centre, spread = data.mean(axis=0), data.std(axis=0)
        standard = Rescaled(energy, -centre / spread, 1 / spread)  # x = centre + spread z: one step size suits all columns
        return Geometric(reference(energy.space), standard), MALA(as_float(0.1)), budget.temperatures
    coins = Coins.like(energy.space, data)
    latent = capability(energy, Latent)
    if latent is not None and latent.path is not None:
        return latent.path(coins.field), BlockGibbs(), budget.temperatures
    return Geometric(coins, energy), GibbsWithGradients(), FLIPS * budget.temperatures
