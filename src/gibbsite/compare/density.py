"""-log p of a model as far as it can be known: by the constant of an energy of the data, by annealing hidden variables, or not at all."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite import metrics
from gibbsite.compare.card import COLUMNS, Budget
from gibbsite.compare.constants import chosen, constants, disagreement, on_the_grid
from gibbsite.compare.scene import energies, extent, grid
from gibbsite.core import AbstractModel, Estimate, Evidence, Normalised, Over, Status, need, schedule
from gibbsite.data import Dataset
from gibbsite.metrics.likelihood import average
from gibbsite.samplers import Progress, Silent
from gibbsite.thermo.marginal import importance_bound, marginal, sandwich

Metrics = dict[str, Estimate]
Rows = Float[np.ndarray, "n *x"]
BOUNDS = {"nll_elbo": 1, "nll_iwae": 64}  # draws of the guess for each row
SKETCH = 64  # for each point of a landscape
PER_ROW, SHORTER = 8, 4  # walkers a row; how much shorter the path from a guess is than that from a broad law
SEEN, AT_ONCE = 500, 1024  # draws whose marginal is annealed; rows annealed together


class Places(NamedTuple):
    """Rows of the test data, of draws, and of the points of a picture (perhaps none); or -log p at each of them, in nats."""

    test: np.ndarray
    draws: np.ndarray
    mesh: np.ndarray

    def joined(self) -> Rows:
        """All rows, so that one call of one program serves them."""
        return np.concatenate(self)

    def parted(self, values: Float[np.ndarray, " n"]) -> "Places":
        """Values of all rows, by place."""
        return Places(*np.split(values, np.cumsum([len(self.test), len(self.draws)])))


def density(
    model: AbstractModel, data: Dataset, places: Places, budget: Budget, progress: Progress, *, key: Key[Array, ""]
) -> tuple[Metrics, Places | None]:
    """Likelihood metrics, and -log p at the places where there is one, by what the model's energy is a function of."""
    if model.over is Over.DATA:
        return _of_data(model, data, places, budget, progress, key=key)
    if model.over is Over.JOINT:
        return _of_pairs(model, data, places, budget, progress, key=key)
    return {"nll": Estimate(None, None, evidence=Evidence.IMPLICIT)}, None


def _of_data(
    model: AbstractModel, data: Dataset, places: Places, budget: Budget, progress: Progress, *, key: Key[Array, ""]
) -> tuple[Metrics, Places]:
    energy = model.as_energy()
    log_zs = constants(energy, np.asarray(data.train), budget, progress, key=key)
    log_z = chosen(log_zs)
    heights = places.parted(np.asarray(energies(energy, jnp.asarray(places.joined())), np.float64))
    if "own" in log_zs and (window := extent(data)) is not None:
        log_zs["grid"] = on_the_grid(heights.mesh.reshape(grid(window).shape[:-1]) + float(log_z), window) + float(log_z)
    held = {f"log_z_{name}": estimate for name, estimate in log_zs.items()} | {"log_z": log_z}
    if (apart := disagreement(log_zs)) is not None:
        held["log_z_disagreement"] = Estimate(apart, 1.0)
    if log_z.value is None:
        return held | {"nll": Estimate(None, None, status=log_z.status, evidence=Evidence.NOT_ESTABLISHED)}, heights
    held |= _likelihood(heights.test, log_z, data, places.test)
    return held, Places(*(height + float(log_z) for height in heights))


def _of_pairs(
    model: AbstractModel, data: Dataset, places: Places, budget: Budget, progress: Progress, *, key: Key[Array, ""]
) -> tuple[Metrics, Places]:
    """The marginal of x: hidden variables annealed at rows of data and draws, weighted at the points of the picture.

    Each row is a lower bound of log p in expectation. What annealing leaves open between its two bounds is measured on rows
    like the model's own (`thermo.sandwich`), and the interval of the NLL reaches that much lower. ELBO and IWAE stand beside.
    """
    longer = max(1, data.space.size // (4 * COLUMNS))
    energy, times = model.as_energy(), schedule(max(2, longer * budget.temperatures // SHORTER))
    along, apart, wide = jax.random.split(key, 3)
    places = places._replace(draws=places.draws[:SEEN])
    told = np.concatenate([places.test, places.draws])
    simulated = min(len(told), AT_ONCE)  # so that one program serves both
    progress.total = len(told)
    rows = marginal(energy, told, walkers=PER_ROW, times=times, progress=progress, key=along).rows
    gap = sandwich(energy, rows=simulated, walkers=PER_ROW, times=times, progress=Silent(), key=apart).gap
    mesh = importance_bound(energy, places.mesh, samples=SKETCH, progress=Silent(), key=wide).rows.value if len(places.mesh) else []
    heights = places.parted(-np.concatenate([rows.value, mesh]))
    if gap.value is None or not np.isfinite(heights.test).all():
        return {"nll": Estimate(None, None, status=Status.NON_FINITE, evidence=Evidence.NOT_ESTABLISHED)}, heights
    missed = Estimate(0.0, 0.0, lo=-max(gap.hi, 0.0), hi=0.0, status=rows.status, evidence=Evidence.INTERVAL)
    looser = {name: -importance_bound(energy, places.test, samples=k, progress=Silent(), key=wide).mean for name, k in BOUNDS.items()}
    return _likelihood(heights.test, missed, data, places.test) | looser | {"marginal_gap": gap}, heights


def _likelihood(heights: Float[np.ndarray, " n"], constant: Estimate | float, data: Dataset, test: Rows) -> Metrics:
    """Negative log-likelihood and, where the truth is known, Kullback-Leibler divergence: paired row by row."""
    nll = average(heights) + constant
    held = {"nll": nll, "bits_per_dim": metrics.bits_per_dim(nll, data.space.size, dequantised=data.dequantised)}
    if data.truth is None:
        return held
    truth = np.asarray(energies(data.truth, jnp.asarray(test)), np.float64) + float(need(data.truth, Normalised, "density").log_z())
    return held | {"kl": average(heights - truth) + constant}
