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
from gibbsite.models.autoregressive import autoregressive_for
from gibbsite.models.contrasted import contrasted
from gibbsite.models.diffusion import diffusion_for
from gibbsite.models.ebm import EBM
from gibbsite.models.flow import Flow
from gibbsite.models.gan import gan_for
from gibbsite.models.machines import binary_machine, gaussian_machine
from gibbsite.models.rbm import RBM
from gibbsite.models.tempered import base_for, tempered
from gibbsite.models.vae import vae_for
from gibbsite.nets import MLP
from gibbsite.objectives import DenoisingScoreMatching
from gibbsite.samplers import BlockGibbs

CROWDED = 8  # columns beyond which noise and data never meet, so that telling them apart teaches nothing
SIGMA = 0.1  # of denoising score matching, in standard deviations of the data


Builder = Callable[[Any, int, Key[Array, ""]], tuple[AbstractModel, AbstractObjective]]


class Paradigm(NamedTuple):
    """A way to make a model: `build(data, parameters, key)` gives it, untrained, with its objective.

    `about` says in one line what its energy is and how exact, `blind` what it cannot tell; `accepts(space)` whether it takes
    data of that space;
    `learning_rate` is the one `fit` does well with: a machine of hundreds of like units moves as their sum, so it needs
    the smallest.
    """

    name: str
    about: str
    blind: str
    accepts: Callable[[AbstractSpace], bool]
    build: Builder
    learning_rate: float


def _rows_or_bits(space: AbstractSpace) -> bool:
    return isinstance(space, Reals | Binary) and len(space.shape) == 1


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


def _nce(data: Any, parameters: int, key: Key[Array, ""]) -> tuple[AbstractModel, AbstractObjective]:
    return contrasted(neural(data, parameters, key))


def _rbm(data: Any, parameters: int, key: Key[Array, ""]) -> tuple[AbstractModel, AbstractObjective]:
    space = data.standard_space
    hidden = max(1, round((parameters - 2 * space.size) / (space.size + 1)))
    base = base_for(space, data.train)
    if isinstance(base, Coins):
        model = RBM(binary_machine(base.field, hidden, key=key), base, BlockGibbs())
    else:
        model = RBM(gaussian_machine(space.size, hidden, key=key), base, tempered(base))
    return model, model.objective()


def flow_for(data: Any, parameters: int, key: Key[Array, ""]) -> Flow:
    """A flow on data of one axis, met as `flow_of` says."""
    return flow_of(data.standard_space.size, parameters, key=key)


def _default(build: Callable[[Any, int, Key[Array, ""]], AbstractModel]) -> Builder:
    """A builder that trains by the model's own objective."""

    def built(data: Any, parameters: int, key: Key[Array, ""]) -> tuple[AbstractModel, AbstractObjective]:
        model = build(data, parameters, key)
        return model, model.objective()

    return built


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
        "its log Z, which others must estimate; modes that its walkers never met",
        lambda space: isinstance(space, Reals | Binary | Spins),
        _pcd,
        1e-2,
    ),
    "ebm-dsm": Paradigm(
        "ebm-dsm",
        "a network is the energy, learned from its slope at noised data: a smoothed density up to log Z, blind to masses of far modes",
        "the masses of modes further apart than its noise; anything finer than its noise; its log Z",
        lambda space: isinstance(space, Reals),
        _dsm,
        3e-3,
    ),
    "ebm-nce": Paradigm(
        "ebm-nce",
        "a network is the energy, learned by telling data from noise: density exact up to log Z, which is learned with it",
        "regions where the noise never falls: its odds are a guess there; whether its learned log Z is right; many columns",
        lambda space: isinstance(space, Reals) and space.size <= CROWDED,
        _nce,
        1e-2,
    ),
    "rbm": Paradigm(
        "rbm",
        "hidden units summed out give the energy: density exact up to log Z, itself exact up to 20 hidden or visible units",
        "its log Z beyond 20 units; modes that its walkers never met; fine shapes on the reals, which take many hidden units",
        _rows_or_bits,
        _rbm,
        1e-3,
    ),
    "flow": Paradigm(
        "flow",
        "an invertible map gives -log p itself: density and draws exact",
        "hidden causes: its latent space has the dimension of the data; clean gaps: one map of a Gaussian leaves threads between modes",
        lambda space: isinstance(space, Reals) and len(space.shape) == 1,
        _default(flow_for),
        3e-3,
    ),
    "autoregressive": Paradigm(
        "autoregressive",
        "each coordinate is drawn given those before it: -log p is their sum, density and draws exact",
        "anything symmetric: one order of the coordinates is privileged; quick draws: one pass of the network a coordinate",
        _rows_or_bits,
        _default(autoregressive_for),
        1e-2,
    ),
    "vae": Paradigm(
        "vae",
        "hidden variables z with a decoder give a joint energy of (x, z); the marginal of x is annealed row by row, to an interval",
        "its own likelihood without annealing; what its decoder's noise blurs",
        _rows_or_bits,
        _default(vae_for),
        3e-3,
    ),
    "diffusion": Paradigm(
        "diffusion",
        "noise is taken away step by step: the probability-flow equation gives -log p to a tolerance, and draws of the same law",
        "a likelihood for its noisy (ancestral) draws: the figure is that of the deterministic ones; an energy, where its field is free",
        lambda space: isinstance(space, Reals) and len(space.shape) == 1,
        _default(diffusion_for),
        2e-2,
    ),
    "gan": Paradigm(
        "gan",
        "a generator against a critic: an energy of the hidden z only, -log p0(z) - critic(G(z)); in x a ratio of densities",
        "a likelihood: it has no density in x; which modes it has dropped",
        lambda space: isinstance(space, Reals) and len(space.shape) == 1,
        _default(gan_for),
        3e-3,
    ),
}
