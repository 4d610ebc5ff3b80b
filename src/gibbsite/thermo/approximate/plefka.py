"""Sites as if independent, and how they answer to each other: an expansion of log Z at fixed site laws.

With independent laws q_i, and `r_b = f_b - E_i f_b - E_j f_b + E f_b` what a bond's log factor `f_b(a, a')` is beyond a sum of functions of
one site (Plefka, J. Phys. A 15, 1982; Georges & Yedidia, J. Phys. A 24, 1991),

    log Z = max over q of  sum_i [H(q_i) + E site_i] + sum_b E f_b  +  (1/2) sum_b E r_b^2  + ...

First order is naive mean field: a lower bound at any q, by Jensen's inequality. Second order is TAP (Thouless, Anderson & Palmer,
Philosophical Magazine 35, 1977): for spins `E r^2 = J^2 (1 - m^2) (1 - m'^2)`. Both are solved by damped iteration
from several starts at once.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gibbsite.core import AbstractEnergy, Estimate, Evidence, Status
from gibbsite.thermo.exact.pairs import Pairs, pairs_of
from gibbsite.thermo.exact.summed import nothing

DAMPING = 0.5
STEPS = 500
TOLERANCE = 1e-11  # of site laws, at which iteration stops
SETTLED = 1e-6  # what they may still move by in a solution: log Z is stationary there
RANDOM = 4  # starts besides the flat one and one leaning to each level

Laws = Float[np.ndarray, "starts sites levels"]


def mean_field(energy: AbstractEnergy) -> Estimate:
    """Naive mean field of an energy of pairs: the largest `E_q[-U] + H(q)` found over independent sites, a lower bound of log Z.

    It holds wherever the iteration stopped; the upper end of the interval is open. Close to a transition, and in glasses, it is far below.

    Raises:
        TypeError: the energy does not say which pairs of sites interact.
    """
    pairs = pairs_of(energy)
    if not pairs.finite:
        return nothing()
    best = float(np.max(_solved(pairs, order=1).log_z))
    return Estimate(best, pairs.rounding, hi=math.inf, evidence=Evidence.LOWER)


def tap(energy: AbstractEnergy) -> Estimate:
    """log Z to second order (Thouless, Anderson & Palmer), of the best of several solutions; no bound, and no error bar.

    Good where bonds are weak and many, as in the Sherrington-Kirkpatrick model above its transition. Where the iteration does not settle,
    there is no value, and the status is NOT_CONVERGED: as a rule a glass at its transition and below.

    Raises:
        TypeError: the energy does not say which pairs of sites interact.
    """
    pairs = pairs_of(energy)
    if not pairs.finite:
        return nothing()
    found = _solved(pairs, order=2)
    settled = found.moving < SETTLED
    if not settled.any():
        return Estimate(None, None, status=Status.NOT_CONVERGED, evidence=Evidence.NOT_ESTABLISHED)
    return Estimate(float(np.max(found.log_z[settled])), None, evidence=Evidence.NOT_ESTABLISHED)


class _Solution(NamedTuple):
    """Where every start led to, and how much laws still moved in the last step."""

    log_z: Float[np.ndarray, " starts"]
    moving: Float[np.ndarray, " starts"]


def _solved(pairs: Pairs, *, order: int) -> _Solution:
    # Flat laws may be a solution of second order that any other start leaves: below a transition it counts far too much.
    laws = _starts(pairs)[order - 1 :]
    moving = np.full(len(laws), np.inf)
    for _ in range(STEPS):
        drive = pairs.site + _felt(pairs, laws, order)
        logs = (1 - DAMPING) * np.log(np.maximum(laws, 1e-300)) + DAMPING * drive
        moved = _normalised(logs)
        moving, laws = np.abs(moved - laws).max(axis=(1, 2)), moved
        if moving.max() < TOLERANCE:
            break
    return _Solution(_free(pairs, laws, order), moving)


def _starts(pairs: Pairs) -> Laws:
    """Flat, leaning to each level, and a few at random (always the same)."""
    sites, levels = pairs.site.shape
    leaning = np.repeat(np.eye(levels)[:, None], sites, axis=1)
    rough = np.random.default_rng(0).normal(size=(RANDOM, sites, levels))
    return _normalised(pairs.site + np.concatenate([np.zeros((1, sites, levels)), leaning, rough]))


def _normalised(logs: Float[np.ndarray, "starts sites levels"]) -> Laws:
    p = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def _felt(pairs: Pairs, laws: Laws, order: int) -> Float[np.ndarray, "starts sites levels"]:
    """The derivative of the bonds' part of log Z in the law of each site."""
    felt = np.zeros((pairs.site.shape[0], len(laws), pairs.levels))
    for here, there, bond in _both_ways(pairs):
        other = laws[:, there]
        push = np.einsum("bij,sbj->bsi", bond, other)
        if order == 2:
            # E r^2 is least over what functions of one site may be taken off, so only its outer average is differentiated.
            push = push + 0.5 * np.einsum("bsij,sbj->bsi", _beyond(bond, laws[:, here], other) ** 2, other)
        np.add.at(felt, here, push)
    return np.moveaxis(felt, 0, 1)


def _both_ways(pairs: Pairs) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    one, other = pairs.edges.T
    return [(one, other, pairs.bond), (other, one, np.swapaxes(pairs.bond, 1, 2))]


def _beyond(bond: np.ndarray, one: np.ndarray, other: np.ndarray) -> Float[np.ndarray, "bonds starts levels levels"]:
    """r: what the factor of a bond is beyond a sum of functions of one site, under both laws."""
    over_other = np.einsum("bij,sbj->bsi", bond, other)
    over_one = np.einsum("bij,sbi->bsj", bond, one)
    mean = np.einsum("bsi,sbi->bs", over_other, one)
    return bond[:, None] - over_other[..., None] - over_one[:, :, None] + mean[..., None, None]


def _free(pairs: Pairs, laws: Laws, order: int) -> Float[np.ndarray, " starts"]:
    """log Z at these laws."""
    one, other = (laws[:, ends] for ends in pairs.edges.T)
    entropy = -np.sum(laws * np.log(np.maximum(laws, 1e-300)), axis=(1, 2))
    log_z = pairs.constant + entropy + np.sum(laws * pairs.site, axis=(1, 2)) + np.einsum("sbi,bij,sbj->s", one, pairs.bond, other)
    if order == 2:
        log_z = log_z + 0.5 * np.einsum("sbi,bsij,sbj->s", one, _beyond(pairs.bond, one, other) ** 2, other)
    return log_z
