"""What a sampling run returns, and how it prints."""

import dataclasses
import functools
import html
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, Estimate, Evidence, Status
from gibbsite.samplers.until import Until

TOLD = ("accept_prob", "shadow_work", "divergent")  # infos that a run tells in its own way


class Row(NamedTuple):
    """One observable: its estimate, split R-hat and autocorrelation time in draws."""

    estimate: Estimate
    rhat: Any
    tau: Any


class Divergence(NamedTuple):
    """A move along the slope that was lost (see `slope.judged`): of which chain, after how many draws, and the x it left from."""

    chain: int
    draw: int
    x: PyTree


@dataclasses.dataclass(frozen=True, repr=False)
class Run:
    """The result of `sample`: observables with errors, the tuned kernel, the last states; prints as a table.

    Give it as `init=` to `sample` to continue. `by_chain` is what kernels report (acceptance and the like), averaged over the draws
    of each chain, on axis 0; `lost` the last divergent moves, one a chain at most. `samples` has axes `chains draws *x`, or is None
    (see `keep=` and `store=`); `traces` hold the values of observables after each `every` draws, `chains n *f` (see `trace=`); `why`
    says why this kernel was chosen, if it was; `warmup` how many steps tuned it, and `settled` whether it had been found that more would
    not help (None: nobody asked, or this kernel cannot tell); `tuning` are the infos of warm-up, averaged; `until` is the error bar that
    was asked for.
    """

    kernel: AbstractKernel
    target: AbstractEnergy
    states: PyTree
    steps: int
    draws: int
    rows: dict[str, Row]
    by_chain: dict[str, np.ndarray]
    lost: tuple[Divergence, ...]
    samples: PyTree | None
    traces: dict[str, np.ndarray]
    every: int
    seconds: float
    why: str = ""
    warmup: int | None = None
    settled: bool | None = None
    tuning: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)
    until: Until | None = None

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of an observable, by name.

        Raises:
            KeyError: no observable has that name; those there are listed.
        """
        if name not in self.rows:
            raise KeyError(f"No observable {name!r} in this run; it has {', '.join(self.rows)}.")
        return self.rows[name].estimate

    @property
    def energy(self) -> Estimate:
        """The mean energy."""
        return self["energy"]

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The estimates by name."""
        return {name: row.estimate for name, row in self.rows.items()}

    @property
    def status(self) -> Status:
        """The most serious status among the rows: the one that stands first in `Status`."""
        found = {row.estimate.status for row in self.rows.values()}
        return next((status for status in Status if status in found - {Status.OK}), Status.OK)

    @property
    def chains(self) -> int:
        """How many there are."""
        return len(self.by_chain["accept_prob"])

    @property
    def infos(self) -> dict[str, np.ndarray]:
        """What kernels report, averaged over all draws."""
        return {name: np.asarray(means.mean(axis=0)) for name, means in self.by_chain.items()}

    @functools.cached_property
    def extras(self) -> dict[str, Estimate]:
        """What a kernel reports besides acceptance, with the standard error over chains (none of a single one)."""
        return {name: _over_chains(means) for name, means in self.by_chain.items() if name not in TOLD}

    @property
    def acceptance(self) -> np.ndarray:
        """Mean acceptance probability (per rung, for a population)."""
        return self.infos["accept_prob"]

    @property
    def divergences(self) -> np.ndarray | None:
        """How many moves of each chain were divergent; None for a kernel that goes by no slope."""
        shares = self.by_chain.get("divergent")
        return None if shares is None else np.rint(shares * self.draws).astype(int)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        cells = [HEAD, *self._cells()]
        widths = [max(len(line[i]) for line in cells) for i in range(len(HEAD))]
        table = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([self._title(), *table, *self._notes()])

    def _repr_html_(self) -> str:
        """The same table, for notebooks."""
        head = "".join(f"<th>{html.escape(c)}</th>" for c in HEAD)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(c)}</td>' for c in line)}</tr>" for line in self._cells())
        title, notes = html.escape(self._title()), "".join(f"<p>{html.escape(note)}</p>" for note in self._notes())
        return f"<p>{title}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    def _title(self) -> str:
        accept = np.array2string(np.asarray(self.acceptance), precision=3)
        each = self.by_chain["accept_prob"]
        spread = f" ({each.min():.3g} to {each.max():.3g} by chain)" if each.ndim == 1 and each.min() < each.max() else ""
        return f"{name_of(self.kernel)}: {self.chains} chains x {self.draws} draws in {self.seconds:.1f} s, acceptance {accept}{spread}"

    def per_second(self, row: Row) -> float | None:
        """Effective draws of an observable a second, warm-up and compilation included."""
        return None if row.estimate.ess is None else row.estimate.ess / self.seconds

    def _cells(self) -> list[tuple[str, ...]]:
        return [(*_cells(name, row), _figure(self.per_second(row), ".0f")) for name, row in self.rows.items()]

    def _notes(self) -> list[str]:
        """What the status says; where a row is marked with a question mark, one line for each reason."""
        found = {row.estimate.status for row in self.rows.values()} - {Status.OK}
        chosen = [f"{name_of(self.kernel)} was chosen: {self.why}."] if self.why else []
        told = [", ".join(f"{name} {_brief(extra)}" for name, extra in self.extras.items())] if self.extras else []
        caution = self.kernel.caution(self.infos)
        warned = [*self._warmed(), *(f"! {text}" for text in (caution, self._short_of()) if text)]
        doubts = [f"? {status.value}" for status in Status if status in found] or [Status.OK.value]
        return chosen + told + self._divergent() + warned + doubts

    def _warmed(self) -> list[str]:
        """When warm-up ended, where that was not laid down."""
        if self.settled is None:
            return []
        if self.settled:
            return [f"Warm-up had settled after {self.warmup} steps."]
        return [f"! Warm-up had not settled after {self.warmup} steps: the price of a trajectory, or the energy, was still changing."]

    @property
    def reached(self) -> bool | None:
        """Whether the error bar that was asked for was reached; None where none was."""
        return None if self.until is None else self.until.reached(self[self.until.name])

    def _short_of(self) -> str:
        if self.until is None or self.until.settled(self.estimates):
            return ""
        name, limit = self.until.name, self.until.limit
        made = f"after {self.draws} draws of each chain"
        return f"The error of {name} is not known to be below {limit:g}, as was asked, {made}: more than `most` are needed."

    def _divergent(self) -> list[str]:
        """How many moves were divergent, in how many chains, and where the last one was."""
        if self.divergences is None or not self.divergences.any():
            return []
        total, touched, last = self.divergences.sum(), np.count_nonzero(self.divergences), self.lost[0]
        x = np.concatenate([np.ravel(part) for part in jax.tree.leaves(last.x)])
        share, place = total / (self.chains * self.draws), np.array2string(x[:6], precision=3, separator=", ")
        place = place if np.size(x) <= 6 else place[:-1] + ", ...]"
        return [
            f"{total} moves ({share:.2g} of all) of {touched} of {self.chains} chains were divergent, the last in draw {last.draw} of "
            f"chain {last.chain}, from x = {place}: the steps are too large there, and means may miss that place; take smaller ones."
        ]


