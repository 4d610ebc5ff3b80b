"""Rules of quadrature on [0, 1] for integrands known with noise, each with a coarser rule on every other node, which tells its error."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gibbsite.core import ArrayLike


class Rule(NamedTuple):
    """`sum weights f(times)` and, less well, `sum coarse f(times)` is the integral of f; their difference bounds the error.

    Of a smooth f about the `share` of it is the error (0 where it is far less).
    """

    times: Float[np.ndarray, " nodes"]
    weights: Float[np.ndarray, " nodes"]
    coarse: Float[np.ndarray, " nodes"]
    share: float = 0.0


def gauss(nodes: int) -> Rule:
    """Gauss-Legendre: exact for polynomials of degree `2 nodes - 1`; the coarse rule, which interpolates every other node, is far worse.

    Raises:
        ValueError: fewer than three nodes, or more than 31.
    """
    if not hasattr(nodes, "__index__") or not 3 <= nodes <= 31:
        raise ValueError(f"gauss({nodes}): give a whole number of nodes from 3 to 31.")
    x, weights = np.polynomial.legendre.leggauss(nodes)
    some = x[::2]
    moments = np.zeros(len(some))
    moments[0] = 1.0  # the integrals of Legendre polynomials over the unit interval
    coarse = np.zeros(nodes)
    coarse[::2] = np.linalg.solve(np.polynomial.legendre.legvander(some, len(some) - 1).T, moments)
    return Rule((x + 1) / 2, weights / 2, coarse)


def trapezoid(times: ArrayLike) -> Rule:
    """Straight lines between the given times; the coarse rule leaves every other one out.

    Raises:
        ValueError: the times do not increase from 0 to 1, or are fewer than three.
    """
    t = np.asarray(times, np.float64)
    if t.ndim != 1 or len(t) < 3 or t[0] != 0 or t[-1] != 1 or np.any(np.diff(t) <= 0):
        raise ValueError(f"trapezoid({t}): give three or more increasing times from 0 to 1, for example schedule(10).")
    some = np.union1d(np.arange(0, len(t), 2), [len(t) - 1])
    coarse = np.zeros(len(t))
    coarse[some] = _trapezoid(t[some])
    return Rule(t, _trapezoid(t), coarse, share=1 / 3)  # errors go as the square of a step: Richardson


def _trapezoid(times: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
    steps = np.diff(times)
    return (np.append(steps, 0.0) + np.append(0.0, steps)) / 2
