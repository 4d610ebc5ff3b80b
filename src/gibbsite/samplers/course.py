"""A run under way: warm-up, then draws, round after round."""

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np

from gibbsite.core import AbstractAdaptation
from gibbsite.samplers import loop
from gibbsite.samplers.checks import check_moves
from gibbsite.samplers.loop import Carry, Problem
from gibbsite.samplers.plan import Plan
from gibbsite.samplers.progress import Progress
from gibbsite.samplers.report import name_of
from gibbsite.samplers.settle import Warmed, warm_until_settled
from gibbsite.samplers.sink import AbstractSink
from gibbsite.samplers.start import counting, with_buffers
from gibbsite.samplers.summary import means_of, rows_of
from gibbsite.samplers.until import as_first_half


@dataclasses.dataclass(frozen=True)
class Course:
    """What stays the same from the first step to the last; `made` steps were made before, and draws begin at number `first`.

    Warm-up runs in chunks of `chunk` steps, and with an `open_end` may stop before `first`; draws run as the sink asks.
    """

    problem: Problem
    plan: Plan
    sink: AbstractSink
    made: int
    first: int
    chunk: int | None
    progress: Progress
    open_end: bool = dataclasses.field(kw_only=True)

    def run(self, carry: Carry, *, tune: bool) -> tuple[Carry, Plan, Warmed]:
        """What the loop carries after the last draw, the plan as it came to be, the warm-up; goes on where an earlier start left off.

        Raises:
            ValueError: nothing was accepted in the whole warm-up.
        """
        held = self.sink.resumed(partial(self._ready, carry))
        if held is None:
            carry, warmed = self._warmed(carry, tune=tune)
            return *self._drawn(carry, 0), warmed
        self.progress.advance(self.first - self.made + held[1])
        return *self._drawn(*held), Warmed()

    def _ready(self, carry: Carry) -> Carry:
        """With all that draws need."""
        return with_buffers(self.problem, carry, kept=self.sink.slots, traced=self.plan.traced)

    def _warmed(self, carry: Carry, *, tune: bool) -> tuple[Carry, Warmed]:
        """The kernel tuned, if asked, as far as it can be; then all is ready for the draws."""
        if self.first == self.made:
            return self._ready(carry), Warmed(0)
        adaptation = carry.kernel.adaptation() if tune else None
        carry, steps, settled = self._untuned(carry) if adaptation is None else self._tuned(carry, adaptation)
        infos = means_of(carry.infos, steps)
        check_moves(carry.kernel, infos["accept_prob"] * steps, steps, name_of(carry.kernel))
        return self._ready(carry), Warmed(steps, settled, {name: np.asarray(means.mean(axis=0)) for name, means in infos.items()})

    def _untuned(self, carry: Carry) -> tuple[Carry, int, None]:
        """By the program of the draws, whose sums are thrown away: to compile another takes longer."""
        steps = self.first - self.made
        return loop.run(self.problem, self._ready(carry), total=steps, **self._how), steps, None

    def _tuned(self, carry: Carry, adaptation: AbstractAdaptation) -> tuple[Carry, int, bool | None]:
        blind, steps, settled = self.problem._replace(observers={}), self.first - self.made, None
        carry = counting(self.problem, carry._replace(adapt=adaptation.init(carry.kernel)))
        if self.open_end and adaptation.can_settle:
            carry, steps, settled = warm_until_settled(blind, carry, most=steps, **self._how)
        else:
            carry = loop.run(blind, carry, total=steps, **self._how)
        return carry._replace(kernel=adaptation.final(carry.kernel, carry.adapt), adapt=None), steps, settled

    @property
    def _how(self) -> dict[str, Any]:
        """How the steps of warm-up are run."""
        return {"first": self.made, "chunk": self.chunk, "progress": self.progress}

    def _drawn(self, carry: Carry, done: int) -> tuple[Carry, Plan]:
        """Each round makes as many draws again as there are, until the plan is content."""
        plan, carry = self.plan, self._round(self.plan, carry, done)
        while (longer := plan.grown()) is not None and not self._settled(plan, carry):
            self.progress.total += plan.draws
            plan, carry = longer, self._round(longer, self._first_half(carry), plan.draws)
        return carry, plan

    def _round(self, plan: Plan, carry: Carry, done: int) -> Carry:
        """The draws of the plan that are not `done`, into the sink."""
        counts = {"first": self.first, "total": plan.draws, "done": done, "thin": plan.thin, "every": plan.every}
        with self.sink.taking(carry, done) as after:
            return loop.run(self.problem, carry, **counts, chunk=self.sink.chunk, progress=self.progress, after=after)

    def _settled(self, plan: Plan, carry: Carry) -> bool:
        rows = rows_of(self.problem.observers, carry.accs)
        return plan.until is None or plan.until.settled({name: row.estimate for name, row in rows.items()})

    def _first_half(self, carry: Carry) -> Carry:
        """What was drawn as the first half of a run twice as long."""
        slots = len(jax.tree.leaves(carry.traces)[0]) if carry.traces else 0
        fresh = with_buffers(self.problem, carry, kept=0, traced=slots)
        accs = {name: as_first_half(obs, carry.accs[name], fresh.accs[name]) for name, obs in self.problem.observers.items()}
        traces = jax.tree.map(lambda new, old: new.at[: slots // 2].set(old[1::2]), fresh.traces, carry.traces)
        return carry._replace(accs=accs, traces=traces)
