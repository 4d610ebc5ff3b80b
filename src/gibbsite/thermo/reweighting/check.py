"""What MBAR cannot be asked: every refusal names the place, the value and the remedy."""

from typing import NamedTuple

import numpy as np

from gibbsite.core import ArrayLike
from gibbsite.thermo.reweighting.dual import Counts, Energies, PerSample
from gibbsite.thermo.reweighting.start import owners


class Given(NamedTuple):
    """Reduced energies, and samples of each state."""

    u: Energies
    counts: Counts


def given(u_kn: ArrayLike, counts: ArrayLike) -> Given:
    """Energies and counts that fit each other.

    Raises:
        ValueError: shapes or counts do not fit; an energy is NaN or -inf, or infinite in the state that the sample is from.
    """
    u, n = np.asarray(u_kn, np.float64), np.asarray(counts, np.float64)
    if u.ndim != 2 or 0 in u.shape:
        raise ValueError(f"u_kn has shape {u.shape}; give one row of reduced energies for each state, one column for each sample.")
    if n.shape != (len(u),):
        turned = " It looks transposed: give u_kn.T." if n.shape == u.shape[1:] else ""
        raise ValueError(f"counts has shape {n.shape}; give one number of samples for each of the {len(u)} rows of u_kn.{turned}")
    if not np.all(np.isfinite(n)) or np.any(n != np.round(n)) or np.any(n < 0):
        raise ValueError(f"counts is {_few(n)}; give whole numbers of samples, 0 for a state without.")
    if n.sum() != u.shape[1]:
        raise ValueError(f"counts add up to {int(n.sum())}, but u_kn has {u.shape[1]} columns; one sample is one column.")
    _check_values(u, n.astype(int))
    return Given(u, n.astype(int))


def _check_values(u: Energies, counts: Counts) -> None:
    bad = np.isnan(u) | (u == -np.inf)
    if bad.any():
        k, i = (int(index) for index in np.argwhere(bad)[0])
        raise ValueError(f"u_kn[{k}, {i}] is {u[k, i]} ({int(bad.sum())} such); leave these samples out, or mend their energies.")
    own = owners(counts)
    outside = np.isinf(u[own, np.arange(len(own))])
    if outside.any():
        i = int(np.argmax(outside))
        raise ValueError(
            f"u_kn[{own[i]}, {i}] is inf, but sample {i} was drawn from state {own[i]}; columns must stand in the order of the states."
        )


def per_sample(values: ArrayLike, name: str, n: int) -> PerSample:
    """One number for each sample, NaN refused.

    Raises:
        ValueError: another shape, or a NaN.
    """
    array = np.asarray(values, np.float64)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; give one number for each of the {n} samples.")
    if np.isnan(array).any():
        raise ValueError(f"{name}[{int(np.argmax(np.isnan(array)))}] is nan; a number is needed for each sample.")
    return array


def _few(values: np.ndarray) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:8])
    return f"[{shown}{', ...' if len(values) > 8 else ''}]"
