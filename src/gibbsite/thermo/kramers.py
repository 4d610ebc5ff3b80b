"""Escape over a barrier on one axis: the mean first passage time exactly, and the rate of Kramers, which is its asymptotic form.

The motion is overdamped, `dx = -U'(x) dt + sqrt(2) dB`: energies in kT, and time in units in which free motion spreads as `<x^2> = 2 t`.
`ULA(h)` follows it in steps of h, up to a bias of order h.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, ArrayLike, Estimate, Evidence, Status, as_float

NODES = 8  # Gauss-Legendre nodes of a panel
FIRST, MOST = 16, 2**14  # panels
LARGEST = 700.0  # log of the longest time that a float holds
NEWTON = 30
FLAT = 1e-3  # of a slope, in units of the curvature times a unit of x


def mean_first_passage(energy: AbstractEnergy, start: float, stop: float, *, wall: float, rtol: float = 1e-5) -> Estimate:
    """`T = int_start^stop dy e^{U(y)} int_wall^y dz e^{-U(z)}`, the mean time from `start` to the first visit of `stop`.

    (Pontryagin, Andronov & Vitt 1933; Gardiner, Handbook of Stochastic Methods, 5.2.7.) A wall reflects at `wall`, on the other side of the
    start; put it so high in the energy that none come there. Panels of eight Gauss-Legendre nodes double until two doublings in a row
    change T by less than `rtol`; the error is the last change and the rounding of the energies.

    Raises:
        ValueError: the energy has more than one coordinate, or start does not lie between the wall and stop.
    """
    _check_axis(energy, "mean_first_passage")
    if not (np.all(np.isfinite([wall, start, stop])) and (wall <= start < stop or stop < start <= wall)):
        raise ValueError(f"start={start} must lie between wall={wall} and stop={stop}: put the wall on the side that leads away from stop.")
    panels, found = FIRST, []
    while True:
        time, rounding = _double_integral(energy, wall, start, stop, panels)
        if not 0 < time < math.inf:
            return Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)
        found.append(time)
        changes = [abs(a - b) / time for a, b in pairwise(found[-3:])]
        converged = len(changes) == 2 and max(changes) < max(rtol, rounding)
        if converged or panels >= MOST:
            break
        panels *= 2
    estimate = Estimate(time, (changes[-1] + rounding) * time, evidence=Evidence.EXACT)
    return estimate if converged else estimate.doubted(Status.NOT_CONVERGED)


@np.errstate(invalid="ignore")  # what is not finite is reported by the status
def _double_integral(energy: AbstractEnergy, wall: float, start: float, stop: float, panels: int) -> tuple[float, float]:
    """T and its relative rounding, from as many panels before the start as after it."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    edges = np.concatenate([np.linspace(wall, start, panels, endpoint=False), np.linspace(start, stop, panels + 1)])
    half = np.diff(edges)[:, None] / 2  # negative where stop lies below: both integrals then change sign
    u = _energies(energy, edges[:-1, None] + half * (nodes + 1))
    low, high = float(np.min(u)), float(np.max(u[panels:]))
    inner = np.exp(low - u)
    before = np.cumsum((half * inner * weights).sum(axis=1)) - (half * inner * weights).sum(axis=1)
    upto = before[:, None] + half * inner @ _integrals(nodes).T
    outer = (half * weights)[panels:] * np.exp(u[panels:] - high)
    shares = [np.abs(half * weights) * inner, np.abs(outer)]
    sizes = [float(np.sum(np.where(w > 0, np.abs(v), 0.0) * w) / np.sum(w)) for w, v in zip(shares, (u, u[panels:]), strict=True)]
    total = float(np.sum(outer * upto[panels:]))
    log_time = math.log(total) + high - low if total > 0 else -math.inf
    return math.exp(log_time) if log_time < LARGEST else math.inf, float(jnp.finfo(jnp.result_type(float)).eps) * (1 + sum(sizes))


