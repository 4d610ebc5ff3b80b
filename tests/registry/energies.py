"""Every public energy of every room, held to `check_energy`."""

import jax
import jax.numpy as jnp
import numpy as np

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
from gibbsite.energies import (
    XY,
    AxisMixture,
    Banana,
    BlumeCapel,
    BoltzmannMachine,
    Clock,
    Copies,
    Coulomb,
    CovarianceMixture,
    DenseBoltzmannMachine,
    DenseHopfield,
    DoubleWell,
    DoubleWellParticles,
    Funnel,
    Gaussian,
    GaussianMixture,
    Ising,
    LawMixture,
    LennardJones,
    ManyWell,
    MuellerBrown,
    NeuralEnergy,
    Offset,
    Phi4,
    Posterior,
    Potts,
    PottsMachine,
    Rescaled,
    Reshaped,
    Ring,
    Rosenbrock,
    Transformed,
    Transported,
    Turned,
    Yukawa,
)
from gibbsite.models import GAN, VAE, Autoregressive, Diffusion, Flow, InDataUnits, ProbabilityFlow
from gibbsite.models.noising import Cosine, FreeField
from gibbsite.nets import MLP, TimedMLP
from gibbsite.testing import problems
from gibbsite.testing.crooks import TwoSpins

_MIX = GaussianMixture([[1.0, 1.5], [-1.5, 0.0]], [0.5, 0.8], [1.0, 2.0])
_COINS = Coins(Binary(3), [0.5, -0.8, 0.2], 0.7)
_RBM, _GAUSSIAN_RBM = problems.rbm().energy, problems.gaussian_rbm().energy
_RESCALED_RBM = Rescaled(_GAUSSIAN_RBM, [2.0, -1.0], [0.5, 2.0])
_SOME = jax.random.normal(jax.random.key(8), (36,))
_LEVELS = jnp.triu(jnp.ones((3, 3)), 1)[:, :, None, None] * jax.random.normal(jax.random.key(10), (3, 3, 3, 3))
_EDGES, _DENSE = [(0, 1), (3, 1), (1, 4), (2, 0), (4, 3), (0, 4)], jnp.triu(_SOME[:16].reshape(4, 4), 1)


def _quartic(params, x):
    return jnp.sum(params * x**4 - x)


def _rate(params, x):
    """A gamma law of shape 2.5, a Gaussian, and an exponential law turned round: each axis with ends of its own."""
    return params * x[0] - 1.5 * jnp.log(x[0]) + x[1] ** 2 / 2 + 2 * (1 - x[2])


def _line(x, data):
    at, seen = data
    return -0.5 * jnp.sum((seen - x * at) ** 2)


