"""What `gibbsite scan` tells: tables, JSON, and a report."""

import dataclasses
import json
import pathlib
from typing import Any

from gibbsite.compare.export import export_figure
from gibbsite.compare.store import write_text
from gibbsite.core import Estimate, Status
from gibbsite.scan.figures import figures
from gibbsite.scan.one_size import OneSize
from gibbsite.scan.range import Range
from gibbsite.scan.report import page
from gibbsite.scan.scaling import FEWEST, Scaling


@dataclasses.dataclass(frozen=True)
class Scan:
    """All sizes, and what they tell together."""

    name: str
    range: Range
    chains: int
    warmup: int
    draws: int
    ladders: tuple[OneSize, ...]
    scaling: Scaling | None

    @property
    def beta_c(self) -> Estimate | None:
        """The critical point: from the collapse, else from the crossings, else unknown."""
        if self.scaling is None:
            return None
        collapse = self.scaling.collapse
        if collapse is not None and collapse.beta_c.status is Status.OK:
            return collapse.beta_c
        limit = self.scaling.limit
        if limit is None or all(ladder.exact for ladder in self.ladders):
            return limit
        # Only of the plain Ising torus, which has exact curves, is it known how the crossings drift.
        return limit.doubted(Status.NOT_CONVERGED)

    @property
    def t_c(self) -> Estimate | None:
        """The critical temperature, `1 / beta_c`."""
        return None if self.beta_c is None else inverse(self.beta_c)

    def cautions(self) -> list[str]:
        """What to mistrust, and what to do."""
        said = [text for ladder in self.ladders for text in ladder.cautions()]
        if self.scaling is None:
            return said
        if self.scaling.limit is None:
            return [*said, "The Binder cumulants do not cross in this range: take one around the transition."]
        collapse = self.scaling.collapse
        if len(self.scaling.crossings) == 1:
            said.append(f"One crossing drifts with its sizes, and tells no limit: take {FEWEST} sizes or more.")
        if collapse is None and len(self.ladders) < FEWEST:
            said.append(f"{len(self.ladders)} sizes tell no exponents: take {FEWEST} or more.")
        elif collapse is None or collapse.beta_c.status is not Status.OK:
            said.append("The curves do not collapse on one: take larger sizes; the transition may be of first order, or of another kind.")
        return said

    def record(self) -> dict[str, Any]:
        """For machines: every size, crossings, collapse, the critical temperature."""
        return {
            "target": self.name,
            "beta": {"low": self.range.low, "high": self.range.high, "points": self.range.points},
            "chains": self.chains,
            "warmup": self.warmup,
            "draws": self.draws,
            "seconds": sum(ladder.exchange.seconds for ladder in self.ladders),
            "sizes": [ladder.record() for ladder in self.ladders],
            "t_c": None if self.t_c is None else self.t_c.record(),
            "scaling": None if self.scaling is None else _scaled(self.scaling),
            "cautions": self.cautions(),
        }

    def json(self) -> str:
        """The record as text."""
        return json.dumps(self.record(), indent=1, allow_nan=False, ensure_ascii=False)

    def __str__(self) -> str:
        told = [str(ladder) for ladder in self.ladders] + ([self.summary()] if self.scaling is not None else [])
        return "\n\n".join([self.title, *told, *(["\n".join(f"! {text}" for text in self.cautions())] if self.cautions() else [])])

    def summary(self) -> str:
        """What several sizes tell, in lines."""
        if self.scaling is None or self.scaling.limit is None:
            return "No crossing of Binder cumulants."
        lines = [f"Binder cumulants of L = {a} and {b} cross at beta = {beta}" for (a, b), beta in self.scaling.crossings]
        if len(self.scaling.crossings) > 1:
            lines.append(f"Crossings in the limit of infinite size: beta_c = {self.scaling.limit}, T_c = {inverse(self.scaling.limit)}")
        fit = self.scaling.collapse
        if fit is not None:
            lines.append(
                f"Collapse of L = {', '.join(map(str, fit.sides))}: beta_c = {fit.beta_c}, T_c = {inverse(fit.beta_c)}, nu = {fit.nu}, "
                f"beta/nu = {fit.beta_over_nu}, gamma/nu = {fit.gamma_over_nu}; squares {fit.quality:.2f} times as expected"
            )
        return "\n".join(lines)

    def write(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """`results.json`, `report.html`, and figures as PNG, SVG and CSV."""
        folder.mkdir(parents=True, exist_ok=True)
        made, drawn = [folder / "results.json", folder / "report.html"], figures(self.ladders, self.scaling)
        write_text(made[0], self.json() + "\n")
        write_text(made[1], page(self.title, self._byline(), self._verdict(), self.cautions(), drawn, self.ladders))
        return made + [path for figure in drawn for path in export_figure(figure, folder)]

    @property
    def title(self) -> str:
        """The target and the range."""
        return f"{self.name}, beta from {self.range.low:g} to {self.range.high:g} in {self.range.points} points"

    def _byline(self) -> str:
        seconds = sum(ladder.exchange.seconds for ladder in self.ladders)
        return f"{self.chains} independent populations of {self.draws} steps, {seconds:.0f} seconds of sampling"

    def _verdict(self) -> list[str]:
        if self.t_c is None:
            return []
        known = self.t_c.status is Status.OK
        return [f"T_c = {self.t_c}" if known else "T_c is not established", *self.summary().splitlines()]


def inverse(estimate: Estimate) -> Estimate:
    """`1 / value`, to first order in its error."""
    value, error = float(estimate), float(estimate.stderr)
    return dataclasses.replace(estimate, value=1 / value, stderr=error / value**2, lo=1 / estimate.hi, hi=1 / estimate.lo)


def _scaled(held: Scaling) -> dict[str, Any]:
    fit = held.collapse
    told: dict[str, Any] = {
        "crossings": [{"sides": list(sides), "beta": beta.record()} for sides, beta in held.crossings],
        "limit": None if held.limit is None else held.limit.record(),
        "collapse": None,
    }
    if fit is not None:
        names = ("beta_c", "nu", "beta_over_nu", "gamma_over_nu")
        parts = {name: getattr(fit, name).record() for name in names}
        told["collapse"] = {"sides": list(fit.sides), "quality": fit.quality, **parts}
    return told
