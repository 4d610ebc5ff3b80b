"""A kernel moves a configuration and accounts for the work of the move.

For a move x -> y under U the *shadow work* is

    shadow = [log pi(x -> y) - U(x)] - [log pi~(y -> x) - U(y)]   (nats),

with pi~ the time-reversed kernel. It is 0 for every kernel that keeps exp(-U) invariant with a known reversal, and
`E[exp(-shadow)] = 1` at stationarity for the others. Together with the work of a switch (`path.work`) it is all that
Jarzynski's equality, annealing and weighted training need: `log weight -= shadow + switch`, exact at every step size.
"""

import abc
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Key, PyTree

from gibbsite.core.adaptation import AbstractAdaptation
from gibbsite.core.energy import AbstractEnergy, Scalar
from gibbsite.core.info import Info


class AbstractKernel(eqx.Module):
    """One Markov move, unbatched; hyper-parameters are array leaves, the energy is an argument.

    To add a kernel:
      * subclass; hyper-parameters with `eqx.field(converter=as_float)`, so that a sweep compiles once;
      * `init` caches what a step needs, `step` returns `(state, Info)`, `refresh` rebuilds the cache;
      * say whether it is `reversible` and `reports_work`; if it is not reversible, give its time reversal in `reverse`;
      * add one export and one line in `tests/registry/kernels.py`: the laws of `gibbsite.testing` do the rest.
    """

    reversible: eqx.AbstractClassVar[bool]
    reports_work: eqx.AbstractClassVar[bool]
    # True where `step` on a state cached under an earlier energy accounts for the switch as well (unadjusted moves).
    settles_switch: eqx.AbstractClassVar[bool]
    # True where a state is more than one x with a cache (replicas, momenta): no composition may restart it from x.
    has_memory = False
    # True where the law that a step keeps is not quite that of the energy, and no work says by how much.
    biased = False

    @property
    def cost(self) -> int:
        """Evaluations of one step: a configuration through the energy, forward and backward."""
        return 1

    @property
    def cache_cost(self) -> int:
        """Evaluations that `init` or `refresh` spends on the cache."""
        return 1

    @abc.abstractmethod
    def init(self, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> Any:
        """The state at `x`."""

    @abc.abstractmethod
    def step(self, energy: AbstractEnergy, state: Any, *, key: Key[Array, ""]) -> tuple[Any, Info]:
        """One move."""

    @abc.abstractmethod
    def position(self, state: Any) -> PyTree:
        """The configuration `x` of a state (of a population: that of its target)."""

    @abc.abstractmethod
    def refresh(self, energy: AbstractEnergy, state: Any, x: PyTree | None = None) -> Any:
        """The state after the energy's parameters or temperature changed, or after `x` was replaced."""

    def energy(self, energy: AbstractEnergy, state: Any) -> Scalar:
        """The energy of the state's configuration; kernels that cache it override this and save an evaluation."""
        return energy(self.position(state))

    def reverse(self) -> "AbstractKernel":
        """The time-reversed kernel pi~ (itself, for a reversible kernel)."""
        if not self.reversible:
            raise NotImplementedError(f"{type(self).__name__} is not reversible and states no time reversal.")
        return self

    @property
    def period(self) -> int:
        """Steps after which it comes back to what it moved first, where `position` is now of one walker, now of another; else 1."""
        return 1

    def tempered(self, beta: Scalar) -> "AbstractKernel":
        """The kernel that suits `beta * energy` as this one suits the energy: on real spaces, its steps are longer where beta is small."""
        return self

    def adaptation(self) -> AbstractAdaptation | None:
        """How warm-up tunes this kernel; None leaves it as it is."""
        return None

    def caution(self, infos: Mapping[str, np.ndarray]) -> str:
        """What the report of a run should warn of, a sentence, from what steps report (means over chains and draws); or nothing.

        Of a part of another kernel perhaps no more is known than `accept_prob`.
        """
        return ""
