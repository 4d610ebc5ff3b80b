"""Where the forward and the reverse work densities cross: Crooks' relation as a straight line, fitted."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from gibbsite.core import ArrayLike, Estimate, Evidence, Status
from gibbsite.thermo.perturbation import bar

REPLICATES = 200
ROUNDS = 50  # of Newton's method, which needs four or five
SMALL = 1e-5  # of a step of Newton's method, after which the next would be its square
STRAIGHT = 4.0  # errors by which the slope may differ from 1: one honest case in 16,000 does


class Crossing(NamedTuple):
    """`at` is the work at which both densities are equal, an estimate of dF in nats; `slope` is 1 where Crooks' relation holds."""

    at: Estimate
    slope: Estimate


def crossing(forward: ArrayLike, reverse: ArrayLike) -> Crossing:
    """dF where `P_F(w)` and `P_R(-w)` cross, and the slope of their log ratio there.

    Crooks (PRE 60, 2721, 1999): `log P_F(w) / P_R(-w) = w - dF`. Pooled, work of either direction is told apart by a logistic
    regression, `log odds = log(n_F / n_R) + slope (w - at)`, whose slope is left free: with the slope held at 1 its maximum is Bennett's
    equation (Shirts et al., PRL 91, 2003), so this is a check of `bar` rather than a better number. No bins are chosen. Errors are those of
    200 bootstrap samples, each direction drawn anew (Efron, Annals of Statistics 7, 1979).

    Returns:
        Crossing: nothing is established where the two directions share less than one sample (NO_OVERLAP), nor where the slope is off by
            more than 4 of its errors (NOT_CONVERGED): then the reverse is not the time reversal, or a start was not in equilibrium.
    """
    there, back = np.asarray(forward, np.float64), np.asarray(reverse, np.float64)
    free = bar(there, back)
    if free.value is None:
        return Crossing(free, free)
    offset = math.log(len(there) / len(back))
    works = np.concatenate([there, -back]) + free.value  # from Bennett's dF on, where the line is to be found
    seen, ahead = np.isfinite(works), np.arange(len(works)) < len(there)  # an infinite work tells nothing of where the line is
    works, ahead = works[seen], ahead[seen]
    best = _line(works, ahead, np.ones(len(works)), offset)
    drawn = np.array([_line(works, ahead, weights, offset, best) for weights in _resampled(ahead)])
    errors = drawn.std(axis=0, ddof=1)
    if not (np.all(np.isfinite(best)) and np.all(np.isfinite(errors))):
        why = Status.NO_OVERLAP if np.ptp(works) > 1e-9 else Status.CONSTANT
        nothing = Estimate(None, None, status=why, evidence=Evidence.NOT_ESTABLISHED)
        return Crossing(nothing, nothing)
    at, slope = (dataclasses.replace(free, value=float(v), stderr=float(e), lo=None, hi=None) for v, e in zip(best, errors, strict=True))
    at = at - free.value
    straight = abs(best[1] - 1) <= STRAIGHT * errors[1]
    return Crossing(at if straight else at.doubted(Status.NOT_CONVERGED), slope)


def _resampled(ahead: np.ndarray) -> Iterator[Float[np.ndarray, " n"]]:
    """How often each sample is drawn, as many of either direction as there are: one replicate after another."""
    rng, sides = np.random.default_rng(0), [np.flatnonzero(side) for side in (ahead, ~ahead)]
    for _ in range(REPLICATES):
        drawn = np.concatenate([rng.choice(side, len(side)) for side in sides])
        yield np.bincount(drawn, minlength=len(ahead)).astype(float)


def _line(
    works: np.ndarray, ahead: np.ndarray, weights: np.ndarray, offset: float, start: Sequence[float] | np.ndarray = (0.0, 1.0)
) -> Float[np.ndarray, "2"]:
    """Crossing and slope of the weighted logistic regression, by Newton's method from a start; NaN where there is no maximum."""
    height, slope = -start[0] * start[1], start[1]  # log odds = offset + height + slope works
    for _ in range(ROUNDS):
        p = expit(offset + height + slope * works)
        pull, spread = weights * (ahead - p), weights * p * (1 - p)
        a, b, c = spread.sum(), (spread * works).sum(), (spread * works**2).sum()
        determinant = a * c - b * b
        if not determinant > 0:
            break
        up, along = pull.sum(), (pull * works).sum()
        rise, turn = (c * up - b * along) / determinant, (a * along - b * up) / determinant
        height, slope = height + rise, slope + turn
        if abs(rise) + abs(turn) < SMALL and slope > 0:
            return np.array([-height / slope, slope])
    return np.full(2, np.nan)
