"""What an identity is: a statement that relates two fields, with both of its sides measured.

A check does all the work once and returns a comparison; the comparison takes the formula's right-hand side as a function. So the
formula can be broken on purpose, and the same measurement must then refuse it.
"""

import dataclasses
import enum
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from gibbsite.core import Estimate, Status

MULTIPLE = 5.6  # of the stated error: of a Gaussian one, false alarms of 2 in 10^8

Rule = Callable[..., Any]


class Field(enum.Enum):
    """The fields that identities relate, in the order of the page."""

    ENTROPY = "Maximum entropy and thermodynamics"
    LANGEVIN = "Langevin and Fokker-Planck"
    CHAINS = "Markov chain Monte Carlo"
    WORK = "Work and free energy"
    LEARNING = "Learning by likelihood"
    SCORES = "Score matching"
    CONTRAST = "Noise contrast and adversaries"
    VARIATIONAL = "Variational inference"
    TRANSPORT = "Flows and diffusions"
    PHYSICS = "Machines and lattices"


class Statement(NamedTuple):
    """Two sides at one point, or at many (arrays), and how they stand: equal, ordered, or apart (`!=`)."""

    label: str
    left: Estimate
    right: Estimate
    relation: Literal["=", "<=", ">=", "!="] = "="

    def gap(self) -> Float[np.ndarray, "*s"]:
        """Left less right; NaN where a side has no value."""
        return np.asarray(_numbers(self.left.value) - _numbers(self.right.value))

    def tolerance(self) -> Float[np.ndarray, "*s"]:
        """`MULTIPLE` times the error of the gap, by the errors that both sides state."""
        return np.asarray(MULTIPLE * np.hypot(_numbers(self.left.stderr), _numbers(self.right.stderr)))

    def holds(self) -> bool:
        """At every point; what is not a number, has no finite error, or did not work, holds nowhere."""
        gap, tolerance = self.gap(), self.tolerance()
        if not np.all(np.isfinite(tolerance)) or any(side.status is not Status.OK for side in (self.left, self.right)):
            return False
        met = {"=": np.abs(gap) <= tolerance, "<=": gap <= tolerance, ">=": gap >= -tolerance, "!=": np.abs(gap) > tolerance}
        return bool(np.all(met[self.relation]))

    def record(self) -> dict[str, Any]:
        """For machines: both sides with their errors; of many points, those at the worst."""
        gap, tolerance = np.broadcast_arrays(self.gap(), self.tolerance())
        wrong = {"=": np.abs(gap), "<=": gap, ">=": -gap, "!=": -np.abs(gap)}[self.relation] / np.maximum(tolerance, 1e-300)
        worst = int(np.argmax(np.where(np.isnan(wrong), np.inf, wrong)))
        sides = {
            name: [_plain(np.broadcast_to(_numbers(part), gap.shape).flat[worst]) for part in (side.value, side.stderr)]
            for name, side in (("left", self.left), ("right", self.right))
        }
        measured = {"gap": _plain(gap.flat[worst]), "tolerance": _plain(tolerance.flat[worst])}
        return {"label": self.label, "relation": self.relation, **sides, **measured, "points": gap.size, "holds": self.holds()}


class Series(NamedTuple):
    """One curve (`joined`) or set of points of a panel, perhaps with errors."""

    label: str
    x: Any
    y: Any
    error: Any = None
    joined: bool = False


class Panel(NamedTuple):
    """One pair of axes of an identity's figure."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]

    def record(self) -> dict[str, Any]:
        """As lists of numbers, for a file."""
        return {"title": self.title, "x": self.x, "y": self.y, "series": [_listed(series) for series in self.series]}


class Findings(NamedTuple):
    """What a comparison found: statements, and a figure."""

    statements: Sequence[Statement]
    panels: Sequence[Panel]

    def holds(self) -> bool:
        """All statements do."""
        return all(statement.holds() for statement in self.statements)


Comparison = Callable[[Rule], Findings]


@dataclasses.dataclass(frozen=True)
class Identity:
    """A statement of the review that relates two fields, as something that can be run.

    To add one: write a `check` in the file of its field, which measures and returns a comparison (its docstring says on what); the
    `rule`, its right-hand side; a `twin`, the same formula broken on purpose, and in `broken` how; and one entry in `IDENTITIES` there.

    `sampled` says that the sides carry statistical errors, in single precision; all else is computed in double precision.
    `quick` ones run in each test.
    """

    name: str
    title: str
    field: Field
    formula: str
    conditions: str
    source: str
    check: Callable[[], Comparison]
    rule: Rule
    twin: Rule
    broken: str
    sampled: bool = False
    quick: bool = False

    def run(self) -> dict[str, Any]:
        """The identity checked, as a record: its text, the statements with both sides, the verdict, the figure's numbers, seconds."""
        begun = time.perf_counter()
        found = self.findings(self.rule)[0]
        return {
            **self.text(),
            "verdict": "holds" if found.holds() else "fails",
            "seconds": time.perf_counter() - begun,
            "statements": [statement.record() for statement in found.statements],
            "panels": [panel.record() for panel in found.panels],
        }

    def findings(self, *rules: Rule) -> list[Findings]:
        """One measurement held against each of these right-hand sides."""
        with jax.enable_x64(not self.sampled):
            compare = self.check()
            return [compare(rule) for rule in rules]

    def text(self) -> dict[str, str]:
        """What is said of it, by name."""
        words = {name: getattr(self, name) for name in ("name", "title", "formula", "conditions", "source")}
        return words | {"field": self.field.value, "measured": inspect.getdoc(self.check) or ""}


def _numbers(value: Any) -> np.ndarray:
    return np.asarray(np.nan if value is None else value, np.float64)


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if np.isfinite(value) else None


def _listed(series: Series) -> dict[str, Any]:
    numbers = {name: [float(f"{v:.6g}") for v in np.ravel(getattr(series, name))] for name in ("x", "y")}
    error = None if series.error is None else [float(f"{v:.6g}") for v in np.ravel(series.error)]
    return {"label": series.label, **numbers, "error": error, "joined": series.joined}
