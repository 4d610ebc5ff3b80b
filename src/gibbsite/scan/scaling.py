"""Sizes together: where Binder cumulants cross, and the collapse of all curves on one (Binder 1981; Privman 1990).

Near a continuous transition curves of different sides L fall on one, if they are drawn against `x = (beta - beta_c) L^{1/nu}`:

    U4(beta, L) = P(x) + (a_0 + a_1 x) L^-omega + a_2 x^2 L^{-1/nu},
    log <m^2>(beta, L) = kappa log L + Q(x) + b_0 L^-omega + (b_1 x + b_2 x^2) L^{-1/nu},    kappa = -2 (exponent of m) / nu.

P and Q are cubic polynomials, on the stretch around beta_c on which U4 would change by 0.06, were it straight: beyond, it bends into its
limit of 2/3. The terms in L^{-1/nu} are those of scaling fields that are not linear in beta (Aharony & Fisher, PRL 45, 1980). Points of
one size are correlated: the fit is the ordinary one, by their errors alone, and what correlation does to its result is worked out
afterwards, from the covariance C of the points (the jackknife's, over chains), for parameters `theta = H y` as `H C H'`, and for the least
sum of squares as its expectation (Bruno & Sommer, arXiv 2209.14188). Where that sum is twice as large as expected or more, the smallest
size is left out, as long as three are left: of two, exponents and corrections cannot be told apart.
"""

import dataclasses
from collections.abc import Callable as Function
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gibbsite.core import Estimate, Evidence, Status
from gibbsite.thermo import MultiHistogram
from gibbsite.thermo.jackknife import covariance

OMEGA = 2.0  # of corrections that die with size; right for the square lattice, whose analytic ones go as 7/4 to 2
SLOW = 0.8  # omega of many others: of the Ising model in three dimensions 0.83, of three-state Potts spins on the square lattice 4/5
CROSS = 3.0  # of the drift of crossings, 1 / nu + omega
DEGREE, POINTS, SPAN = 3, 5, 0.03  # of the polynomials; of each size; of U4, up and down
GOOD = 2.0  # times the expected sum of squares
FEWEST = 3  # sizes of a collapse


class Member(NamedTuple):
    """One size: its side, its dimension and what was measured."""

    side: int
    dim: int
    histogram: MultiHistogram


class BinderCrossing(NamedTuple):
    """Where the Binder cumulants of two sizes cross, and how steeply they do."""

    sides: tuple[int, int]
    beta: Estimate


@dataclasses.dataclass(frozen=True)
class Collapse:
    """The critical point and exponents from a collapse of the `sides`; `quality` is the sum of squares over its expectation."""

    sides: tuple[int, ...]
    beta_c: Estimate
    nu: Estimate
    beta_over_nu: Estimate
    gamma_over_nu: Estimate
    quality: float


@dataclasses.dataclass(frozen=True)
class Scaling:
    """Crossings of neighbouring sizes, their limit of infinite size, and the collapse; None where curves do not cross."""

    crossings: tuple[BinderCrossing, ...]
    limit: Estimate | None
    collapse: Collapse | None


def scaling(members: Sequence[Member], grid: Float[np.ndarray, " betas"], *, omegas: Sequence[float] = (OMEGA,)) -> Scaling:
    """What sizes tell together; the collapse for the first of the `omegas`, with what the others change added to its errors."""
    binders = [_binder(member, grid) for member in members]
    found = [(pair, _root(grid, binders[pair + 1][0] - binders[pair][0])) for pair in range(len(members) - 1)]
    kept = [(pair, root) for pair, root in found if root is not None]
    if not kept:
        return Scaling((), None, None)
    values = np.array([beta for _, (beta, _) in kept])
    spread = _together(grid, binders, kept)
    crossings = tuple(
        BinderCrossing((members[pair].side, members[pair + 1].side), _estimate(value, error, status=_flaw(members[pair : pair + 2])))
        for (pair, _), value, error in zip(kept, values, np.sqrt(np.diag(spread)), strict=True)
    )
    sides = np.array([members[pair].side for pair, _ in kept], float)
    limit, flaw = _limit(sides, values, spread), _flaw(members)
    return Scaling(crossings, limit if flaw is Status.OK else limit.doubted(flaw), _collapse(members, float(values[-1]), omegas))


def _flaw(members: Sequence[Member]) -> Status:
    """What is wrong with the first of them with which anything is."""
    return next((member.histogram.status for member in members if member.histogram.status is not Status.OK), Status.OK)