def _over_chains(means: np.ndarray) -> Estimate:
    error = np.std(means, axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else None
    return Estimate(means.mean(axis=0), error)


def _brief(extra: Estimate) -> str:
    return np.array2string(extra.value, precision=3) if np.ndim(extra.value) else str(extra)


HEAD = ("observable", "mean", "ESS", "R-hat", "tau", "ESS/s")


def _figure(value: Any, spec: str) -> str:
    return "-" if value is None or np.any(np.isnan(value)) else f"{np.max(value):{spec}}"


def _cells(name: str, row: Row) -> tuple[str, ...]:
    ess, rhat, tau = _figure(row.estimate.ess, ".0f"), _figure(row.rhat, ".3f"), _figure(row.tau, ".1f")
    return name, marked(row.estimate), ess, rhat, tau


def marked(estimate: Estimate) -> str:
    """A number as text; one that is not established is marked, so that it cannot be read as an answer."""
    return f"{estimate} ?" if estimate.evidence is Evidence.NOT_ESTABLISHED else str(estimate)


def name_of(kernel: AbstractKernel) -> str:
    """The class of a kernel, with those that it is made of: `Cycle(Gibbs, SwendsenWang)`."""
    held = getattr(kernel, "kernels", (kernel.kernel,) if hasattr(kernel, "kernel") else ())
    return f"{type(kernel).__name__}({', '.join(map(name_of, held))})" if held else type(kernel).__name__
