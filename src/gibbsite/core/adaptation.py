"""What tunes a kernel while it warms up."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from gibbsite.core.info import Info


class AbstractAdaptation(eqx.Module):
    """Tunes a kernel during warm-up, from what all chains report.

    To add an adaptation: `init(kernel)` gives its state; `update` returns the kernel for the next step; `final` the one
    that the draws use. What a step reports and positions come chain by chain, on the first axis; pool them in an order that does
    not matter (`samplers.adapt.pooled`), so that no number of devices does.
    One that can tell when it has done what it can says so (`can_settle`), and when (`settled`).
    """

    can_settle = False

    @abc.abstractmethod
    def init(self, kernel: Any) -> PyTree:
        """The state before the first warm-up step."""

    @abc.abstractmethod
    def update(self, kernel: Any, state: PyTree, info: Info, positions: PyTree) -> tuple[Any, PyTree]:
        """The kernel for the next warm-up step."""

    @abc.abstractmethod
    def final(self, kernel: Any, state: PyTree) -> Any:
        """The tuned kernel."""

    def settled(self, earlier: Any, later: Any) -> bool:
        """Whether `later`, tuned in half as many steps again as `earlier`, is no better: more warm-up would be of no use.

        Asked outside the compiled loop, of an adaptation that `can_settle`; as long as it is False, warm-up goes on to its bound.
        """
        return False
