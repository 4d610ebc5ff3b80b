"""What several routes to one log Z have established together.

Estimates x_i with errors s_i of independent routes are joined as

    x = sum_i x_i / s_i^2 / W,    s = max(1, sqrt(chi^2 / (n - 1))) / sqrt(W),    W = sum_i 1 / s_i^2,    chi^2 = sum_i (x_i - x)^2 / s_i^2,

the error widened where they scatter more than their errors say (Birge's ratio: Phys. Rev. 40, 1932). *Established* are three that
worked and whose chi^2 has a chance of a thousandth or more; else there is no number, only the hull of what the routes say.
"""

import dataclasses
import json
import math
from typing import Any

from scipy.special import chdtrc

from gibbsite.core import Estimate, Evidence, Status

ENOUGH = 3  # routes
CHANCE = 1e-3  # of a chi^2 as large, below which routes disagree
FAR = 5.6  # errors
ROUNDING = 1e-5  # relative difference that two exact routes may have: energies are float32


@dataclasses.dataclass(frozen=True)
class Route:
    """One way to log Z: its estimate (in which `ess`), the least overlap of neighbouring states where it knows one, and what it cost."""

    name: str
    log_z: Estimate
    seconds: float
    overlap: float | None = None
    rounds: int = 1

    def record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = {"overlap": self.overlap, "rounds": self.rounds, "seconds": round(self.seconds, 2)}
        return {"name": self.name, **self.log_z.record(), **told}


@dataclasses.dataclass(frozen=True, repr=False)
class Certificate:
    """log Z in nats with the verdict: exact, established, or not established (then `log_z` has no value), and why.

    `chance` is that of routes scattering as much as these; None where that says nothing.
    """

    log_z: Estimate
    routes: tuple[Route, ...]
    verdict: str
    why: str
    chance: float | None
    seconds: float

    @property
    def disagreeing(self) -> bool:
        """Whether routes that all worked scatter by more than their errors allow."""
        return self.chance is not None and not self.chance >= CHANCE

    def record(self) -> dict[str, Any]:
        """For machines: value (null where not established), stderr, lo, hi, level, status, evidence, and all routes."""
        routes = [route.record() for route in self.routes]
        told = {"verdict": self.verdict, "why": self.why, "chance": self.chance, "seconds": round(self.seconds, 2)}
        return {**self.log_z.record(), **told, "routes": routes}

    def json(self, **about: str | float) -> str:
        """The record as text, what it is about before it."""
        return json.dumps({**about, **self.record()}, indent=1, allow_nan=False, ensure_ascii=False)

    def __str__(self) -> str:
        found = self.log_z
        held = f"log Z = {found}" if found.value is not None else "log Z"
        ends = "" if found.lo is None or self.verdict == "exact" else f", {100 * found.level:g} % in [{found.lo:.6g}, {found.hi:.6g}]"
        lines = [f"{held} {'is ' if found.value is None else ''}{self.verdict}{ends}. {self.why}".replace("  ", " ")]
        wide = max((len(route.name) for route in self.routes), default=0)
        return "\n".join(lines + [_line(route, wide) for route in self.routes])

    __repr__ = __str__


def _line(route: Route, wide: int) -> str:
    ess = "" if route.log_z.ess is None else f"  ESS {route.log_z.ess:.0f}"
    overlap = "" if route.overlap is None else f"  overlap {route.overlap:.2f}"
    doubt = "" if route.log_z.status is Status.OK else f"  ? {route.log_z.status.value}"
    value = "nothing" if route.log_z.value is None else str(route.log_z)
    return f"  {route.name:{wide}}  {value:14}{ess}{overlap}  {route.seconds:.1f} s{doubt}"


