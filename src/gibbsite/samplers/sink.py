"""Where kept draws go while the loop runs, and whence they are read when it has ended."""

import abc
import contextlib
import time
from collections.abc import Callable as Function

import jax
import numpy as np
from jaxtyping import PyTree

from gibbsite.samplers.loop import Carry
from gibbsite.samplers.plan import Plan

After = Function[[Carry, int, int], object]  # what is done with the loop's carry after the draws from one number to another


class AbstractSink(abc.ABC):
    """The draws of one run. The loop carries the last `slots` kept ones of each chain, and pauses every `chunk` steps.

    To add one, write these attributes and the three methods.
    """

    slots: int
    chunk: int | None
    begun: float
    before: float = 0.0  # seconds that earlier starts of the run took

    @abc.abstractmethod
    def resumed(self, like: Function[[], Carry]) -> tuple[Carry, int] | None:
        """What an earlier start left, in the shape of `like()`, and after how many draws; None where there was none."""

    @abc.abstractmethod
    def taking(self, carry: Carry, done: int) -> contextlib.AbstractContextManager[After | None]:
        """What the loop calls after each chunk, from `carry` after `done` draws on; when it closes, all draws are in place."""

    @abc.abstractmethod
    def samples(self, carry: Carry) -> PyTree | None:
        """The kept draws `chains draws *x`."""

    @property
    def seconds(self) -> float:
        """How long the run has taken, earlier starts included."""
        return self.before + time.perf_counter() - self.begun


class Memory(AbstractSink):
    """Draws stay where the loop puts them."""

    def __init__(self, plan: Plan, chunk: int | None, begun: float):
        self.slots, self.chunk, self.begun = plan.kept, chunk, begun

    def resumed(self, like: Function[[], Carry]) -> None:
        return None

    def taking(self, carry: Carry, done: int) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def samples(self, carry: Carry) -> PyTree | None:
        return jax.tree.map(lambda a: np.swapaxes(a, 0, 1), carry.kept)
