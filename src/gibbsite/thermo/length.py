"""How long a path is, and times that divide it evenly.

Along a path the law changes by `ds^2 = g(t) dt^2` with the metric `g(t) = Var_t[dU_t/dt]`, the Fisher information of t. Its length
`L = int sqrt g dt` bounds what a walk costs: n steps in equilibrium lose at least `L^2 / (2 n)` nats of work, and just so much where all
steps are of one length (Crooks, PRL 99, 100602, 2007; Gelman & Meng, Statistical Science 13, 1998, who choose the density of times so).
"""

import numpy as np
from jaxtyping import Float

from gibbsite.core import ArrayLike

FINE = 4096  # parts of the way on which the metric between times is looked up


def thermodynamic_length(times: ArrayLike, metric: ArrayLike) -> float:
    """`int sqrt g dt` over [0, 1], of a metric known at some times: its log is taken as straight between them, and flat beyond."""
    return float(_travelled(*_checked(times, metric))[1][-1])


def respaced(times: ArrayLike, metric: ArrayLike, *, steps: int) -> Float[np.ndarray, " times"]:
    """`steps + 1` times from 0 to 1 at equal thermodynamic lengths of each other, for `anneal`, `smc` or `trapezoid`.

    Raises:
        ValueError: times and metric do not fit, or the metric is not positive and finite.
    """
    if not hasattr(steps, "__index__") or steps < 1:
        raise ValueError(f"respaced has steps={steps}: give a whole number, 1 or more.")
    t, travelled = _travelled(*_checked(times, metric))
    found = np.interp(np.linspace(0.0, travelled[-1], steps + 1), travelled, t)
    found[0], found[-1] = 0.0, 1.0
    return found


def _checked(times: ArrayLike, metric: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    t, g = np.asarray(times, np.float64), np.asarray(metric, np.float64)
    if t.ndim != 1 or t.shape != g.shape or len(t) < 2 or np.any(np.diff(t) <= 0) or t[0] < 0 or t[-1] > 1:
        raise ValueError(f"times of shape {t.shape} and a metric of shape {g.shape}: give one number a time, of two rising times or more.")
    if not np.all(np.isfinite(g)) or np.any(g < 0) or not np.any(g > 0):
        raise ValueError(f"a metric of {g}: give variances of dU/dt, finite, and not all zero.")
    return t, np.maximum(g, 1e-12 * g.max())  # a law that stands still for a while is passed at once


def _travelled(times: np.ndarray, metric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times over the whole way, the given ones among them, and the length up to each."""
    t = np.union1d(np.linspace(0.0, 1.0, FINE + 1), times)
    speed = np.exp(np.interp(t, times, np.log(metric)) / 2)
    return t, np.append(0.0, np.cumsum(np.diff(t) * (speed[1:] + speed[:-1]) / 2))
