"""Data as training takes them: standardised, in two parts on the device."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractModel, Reals, require
from gibbsite.data import Dataset
from gibbsite.models import InDataUnits

LOOKED = 10_000  # held-out rows, in random order, that a score is taken over
SCORED = 2048  # draws of the model's own that a score is taken over, where there are no data


class Prepared(NamedTuple):
    """Training and validation rows in the model's units, and the way back to the data's."""

    train: Float[Array, "n *x"]
    validation: Float[Array, "m *x"]
    units: Callable[[AbstractModel], AbstractModel]


def prepare(model: AbstractModel, data: Dataset | Float[np.ndarray, "n *x"]) -> Prepared:
    """Both parts standardised where the space is real; discrete rows stay as they are.

    Raises:
        ValueError: rows of another shape, outside the support, or too few of them.
    """
    train, validation = (data.train, data.validation) if isinstance(data, Dataset) else _held_out(np.asarray(data, np.float32))
    validation = validation[:LOOKED]
    if not isinstance(model.space, Reals):
        return Prepared(_rows(model, train), _rows(model, validation), lambda fitted: fitted)
    if isinstance(data, Dataset):
        shift, scale = np.asarray(data.shift), np.asarray(data.scale)
    else:
        shift, scale = train.mean(axis=0), train.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0).astype(scale.dtype)

    def units(fitted: AbstractModel) -> AbstractModel:
        return InDataUnits(fitted, jnp.asarray(shift), jnp.asarray(scale))

    return Prepared(_rows(model, (train - shift) / scale), _rows(model, (validation - shift) / scale), units)


def without_data(model: AbstractModel, energy: AbstractEnergy, batch_size: int) -> Prepared:
    """As many empty rows as a batch or a score takes, for objectives that look at the model's own draws alone.

    Raises:
        ValueError: the energy lives elsewhere than the model.
    """
    if type(energy.space) is not type(model.space) or energy.space.shape != model.space.shape:
        raise ValueError(f"a model on {model.space} cannot be fitted to an energy on {energy.space}: build it with that shape.")
    blank = jnp.zeros((max(batch_size, SCORED), *energy.space.shape))
    return Prepared(blank, blank[:SCORED], lambda fitted: fitted)


def _held_out(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if x.ndim < 2 or len(x) < 20:
        raise ValueError(f"data has shape {x.shape}; fit needs at least 20 rows, shape (n, *x).")
    order = np.random.default_rng(0).permutation(len(x))
    part = max(1, len(x) // 10)
    return x[order[part:]], x[order[:part]]


def _rows(model: AbstractModel, x: np.ndarray) -> Float[Array, "n *x"]:
    return jax.device_put(jnp.asarray(require(model.space, x, "data", batched=True)))
