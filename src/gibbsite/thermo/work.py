"""Work out of equilibrium: what a protocol costs in both directions, and what that says of the free energy.

`dF = F_1 - F_0 = -log(Z_1 / Z_0)` in nats, where state 0 is that at the start of the path.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from gibbsite.core import Estimate, Evidence, Status
from gibbsite.thermo.crossing import Crossing, crossing
from gibbsite.thermo.perturbation import bar, exponential_average

ROUNDING = 1e-7  # nats: errors below it are those of sums, not of samples
SKEWED = 4.0  # errors by which the third and fourth cumulants may differ from 0


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Work:
    """Work in nats, forward and on the time-reversed protocol, one number a walker; every estimate below is of one source.

    From `drive`, or from a laboratory: `Work(forward, reverse)` with work in units of kT.

    Raises:
        ValueError: either is not a list of at least two numbers.
    """

    forward: Float[np.ndarray, " n"]
    reverse: Float[np.ndarray, " m"]
    _source: frozenset[object] = dataclasses.field(default_factory=lambda: frozenset([object()]), init=False)

    def __post_init__(self) -> None:
        for name in ("forward", "reverse"):
            array = np.asarray(getattr(self, name), np.float64)
            if array.ndim != 1 or len(array) < 2:
                raise ValueError(f"{name} work has shape {array.shape}; give one number a walker, at least two.")
            object.__setattr__(self, name, array)

    def mean(self) -> Estimate:
        """<W> forward, which is no less than dF: the second law."""
        return self._own(_mean(self.forward))

    def mean_reverse(self) -> Estimate:
        """<W> in reverse, which is no less than -dF."""
        return self._own(_mean(self.reverse))

    def jarzynski(self) -> Estimate:
        """`dF = -log <exp(-W)>` from forward work (Jarzynski, PRL 78, 1997): an upper bound in expectation."""
        return self._own(-exponential_average(self.forward))

    def jarzynski_reverse(self) -> Estimate:
        """`dF = log <exp(-W)>` from reverse work: a lower bound in expectation."""
        return self._own(exponential_average(self.reverse))

    def bar(self) -> Estimate:
        """dF from both directions (Bennett): of all that use Crooks' relation the one of least variance."""
        return self._own(-bar(self.forward, self.reverse))

    def crooks(self) -> Crossing:
        """dF where both work densities cross, and whether their log ratio has slope 1 (see `crossing`)."""
        return Crossing(*(self._own(estimate) for estimate in crossing(self.forward, self.reverse)))

    def near_equilibrium(self) -> Estimate:
        """`dF = <W> - Var W / 2`, the fluctuation-dissipation relation: exact for Gaussian work, and in the limit of slow protocols.

        It is NOT_CONVERGED, and not established, where one of the next two terms of the series, a sixth of the third cumulant and a
        twenty-fourth of the fourth, is not zero by more than 4 of its errors (Hermans, J. Phys. Chem. 95, 1991; Jarzynski 1997). Symmetric
        work has no third one.
        """
        return self._own(_two_cumulants(self.forward))

    def dissipated(self) -> Estimate:
        """`<W> - dF` of the forward protocol, dF that of `bar`: nats of entropy produced, `KL(forward paths || reversed reverse paths)`.

        (Kawai, Parrondo & Van den Broeck, PRL 98, 2007.) The error knows that both parts come from the same work.
        """
        return self._own(_dissipated(self.forward, self.reverse))

    def dissipated_reverse(self) -> Estimate:
        """`<W> + dF` of the reverse protocol: `KL(reverse || forward)`."""
        return self._own(_dissipated(self.reverse, self.forward))

    def record(self) -> dict[str, Any]:
        """For machines: how many walkers, and every estimate by name."""
        return {"walkers": [len(self.forward), len(self.reverse)], **{name: held.record() for name, held in self._all().items()}}

    def __repr__(self) -> str:
        """One line an estimate, with its evidence, and what to do where it is in doubt."""
        rows = [f"work of {len(self.forward)} walkers forward, {len(self.reverse)} in reverse [nats]"]
        for name, held in self._all().items():
            doubt = "" if held.status is Status.OK else f"  ? {held.status.value}"
            rows.append(f"  {name.replace('_', ' '):20}{held!s:>16}  {held.evidence.value}{doubt}")
        return "\n".join(rows)

    def _all(self) -> dict[str, Estimate]:
        at, slope = self.crooks()
        free = {"jarzynski": self.jarzynski(), "jarzynski_reverse": self.jarzynski_reverse(), "bar": self.bar(), "crooks": at}
        spent = {"mean": self.mean(), "mean_reverse": self.mean_reverse()}
        lost = {"dissipated": self.dissipated(), "dissipated_reverse": self.dissipated_reverse()}
        return {**free, "crooks_slope": slope, "near_equilibrium": self.near_equilibrium(), **spent, **lost}

    def _own(self, estimate: Estimate) -> Estimate:
        """Of this source; without an error where all work is one number."""
        still = estimate.stderr is not None and estimate.stderr < ROUNDING
        return dataclasses.replace(estimate.doubted(Status.CONSTANT) if still else estimate, sources=self._source)


