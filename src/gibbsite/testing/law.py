"""What a law raises, and the tests that laws share."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from gibbsite.core import AbstractEnergy, ArrayLike

Z = 5.6  # false alarms of one two-sided test: 2 in 10^8

EPS = float(np.finfo(np.float32).eps)


class LawViolation(AssertionError):
    """A part breaks a public law: the message names the part, the measured value and the bound."""


def name_of(energy: AbstractEnergy) -> str:
    """The class of an energy, with that of the energy inside it."""
    inner = getattr(energy, "energy", None)
    return f"{type(energy).__name__}({name_of(inner)})" if isinstance(inner, AbstractEnergy) else type(energy).__name__


@eqx.filter_jit
def energies_of(energy: AbstractEnergy, xs: PyTree) -> Float[Array, " n"]:
    """Energies of a batch, in one program that the laws share."""
    return jax.vmap(energy)(xs)


def rounding(energies: ArrayLike) -> np.ndarray:
    """What float32 may lose: 64 units in the last place of an energy of this size."""
    return np.asarray(64 * EPS * np.maximum(1.0, np.abs(np.asarray(energies, np.float64))))


def bounded(part: str, law: str, measured: ArrayLike, bound: ArrayLike) -> None:
    """Every |measured| must be finite and at most its bound.

    Raises:
        LawViolation: one is not; the worst is named.
    """
    size, limit = np.broadcast_arrays(np.abs(np.asarray(measured, np.float64)), np.asarray(bound, np.float64))
    excess = np.where(np.isfinite(size), size - limit, np.inf).ravel()
    if np.any(excess > 0):
        worst = int(np.argmax(excess))
        raise LawViolation(f"{part}: {law}: off by {size.ravel()[worst]:.4g}; the bound is {limit.ravel()[worst]:.4g}.")


def z_test(part: str, law: str, terms: ArrayLike, truth: ArrayLike = 0.0) -> None:
    """The mean of independent rows must meet the truth within 5.6 standard errors (and float rounding), column by column.

    Raises:
        LawViolation: it does not.
    """
    rows = np.asarray(terms, np.float64)
    rounding = 1e-5 * np.mean(np.abs(rows), axis=0) + 1e-7
    bounded(part, law, rows.mean(axis=0) - truth, Z * rows.std(axis=0) / np.sqrt(len(rows)) + rounding)


def chi_square(part: str, law: str, counts: ArrayLike, probabilities: ArrayLike) -> None:
    """Counts must follow the probabilities: Pearson's statistic, cells expected fewer than 5 times pooled.

    Raises:
        LawViolation: the statistic exceeds its quantile of the false-alarm rate of 5.6 standard errors.
    """
    from scipy.special import chdtri

    counts, expected = np.asarray(counts, np.float64), np.asarray(probabilities, np.float64) * np.sum(counts)
    rare = expected < 5
    seen, due = (np.append(a[~rare], a[rare].sum()) for a in (counts, expected))
    bounded(part, law + " (chi-square)", np.sum((seen - due) ** 2 / np.maximum(due, 1.0)), chdtri(max(len(seen) - 1, 1), 2e-8))