def _binder(member: Member, betas: Float[np.ndarray, " betas"]) -> Float[np.ndarray, "replicates betas"]:
    inside = np.clip(betas, *member.histogram.betas[[0, -1]])  # the ends as they were rounded
    return member.histogram.replicates(lambda mean, log_z, betas: _u4(mean), inside)


def _u4(mean: Function[[str], np.ndarray]) -> Float[np.ndarray, " betas"]:
    return 1 - mean("m^4") / (3 * mean("m^2") ** 2)


def _root(grid: Float[np.ndarray, " betas"], gap: Float[np.ndarray, " betas"]) -> tuple[float, float] | None:
    """Where the larger size overtakes the smaller, and the slope of their difference there: of several places the steepest."""
    slope = np.diff(gap) / np.diff(grid)
    places = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
    if not len(places):
        return None
    place = places[np.argmax(slope[places])]
    return float(grid[place] - gap[place] / slope[place]), float(slope[place])


def _together(grid: np.ndarray, binders: Sequence[np.ndarray], kept: list[tuple[int, tuple[float, float]]]) -> Float[np.ndarray, "n n"]:
    """The covariance of crossings: two neighbours share a size. A root moves by minus the change of the difference over its slope."""
    total = np.zeros((len(kept), len(kept)))
    for size, rows in enumerate(binders):
        moves = np.zeros((len(rows), len(kept)))
        for column, (pair, (beta, slope)) in enumerate(kept):
            if size in (pair, pair + 1):
                here = np.array([np.interp(beta, grid, row) for row in rows])
                moves[:, column] = here / slope * (1 if size == pair else -1)
        total += covariance(moves)
    return total


def _limit(sides: np.ndarray, values: np.ndarray, spread: np.ndarray) -> Estimate:
    """beta_c of crossings that drift as `beta_c + a L^-3`, by least squares; a single one, which drifts too, in doubt."""
    columns = [np.ones(len(sides)), *([sides**-CROSS] if len(sides) > 1 else [])]
    design, weight = np.stack(columns, axis=1), np.linalg.pinv(spread)
    both = np.linalg.pinv(design.T @ weight @ design)
    status = Status.OK if len(sides) > 1 else Status.NOT_CONVERGED
    return _estimate(float((both @ design.T @ weight @ values)[0]), float(np.sqrt(both[0, 0])), status=status)


def _collapse(members: Sequence[Member], near: float, omegas: Sequence[float]) -> Collapse | None:
    """That of all sizes, or of as many of the largest as fall on one curve."""
    fit = None
    for first in range(len(members) - FEWEST + 1):
        fit = _fitted(members[first:], near, omegas[0])
        if fit is not None and fit.quality <= GOOD:
            break
    others = [] if fit is None else [_fitted(members[-len(fit.sides) :], near, omega) for omega in omegas[1:]]
    return fit if fit is None else _unsure(fit, [other for other in others if other is not None])


def _unsure(fit: Collapse, others: Sequence[Collapse]) -> Collapse:
    """With the largest change that another omega makes as a further error."""

    def wider(name: str) -> Estimate:
        found = getattr(fit, name)
        change = max((abs(float(getattr(other, name)) - float(found)) for other in others), default=0.0)
        return _estimate(float(found), float(np.hypot(found.stderr, change)), status=found.status)

    beta_c, nu, beta_over_nu, gamma_over_nu = map(wider, ("beta_c", "nu", "beta_over_nu", "gamma_over_nu"))
    return dataclasses.replace(fit, beta_c=beta_c, nu=nu, beta_over_nu=beta_over_nu, gamma_over_nu=gamma_over_nu)


class _Data(NamedTuple):
    """Points of all sizes in one row: U4 at each, then log <m^2>."""

    sides: Float[np.ndarray, " points"]
    betas: Float[np.ndarray, " points"]
    y: Float[np.ndarray, " twice"]
    spread: Float[np.ndarray, "twice twice"]
    omega: float


def _fitted(members: Sequence[Member], near: float, omega: float) -> Collapse | None:
    from scipy.optimize import least_squares

    slopes = np.array([_slope(member, near) for member in members])
    if np.any(slopes <= 0):
        return None
    data = _data(members, near, SPAN / slopes, omega)
    steep = np.polyfit(np.log([member.side for member in members]), np.log(slopes), 1)[0]
    weight = 1 / np.sqrt(np.diag(data.spread))

    def residual(theta: np.ndarray) -> np.ndarray:
        design = weight[:, None] * _design(data, theta)
        return weight * data.y - design @ np.linalg.lstsq(design, weight * data.y, rcond=None)[0]

    theta = least_squares(residual, [near, steep], x_scale=[SPAN / slopes[-1], 0.1]).x  # type: ignore[operator]
    return _judged(members, data, weight, theta, float(np.sum(residual(theta) ** 2)))


