"""A number with its error and its evidence.

*Status* says whether the computation worked, in a sentence that says what to do next. *Evidence* says how the number
stands to the truth, and belongs to the printed quantity: a minus sign turns an upper bound into a lower one.
"""

import dataclasses
import enum
import math
from typing import Any

import numpy as np

Z95 = 1.959964  # errors on either side of a 95 % interval


class Evidence(enum.Enum):
    """How a number stands to the truth."""

    EXACT = "exact"
    UNBIASED = "unbiased"
    INTERVAL = "interval"
    LOWER = "lower bound"
    UPPER = "upper bound"
    IMPLICIT = "implicit"
    NOT_ESTABLISHED = "not established"

    def flipped(self) -> "Evidence":
        """The evidence of minus the quantity."""
        return {Evidence.LOWER: Evidence.UPPER, Evidence.UPPER: Evidence.LOWER}.get(self, self)

    def plus(self, other: "Evidence") -> "Evidence":
        """The evidence of a sum: the weaker part decides, and bounds that point apart establish nothing."""
        if self is other:
            return self
        ranks = (Evidence.EXACT, Evidence.UNBIASED, Evidence.INTERVAL)
        strong = [e for e in (self, other) if e in ranks]
        weak = [e for e in (self, other) if e not in ranks]
        if len(weak) == 2:
            return Evidence.NOT_ESTABLISHED
        return weak[0] if weak else max(strong, key=ranks.index)


class Status(enum.Enum):
    """Whether a computation worked; each member is a sentence that says what to do next."""

    OK = "The computation worked."
    LOW_ESS = "Few effective samples carry the estimate: use more walkers, or a longer path."
    NO_OVERLAP = "The states do not overlap, so nothing is known about the difference: put states between them."
    NON_FINITE = "Not-a-number or infinite values arose: check the energy's support, or take smaller steps."
    NOT_CONVERGED = "The solver or the chains had not converged: give more iterations, or longer runs."
    NOT_MIXED = "Chains disagree (R-hat above 1.05): run longer, or use parallel tempering."
    NO_MOVES = "Hardly any proposal was accepted: take another step size, or let warm-up tune it."
    CONSTANT = "The observable never varied, so its error is unknown: the chains may be stuck; start them wide, or temper."
    UNADJUSTED = "The moves were unadjusted, so means are biased by the step size: use MALA, or weights from the work."
    INFINITE_VARIANCE = "The estimator's variance may be infinite here: use states in between, or Bennett's method."
    DRIFTING = "Chains run farther and farther away, so Z may be infinite: give the energy a space with bounds, or walls."
    TOO_SHORT = "Too few draws for an error bar: draw for 300 autocorrelation times, or use 16 chains and more."