def judge(routes: tuple[Route, ...], *, level: float, seconds: float) -> Certificate:
    """What the routes establish together."""
    routes = tuple(dataclasses.replace(route, log_z=route.log_z.at(level)) for route in routes)
    exact = [route for route in routes if route.log_z.evidence is Evidence.EXACT and route.log_z.status is Status.OK]
    if exact:
        return _judge_exact(exact, routes, level, seconds)
    routes = tuple(map(_sound, routes))
    doubted = [route for route in routes if route.log_z.status is not Status.OK]
    if doubted:
        why = " ".join(f"{route.name}: {route.log_z.status.value}" for route in doubted)
        return _nothing(routes, why, doubted[0].log_z.status, None, level, seconds)
    if len(routes) < ENOUGH:
        why = f"Of {len(routes)} routes too little can be told: let {ENOUGH} run."
        return _nothing(routes, why, Status.TOO_SHORT, None, level, seconds)
    joint, chance = _joined([route.log_z for route in routes], level)
    if not chance >= CHANCE:
        why = f"The routes disagree (a scatter like theirs has a chance of {chance:.1g}): some miss a part of the law; give more time."
        return _nothing(routes, why, Status.NOT_CONVERGED, chance, level, seconds)
    return Certificate(joint, routes, "established", f"{len(routes)} routes agree.", chance, seconds)


def _sound(route: Route) -> Route:
    """The route, its estimate doubted if it is no number."""
    found = route.log_z
    if found.value is None or (math.isfinite(found.value) and math.isfinite(found.stderr or 0.0)):
        return route
    return dataclasses.replace(route, log_z=Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED))


def _joined(estimates: list[Estimate], level: float) -> tuple[Estimate, float]:
    weights = [1 / max(e.stderr, 1e-12) ** 2 for e in estimates]
    value = sum(w * e.value for w, e in zip(weights, estimates, strict=True)) / sum(weights)
    chi2 = sum(w * (e.value - value) ** 2 for w, e in zip(weights, estimates, strict=True))
    dof = len(estimates) - 1
    stderr = max(1.0, math.sqrt(chi2 / dof)) / math.sqrt(sum(weights))
    ess = min((e.ess for e in estimates if e.ess is not None), default=None)
    return Estimate(value, stderr, level=level, ess=ess, evidence=Evidence.INTERVAL), float(chdtrc(dof, chi2))


def _judge_exact(exact: list[Route], routes: tuple[Route, ...], level: float, seconds: float) -> Certificate:
    best = min(exact, key=lambda route: route.log_z.stderr)
    for other in exact:
        apart = abs(other.log_z.value - best.log_z.value)
        if apart > 6 * math.hypot(other.log_z.stderr, best.log_z.stderr) + ROUNDING * (1 + abs(best.log_z.value)):
            why = f"{best.name} and {other.name} are both exact and differ by {apart:.2g}: one of them is wrong; please report this."
            return _nothing(routes, why, Status.NOT_CONVERGED, None, level, seconds)
    limits = " Peaks narrower than its mesh would be missed." if best.name == "quadrature" else ""
    return Certificate(best.log_z, routes, "exact", f"By {best.name}.{limits}{_contradicting(best, routes)}", None, seconds)


def _contradicting(best: Route, routes: tuple[Route, ...]) -> str:
    """The sampled routes that worked and are far from the exact value."""
    others = [route for route in routes if route.log_z.status is Status.OK and route.log_z.evidence is not Evidence.EXACT]
    far = [route.name for route in others if abs(route.log_z.value - best.log_z.value) > FAR * max(route.log_z.stderr, 1e-12)]
    return f" Against it, by more than {FAR:g} errors: {', '.join(far)}." if far else ""


def _nothing(routes: tuple[Route, ...], why: str, status: Status, chance: float | None, level: float, seconds: float) -> Certificate:
    """No number, but the hull of the intervals that the routes give."""
    held = [route.log_z for route in routes if route.log_z.value is not None]
    lo, hi = (min(e.lo for e in held), max(e.hi for e in held)) if held else (None, None)
    nothing = Estimate(None, None, lo, hi, level, status=status, evidence=Evidence.NOT_ESTABLISHED)
    return Certificate(nothing, routes, "not established", why, chance, seconds)
