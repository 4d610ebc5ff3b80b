"""All sites coupled alike to all: the sum goes over how many are up, and no further.

    Z = sum_k C(n, k) exp(-U(k up))

(Curie 1895; Weiss 1907; Kac 1968 with the factor 1 / n.)
"""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln

from gibbsite.core import AbstractEnergy, Estimate, exact
from gibbsite.thermo.exact.pairs import graph_of, need_graph, pairs_of
from gibbsite.thermo.exact.summed import summed
from gibbsite.thermo.weights import log_sum_exp


def curie_weiss(n: int, beta: float, field: float = 0.0) -> Estimate:
    """log Z of n spins of energy `-(sum s)^2 / (2 n) - field sum s` at inverse temperature beta, `Z = sum_k C(n, k) e^{-beta U}`."""
    return exact(log_sum_exp(_log_weights(n, beta, field)[1]))


def curie_weiss_magnetisation(n: int, beta: float, field: float = 0.0) -> Estimate:
    """`<|m|>` with m the mean of the n spins of `curie_weiss`."""
    m, logs = _log_weights(n, beta, field)
    return exact(float(np.exp(logs - log_sum_exp(logs)) @ np.abs(m)))


def _log_weights(n: int, beta: float, field: float) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The magnetisations of k = 0, ..., n spins up, and the logs of their weights."""
    if n < 1 or not (math.isfinite(beta) and math.isfinite(field)):
        raise ValueError(f"curie_weiss of n={n}, beta={beta}, field={field}: give at least one spin, and finite numbers.")
    m = (2 * np.arange(n + 1) - n) / n
    return m, _log_choose(n) + beta * n * (m**2 / 2 + field * m)


def _log_choose(n: int) -> Float[np.ndarray, " k"]:
    k = np.arange(n + 1)
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def complete_graph(energy: AbstractEnergy) -> Estimate:
    """log Z of two-valued sites of one field, every pair of which has the same bond.

    Raises:
        TypeError: the energy does not say which pairs interact.
        ValueError: sites or bonds differ, or some are missing.
    """
    need_graph(energy)
    if not is_complete(energy):
        raise ValueError(
            f"{type(energy).__name__} is no complete graph of equal bonds and fields: use variable_elimination, or enumerate_log_z."
        )
    pairs = pairs_of(energy)
    n, unlike = len(pairs.site), pairs.bond[0, 0, 1] if len(pairs.bond) else 0.0
    k = np.arange(n + 1)
    logs = _log_choose(n) + k * pairs.site[0, 1] + (n - k) * pairs.site[0, 0] + k * (n - k) * unlike
    return summed(pairs.constant + log_sum_exp(logs), pairs.rounding)


def is_complete(energy: AbstractEnergy) -> bool:
    """Whether `complete_graph` applies: two values, all pairs joined once, by equal bonds, in equal fields."""
    graph = graph_of(energy)
    if graph is None or graph.levels != 2 or len(graph.edges) != graph.sites * (graph.sites - 1) // 2:
        return False
    pairs = pairs_of(energy)
    distinct = len(np.unique(np.sort(pairs.edges, axis=1), axis=0)) == len(pairs.edges)
    return pairs.finite and distinct and bool(np.all(pairs.site == pairs.site[:1])) and bool(np.all(pairs.bond == pairs.bond[:1]))
