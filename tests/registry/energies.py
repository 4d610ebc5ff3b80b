"""Every public energy of every room, held to `check_energy`."""

import jax
import jax.numpy as jnp

from gibbsite.core import (
    AbstractEnergy,
    Binary,
    Box,
    Callable,
    Categorical,
    Coins,
    Dice,
    Given,
    Independent,
    Latent,
    Normal,
    Reals,
    Spins,
    Sum,
    Tempered,
    Torus,
    Uniform,
    need,
)
from gibbsite.data import Checkerboard, IsingTorus
from gibbsite.energies import GaussianMixture, Ising, NeuralEnergy, Offset, Rescaled
from gibbsite.models import GAN, VAE, Autoregressive, Diffusion, Flow, InDataUnits, ProbabilityFlow
from gibbsite.models.noising import Cosine, FreeField
from gibbsite.nets import MLP, TimedMLP
from gibbsite.testing import problems
from gibbsite.testing.crooks import TwoSpins

_MIX = GaussianMixture([[1.0, 1.5], [-1.5, 0.0]], [0.5, 0.8], [1.0, 2.0])
_COINS = Coins(Binary(3), [0.5, -0.8, 0.2], 0.7)
_RBM, _GAUSSIAN_RBM = problems.rbm().energy, problems.gaussian_rbm().energy
_RESCALED_RBM = Rescaled(_GAUSSIAN_RBM, [2.0, -1.0], [0.5, 2.0])


def _quartic(params, x):
    return jnp.sum(params * x**4 - x)


ENERGIES: dict[str, AbstractEnergy] = {
    "normal": Normal([1.0, -0.5], [0.5, 2.0], 0.3),
    "uniform": Uniform(Box([-1.0, 0.0], [2.0, 0.5])),
    "coins": _COINS,
    "torus": Uniform(Torus(2)),
    "dice": Dice(Categorical((2,), (-1, 0, 2)), [[0.3, -0.5, 0.1], [0.0, 1.0, -1.0]], 0.4),
    "spin coins": Coins(Spins((2, 2)), 0.4),
    "callable": Callable(_quartic, jnp.array([0.5, 1.0]), Reals(2)),
    "independent": Independent((Normal([1.0], [0.5]), _COINS)),
    "mixture": _MIX,
    "ising": problems.ising().energy,
    "ising even": Ising((4, 6), 0.44, -0.2),
    "ising torus": IsingTorus.at(3, 4, 0.4),
    "rbm": _RBM,
    "gaussian rbm": _GAUSSIAN_RBM,
    "joint": need(_RBM, Latent, "registry").joint,
    "gaussian joint": need(_GAUSSIAN_RBM, Latent, "registry").joint,
    "given": Given(need(_GAUSSIAN_RBM, Latent, "registry").joint, jnp.array([0.4, -0.3])),
    "neural": NeuralEnergy(MLP(4, (8, 8), key=jax.random.key(0)), Spins((2, 2))),
    "flow": Flow.build(dim=2, layers=1, knots=0, width=8, key=jax.random.key(1)).as_energy(),  # splines: check_model
    "probability flow": ProbabilityFlow(FreeField(TimedMLP(1, (8,), 1, key=jax.random.key(2))), Cosine(), 1, steps=6),
    "noised": Diffusion.of_energy(2, (8,), key=jax.random.key(3)).at(0.3),
    "tempered": Tempered(Ising(4, 0.44, 0.1), 0.6),
    "sum": Sum(Ising(4, 0.44), Coins(Spins((4, 4)), 0.3)),
    "rescaled": Rescaled(_MIX, [2.0, -1.0], [0.5, 2.0]),
    "rescaled machine": _RESCALED_RBM,
    "rescaled joint": need(_RESCALED_RBM, Latent, "registry").joint,
    "offset": Offset(_MIX, 0.7),
    "offset coins": Offset(_COINS, -0.4),
    "offset machine": Offset(_GAUSSIAN_RBM, 0.4),
    "autoregressive": Autoregressive.on(Reals(2), (6,), components=2, key=jax.random.key(2)).as_energy(),
    "autoregressive bits": Autoregressive.on(Binary(4), (6, 6), key=jax.random.key(3)).as_energy(),
    "vae": VAE.on(Reals(2), 2, (6,), components=3, key=jax.random.key(4)).as_energy(),
    "gan": GAN.on(2, 3, 6, key=jax.random.key(7)).as_energy(),
    "vae bits": VAE.on(Binary(3), 1, (4,), components=1, key=jax.random.key(5)).as_energy(),
    "vae in data units": InDataUnits(VAE.linear(2, 1, key=jax.random.key(6)), jnp.array([2.0, -1.0]), jnp.array([0.5, 2.0])).as_energy(),
    "two spins": TwoSpins(0.8, [0.9, -0.4]),
    "checkerboard": Checkerboard(),
}
