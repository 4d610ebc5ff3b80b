"""Every public objective with the lessons it is held to: `(objective, lesson)`."""

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import draw
from gibbsite.energies import BinaryRBM, GaussianMixture
from gibbsite.objectives import DenoisingScoreMatching, MaximumLikelihood, PersistentContrastiveDivergence
from gibbsite.samplers import MALA, BlockGibbs
from gibbsite.testing import problems
from gibbsite.testing.objective import Lesson, Shifted, likelihood_loss, score_loss

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
_STATES = problems.states(_RBM)
_TAUGHT = problems.rbm()
_P = jnp.exp(-_TAUGHT.log_z - jnp.array([_TAUGHT.energy(x) for x in _STATES]))


def _likelihood(model, data, draws):
    return Lesson(model, data, draws, likelihood_loss(_GRID, _CELLS, _shares(_DATA)))


def _score(model, data, draws):
    return Lesson(model, data, draws, score_loss(_GRID, _shares(_SMOOTH), _SMOOTH))


BITS = Lesson(Shifted(_RBM), _TAUGHT.sample, problems.enumerated(_RBM).sample, likelihood_loss(_STATES, jnp.zeros(16), _P))
LIKELIHOOD = _likelihood(*_TWO)
SCORE = _score(*_TWO)

OBJECTIVES = {
    "likelihood, gaussian": (MaximumLikelihood(), _likelihood(*_ONE)),
    "likelihood, mixture": (MaximumLikelihood(), LIKELIHOOD),
    "likelihood, bits": (MaximumLikelihood(), BITS),
    "pcd, mixture": (PersistentContrastiveDivergence(MALA(0.1), steps=2, chains=32), LIKELIHOOD),
    "pcd, bits": (PersistentContrastiveDivergence(BlockGibbs(), chains=32), BITS),
    "dsm, gaussian": (DenoisingScoreMatching(SIGMA), _score(*_ONE)),
    "dsm, mixture": (DenoisingScoreMatching(SIGMA), SCORE),
}
