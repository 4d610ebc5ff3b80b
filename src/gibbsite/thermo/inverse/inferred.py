"""What is learned from samples: an energy, its couplings and fields, and what is known of their errors."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from gibbsite.core import AbstractEnergy, ArrayLike, Categorical, Estimate, Evidence, Pairwise, Spins, Status, need, values
from gibbsite.thermo.inverse.sites import Machine, Sites


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Inferred:
    """A pairwise energy, with `couplings` (n, n) and `fields` (n,) of spins, (n, n, q, q) and (n, q) of levels, in the zero-sum gauge.

    `energy` is a `DenseBoltzmannMachine` or a `PottsMachine`: sample it, temper it, take its log Z.
    """

    energy: Machine
    couplings: Estimate
    fields: Estimate
    method: str
    rows: int

    @classmethod
    def of(
        cls,
        method: str,
        data: Sites,
        couplings: Float[np.ndarray, "sites sites k k"],
        fields: Float[np.ndarray, "sites k"],
        *,
        errors: tuple[np.ndarray, np.ndarray] | None = None,
        status: Status = Status.OK,
    ) -> "Inferred":
        """From parameters of features; `errors` are of the couplings and fields as they are told. Without them nothing is established."""
        evidence = Evidence.NOT_ESTABLISHED if errors is None else Evidence.INTERVAL
        pairs = zip((data.couplings(couplings), data.fields(fields)), errors or (None, None), strict=True)
        j, h = (Estimate(value, error, status=status, evidence=evidence) for value, error in pairs)
        return cls(data.machine(couplings, fields), j, h, method, data.size[0])

    def rmse(self, truth: AbstractEnergy | ArrayLike) -> float:
        """The root of the mean square error of the couplings of all pairs; the truth is an array like `couplings`, or an energy of bonds.

        Raises:
            ValueError: the truth has another shape.
        """
        known = couplings_of(truth) if isinstance(truth, AbstractEnergy) else np.asarray(truth, np.float64)
        found = np.asarray(self.couplings.value)
        if known.shape != found.shape:
            raise ValueError(f"the true couplings have shape {known.shape}, and those found {found.shape}: give them as they are told.")
        pairs = np.triu_indices(len(found), 1)
        return float(np.sqrt(np.mean((found[pairs] - known[pairs]) ** 2)))

    def doubted(self, status: Status) -> "Inferred":
        """The same parameters, not established for this reason."""
        return dataclasses.replace(self, couplings=self.couplings.doubted(status), fields=self.fields.doubted(status))

    def record(self) -> dict[str, Any]:
        """For machines."""
        told = {"couplings": self.couplings.record(), "fields": self.fields.record()}
        return {"method": self.method, "rows": self.rows, "sites": len(self.couplings.value), **told}

    def __repr__(self) -> str:
        error = self.couplings.stderr
        bars = "no error bars" if error is None else f"errors of couplings about {np.median(error[np.triu_indices(len(error), 1)]):.2g}"
        doubt = "" if self.couplings.status is Status.OK else f"\n? {self.couplings.status.value}"
        return f"{self.method}: {len(self.couplings.value)} sites from {self.rows} rows, {bars}, {self.couplings.evidence.value}{doubt}"


def couplings_of(energy: AbstractEnergy) -> Float[np.ndarray, "..."]:
    """The couplings of an energy with `Pairwise` bonds as `Inferred` tells them: (n, n) of spins, zero-sum (n, n, q, q) of levels.

    A bond that is higher by a gap g where two sites differ has J = g / 2 of spins, `g ([a = b] - 1 / q)` of levels.

    Raises:
        TypeError: the energy has no such bonds, or lives elsewhere.
    """
    view, space = need(energy, Pairwise, "couplings_of"), energy.space
    if not isinstance(space, Spins | Categorical):
        raise TypeError(f"couplings_of reads energies on Spins or Categorical, not on {type(space).__name__}.")
    gaps = np.zeros((space.size, space.size))
    one, other = np.asarray(view.edges).T
    np.add.at(gaps, (one, other), np.asarray(view.gaps, np.float64))
    gaps += gaps.T
    if isinstance(space, Spins):
        return gaps / 2
    q = len(values(space))
    return gaps[:, :, None, None] * (np.eye(q) - 1 / q)