def _nothing(status: Status) -> Estimate:
    return Estimate(None, None, status=status, evidence=Evidence.NOT_ESTABLISHED)


def _mean(work: Float[np.ndarray, " n"]) -> Estimate:
    if not np.all(np.isfinite(work)):
        return _nothing(Status.NON_FINITE)
    return _spread(float(work.mean()), work - work.mean())


def _spread(value: float, terms: Float[np.ndarray, " n"]) -> Estimate:
    """A mean whose error is that of these terms; where they never vary it is not known."""
    n = len(terms)
    stderr = float(np.sqrt(terms @ terms / (n - 1) / n))
    found = Estimate(value, stderr, ess=float(n))
    return found if stderr > 1e-12 * abs(value) else found.doubted(Status.CONSTANT)


def _two_cumulants(work: Float[np.ndarray, " n"]) -> Estimate:
    """`k1 - k2 / 2`; its influence is `w - (w^2 - k2) / 2` of centred work, that of the third cumulant `w^3 - k3 - 3 k2 w`, and that of
    the fourth, `m4 - 3 k2^2`, but for a constant `w^4 - 6 k2 w^2 - 4 k3 w`.
    """
    if not np.all(np.isfinite(work)):
        return _nothing(Status.NON_FINITE)
    n, w = len(work), work - work.mean()
    k2, k3 = float(w @ w) / (n - 1), float(np.mean(w**3))
    found = _spread(float(work.mean()) - k2 / 2, w - (w**2 - k2) / 2)
    if found.status is not Status.OK:
        return found
    k4 = float(np.mean(w**4)) - 3 * k2**2
    influences = w**3 - 3 * k2 * w, w**4 - 6 * k2 * w**2 - 4 * k3 * w
    far = [abs(k) > SKEWED * float(np.std(influence)) / math.sqrt(n) for k, influence in zip((k3, k4), influences, strict=True)]
    return found.doubted(Status.NOT_CONVERGED) if any(far) else dataclasses.replace(found, evidence=Evidence.INTERVAL)


def _dissipated(there: Float[np.ndarray, " n"], back: Float[np.ndarray, " m"]) -> Estimate:
    """`<W> - dF`, by what each sample adds to both.

    With f = 1 / (1 + e^{m + w - dF}) of forward and g = 1 / (1 + e^{-m + w + dF}) of reverse work, m = log(n_0 / n_1), Bennett's dF
    solves `sum f = sum g = s`, and moves by `-(f - <f>) / s` and `(g - <g>) / s` (the derivative of the equation is s, too).
    """
    free = bar(there, back)
    if free.value is None or not np.all(np.isfinite(there)):
        return _nothing(Status.NON_FINITE if free.value is not None else free.status)
    m = math.log(len(there) / len(back))
    f, g = expit(-(m + there + free.value)), expit(m - back + free.value)
    pull, push = (there - there.mean()) / len(there) + (f - f.mean()) / f.sum(), (g - g.mean()) / f.sum()
    stderr = math.sqrt(float(pull @ pull + push @ push))
    return Estimate(float(there.mean()) + free.value, stderr, ess=free.ess, status=free.status, evidence=Evidence.INTERVAL)
