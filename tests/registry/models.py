"""Every public model with the box that holds it (on the plane), held to `check_model`: `(model, box)`."""

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import Binary, Coins, Normal, Reals
from gibbsite.energies import NeuralEnergy
from gibbsite.models import EBM, RBM, Flow, InDataUnits
from gibbsite.models.tempered import tempered
from gibbsite.nets import MLP
from gibbsite.testing import problems

_KEY = jax.random.key(5)
_BOX = (np.array([-7.0, -7.0]), np.array([7.0, 7.0]))
_BITS = Coins(Binary(4), jnp.array([0.3, -0.2, 0.0, 0.5]))
_PLANE = Normal(jnp.zeros(2), jnp.full(2, 1.2))
_FLOW = Flow.build(dim=2, layers=2, knots=4, width=4, key=_KEY)

MODELS = {
    "flow in data units": (InDataUnits(_FLOW, jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6])), _BOX),
    "ebm on reals": (EBM(NeuralEnergy(MLP(2, (8, 8), key=_KEY), Reals(2)), _PLANE, tempered(_PLANE)), _BOX),
    "ebm on bits": (EBM(NeuralEnergy(MLP(4, (8, 8), key=_KEY), Binary(4)), _BITS, tempered(_BITS)), None),
    "rbm on bits": (RBM(problems.rbm().energy, _BITS, tempered(_BITS)), None),
    "rbm on reals": (RBM(problems.gaussian_rbm().energy, _PLANE, tempered(_PLANE)), _BOX),
}