def _logistic(x, data):
    rows, ones = data
    return jnp.sum(jax.nn.log_sigmoid(ones * (rows @ x)))


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
    "copies": Copies(Coins(Spins(3), [0.5, -0.8, 0.2]), 2),
    "copies of a torus": Copies(Ising(4, 0.3), 2),
    "ising even": Ising((4, 6), 0.44, -0.2),
    "ising torus": IsingTorus.at(3, 4, 0.4),
    "ising ring": Ising((5,), [_SOME[:5]], 0.3),
    "ising in space": Ising((3, 3, 4), 0.22, 0.1),
    "ising bonds open": Ising((2, 2, 3), _SOME.reshape(3, 2, 2, 3), _SOME[:12].reshape(2, 2, 3), periodic=False),
    "potts": Potts((3, 3), 3, _SOME[:18].reshape(2, 3, 3), [0.2, -0.1, 0.4]),
    "potts open": Potts((2, 3), (0, 1, 3, 7), 0.6, _SOME[:24].reshape(2, 3, 4), periodic=False),
    "xy": XY((3, 4), _SOME[:24].reshape(2, 3, 4), [0.4, -0.2]),
    "xy open": XY((3,), 0.8, _SOME[:6].reshape(3, 2), periodic=False),
    "clock": Clock((3, 3), 5, 0.7, [0.4, -0.2]),
    "clock open": Clock((4,), 3, [_SOME[:4]], periodic=False),
    "blume capel": BlumeCapel((3, 4), 0.6, 0.8, 0.2),
    "blume capel open": BlumeCapel((4,), [_SOME[:4]], -0.3, _SOME[4:8], periodic=False),
    "phi4": Phi4((2, 3), -1.0, 0.7),
    "machine": BoltzmannMachine(Spins(5), _EDGES, _SOME[:6], _SOME[6:11]),
    "machine of bits": BoltzmannMachine(Binary((2, 3)), _EDGES, _SOME[:6], 0.3),
    "dense machine": DenseBoltzmannMachine(Spins(4), _DENSE + _DENSE.T, _SOME[:4]),
    "dense machine of bits": DenseBoltzmannMachine(Binary((2, 2)), _DENSE + _DENSE.T, -0.2),
    "potts machine": PottsMachine(Categorical((3,), (0, 1, 3)), _LEVELS + _LEVELS.transpose(1, 0, 3, 2), _SOME[:9].reshape(3, 3)),
    "dense hopfield": DenseHopfield([[1.0, -0.5], [-0.3, 0.8], [0.4, 1.2]], 2.0),
    "rbm": _RBM,
    "gaussian rbm": _GAUSSIAN_RBM,
    "joint": need(_RBM, Latent, "registry").joint,
    "gaussian joint": need(_GAUSSIAN_RBM, Latent, "registry").joint,
    "given": Given(need(_GAUSSIAN_RBM, Latent, "registry").joint, 1, (jnp.array([0.4, -0.3]),)),
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
    "gaussian": Gaussian([1.0, -0.5], [[2.0, 0.6], [0.6, 0.5]]),
    "gaussians mixed": CovarianceMixture.of_covariances(
        np.array([[1.0, 1.5], [-1.5, 0.0]]), np.array([[[0.5, 0.3], [0.3, 0.8]], [[0.6, -0.1], [-0.1, 0.3]]]), [1.0, 2.0]
    ),
    "axes mixed": AxisMixture([[1.0, -1.5], [0.3, 2.0]], [[0.5, 0.8], [1.2, 0.4]], [[1.0, 2.0], [0.3, 0.7]]),
    "laws mixed": LawMixture((Gaussian([1.0, -0.5], [[2.0, 0.6], [0.6, 0.5]]), Normal([-1.0, 0.5], [0.5, 0.8])), [0.5, 1.5]),
    "reshaped": Reshaped(AxisMixture([[1.0, -1.5], [0.3, 2.0]], [[0.5, 0.8], [1.2, 0.4]], [[1.0, 2.0], [0.3, 0.7]]), (2, 1)),
    "turned": Turned(AxisMixture([[1.0, -1.5], [0.3, 2.0]], [[0.5, 0.8], [1.2, 0.4]], [[1.0, 2.0], [0.3, 0.7]]), [[0.6, -0.8], [0.8, 0.6]]),
    "double well": DoubleWell(),
    "many well": ManyWell(2),
    "mueller brown": MuellerBrown(),
    "ring": Ring(2, 1.5, 0.5),
    "funnel": Funnel(3, 0.5),
    "rosenbrock": Rosenbrock(2, 2, 3.0, 1.5, 0.5),
    "banana": Banana(2, 0.4, 1.5),
    "posterior": Posterior(Normal([0.5, 0.0], [1.0, 2.0]), _logistic, (jnp.array([[1.0, 0.5], [-0.3, 2.0]]), jnp.array([1.0, -1.0]))),
    "posterior by rows": Posterior(Normal(0.5, 1.0), _line, (_SOME[:7], _SOME[7:14]), by_rows=True),
    "transformed": Transformed(Uniform(Box([-1.0, 0.0], [2.0, 0.5]))),
    "transformed axes": Transformed(Callable(_rate, 2.0, Box([0.0, -jnp.inf, -jnp.inf], [jnp.inf, jnp.inf, 1.0]))),
    "transported": Transported(
        _MIX, Rescaled(Flow.build(dim=2, layers=2, knots=0, width=4, key=jax.random.key(9)).as_energy(), [0.2, -0.1], [1.3, 0.8])
    ),
    "lennard jones": LennardJones(3, 2, 1.0, 0.5, 0.7),
    "double well particles": DoubleWellParticles(3, 2, -0.5, -1.0, 0.3, 1.5, 0.8),
    "yukawa": Yukawa(3, 2, 1.5, 12.0, 1.3),
    "coulomb": Coulomb(3, 2.0),
    "checkerboard": Checkerboard(),
}
