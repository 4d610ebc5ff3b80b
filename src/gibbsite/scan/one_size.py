"""One size of a scan: its table and its record."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from gibbsite.core import Estimate, Status, concise
from gibbsite.scan.curves import Curves
from gibbsite.scan.exchange import Rungs
from gibbsite.thermo import MultiHistogram

SHORT = 20  # autocorrelation times that a run must hold
RARE = 0.02  # swaps


@dataclasses.dataclass(frozen=True)
class OneSize:
    """One size: what its replicas did, and its curves on the fine grid and at the temperatures of the runs."""

    side: int
    sites: int
    dim: int
    exchange: Rungs
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
            "largest_deviation": {name: float(far) if np.isfinite(far) else None for name, far in self.deviations.items()},
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
