"""Integrals over one to four real numbers, by boxes that are halved where it matters.

Each box is measured by a product of Gauss-Legendre rules. A box is halved across the axis on which its integrand has most of the two
highest Legendre coefficients that the rule resolves, and its error is what that changes. Energies are evaluated on the device in chunks
of one shape; the sums are made on the host in float64.
"""

import itertools
import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gibbsite.core import AbstractEnergy, ArrayLike, Box, Estimate, Status, Torus
from gibbsite.core.reference import ends
from gibbsite.thermo.exact.summed import nothing, rounding_unit, summed
from gibbsite.thermo.weights import log_sum_exp

CHUNK = 2**16
MOST_POINTS = 2**24
NODES = {1: 8, 2: 8, 3: 8, 4: 6}  # Gauss-Legendre nodes of a box on each axis
FIRST = {1: 128, 2: 32, 3: 8, 4: 4}  # boxes on each axis, before any is halved
RIM = 16  # the rim is this part of the whole width, on every side
DECAY = 100.0  # what one halving may lower an error by: so no box is trusted for a single lucky change
HALVINGS = 40  # rounds; float32 tells no more points apart


class _Rule(NamedTuple):
    """A product rule on the unit cube: points, log weights, and the two highest Legendre polynomials at the nodes of an axis."""

    points: Float[np.ndarray, "m d"]
    log_weights: Float[np.ndarray, " m"]
    highest: Float[np.ndarray, "nodes 2"]

    @classmethod
    def product(cls, d: int) -> "_Rule":
        nodes, weights = np.polynomial.legendre.leggauss(NODES[d])
        points = np.array(list(itertools.product((nodes + 1) / 2, repeat=d)))
        log_weights = np.array(list(itertools.product(np.log(weights / 2), repeat=d))).sum(axis=1)
        return cls(points, log_weights, np.polynomial.legendre.legvander(nodes, NODES[d] - 1)[:, -2:])

    def roughest(self, terms: Float[np.ndarray, "n m"]) -> Int[np.ndarray, " n"]:
        """The axis on which the integrand has most of the highest polynomials."""
        n, d = len(terms), self.points.shape[1]
        cube = terms.reshape(n, *(len(self.highest),) * d)
        tails = [np.abs(np.moveaxis(cube, axis + 1, -1) @ self.highest).reshape(n, -1).sum(axis=1) for axis in range(d)]
        return np.argmax(tails, axis=0)


