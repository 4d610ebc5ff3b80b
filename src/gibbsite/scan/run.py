"""`scan`: what the command `gibbsite scan` does."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from gibbsite.core import (
    AbstractEnergy,
    Estimate,
    Evidence,
    Normalised,
    Reals,
    Status,
    Tempered,
    Tempering,
    as_float,
    exact,
    need,
    reference,
)
from gibbsite.core.keys import key_of
from gibbsite.core.path import AbstractPath, Geometric
from gibbsite.samplers import Silent
from gibbsite.samplers.checks import check_counts
from gibbsite.scan.curves import curves, exact_curves
from gibbsite.scan.exchange import Rungs, check_hot_end, exchange, mover
from gibbsite.scan.one_size import OneSize
from gibbsite.scan.range import Range
from gibbsite.scan.result import Scan
from gibbsite.scan.scaling import OMEGA, SLOW, Member, scaling
from gibbsite.simulate import TARGETS, TargetError
from gibbsite.simulate.targets import target
from gibbsite.thermo import MultiHistogram, multi_histogram, smc

LEAST = 8  # independent populations, whose spread gives errors
WALKERS, SITES = (512, 2048), 2**22  # that lead from infinite temperature to the hottest rung; so many coordinates in all, about
MIXED = 1.05  # R-hat


def scan(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    beta: Range,
    sizes: Sequence[int] = (),
    chains: int = 32,
    warmup: int = 200,
    draws: int = 1000,
    seed: int = 0,
    quiet: bool = False,
) -> Scan:
    """Every observable of a target of `TARGETS`, or of `file.py:name`, against beta.

    One replica exchange over the range, in `chains` independent populations, for each of the `sizes` (sides of the lattice; none:
    that of the settings); a density of states from all temperatures together (`multi_histogram`); log Z at the hot end from infinite
    temperature by `smc`. Two sizes or more give the crossing of their Binder cumulants, three a collapse (`scaling`).

    Raises:
        TargetError: the target, a setting, the range, a size or the seed is none that can be scanned; neighbours do not overlap.
        ValueError, TypeError: as `sample` has them.
    """
    beta = beta.checked()
    check_counts(chains=chains, warmup=warmup, draws=draws)
    if chains < LEAST:
        raise TargetError(f"chains={chains}: give {LEAST} or more, for errors come from the spread of independent populations.")
    energies = _energies(name, dict(settings or {}), sizes)
    for energy in energies.values():
        check_hot_end(energy.space, beta.low)
    keys = jax.random.split(key_of(seed), len(energies))
    counts = {"chains": chains, "warmup": warmup, "draws": draws}
    ladders = [
        _ladder(side, energy, beta, counts, quiet=quiet, key=key) for (side, energy), key in zip(energies.items(), keys, strict=True)
    ]
    members = [Member(ladder.side, ladder.dim, ladder.histogram) for ladder in ladders]
    omegas = (OMEGA,) if all(ladder.exact for ladder in ladders) else (OMEGA, SLOW)  # known of the plain Ising torus alone
    together = scaling(members, beta.grid, omegas=omegas) if len(members) > 1 else None
    return Scan(name, beta, chains, warmup, draws, tuple(ladders), together)


def sides_of(text: str | None) -> tuple[int, ...]:
    """`8,16,32` as sides of lattices.

    Raises:
        TargetError: they are no whole numbers.
    """
    if text is None:
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise TargetError(f"--sizes {text!r}: give whole numbers with commas between, such as 8,16,32.") from error


def _energies(name: str, settings: dict[str, Any], sizes: Sequence[int]) -> dict[int, AbstractEnergy]:
    """Energies by side; of one size, by the side that it has, or 0."""
    if not sizes:
        energy = target(name, settings)
        side = getattr(energy, "side", (0,))
        return {max(side) if isinstance(side, tuple) and len(set(side)) == 1 else 0: energy}
    if any(low >= high for low, high in itertools.pairwise(sizes)):
        raise TargetError(f"--sizes {','.join(map(str, sizes))}: give each once, the smallest first.")
    shape = settings.get("side", _usual_side(name))
    if shape is None:
        raise TargetError(f"{name} has no side to set, so --sizes has no meaning: leave it out.")
    axes = len(shape) if isinstance(shape, tuple) else 0
    return {side: target(name, settings | {"side": (side,) * axes if axes else side}) for side in sizes}


def _usual_side(name: str) -> Any:
    """The side that a target has unless told otherwise; a file's function may take one as well."""
    if name in TARGETS:
        return TARGETS[name].settings.get("side")
    return 0 if ".py" in name else None


def _ladder(side: int, energy: AbstractEnergy, beta: Range, counts: dict[str, int], *, quiet: bool, key: Key[Array, ""]) -> OneSize:
    """One size from start to end."""
    running, rising = jax.random.split(key)
    made = exchange(energy, beta.betas, **counts, progress=not quiet, key=running)
    m = made.orders
    histogram = multi_histogram(made.betas, made.energies, {"m": m, "m^2": m**2, "m^4": m**4})
    _check_overlap(histogram, made, beta, side)
    if histogram.status is Status.OK and not np.max(made.rhat) <= MIXED:
        doubt = Status.NOT_MIXED if np.all(np.isfinite(made.rhat)) else Status.TOO_SHORT
        histogram = dataclasses.replace(histogram, status=doubt)
    anchor = _anchor(energy, beta.low, quiet=quiet, key=rising)
    grid = np.clip(beta.grid, made.betas[0], made.betas[-1])  # the ends as they were rounded
    found = curves(histogram, energy.space.size, anchor, grid)
    space = energy.space
    dim = len(space.shape)
    return OneSize(side, space.size, dim, made, histogram, anchor, found, found.every(beta.parts), exact_curves(energy, grid))


def _check_overlap(histogram: MultiHistogram, made: Rungs, beta: Range, side: int) -> None:
    """Raises TargetError where two temperatures are too far apart to be joined, with the number of points that would do."""
    if histogram.status is not Status.NO_OVERLAP:
        return
    gap = int(np.argmin(histogram.shared))
    spread = float(made.energies.std(axis=(0, 2)).max())
    points = max(math.ceil((beta.high - beta.low) * spread / 2) + 1, 2 * beta.points - 1)
    where = f" at side={side}" if side else ""
    raise TargetError(
        f"beta={made.betas[gap]:g} and {made.betas[gap + 1]:g} do not overlap{where}: their energies have nothing in common; "
        f"give about {points} points, or a narrower range."
    )


def _anchor(energy: AbstractEnergy, beta: float, *, quiet: bool, key: Key[Array, ""]) -> Estimate:
    """log Z at beta, from infinite temperature or, on the reals, from a Gaussian."""
    base = reference(energy.space)
    if beta == 0:
        return exact(float(need(base, Normalised, "scan").log_z()))
    law = Tempered(energy, as_float(beta))
    path: AbstractPath = Geometric(base, law) if isinstance(energy.space, Reals) else Tempering(law, base)
    kernel, _ = mover(law)
    if not kernel.reports_work:
        return Estimate(None, None, status=Status.NOT_CONVERGED, evidence=Evidence.NOT_ESTABLISHED)
    walkers = min(max(SITES // energy.space.size, WALKERS[0]), WALKERS[1])
    return smc(path, kernel, walkers=walkers, moves=1, progress=Silent() if quiet else None, key=key).log_z
