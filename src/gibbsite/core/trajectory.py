"""A path along the snapshots of a training run."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from gibbsite.core.energy import AbstractEnergy, Scalar
from gibbsite.core.path import AbstractPath


class Trajectory(AbstractPath):
    """Through snapshots of one energy, such as a training run's: leaves go straight from each to the next, in equal times.

    `base` must be the first of them, constant included, in a form that knows its `log_z` (as in `Linear`, which has two). Along its own
    training a model changes little from snapshot to snapshot, which is what weights ask for (Carbone et al., arXiv 2305.19414).

    Raises:
        ValueError: there are fewer than two snapshots, or they are not of one energy.
    """

    base: AbstractEnergy
    snapshots: AbstractEnergy  # all in one, along a leading axis of every array leaf

    def __init__(self, base: AbstractEnergy, snapshots: Sequence[AbstractEnergy]) -> None:
        parts = [eqx.partition(one, eqx.is_inexact_array) for one in snapshots]
        if len(parts) < 2:
            raise ValueError(f"Trajectory has {len(parts)} snapshots: give two or more.")
        (_, static), *others = parts
        if not all(bool(eqx.tree_equal(static, other)) for _, other in others):
            raise ValueError("Trajectory has snapshots of several energies: they may differ in the values of arrays alone.")
        self.base = base
        self.snapshots = eqx.combine(jax.tree.map(lambda *a: jnp.stack(a), *(leaves for leaves, _ in parts)), static)

    def __call__(self, t: Scalar) -> AbstractEnergy:
        leaves, static = eqx.partition(self.snapshots, eqx.is_inexact_array)
        legs = len(jax.tree.leaves(leaves)[0]) - 1
        leg = jnp.clip(jnp.floor(t * legs), 0, legs - 1).astype(int)
        share = t * legs - leg
        return eqx.combine(jax.tree.map(lambda a: (1 - share) * a[leg] + share * a[leg + 1], leaves), static)

    def work(self, t0: Scalar, t1: Scalar, x: PyTree) -> Scalar:
        return self(t1)(x) - self(t0)(x)
