"""Every public observer, with the exact mean of its statistic under `problems.mixture()` where it has one."""

import jax.numpy as jnp
from jax.scipy.stats import norm

from gibbsite.core import AbstractObserver, Histogram, Mean
from gibbsite.thermo.observables import Derived, PairDistribution

_EDGES = jnp.array([-3.0, -1.0, 0.5, 2.0])
_CDF = (norm.cdf((_EDGES - 1.0) / 0.5) + 2 * norm.cdf((_EDGES + 1.5) / 0.8)) / 3


def first(x):
    return x[0]


def powers(x):
    return jnp.stack([x[0], x[0] ** 2])


# x[0] has means 1 and -3/2 with masses 1/3 and 2/3; x[0] - x[1] of either mode is a Gaussian as well, here wound round a ring.
_SPREAD = (0.25 + 1.0**2) / 3 + 2 * (0.64 + 1.5**2) / 3 - (2.0 / 3) ** 2
_SHELLS, _TURNS = jnp.array([0.0, 1.0, 2.0, 3.0]), 2 * jnp.pi * jnp.arange(-3, 4)[:, None]


def _nearer(r):
    """The chance that the ring distance of the two coordinates is below r."""
    ends = jnp.stack([_TURNS - r, _TURNS + r])
    one, other = (
        jnp.sum(jnp.diff(norm.cdf((ends - mean) / width), axis=0), axis=(0, 1)) for mean, width in ((-0.5, 0.5**0.5), (-1.5, 1.28**0.5))
    )
    return (one + 2 * other) / 3


OBSERVERS: dict[str, tuple[AbstractObserver, object]] = {
    "mean": (Mean(lambda x: x), jnp.array([-2.0 / 3, 0.5])),
    "histogram": (Histogram(first, _EDGES), jnp.diff(_CDF)),
    "derived": (Derived(powers, lambda mean: mean[1] - mean[0] ** 2), _SPREAD),
    "pair distribution": (PairDistribution(_SHELLS, side=2 * jnp.pi, dim=1), jnp.diff(_nearer(_SHELLS)) * jnp.pi),
}
