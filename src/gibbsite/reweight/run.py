"""`reweight`: what the command `gibbsite mbar` does."""

import pathlib

import jax
import numpy as np

from gibbsite.data import DataError
from gibbsite.reweight.file import Samples, samples
from gibbsite.reweight.reweighting import Reweighting
from gibbsite.reweight.units import Scale, scale
from gibbsite.thermo import Decorrelated, bootstrap, decorrelate, mbar


def reweight(
    file: str | pathlib.Path,
    *,
    units: str = "kT",
    temperature: float | None = None,
    keep_all: bool = False,
    bootstraps: int = 0,
    seed: int = 0,
    quiet: bool = False,
) -> Reweighting:
    """Free energies of the states in a file of reduced energies, their overlap, and how correlated the samples are.

    Correlated samples are left out unless `keep_all`; with `bootstraps`, errors are the spread of so many replicates.

    Raises:
        DataError: the file, the units or an option cannot be used.
    """
    measure, key = scale(units, temperature), _key(seed)
    if bootstraps < 0 or bootstraps == 1:
        raise DataError(f"bootstraps={bootstraps} (--bootstraps): give 0, or at least 2; 100 give an error bar to 7 %.")
    held = _reduced(samples(pathlib.Path(file)), measure)
    try:
        found = decorrelate(held.u_kn, held.counts)
        kept = _all(held, found) if keep_all else found
        solved = mbar(kept.u_kn, kept.counts)
    except ValueError as error:
        raise DataError(f"{held.source}: {error}") from error
    drawn = bootstrap(solved, bootstraps, progress=not quiet, key=key) if bootstraps else None
    return Reweighting(held, measure, kept, solved, drawn)


def _reduced(held: Samples, measure: Scale) -> Samples:
    return held._replace(u_kn=held.u_kn / measure.kt)


def _all(held: Samples, found: Decorrelated) -> Decorrelated:
    """Every sample, with what was found of their correlation."""
    return Decorrelated(held.u_kn, np.asarray(held.counts), np.arange(held.u_kn.shape[1]), found.states)


def _key(seed: int) -> jax.Array:
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise DataError(f"seed={seed}: give a whole number from 0 to {2**31 - 1}.")
    return jax.random.key(seed)
