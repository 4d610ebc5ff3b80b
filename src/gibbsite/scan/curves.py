"""Every observable against beta, from one density of states."""

import dataclasses

import numpy as np
from jaxtyping import Float

from gibbsite.core import AbstractEnergy, Estimate, Evidence, Status, UniformBonds, capability
from gibbsite.thermo import MultiHistogram, kaufman, kaufman_energy, kaufman_heat_capacity
from gibbsite.thermo.jackknife import jackknife

TITLES = {
    "u": "energy a site",
    "c": "heat capacity a site",
    "m": "magnetisation |m|",
    "chi": "susceptibility",
    "U4": "Binder cumulant",
    "s": "entropy a site",
    "f": "free energy a site",
}


@dataclasses.dataclass(frozen=True)
class Curves:
    """Estimates by name, each an array over `betas`; all of one run, and so correlated."""

    betas: Float[np.ndarray, " betas"]
    estimates: dict[str, Estimate]

    def every(self, parts: int) -> "Curves":
        """At every so many betas."""
        return Curves(self.betas[::parts], {name: _part(estimate, parts) for name, estimate in self.estimates.items()})


def curves(histogram: MultiHistogram, sites: int, anchor: Estimate, betas: Float[np.ndarray, " betas"]) -> Curves:
    """Curves a site at these betas, with log Z at the first of the runs' from `anchor`, whose error is independent.

    u = <E> / N,  c = beta^2 (<E^2> - <E>^2) / N,  m = <|m|>,  chi = beta N (<m^2> - <|m|>^2),  U4 = 1 - <m^4> / (3 <m^2>^2),
    s = (log Z + beta <E>) / N,  f = -log Z / (beta N); the last is left out where beta begins at 0.
    """
    start = float(anchor.value or 0.0)

    def all_at_once(mean, log_z, betas):  # type: ignore[no-untyped-def]
        energy, size, square = mean("energy"), mean("m"), mean("m^2")
        log_z = start + log_z
        rows = {
            "u": energy / sites,
            "c": betas**2 * np.maximum(mean("energy^2") - energy**2, 0.0) / sites,
            "m": size,
            "chi": betas * sites * np.maximum(square - size**2, 0.0),
            "U4": 1 - mean("m^4") / (3 * square**2),
            "s": (log_z + betas * energy) / sites,
        }
        return np.stack([*rows.values(), *([-log_z / (betas * sites)] if betas[0] > 0 else [])])

    rows = histogram.replicates(all_at_once, betas)
    made = {name: jackknife(rows[:, place], status=histogram.status) for place, name in enumerate(list(TITLES)[: rows.shape[1]])}
    for name, weight in (("s", 1 / sites), ("f", 1 / (np.where(betas > 0, betas, 1.0) * sites))):
        if name in made:
            made[name] = _widened(made[name], np.asarray(weight * (anchor.stderr or 0.0)))
            made[name] = made[name] if anchor.status is Status.OK else made[name].doubted(anchor.status)
        if name in made and anchor.value is None:
            made[name] = Estimate(None, None, status=anchor.status, evidence=Evidence.NOT_ESTABLISHED)
    return Curves(betas, made)


def exact_curves(energy: AbstractEnergy, betas: Float[np.ndarray, " betas"]) -> dict[str, Float[np.ndarray, " betas"]]:
    """u, c, s and f of a plain Ising torus of ferromagnetic bonds (Kaufman 1949); of anything else nothing is known exactly."""
    bonds = capability(energy, UniformBonds)
    if bonds is None or not float(bonds.coupling) > 0 or betas[0] <= 0 or len(energy.space.shape) != 2:
        return {}
    coupling, (rows, cols) = float(bonds.coupling), energy.space.shape
    log_z, u, c = (
        np.array([float(fn(rows, cols, beta * coupling).value) for beta in betas])
        for fn in (kaufman, kaufman_energy, kaufman_heat_capacity)
    )
    sites = rows * cols
    own = float(bonds.constant) / sites
    return {"u": coupling * u + own, "c": c, "s": log_z / sites + betas * coupling * u, "f": -log_z / (betas * sites) + own}


def _part(estimate: Estimate, parts: int) -> Estimate:
    if estimate.value is None:
        return estimate
    held = {name: getattr(estimate, name)[::parts] for name in ("value", "stderr", "lo", "hi")}
    return dataclasses.replace(estimate, **held)


def _widened(estimate: Estimate, error: Float[np.ndarray, "*betas"]) -> Estimate:
    """With an independent error added in squares, the interval as much wider as the error."""
    if estimate.value is None:
        return estimate
    stderr = np.hypot(estimate.stderr, error)
    factor = np.divide(stderr, estimate.stderr, out=np.ones_like(stderr), where=estimate.stderr > 0)
    half = np.where(estimate.stderr > 0, factor * (estimate.hi - estimate.value), 1.96 * stderr)
    return dataclasses.replace(estimate, stderr=stderr, lo=estimate.value - half, hi=estimate.value + half)
