"""Sampling until an error bar is small enough: `until=stderr("energy") < 0.01`."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import PyTree

from gibbsite.core import BATCHES, AbstractObserver, Estimate, Status


@dataclasses.dataclass(frozen=True)
class Until:
    """The standard error of the observable `name` is below `limit`, in its own units; of all its entries, where it has several.

    Raises:
        ValueError: the limit is not positive.
    """

    name: str
    limit: float

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise ValueError(f"stderr({self.name!r}) < {self.limit}: give a positive limit, in the units of {self.name}.")

    def reached(self, estimate: Estimate) -> bool:
        """Whether the error is small enough, and known: that of chains that disagree, or of too few draws, is not."""
        known = estimate.stderr is not None and estimate.status not in (Status.NOT_MIXED, Status.TOO_SHORT)
        return known and bool(np.all(np.asarray(estimate.stderr) < self.limit))

    def settled(self, estimates: Mapping[str, Estimate]) -> bool:
        """Whether more draws are of no use: the error is small enough, or nothing moves, or nothing is finite."""
        estimate = estimates[self.name]
        return estimate.status in (Status.CONSTANT, Status.NON_FINITE) or self.reached(estimate)


@dataclasses.dataclass(frozen=True)
class StandardError:
    """That of the observable `name`; `<` makes an `Until` of it."""

    name: str

    def __lt__(self, limit: float) -> Until:
        return Until(self.name, float(limit))


def stderr(name: str = "energy") -> StandardError:
    """The standard error of an observable, for `until=`: `stderr("energy") < 0.01`."""
    return StandardError(name)


def whole_batches(draws: int) -> int:
    """The next number of draws that fills all batches evenly, so that twice as many fill batches of twice the size."""
    return -(-draws // BATCHES) * BATCHES


def as_first_half(observer: AbstractObserver, acc: PyTree, empty: PyTree) -> PyTree:
    """Full accumulators `batches chains *acc` as those of a run twice as long: joined in pairs, and followed by empty ones."""
    even, odd = (jax.tree.map(lambda a, k=k: a[k::2], acc) for k in (0, 1))
    joined = jax.vmap(jax.vmap(observer.merge))(even, odd)
    return jax.tree.map(lambda new, old: old.at[: len(new)].set(new), joined, empty)
