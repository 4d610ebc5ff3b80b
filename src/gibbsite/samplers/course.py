"""A run under way: warm-up, then draws, round after round."""

import dataclasses
from functools import partial

import jax

from gibbsite.core import AbstractAdaptation
from gibbsite.samplers import loop
from gibbsite.samplers.checks import check_moves
from gibbsite.samplers.loop import Carry, Problem
from gibbsite.samplers.plan import Plan
from gibbsite.samplers.progress import Progress
from gibbsite.samplers.report import name_of
from gibbsite.samplers.sink import AbstractSink
from gibbsite.samplers.start import counting, with_buffers
from gibbsite.samplers.summary import rows_of
from gibbsite.samplers.until import as_first_half


@dataclasses.dataclass(frozen=True)
class Course:
    """What stays the same from the first step to the last; `made` steps were made before, `warmup` are to come before the draws.

    Warm-up runs in chunks of `chunk` steps; draws as the sink asks.
    """

    problem: Problem
    plan: Plan
    sink: AbstractSink
    made: int
    warmup: int
    chunk: int | None
    progress: Progress

    def run(self, carry: Carry, *, tune: bool) -> tuple[Carry, Plan]:
        """What the loop carries after the last draw, and the plan as it came to be; goes on where an earlier start left off.

        Raises:
            ValueError: nothing was accepted in the whole warm-up.
        """
        held = self.sink.resumed(partial(self._ready, carry))
        if held is None:
            return self._drawn(self._warmed(carry, tune=tune), 0)
        self.progress.advance(self.warmup + held[1])
        return self._drawn(*held)

    def _ready(self, carry: Carry) -> Carry:
        """With all that draws need."""
        return with_buffers(self.problem, carry, kept=self.sink.slots, traced=self.plan.traced)

    def _warmed(self, carry: Carry, *, tune: bool) -> Carry:
        """The kernel tuned, if asked, as far as it can be; then all is ready for the draws."""
        if not self.warmup:
            return self._ready(carry)
        adaptation = carry.kernel.adaptation() if tune else None
        carry = self._untuned(carry) if adaptation is None else self._tuned(carry, adaptation)
        check_moves(carry.kernel, carry.infos.accept_prob.float64(), self.warmup, name_of(carry.kernel))
        return self._ready(carry)

    def _untuned(self, carry: Carry) -> Carry:
        """By the program of the draws, whose sums are thrown away: to compile another takes longer."""
        return self._warm_up(self.problem, self._ready(carry))

    def _tuned(self, carry: Carry, adaptation: AbstractAdaptation) -> Carry:
        carry = counting(self.problem, carry._replace(adapt=adaptation.init(carry.kernel)))
        carry = self._warm_up(self.problem._replace(observers={}), carry)
        return carry._replace(kernel=adaptation.final(carry.kernel, carry.adapt), adapt=None)

    def _warm_up(self, problem: Problem, carry: Carry) -> Carry:
        return loop.run(problem, carry, first=self.made, total=self.warmup, chunk=self.chunk, progress=self.progress)

    def _drawn(self, carry: Carry, done: int) -> tuple[Carry, Plan]:
        """Each round makes as many draws again as there are, until the plan is content."""
        plan, carry = self.plan, self._round(self.plan, carry, done)
        while (longer := plan.grown()) is not None and not self._settled(plan, carry):
            self.progress.total += plan.draws
            plan, carry = longer, self._round(longer, self._first_half(carry), plan.draws)
        return carry, plan

    def _round(self, plan: Plan, carry: Carry, done: int) -> Carry:
        """The draws of the plan that are not `done`, into the sink."""
        counts = {"first": self.made + self.warmup, "total": plan.draws, "done": done, "thin": plan.thin, "every": plan.every}
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
