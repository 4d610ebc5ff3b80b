"""The paradigms that are compared, each with a builder that meets a number of parameters on given data."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from gibbsite.core import AbstractModel, AbstractObjective, AbstractSpace, Binary, Coins, Reals, Spins, as_float
from gibbsite.energies import NeuralEnergy
from gibbsite.models.ebm import EBM
from gibbsite.models.flow import Flow
from gibbsite.models.machines import binary_machine, gaussian_machine
from gibbsite.models.rbm import RBM
from gibbsite.models.tempered import base_for, tempered
from gibbsite.nets import MLP
from gibbsite.objectives import DenoisingScoreMatching
from gibbsite.samplers import BlockGibbs

SIGMA = 0.1  # of denoising score matching, in standard deviations of the data


class Paradigm(NamedTuple):
    """A way to make a model: `build(data, parameters, key)` gives it, untrained, with its objective.

    `about` says in one line what its energy is and how exact; `accepts(space)` whether it takes data of that space;
    `learning_rate` is the one `fit` does well with: a machine of hundreds of like units moves as their sum, so it needs
    the smallest.
    """

    name: str
    about: str
    accepts: Callable[[AbstractSpace], bool]
    build: Callable[[Any, int, Key[Array, ""]], tuple[AbstractModel, AbstractObjective]]
    learning_rate: float


def neural(data: Any, parameters: int, key: Key[Array, ""]) -> EBM:
    """An EBM whose network has two hidden layers of one width: `w^2 + (d + 3) w + 1` parameters."""
    space = data.standard_space
    half = (space.size + 3) / 2
    width = max(2, round(math.sqrt(half**2 + parameters - 1) - half))
    base = base_for(space, data.train)
    return EBM(NeuralEnergy(MLP(space.size, (width, width), key=key), space), base, tempered(base))


def _pcd(data: Any, parameters: int, key: Key[Array, ""]) -> tuple[AbstractModel, AbstractObjective]:
    model = neural(data, parameters, key)
    return model, model.objective()


def _dsm(data: Any, parameters: int, key: Key[Array, ""]) -> tuple[AbstractModel, AbstractObjective]:
    return neural(data, parameters, key), DenoisingScoreMatching(as_float(SIGMA))


def _rbm(data: Any, parameters: int, key: Key[Array, ""]) -> tuple[AbstractModel, AbstractObjective]:
    space = data.standard_space
    hidden = max(1, round((parameters - 2 * space.size) / (space.size + 1)))
    base = base_for(space, data.train)
    if isinstance(base, Coins):
        model = RBM(binary_machine(base.field, hidden, key=key), base, BlockGibbs())
    else:
        model = RBM(gaussian_machine(space.size, hidden, key=key), base, tempered(base))
    return model, model.objective()


def _flow(data: Any, parameters: int, key: Key[Array, ""]) -> tuple[AbstractModel, AbstractObjective]:
    model = flow_of(data.standard_space.size, parameters, key=key)
    return model, model.objective()


def flow_of(dim: int, parameters: int, *, key: Key[Array, ""]) -> Flow:
    """The flow of the richest kind whose conditioners are at least 8 wide at this number of parameters."""

    def size(layers: int, knots: int, width: int) -> int:
        shapes = eqx.filter_eval_shape(lambda: Flow.build(dim=dim, layers=layers, knots=knots, width=width, key=key))
        return sum(leaf.size for leaf in jax.tree.leaves(shapes) if jnp.issubdtype(getattr(leaf, "dtype", int), jnp.inexact))

    for layers, knots in ((6, 8), (4, 8), (4, 5), (2, 5), (4, 0), (2, 0)):
        one, two = size(layers, knots, 1), size(layers, knots, 2)
        width = round(1 + (parameters - one) / (two - one))
        if width >= 8:
            break
    return Flow.build(dim=dim, layers=layers, knots=knots, width=max(1, width), key=key)


PARADIGMS: dict[str, Paradigm] = {
    "ebm-pcd": Paradigm(
        "ebm-pcd",
        "a network is the energy, learned by likelihood with tempered walkers: density exact up to log Z, which is estimated",
        lambda space: isinstance(space, Reals | Binary | Spins),
        _pcd,
        1e-2,
    ),
    "ebm-dsm": Paradigm(
        "ebm-dsm",
        "a network is the energy, learned from its slope at noised data: a smoothed density up to log Z, blind to masses of far modes",
        lambda space: isinstance(space, Reals),
        _dsm,
        3e-3,
    ),
    "rbm": Paradigm(
        "rbm",
        "hidden units summed out give the energy: density exact up to log Z, itself exact up to 20 hidden or visible units",
        lambda space: isinstance(space, Reals | Binary) and len(space.shape) == 1,
        _rbm,
        1e-3,
    ),
    "flow": Paradigm(
        "flow",
        "an invertible map gives -log p itself: density and draws exact",
        lambda space: isinstance(space, Reals) and len(space.shape) == 1,
        _flow,
        3e-3,
    ),
}
