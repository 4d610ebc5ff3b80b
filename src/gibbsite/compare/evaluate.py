"""What is measured of one trained model: its likelihood and constant, its draws, its mode masses, each with error and evidence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite import metrics
from gibbsite.compare.card import Budget
from gibbsite.compare.density import Places, density
from gibbsite.compare.progress import Board
from gibbsite.compare.scene import extent, grid
from gibbsite.core import AbstractModel, Estimate, Over, Slope, capability, need
from gibbsite.data import Dataset
from gibbsite.energies import Rescaled

KEPT = 1000  # draws kept for the figures
TESTED = 10_000  # test rows that likelihoods are taken over, at most
ENOUGH = 20  # rows on both sides, without which neighbours and classifiers say nothing
JUDGED = 2000  # draws compared with data pair by pair

Metrics = dict[str, Estimate]


def evaluate(
    model: AbstractModel, data: Dataset, budget: Budget, board: Board, label: str, *, key: Key[Array, ""]
) -> tuple[Metrics, dict[str, np.ndarray]]:
    """The metrics of a model by name, and the arrays its figures are drawn from."""
    drawn, annealed = jax.random.split(key)
    with board.cell(label, "sampling", 0) as counter:
        counter.advance(0)  # ends here where the grid is stopped
        draws, window = sample(model, budget.draws, key=drawn), extent(data)
    test = np.asarray(data.test[:TESTED], np.float32)
    mesh = np.empty((0, *test.shape[1:]), np.float32) if window is None else grid(window)
    places = Places(test, draws[:JUDGED], mesh.reshape(-1, *test.shape[1:]))
    with board.cell(label, "annealing", budget.temperatures) as counter:
        held, heights = density(model, data, places, budget, counter, key=annealed)
    board.check()
    held |= closeness(draws, data) | _modes(draws, data) | _turning(model, data)
    arrays = {"draws": draws[:KEPT]}
    if heights is None:
        return held, arrays
    arrays |= {"energy_data": heights.test, "energy_draws": heights.draws}
    return held, arrays if window is None else arrays | {"landscape": heights.mesh.reshape(mesh.shape[:-1]).astype(np.float32)}


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


def distances(ours: Float[np.ndarray, "n *x"], theirs: Float[np.ndarray, "m *x"]) -> Metrics:
    """What two samples are judged by, with keys of their own, so that models are judged by the same directions and trees."""
    few = {"mmd": metrics.mmd(ours, theirs), "energy_distance": metrics.energy_distance(ours, theirs)}
    if min(len(ours), len(theirs)) < ENOUGH:
        return few
    support = metrics.support(ours, theirs)
    return few | {
        "sliced_wasserstein": metrics.sliced_wasserstein(ours, theirs, key=jax.random.key(1)),
        "c2st": metrics.classifier_test(ours, theirs, key=jax.random.key(2)),
        "precision": support.precision,
        "recall": support.recall,
        "coverage": support.coverage,
    }


def closeness(draws: np.ndarray, data: Dataset) -> Metrics:
    """Draws against test data in standard units, so that no column counts for more because of its units; and copies of training rows."""
    ours, theirs = data.standardise(draws[:JUDGED]), data.standardise(data.test[:JUDGED])
    held = distances(ours, theirs)
    if min(len(ours), len(theirs)) < ENOUGH:
        return held
    copied = metrics.memorisation(ours, data.standardise(data.train[:TESTED]), data.standardise(data.test[:TESTED]))
    return held | {"memorisation": copied}


def _modes(draws: np.ndarray, data: Dataset) -> Metrics:
    if data.modes is None:
        return {}
    masses = metrics.mode_masses(draws, data.modes)
    return {"mode_masses": masses, "mode_tv": metrics.total_variation(masses, np.asarray(data.modes.masses))}


def _turning(model: AbstractModel, data: Dataset) -> Metrics:
    """How far a learned slope is from the gradient of anything, in standard units."""
    if model.over is not Over.DATA or capability(model.as_energy(), Slope) is None:
        return {}
    standard = Rescaled(model.as_energy(), jnp.asarray(-data.shift / data.scale), jnp.asarray(1 / data.scale))
    view, rows = need(standard, Slope, "curl"), data.standardise(data.test[:JUDGED])
    return {"curl": metrics.curl(view.slope, rows, key=jax.random.key(3))}


def noise_floors(data: Dataset, draws: int) -> Metrics:
    """What training rows score in place of draws, as many or as many as there are: what a perfect model would come to."""
    ours, theirs = data.standardise(data.train[:JUDGED]), data.standardise(data.test[:JUDGED])
    floors = {f"{name}_floor": estimate for name, estimate in distances(ours, theirs).items()}
    if data.modes is None:
        return floors
    masses = metrics.mode_masses(np.asarray(data.train[:draws]), data.modes)
    return floors | {"mode_tv_floor": metrics.total_variation(masses, np.asarray(data.modes.masses))}
