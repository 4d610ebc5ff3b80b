"""What `gibbsite scan` tells: tables, JSON, and a report."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float

from gibbsite.compare.store import write_text
from gibbsite.core import Estimate, Status, concise
from gibbsite.scan.curves import Curves
from gibbsite.scan.exchange import Exchange
from gibbsite.scan.range import Range
from gibbsite.scan.scaling import Scaling
from gibbsite.thermo import MultiHistogram

SHORT = 20  # autocorrelation times that a run must hold
RARE = 0.02  # swaps


@dataclasses.dataclass(frozen=True)
class Ladder:
    """One size: what its replicas did, and its curves on the fine grid and at the temperatures of the runs."""

    side: int
    sites: int
    dim: int
    exchange: Exchange
    histogram: MultiHistogram
    anchor: Estimate
    fine: Curves
    runs: Curves
    exact: dict[str, Float[np.ndarray, " fine"]]

    @property
    def name(self) -> str:
        """`L = 16`, or how many coordinates there are."""
        return f"L = {self.side}" if self.side else f"N = {self.sites}"

    @property
    def deviations(self) -> dict[str, float]:
        """The largest distance from an exact curve, in standard errors, by name."""
        held = {name: self.fine.estimates[name] for name in self.exact if self.fine.estimates[name].value is not None}
        return {name: float(np.max(np.abs(found.value - self.exact[name]) / found.stderr)) for name, found in held.items()}

    def cautions(self) -> list[str]:
        """What to mistrust, and what to do."""
        made, said = self.exchange, []
        tau = float(np.nanmax([np.nanmax(taus) for taus in made.taus.values()]))
        draws, worst = made.energies.shape[2], int(np.argmax(made.rhat))
        if made.rhat[worst] > 1.05:
            said.append(f"populations disagree at beta = {made.betas[worst]:.4g} (R-hat {made.rhat[worst]:.2f}): run longer")
        elif tau > draws / SHORT:
            said.append(f"the run holds only {draws / tau:.0f} autocorrelation times ({tau:.0f} steps): run longer")
        if made.swaps.min() < RARE and tau > 10:
            pair = int(np.argmin(made.swaps))
            said.append(f"beta = {made.betas[pair]:.4g} and {made.betas[pair + 1]:.4g} hardly exchange: give more points")
        if made.trips < len(made.energies) and tau > draws / SHORT:
            said.append(f"{made.trips} round trips in {len(made.energies)} populations: what slow modes weigh is not known")
        if self.anchor.status is not Status.OK:
            said.append(f"s and f lack a constant ({self.anchor.status.value.rstrip('.')})")
        return [f"{self.name}: {text}." for text in said]

    def record(self) -> dict[str, Any]:
        """For machines."""
        made = self.exchange
        pairs = {"swap_prob": made.swaps, "acceptance": made.acceptance, "rhat": made.rhat}
        return {
            "side": self.side or None,
            "sites": self.sites,
            "seconds": made.seconds,
            "kernel": made.kernel,
            "why": made.why,
            "beta": self.fine.betas.tolist(),
            "curves": {name: estimate.record() for name, estimate in self.fine.estimates.items()},
            "runs": {"beta": self.runs.betas.tolist(), **{name: estimate.record() for name, estimate in self.runs.estimates.items()}},
            "exact": {name: values.tolist() for name, values in self.exact.items()},
            "largest_deviation": self.deviations,
            "log_z_at_first_beta": self.anchor.record(),
            "tau": {name: [None if np.isnan(t) else float(t) for t in taus] for name, taus in made.taus.items()},
            "round_trips": made.trips,
            **{name: [float(v) if np.isfinite(v) else None for v in values] for name, values in pairs.items()},
        }

    def __str__(self) -> str:
        made, taus = self.exchange, self.exchange.taus
        names = [name for name, estimate in self.runs.estimates.items() if estimate.value is not None]
        rows = [["beta", *names, "tau E", "tau m", "swap"]]
        for place, beta in enumerate(self.runs.betas):
            cells = [concise(float(self.runs.estimates[n].value[place]), float(self.runs.estimates[n].stderr[place])) for n in names]
            swap = f"{made.swaps[place]:.2f}" if place < len(made.swaps) else ""
            rows.append([f"{beta:.6g}", *cells, *(f"{taus[kind][place]:.1f}" for kind in ("energy", "order")), swap])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        chains, draws = made.energies.shape[0], made.energies.shape[2]
        head = f"{self.name}: {made.kernel}, {chains} populations x {draws} steps in {made.seconds:.1f} s, {made.trips} round trips"
        apart = ", ".join(f"{name} {value:.1f}" for name, value in self.deviations.items())
        tail = [f"Largest distance from the exact curves, in errors: {apart}."] if apart else []
        return "\n".join([head, *table, *tail])


@dataclasses.dataclass(frozen=True)
class Scan:
    """All sizes, and what they tell together."""

    name: str
    range: Range
    chains: int
    warmup: int
    draws: int
    ladders: tuple[Ladder, ...]
    scaling: Scaling | None

    @property
    def beta_c(self) -> Estimate | None:
        """The critical point: from the collapse, else from the crossings, else unknown."""
        if self.scaling is None:
            return None
        collapse = self.scaling.collapse
        return collapse.beta_c if collapse is not None and collapse.beta_c.status is Status.OK else self.scaling.limit

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
        if collapse is None or collapse.beta_c.status is not Status.OK:
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
        head = f"{self.name}, beta from {self.range.low:g} to {self.range.high:g} in {self.range.points} points"
        told = [str(ladder) for ladder in self.ladders] + ([self.summary()] if self.scaling is not None else [])
        return "\n\n".join([head, *told, *(["\n".join(f"! {text}" for text in self.cautions())] if self.cautions() else [])])

    def summary(self) -> str:
        """What several sizes tell, in lines."""
        if self.scaling is None or self.scaling.limit is None:
            return "No crossing of Binder cumulants."
        lines = [f"Binder cumulants of L = {a} and {b} cross at beta = {beta}" for (a, b), beta in self.scaling.crossings]
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
        from gibbsite.compare.export import export_figure
        from gibbsite.scan.figures import figures
        from gibbsite.scan.report import page

        folder.mkdir(parents=True, exist_ok=True)
        made, drawn = [folder / "results.json", folder / "report.html"], figures(self)
        write_text(made[0], self.json() + "\n")
        write_text(made[1], page(self, drawn))
        return made + [path for figure in drawn for path in export_figure(figure, folder)]


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
