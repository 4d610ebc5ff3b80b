"""What is measured of one trained model: its likelihood and constant, its draws, its mode masses, each with error and evidence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite import metrics
from gibbsite.compare.card import Budget
from gibbsite.compare.constants import chosen, constants, disagreement
from gibbsite.compare.progress import Board
from gibbsite.compare.scene import energies, extent, grid
from gibbsite.core import AbstractEnergy, AbstractModel, Estimate, Evidence
from gibbsite.data import Dataset

KEPT = 1000  # draws kept for the figures
JUDGED = 2000  # draws compared with data pair by pair

Metrics = dict[str, Estimate]


def evaluate(
    model: AbstractModel, data: Dataset, budget: Budget, board: Board, label: str, *, key: Key[Array, ""]
) -> tuple[Metrics, dict[str, np.ndarray]]:
    """The metrics of a model by name, and the arrays its figures are drawn from."""
    drawn, annealed = jax.random.split(key)
    board.cell(label, "sampling", 0).advance(0)
    draws = sample(model, budget.draws, key=drawn)
    energy = model.as_energy()
    counter = board.cell(label, "annealing", budget.temperatures)
    log_zs = constants(energy, np.asarray(data.train), budget, counter, key=annealed)
    counter.close()
    board.check()
    held = {f"log_z_{name}": estimate for name, estimate in log_zs.items()}
    log_z = chosen(log_zs)
    held |= {"log_z": log_z, **_likelihood(energy, log_z, data), **closeness(draws, data), **_modes(draws, data)}
    if (apart := disagreement(log_zs)) is not None:
        held["log_z_disagreement"] = Estimate(apart, 1.0)
    return held, _arrays(energy, log_z, draws, data)


def sample(model: AbstractModel, n: int, *, key: Key[Array, ""]) -> Float[np.ndarray, "n *x"]:
    """`n` independent draws.

    Raises:
        FloatingPointError: a draw is not finite.
    """
    draws = np.asarray(_draws(model, jax.random.split(key, n)))
    if not np.isfinite(draws).all():
        raise FloatingPointError(
            f"{int((~np.isfinite(draws)).sum())} values among {n} draws are not finite: the model or its sampler diverged."
        )
    return draws


@eqx.filter_jit
def _draws(model: AbstractModel, keys: Array) -> Array:
    return jax.vmap(lambda k: model.sample(key=k))(keys)


def _likelihood(energy: AbstractEnergy, log_z: Estimate, data: Dataset) -> Metrics:
    if log_z.value is None:
        nothing = Estimate(None, None, status=log_z.status, evidence=Evidence.NOT_ESTABLISHED)
        return {"nll": nothing}
    nll = metrics.nll(energy, log_z, data.test)
    held = {"nll": nll, "bits_per_dim": metrics.bits_per_dim(nll, data.space.size, dequantised=data.dequantised)}
    if data.truth is not None:
        held["kl"] = metrics.kl_to_truth(data.truth, energy, log_z, data.test)
    return held


DISTANCES = {"mmd": metrics.mmd, "energy_distance": metrics.energy_distance}


def closeness(draws: np.ndarray, data: Dataset) -> Metrics:
    """Distances in standard units, so that no column counts for more because of its units."""
    ours, theirs = data.standardise(draws[:JUDGED]), data.standardise(data.test[:JUDGED])
    return {name: metric(ours, theirs) for name, metric in DISTANCES.items()}


def _modes(draws: np.ndarray, data: Dataset) -> Metrics:
    if data.modes is None:
        return {}
    masses = metrics.mode_masses(draws, data.modes)
    return {"mode_masses": masses, "mode_tv": metrics.total_variation(masses, np.asarray(data.modes.masses))}


def noise_floors(data: Dataset) -> Metrics:
    """What the distances come to between two halves of the data: no model can be told from the truth below that."""
    real = data.standardise(np.concatenate([data.test, data.validation, data.train])[: 2 * JUDGED])
    floors = {f"{name}_floor": metrics.noise_floor(metric, real, key=jax.random.key(0)) for name, metric in DISTANCES.items()}
    if data.modes is None:
        return floors
    masses = metrics.mode_masses(np.asarray(data.test), data.modes)
    return floors | {"mode_tv_floor": metrics.total_variation(masses, np.asarray(data.modes.masses))}


def _arrays(energy: AbstractEnergy, log_z: Estimate, draws: np.ndarray, data: Dataset) -> dict[str, np.ndarray]:
    constant = 0.0 if log_z.value is None else float(log_z.value)
    test, mine, window = np.asarray(data.test, np.float32), draws[:JUDGED], extent(data)
    mesh = np.empty((0, *test.shape[1:]), np.float32) if window is None else grid(window)
    points = np.concatenate([test, mine, mesh.reshape(-1, *test.shape[1:])])
    heights = np.asarray(energies(energy, jnp.asarray(points)), np.float32) + constant  # one call, one program
    of_data, of_draws, of_mesh = np.split(heights, [len(test), len(test) + len(mine)])
    arrays = {"draws": draws[:KEPT], "energy_data": of_data, "energy_draws": of_draws}
    return arrays if window is None else arrays | {"landscape": of_mesh.reshape(mesh.shape[:-1])}