def _integrals(nodes: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n n"]:
    """Row i times the values at the nodes is the integral from -1 to node i of the polynomial through them."""
    legendre = np.polynomial.legendre
    whole = np.stack([legendre.legval(nodes, legendre.legint(one, lbnd=-1)) for one in np.eye(len(nodes))], axis=1)
    return whole @ np.linalg.inv(legendre.legvander(nodes, len(nodes) - 1))


class Kramers(NamedTuple):
    """The rate over a barrier in the limit of a high one, and with its first correction: how far they differ is how far to trust them.

    `height` is U(barrier) - U(well) in kT, `well` and `barrier` where they are.
    """

    rate: float
    corrected: float
    height: float
    well: float
    barrier: float


def kramers(energy: AbstractEnergy, well: float, barrier: float) -> Kramers:
    """`rate = sqrt(U''(a) |U''(b)|) / (2 pi) e^{-(U(b) - U(a))}`, from the well a over the barrier b to whatever lies beyond.

    (Smoluchowski 1915; Kramers, Physica 7, 284, 1940, eq. 17; Haenggi, Talkner & Borkovec, Rev. Mod. Phys. 62, 1990, eq. 4.56.) Both
    integrals of the mean first passage time by Laplace's method; the next term of each,

        c = U''''(b) / (8 U''(b)^2) + 5 U'''(b)^2 / (24 |U''(b)|^3) - U''''(a) / (8 U''(a)^2) + 5 U'''(a)^2 / (24 U''(a)^3),

    gives `corrected = rate / (1 + c)`. `well` and `barrier` are guesses, from which Newton's method finds the places.

    Raises:
        ValueError: the energy has more than one coordinate, or no minimum or no maximum is found.
    """
    _check_axis(energy, "kramers")
    (a, low), (b, high) = (_stationary(energy, guess, sign) for guess, sign in ((well, 1), (barrier, -1)))
    height = high[0] - low[0]
    rate = math.sqrt(low[2] * -high[2]) / (2 * math.pi) * math.exp(-height)
    at_top = high[4] / (8 * high[2] ** 2) + 5 * high[3] ** 2 / (24 * abs(high[2]) ** 3)
    at_bottom = -low[4] / (8 * low[2] ** 2) + 5 * low[3] ** 2 / (24 * low[2] ** 3)
    return Kramers(rate, rate / (1 + at_top + at_bottom), height, a, b)


def _stationary(energy: AbstractEnergy, guess: float, sign: int) -> tuple[float, list[float]]:
    """The minimum (sign 1) or maximum (-1) near a guess, and U and its four derivatives there."""
    x = guess
    for _ in range(NEWTON):
        slopes = [float(v) for v in _derivatives(energy, as_float(x))]
        if not (np.all(np.isfinite(slopes)) and sign * slopes[2] > 0):
            break
        x, last = x - slopes[1] / slopes[2], x
        if abs(x - last) < 1e-5 * max(1.0, abs(x)) and abs(slopes[1]) < FLAT * abs(slopes[2]):
            return x, slopes
    name, remedy = ("well", "minimum") if sign > 0 else ("barrier", "maximum")
    raise ValueError(f"{name}={guess} leads to x = {x:.6g}, which is no {remedy} of the energy: give a place nearer to one.")


@eqx.filter_jit
def _derivatives(energy: AbstractEnergy, x: Float[Array, ""]) -> list[Float[Array, ""]]:
    def along(s: Float[Array, ""]) -> Float[Array, ""]:
        return energy(jnp.reshape(s, energy.space.shape))

    slopes = [along]
    for _ in range(4):
        slopes.append(jax.grad(slopes[-1]))
    return [slope(x) for slope in slopes]


@eqx.filter_jit
def _on_axis(energy: AbstractEnergy, xs: Float[Array, " n"]) -> Float[Array, " n"]:
    return jax.vmap(lambda x: energy(jnp.reshape(x, energy.space.shape)))(xs)


def _energies(energy: AbstractEnergy, xs: ArrayLike) -> np.ndarray:
    """In float64, at points rounded to the energy's own floats."""
    points = np.asarray(xs, np.float64)
    return np.asarray(_on_axis(energy, as_float(points.ravel())), np.float64).reshape(points.shape)


def _check_axis(energy: AbstractEnergy, user: str) -> None:
    if energy.space.size != 1:
        raise ValueError(f"{user} works on one coordinate; {type(energy).__name__} has {energy.space.size}: use first_passages.")