class _Boxes(NamedTuple):
    """Boxes in units of the whole one, and what was found in each."""

    corner: Float[np.ndarray, "n d"]
    width: Float[np.ndarray, "n d"]
    log: Float[np.ndarray, " n"]  # of the integral
    size: Float[np.ndarray, " n"]  # the mean of |U|
    rim: Float[np.ndarray, " n"]  # the share of a box that lies on the rim
    axis: Int[np.ndarray, " n"]  # the one to be halved
    broken: Bool[np.ndarray, " n"]

    def at(self, index: np.ndarray) -> "_Boxes":
        return _Boxes(*(part[index] for part in self))

    def joined(self, other: "_Boxes") -> "_Boxes":
        return _Boxes(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))

    def shares(self) -> Float[np.ndarray, " n"]:
        """What each holds of the whole; nothing, where nobody holds anything."""
        whole = log_sum_exp(self.log)
        return np.exp(self.log - whole) if math.isfinite(whole) else np.zeros(len(self.log))

    def rounding(self) -> float:
        """Relative error of the whole if every energy is wrong by a unit in its last place."""
        return rounding_unit() * float(np.sum(self.shares() * self.size))

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners and widths of the lower halves and then of the upper ones."""
        rows = np.arange(len(self.axis))
        width, upper = self.width.copy(), self.corner.copy()
        width[rows, self.axis] /= 2
        upper[rows, self.axis] += width[rows, self.axis]
        return np.concatenate([self.corner, upper]), np.concatenate([width, width])


class _Integrand(NamedTuple):
    """`exp(-U)` between two corners, and the rule that measures it."""

    energy: AbstractEnergy
    low: Float[np.ndarray, " d"]
    high: Float[np.ndarray, " d"]
    rule: _Rule

    def measured(self, corner: Float[np.ndarray, "n d"], width: Float[np.ndarray, "n d"]) -> _Boxes:
        """These boxes, chunk by chunk."""
        together = max(CHUNK // len(self.rule.points), 1)
        parts = [slice(first, first + together) for first in range(0, len(corner), together)]
        found = [self._together(corner[part], width[part], together) for part in parts]
        return _Boxes(*(np.concatenate(each) for each in zip(*found, strict=True)))

    def _together(self, corner: np.ndarray, width: np.ndarray, together: int) -> _Boxes:
        n, (m, d) = len(corner), self.rule.points.shape
        unit = corner[:, None] + width[:, None] * self.rule.points
        xs = np.resize(self.low + (self.high - self.low) * unit, (together * m, d))  # padded to one shape
        energies = np.asarray(_energies(self.energy, jnp.asarray(xs, jnp.result_type(float))), np.float64)[: n * m].reshape(n, m)
        broken = np.any(np.isnan(energies) | (energies == -np.inf), axis=1)
        logs = np.where(broken[:, None], -np.inf, self.rule.log_weights - energies)
        top = log_sum_exp(logs, axis=1)
        terms = np.exp(logs - np.where(np.isfinite(top), top, 0.0)[:, None])  # shares of the box
        size = np.sum(np.where(terms > 0, np.abs(energies), 0.0) * terms, axis=1)
        on_rim = np.any((unit < 1 / RIM) | (unit > 1 - 1 / RIM), axis=2)
        volume = np.sum(np.log(width * (self.high - self.low)), axis=1)
        return _Boxes(corner, width, top + volume, size, np.sum(terms * on_rim, axis=1), self.rule.roughest(terms), broken)


def quadrature(energy: AbstractEnergy, *, low: ArrayLike | None = None, high: ArrayLike | None = None, rtol: float = 1e-6) -> Estimate:
    """log Z of an energy on one to four real numbers, between `low` and `high`, by adaptive Gauss-Legendre boxes.

    Boxes are halved until the errors of all add up to less than `rtol` of Z. The error told is that sum, the rounding of the
    energies, and, unless the space is a `Box` or a `Torus`, the mass in the outer sixteenth of the box on every side: more than is left
    outside, if the density falls to half or less over that width. Heavier tails want a wider box. `low` and `high` may be left
    out for these. A peak far narrower than the first boxes (128, 32, 8 and 4 on an axis, in one to four dimensions) may be missed.

    Raises:
        ValueError: too many dimensions, or no finite bounds.
    """
    d = energy.space.size
    if not 1 <= d <= 4:
        raise ValueError(f"quadrature works in one to four dimensions; {type(energy).__name__} has {d}: use anneal.")
    integrand = _Integrand(energy, *_bounds(energy, low, high), _Rule.product(d))
    corners = np.array(list(itertools.product(np.arange(FIRST[d]) / FIRST[d], repeat=d)))
    boxes = integrand.measured(corners, np.full_like(corners, 1 / FIRST[d]))
    log_z, errors, spent = log_sum_exp(boxes.log), boxes.shares(), len(corners)
    for _ in range(HALVINGS):
        if np.any(boxes.broken) or log_z == -math.inf:
            return nothing()
        target = max(rtol, 2 * boxes.rounding())
        worst = errors > target / (2 * len(errors))  # the others add up to half of it at most
        spent += 2 * int(worst.sum())
        if errors.sum() <= target or spent * len(integrand.rule.points) > MOST_POINTS:
            break
        boxes, errors = _refined(integrand, boxes, errors, worst)
        log_z, before = log_sum_exp(boxes.log), log_z
        errors = errors * math.exp(before - log_z)  # in units of Z
    rim = 0.0 if isinstance(energy.space, Box | Torus) else float(np.sum(boxes.shares() * boxes.rim))
    found = summed(log_z, float(errors.sum()) + boxes.rounding() + rim)
    return found if errors.sum() <= target else found.doubted(Status.NOT_CONVERGED)


def _refined(integrand: _Integrand, boxes: _Boxes, errors: np.ndarray, worst: np.ndarray) -> tuple[_Boxes, np.ndarray]:
    """The worst boxes halved; their two halves share what that changes, in units of the old Z."""
    parents, log_z = boxes.at(worst), log_sum_exp(boxes.log)
    children = integrand.measured(*parents.halves())
    change = np.abs(np.exp(parents.log - log_z) - np.exp(children.log - log_z).reshape(2, -1).sum(axis=0))
    shared = np.maximum(change, errors[worst] / DECAY) / 2
    return boxes.at(~worst).joined(children), np.concatenate([errors[~worst], shared, shared])


def _bounds(energy: AbstractEnergy, low: ArrayLike | None, high: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    if low is None or high is None:
        if not isinstance(energy.space, Box | Torus):
            raise ValueError(f"quadrature over {type(energy.space).__name__} needs low= and high=: a box that holds the law.")
        low, high = (own if given is None else given for own, given in zip(ends(energy.space), (low, high), strict=True))
    bounds = [np.broadcast_to(np.asarray(end, np.float64).ravel(), (energy.space.size,)) for end in (low, high)]
    if not (np.all(np.isfinite(bounds)) and np.all(bounds[0] < bounds[1])):
        raise ValueError(f"quadrature from low={low} to high={high}: both must be finite, low below high.")
    return bounds[0], bounds[1]


@eqx.filter_jit
def _energies(energy: AbstractEnergy, xs: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jax.vmap(lambda x: energy(x.reshape(energy.space.shape)))(xs)
