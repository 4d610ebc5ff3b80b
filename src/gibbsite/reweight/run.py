"""`reweight`: what the command `gibbsite mbar` does."""

import pathlib

import numpy as np

from gibbsite.core.keys import key_of
from gibbsite.data import DataError
from gibbsite.reweight.file import Samples, samples
from gibbsite.reweight.reweighting import Reweighting
from gibbsite.samplers.progress import bar
from gibbsite.thermo import Decorrelated, bootstrap, decorrelate, mbar


def reweight(
    file: str | pathlib.Path,
    *,
    units: str | None = None,
    temperature: float | None = None,
    keep_all: bool = False,
    bootstraps: int = 0,
    seed: int = 0,
    quiet: bool = False,
) -> Reweighting:
    """Free energies of the states in a file of reduced energies, their overlap, and how correlated the samples are.

    Energies are in `units` (by default what an alchemlyb frame says of itself, else kT), which need a `temperature` in kelvin unless
    they are kT. Correlated samples are left out unless `keep_all`; with `bootstraps`, errors are the spread of so many replicates.

    Raises:
        DataError, ValueError: the file, the units or an option cannot be used.
    """
    key = key_of(seed)
    if bootstraps < 0 or bootstraps == 1:
        raise DataError(f"bootstraps={bootstraps} (--bootstraps): give 0, or at least 2; 100 give an error bar to 7 %.")
    with bar("mbar", 3, wanted=not quiet) as shown:
        held = samples(pathlib.Path(file)).reduced(units=units, temperature=temperature)
        shown.advance(1)
        try:
            found = decorrelate(held.u_kn, held.counts)
        except ValueError as error:
            raise DataError(f"{held.source}: {error}") from error
        shown.advance(1)
        kept = _all(held, found) if keep_all else found
        solved = mbar(kept.u_kn, kept.counts)
    drawn = bootstrap(solved, bootstraps, progress=not quiet, key=key) if bootstraps else None
    return Reweighting(held, kept, solved, drawn)


def _all(held: Samples, found: Decorrelated) -> Decorrelated:
    """Every sample, with what was found of their correlation."""
    return Decorrelated(held.u_kn, np.asarray(held.counts), np.arange(held.u_kn.shape[1]), found.states)
