"""Belief propagation, and the log Z of Bethe that its fixed points belong to.

A message from site i along a bond to j is what j learns of i from all the others that i meets,

    m_{i -> j}(a') = log sum_a exp[site_i(a) + bond(a, a') + sum_{k != j} m_{k -> i}(a)],

and with `z_i` the sum over a site of all that reaches it, `z_b` that over both ends of a bond of all that reaches them otherwise,

    log Z_Bethe = sum_b log z_b - sum_i (degree_i - 1) log z_i

(Bethe, Proc. R. Soc. A 150, 1935; Yedidia, Freeman & Weiss, IEEE Trans. Inf. Theory 51, 2005).
"""

import numpy as np
from jaxtyping import Float, Int

from gibbsite.core import AbstractEnergy, Estimate, Evidence, Status
from gibbsite.thermo.exact.pairs import Pairs, pairs_of
from gibbsite.thermo.exact.summed import nothing, summed
from gibbsite.thermo.weights import log_sum_exp

DAMPING = 0.5
STEPS = 1000
LEAN = 1.0  # nats
TOLERANCE = 1e-12


def bethe(energy: AbstractEnergy) -> Estimate:
    """log Z of Bethe for an energy of pairs, at the fixed point of belief propagation.

    Without cycles it is exact, and says so. With two levels a site and bonds that all attract (whatever the fields) it is a lower bound
    (Ruozzi, NeurIPS 2012). Else it is no bound, and has no error bar. Messages start flat, and leaning to each level; of the fixed
    points the largest log Z is taken. Where none is reached, there is no value, and the status is NOT_CONVERGED.

    Raises:
        TypeError: the energy does not say which pairs of sites interact.
    """
    pairs = pairs_of(energy)
    if not pairs.finite:
        return nothing()
    if acyclic(len(pairs.site), pairs.edges):
        messages, _ = _settled(pairs, np.zeros(pairs.levels), damping=0.0, steps=len(pairs.site) + 1)
        return summed(_log_z(pairs, messages), pairs.rounding)
    starts = [np.zeros(pairs.levels), *(LEAN * np.eye(pairs.levels))]
    found = [_settled(pairs, start, damping=DAMPING, steps=STEPS) for start in starts]
    log_z = [_log_z(pairs, messages) for messages, settled in found if settled]
    if not log_z:
        return Estimate(None, None, status=Status.NOT_CONVERGED, evidence=Evidence.NOT_ESTABLISHED)
    if pairs.levels == 2 and np.all(_attraction(pairs) >= 0):
        return Estimate(max(log_z), pairs.rounding, hi=np.inf, evidence=Evidence.LOWER)
    return Estimate(max(log_z), None, evidence=Evidence.NOT_ESTABLISHED)


def acyclic(sites: int, edges: Int[np.ndarray, "bonds 2"]) -> bool:
    """Whether no way leads from a site back to it: every bond joins two parts that were apart."""
    root = list(range(sites))

    def top(site: int) -> int:
        while root[site] != site:
            root[site] = root[root[site]]
            site = root[site]
        return site

    for i, j in edges.tolist():
        one, other = top(i), top(j)
        if one == other:
            return False
        root[one] = other
    return True


def _attraction(pairs: Pairs) -> Float[np.ndarray, " bonds"]:
    return pairs.bond[:, 0, 0] + pairs.bond[:, 1, 1] - pairs.bond[:, 0, 1] - pairs.bond[:, 1, 0]


def _settled(
    pairs: Pairs, start: Float[np.ndarray, " levels"], *, damping: float, steps: int
) -> tuple[Float[np.ndarray, "two bonds levels"], bool]:
    """Messages along the bonds ([0]: to their first end, [1]: to their second), all alike at the start, and whether they came to rest."""
    messages = np.tile(start, (2, len(pairs.edges), 1))
    for _ in range(steps):
        first, second = _cavities(pairs, messages)
        new = np.stack([_sent(pairs.bond, second), _sent(np.swapaxes(pairs.bond, 1, 2), first)])
        moved = float(np.max(np.abs(new - messages), initial=0.0))
        messages = damping * messages + (1 - damping) * new
        if moved < TOLERANCE:
            return messages, True
    return messages, False


def _sent(bond: np.ndarray, cavity: np.ndarray) -> Float[np.ndarray, "bonds levels"]:
    """The message to the first end, from what the second has heard elsewhere; shifted so that its largest entry is 0."""
    told = log_sum_exp(bond + cavity[:, None, :], axis=2)
    return told - told.max(axis=1, keepdims=True)


def _gathered(pairs: Pairs, messages: np.ndarray) -> Float[np.ndarray, "sites levels"]:
    """All that reaches a site, with what it feels alone."""
    total = pairs.site.copy()
    for way, ends in zip(messages, pairs.edges.T, strict=True):
        np.add.at(total, ends, way)
    return total


def _cavities(pairs: Pairs, messages: np.ndarray) -> list[Float[np.ndarray, "bonds levels"]]:
    """All that reaches either end of a bond, but for what came along it."""
    total = _gathered(pairs, messages)
    return [total[ends] - way for way, ends in zip(messages, pairs.edges.T, strict=True)]


def _log_z(pairs: Pairs, messages: np.ndarray) -> float:
    first, second = _cavities(pairs, messages)
    both = (first[:, :, None] + pairs.bond + second[:, None, :]).reshape(-1, pairs.levels**2)
    degree = np.bincount(pairs.edges.ravel(), minlength=len(pairs.site))
    sites = log_sum_exp(_gathered(pairs, messages), axis=1)
    return pairs.constant + float(np.sum(log_sum_exp(both, axis=1))) - float(np.sum((degree - 1) * sites))