def _own_source() -> frozenset[object]:
    return frozenset([object()])


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """A value (a float, an array, or None where nothing is established) with standard error, interval and evidence.

    `lo` and `hi` bound the value at `level` (Gaussian if not given); `ess` is the effective number of independent
    samples; `sources` marks the data it came from: two estimates of one source (all those of one run, say) are correlated,
    and `+` and `-` refuse them (use `plus(other, covariance=...)`).
    """

    value: Any
    stderr: Any = 0.0
    lo: Any = None
    hi: Any = None
    level: float = 0.95
    ess: float | None = None
    status: Status = Status.OK
    evidence: Evidence = Evidence.UNBIASED
    sources: frozenset[object] = dataclasses.field(default_factory=_own_source, repr=False)

    __array_ufunc__ = None  # an array on the left leaves the arithmetic to us

    def __post_init__(self) -> None:
        if self.value is None or self.stderr is None:
            return
        z = _normal_quantile(self.level)
        if self.lo is None:
            object.__setattr__(self, "lo", self.value - z * self.stderr)
        if self.hi is None:
            object.__setattr__(self, "hi", self.value + z * self.stderr)

    def __neg__(self) -> "Estimate":
        return self * -1.0

    def __mul__(self, factor: float) -> "Estimate":
        ends = [None if end is None else end * factor for end in (self.lo, self.hi)]
        lo, hi = ends if factor >= 0 else ends[::-1]
        evidence = self.evidence if factor >= 0 else self.evidence.flipped()
        value = None if self.value is None else self.value * factor
        stderr = None if self.stderr is None else self.stderr * abs(factor)
        return dataclasses.replace(self, value=value, stderr=stderr, lo=lo, hi=hi, evidence=evidence)

    __rmul__ = __mul__

    def __truediv__(self, factor: float) -> "Estimate":
        return self * (1.0 / factor)

    def __add__(self, other: "Estimate | float") -> "Estimate":
        if isinstance(other, Estimate):
            if self.sources & other.sources:
                raise ValueError("These estimates share a source and are correlated: use plus(other, covariance=...).")
            return self.plus(other, covariance=0.0)
        value, lo, hi = (None if v is None else v + other for v in (self.value, self.lo, self.hi))
        return dataclasses.replace(self, value=value, lo=lo, hi=hi)

    __radd__ = __add__

    def __sub__(self, other: "Estimate | float") -> "Estimate":
        return self + (-other)

    def __rsub__(self, other: float) -> "Estimate":
        return -self + other

    def plus(self, other: "Estimate", *, covariance: Any) -> "Estimate":
        """The sum, with the covariance of the two values given; the ends of the intervals add like standard errors."""
        status = self.status if self.status is not Status.OK else other.status
        evidence = self.evidence.plus(other.evidence)
        sources = self.sources | other.sources
        if self.value is None or other.value is None:
            return Estimate(None, None, level=self.level, status=status, evidence=Evidence.NOT_ESTABLISHED, sources=sources)
        ess = min((e for e in (self.ess, other.ess) if e is not None), default=None)
        value = self.value + other.value
        if self.stderr is None or other.stderr is None:
            return Estimate(value, None, level=self.level, ess=ess, status=status, evidence=evidence, sources=sources)
        stderr = _hypot(self.stderr, other.stderr, 2 * covariance)
        z, ratio = _normal_quantile(self.level), _normal_quantile(self.level) / _normal_quantile(other.level)
        below = _hypot(self.value - self.lo, ratio * (other.value - other.lo), 2 * z**2 * covariance)
        above = _hypot(self.hi - self.value, ratio * (other.hi - other.value), 2 * z**2 * covariance)
        return Estimate(value, stderr, value - below, value + above, self.level, ess, status, evidence, sources)

    def at(self, level: float) -> "Estimate":
        """The same number with its interval at another level: the ends as much farther out as a Gaussian's would be."""
        if self.level == level:
            return self
        ratio = _normal_quantile(level) / _normal_quantile(self.level)
        known = self.value is not None
        ends = [self.value + ratio * (end - self.value) if known and end is not None else None for end in (self.lo, self.hi)]
        return dataclasses.replace(self, lo=ends[0], hi=ends[1], level=level)

    def doubted(self, status: Status) -> "Estimate":
        """The same number, not established for this reason."""
        return dataclasses.replace(self, status=status, evidence=Evidence.NOT_ESTABLISHED)

    def __float__(self) -> float:
        if self.value is None:
            raise ValueError(f"This estimate has no value: {self.status.value}")
        return float(self.value)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)

    def __str__(self) -> str:
        if self.value is None:
            return "not established"
        if np.ndim(self.value):
            error = "no error bar" if self.stderr is None else f"largest stderr {np.max(self.stderr):.2g}"
            return f"array{np.shape(self.value)}, {error}"
        return concise(float(self.value), self.stderr)

    def record(self) -> dict[str, Any]:
        """Plain values for JSON: value, stderr, lo, hi, level, ess, status, evidence."""
        numbers = {name: _plain(getattr(self, name)) for name in ("value", "stderr", "lo", "hi", "level", "ess")}
        return numbers | {"status": self.status.name.lower(), "evidence": self.evidence.value}


def _hypot(a: Any, b: Any, cross: Any) -> Any:
    """sqrt(a^2 + b^2 + cross), zero where a negative covariance takes it below."""
    return np.sqrt(np.maximum(np.square(a) + np.square(b) + cross, 0.0))


def exact(value: float) -> Estimate:
    """A number without error."""
    return Estimate(value, 0.0, evidence=Evidence.EXACT)


def concise(value: float, stderr: float | None) -> str:
    """`-1.234(5)`: the error in units of the last digit, two digits where it starts with 1."""
    if stderr is None or not math.isfinite(value) or not math.isfinite(stderr):
        return f"{value:.6g}" if stderr is None else f"{value:.6g}({stderr:.2g})"
    if stderr <= 0 or stderr < 1e-12 * abs(value):
        return f"{value:.7g}"
    exponent = math.floor(math.log10(stderr))
    digits = 1 - exponent if stderr / 10**exponent < 1.95 else -exponent
    if digits <= 0:
        return f"{value:.0f}({stderr:.0f})"
    return f"{round(value, digits) + 0.0:.{digits}f}({round(stderr * 10**digits)})"  # -0.000 is 0.000


def _plain(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null."""
    if value is None:
        return None
    if np.ndim(value):
        return [_plain(v) for v in np.asarray(value)]
    return float(value) if math.isfinite(value) else None


def _normal_quantile(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2)


def student(level: float, dof: float) -> float:
    """The quantile of Student's t that bounds a central interval; infinitely many degrees of freedom are a million."""
    from scipy.special import stdtrit

    return float(stdtrit(min(dof, 1e6), 0.5 + level / 2))
