"""Every public objective with the lessons it is held to: `(objective, lesson)`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import Normal, Reals, draw
from gibbsite.energies import BinaryRBM, GaussianMixture, Offset
from gibbsite.models import GAN, VAE, Diffusion
from gibbsite.objectives import (
    ELBO,
    DenoisingScoreMatching,
    MaximumLikelihood,
    NoiseContrastive,
    NoisePrediction,
    NonSaturating,
    PersistentContrastiveDivergence,
    ReverseKL,
    Wasserstein,
)
from gibbsite.samplers import MALA, BlockGibbs
from gibbsite.testing import problems
from gibbsite.testing.objective import (
    Lesson,
    Shifted,
    bound_loss,
    contrast_loss,
    game_loss,
    likelihood_loss,
    noise_loss,
    reverse_loss,
    score_loss,
    wasserstein_loss,
)

SIGMA = 0.5
# Far enough from every model that no group's exact gradient is small beside the noise of a batch.
_PLACE = [[1.5, 0.5]]
_DATA = GaussianMixture(_PLACE, [1.0], [1.0])
_SMOOTH = GaussianMixture(_PLACE, [(1 + SIGMA**2) ** 0.5], [1.0])
_AXIS = np.linspace(-8, 8, 121)
_GRID = jnp.asarray(np.stack(np.meshgrid(_AXIS, _AXIS), -1).reshape(-1, 2), jnp.float32)
_CELLS = jnp.full(len(_GRID), 2 * np.log(_AXIS[1] - _AXIS[0]), jnp.float32)


def _shares(energy):
    return jax.nn.softmax(-jax.vmap(energy)(_GRID))


def plane(energy):
    """Data of one Gaussian, a model of its own coordinates."""
    model = Shifted(energy, jnp.array([0.2, -0.1]), jnp.array([1.2, 0.9]))
    return model, lambda *, key: draw(_DATA, key=key), lambda *, key: model.sample(key=key)


_ONE = plane(GaussianMixture([[0.0, 0.4]], [0.9], [1.0]))
_TWO = plane(problems.mixture().energy)
_RBM = BinaryRBM(
    jnp.array([[0.6, -0.7, 0.3], [-0.4, 0.9, 0.8], [0.8, 0.2, -0.9], [-1.0, 0.5, 0.6]]), jnp.zeros(4), jnp.array([0.3, -0.2, 0.1])
)
_STATES = problems.states(_RBM.space)
_TAUGHT = problems.rbm()
_P = jnp.exp(-_TAUGHT.log_z - jnp.array([_TAUGHT.energy(x) for x in _STATES]))


def _likelihood(model, data, draws):
    return Lesson(model, data, draws, likelihood_loss(_GRID, _CELLS, _shares(_DATA)))


def _score(model, data, draws):
    return Lesson(model, data, draws, score_loss(_GRID, _shares(_SMOOTH), _SMOOTH))


NOISE, RATIO = Normal([0.8, 0.3], [1.4, 1.2], 0.6), 3


def _contrast(model, data, draws):
    return Lesson(model, data, draws, contrast_loss(_GRID, _shares(_DATA), NOISE, _shares(NOISE), RATIO))


def _reverse(target):
    """A narrow Gaussian on the flank of a law that is not one, where slopes are large beside their noise."""
    model, data, draws = plane(Normal([1.5, 1.2], [0.3, 0.3]))
    return Lesson(model, data, draws, reverse_loss(_GRID, _CELLS, target))


REVERSE = (ReverseKL(problems.mixture().energy), _reverse(problems.mixture().energy))
BITS = Lesson(Shifted(_RBM), _TAUGHT.sample, problems.enumerated(_RBM).sample, likelihood_loss(_STATES, jnp.zeros(16), _P))
LIKELIHOOD = _likelihood(*_TWO)
SCORE = _score(*_TWO)
CONTRAST = _contrast(*plane(Offset(problems.mixture().energy, -1.0)))

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)


def _diffusion(model):
    """Noise at every time on the data of one Gaussian, which stays one: times by Gauss-Legendre."""
    schedule, data = model.schedule.tree, lambda *, key: draw(_DATA, key=key)
    times = jnp.asarray(schedule.t_min + (1 - schedule.t_min) * (_NODES + 1) / 2, jnp.float32)

    def noised(t):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        return GaussianMixture(alpha * jnp.asarray(_PLACE), jnp.hypot(alpha, sigma)[None], jnp.ones(1))

    return Lesson(model, data, data, noise_loss(_GRID, times, jnp.asarray(_NODE_WEIGHTS / 2, jnp.float32), noised))


DIFFUSION = _diffusion(Diffusion.of_noise(2, (4,), key=jax.random.key(2)))

_ROWS = jnp.array([[1.5, 0.5], [2.5, -0.4], [0.7, 1.8], [2.0, 2.0]])
# Noise of unit size: with less of it the gradient of the data's term drowns that of the guess, and mistakes in it.
_QUIET = VAE.on(Reals(2), 1, (3,), components=2, key=jax.random.key(2))
_HIDDEN = eqx.tree_at(lambda m: m.energy.decoder.net.layers[-1].bias, _QUIET, jnp.array([0.3, -0.2, 0.5]))


def bound(samples):
    """Four rows, equally often, and one hidden variable."""

    def data(*, key):
        return _ROWS[jax.random.randint(key, (), 0, len(_ROWS))]

    return Lesson(_HIDDEN, data, data, bound_loss(_ROWS, samples))


_COARSE = np.linspace(-4, 6, 33)
_SQUARE = jnp.asarray(np.stack(np.meshgrid(_COARSE, _COARSE), -1).reshape(-1, 2), jnp.float32)
_Z = jnp.linspace(-6, 6, 61)[:, None]


def game(loss, penalty):
    """Data of one Gaussian against draws made of one hidden variable."""
    model, data = GAN.on(2, 1, 3, key=jax.random.key(4)), lambda *, key: draw(_DATA, key=key)
    shares, z_shares = jax.nn.softmax(-jax.vmap(_DATA)(_SQUARE)), jax.nn.softmax(-(_Z[:, 0] ** 2) / 2)
    return Lesson(model, data, data, loss(_SQUARE, shares, _Z, z_shares, penalty))


GAME = game(game_loss, 0.5)

OBJECTIVES = {
    "likelihood, gaussian": (MaximumLikelihood(), _likelihood(*_ONE)),
    "likelihood, mixture": (MaximumLikelihood(), LIKELIHOOD),
    "likelihood, bits": (MaximumLikelihood(), BITS),
    "elbo": (ELBO(), bound(1)),
    "non-saturating game": (NonSaturating(0.5), GAME),
    "wasserstein game": (Wasserstein(0.5), game(wasserstein_loss, 0.5)),
    "importance-weighted bound": (ELBO(2), bound(2)),
    "pcd, mixture": (PersistentContrastiveDivergence(MALA(0.1), steps=2, chains=32), LIKELIHOOD),
    "pcd, bits": (PersistentContrastiveDivergence(BlockGibbs(), chains=32), BITS),
    "dsm, gaussian": (DenoisingScoreMatching(SIGMA), _score(*_ONE)),
    "dsm, mixture": (DenoisingScoreMatching(SIGMA), SCORE),
    "nce, gaussian": (NoiseContrastive(NOISE, RATIO), _contrast(*plane(Offset(GaussianMixture([[0.0, 0.4]], [0.9], [1.0]), -0.5)))),
    "nce, mixture": (NoiseContrastive(NOISE, RATIO), CONTRAST),
    "reverse kl": REVERSE,
    "diffusion, noise": (NoisePrediction(), DIFFUSION),
    "diffusion, energy": (NoisePrediction(passes=2), _diffusion(Diffusion.of_energy(2, (4,), key=jax.random.key(0)))),
}
