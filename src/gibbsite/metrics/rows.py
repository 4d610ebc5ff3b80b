"""Rows that metrics compare: images flattened, many thinned evenly, and the distances between them."""

import math

import numpy as np
from jaxtyping import Float

from gibbsite.core import Z95, Estimate, Evidence, Status

LIMIT = 2000

Rows = Float[np.ndarray, "n d"]
Matrix = Float[np.ndarray, "n m"]


def flat(x: np.ndarray, limit: int) -> Float[np.ndarray, "_ d"]:
    """Rows of numbers in single precision, at most `limit` of them, thinned evenly."""
    x = np.asarray(x, np.float32).reshape(len(x), -1)
    return x if len(x) <= limit else x[np.linspace(0, len(x) - 1, limit).astype(int)]


def check_rows(least: int, **samples: np.ndarray) -> None:
    """ValueError unless the samples agree in their numbers a row and each has `least` rows."""
    (first, x), *others = samples.items()
    for name, y in others:
        if x.shape[1] != y.shape[1]:
            raise ValueError(f"{first} has {x.shape[1]} numbers a row and {name} has {y.shape[1]}; both must agree.")
    if min(map(len, samples.values())) < least:
        sizes = " and ".join(f"{name} has {len(y)}" + (" rows" if name == first else "") for name, y in samples.items())
        raise ValueError(f"{sizes}; at least {least} of each are needed.")


def finite(*samples: np.ndarray) -> bool:
    """Whether every number is finite."""
    return all(bool(np.isfinite(x).all()) for x in samples)


def unknown(n: float, status: Status = Status.NON_FINITE) -> Estimate:
    """Nothing is established, for this reason."""
    return Estimate(None, None, ess=n, status=status, evidence=Evidence.NOT_ESTABLISHED)


def share(value: float, n: float, *, variance: float = 0.0, evidence: Evidence = Evidence.UNBIASED) -> Estimate:
    """A share of n rows, its interval within [0, 1].

    The variance is the binomial one of `(n p + 1) / (n + 2)`, so that shares of 0 and 1 have an error, or the one given
    if that is larger.
    """
    smooth = (n * value + 1) / (n + 2)
    stderr = math.sqrt(max(variance, smooth * (1 - smooth) / n))
    lo, hi = max(value - Z95 * stderr, 0.0), min(value + Z95 * stderr, 1.0)
    return Estimate(value, stderr, lo=lo, hi=hi, ess=float(n), evidence=evidence)


def squares(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Matrix:
    """Squared distances; centred first, since the expansion of the square loses digits far from the origin."""
    centre = y.mean(axis=0)
    a, b = x - centre, y - centre
    square = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    if x is y:
        np.fill_diagonal(square, 0.0)
    return np.maximum(square, 0.0, out=square)