def _judged(members: Sequence[Member], data: _Data, weight: np.ndarray, theta: np.ndarray, squares: float) -> Collapse:
    """What correlation between points makes of the errors, and of the sum of squares that was to be expected."""
    design = _design(data, theta)
    linear = np.linalg.lstsq(weight[:, None] * design, weight * data.y, rcond=None)[0]
    full = np.concatenate([_bent(data, theta, linear), design], axis=1)
    hat = np.linalg.pinv(weight[:, None] * full) * weight
    rest = weight[:, None] * (np.eye(len(data.y)) - full @ hat)
    quality = squares / float(np.trace(rest @ data.spread @ rest.T))
    errors = np.sqrt(np.diag(hat @ data.spread @ hat.T) * max(1.0, quality))
    place = design.shape[1] // 2  # of kappa among the linear parameters
    flaw = _flaw(members)
    status = Status.NOT_CONVERGED if flaw is Status.OK and quality > GOOD else flaw
    kappa, error = linear[place], errors[place + 2]
    return Collapse(
        tuple(member.side for member in members),
        _estimate(theta[0], errors[0], status=status),
        _estimate(1 / theta[1], errors[1] / theta[1] ** 2, status=status),
        _estimate(-kappa / 2, error / 2, status=status),
        _estimate(members[0].dim + kappa, error, status=status),
        quality,
    )


def _slope(member: Member, beta: float) -> float:
    """dU4 / dbeta."""
    low, high = member.histogram.betas[[0, -1]]
    step = (high - low) / 400
    rows = _binder(member, np.array([beta - step, beta + step]))
    return float((rows[0, 1] - rows[0, 0]) / (2 * step))


def _data(members: Sequence[Member], near: float, reach: Float[np.ndarray, " sizes"], omega: float) -> _Data:
    sides, betas, rows = [], [], []
    for member, width in zip(members, reach, strict=True):
        low, high = member.histogram.betas[[0, -1]]
        at = near + width * np.linspace(-1, 1, POINTS)
        at = at[(at >= low) & (at <= high)]
        rows.append(member.histogram.replicates(lambda mean, log_z, b: np.stack([_u4(mean), np.log(mean("m^2"))]), at))
        sides += [member.side] * len(at)
        betas.append(at)
    spread = np.zeros((2, len(sides), 2, len(sides)))
    start = 0
    for row in rows:
        stop = start + row.shape[2]
        spread[:, start:stop, :, start:stop] = covariance(row.reshape(len(row), -1)).reshape(2, stop - start, 2, stop - start)
        start = stop
    y = np.concatenate([row[0] for row in rows], axis=1)
    return _Data(np.array(sides, float), np.concatenate(betas), y.ravel(), spread.reshape(y.size, y.size), omega)


def _design(data: _Data, theta: np.ndarray) -> Float[np.ndarray, "twice columns"]:
    """What the linear parameters are multiplied with: those of U4, then those of log <m^2>, kappa first."""
    x = (data.betas - theta[0]) * data.sides ** theta[1]
    dying, analytic = data.sides**-data.omega, data.sides ** -theta[1]
    powers = [*(x**n for n in range(DEGREE + 1)), dying, x**2 * analytic]
    upper, lower = np.stack([*powers, x * dying], axis=1), np.stack([np.log(data.sides), *powers, x * analytic], axis=1)
    zero = np.zeros((len(x), upper.shape[1])), np.zeros((len(x), lower.shape[1]))
    return np.block([[upper, zero[1]], [zero[0], lower]])


def _bent(data: _Data, theta: np.ndarray, linear: np.ndarray) -> Float[np.ndarray, "twice 2"]:
    """The slope of the model in beta_c and 1 / nu."""
    columns = []
    for step in (np.array([1e-6, 0.0]), np.array([0.0, 1e-6])):
        ahead, behind = (_design(data, theta + sign * step) @ linear for sign in (1, -1))
        columns.append((ahead - behind) / 2e-6)
    return np.stack(columns, axis=1)


def _estimate(value: float, error: float, *, status: Status = Status.OK) -> Estimate:
    made = Estimate(float(value), float(error), evidence=Evidence.INTERVAL)
    return made if status is Status.OK else made.doubted(status)
