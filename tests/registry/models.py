"""Every public model with the box that holds it (on the plane), held to `check_model`: `(model, box)`."""

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import Binary, Coins, Normal, Reals
from gibbsite.energies import NeuralEnergy
from gibbsite.models import EBM, GAN, RBM, VAE, Autoregressive, Diffusion, Flow, InDataUnits
from gibbsite.models.tempered import tempered
from gibbsite.nets import MLP
from gibbsite.testing import problems

_KEY = jax.random.key(5)
_BOX = (np.array([-7.0, -7.0]), np.array([7.0, 7.0]))
_BITS = Coins(Binary(4), jnp.array([0.3, -0.2, 0.0, 0.5]))
_PLANE = Normal(jnp.zeros(2), jnp.full(2, 1.2))
_FLOW = Flow.build(dim=2, layers=2, knots=4, width=4, key=_KEY)

_IN_TURN = {space: Autoregressive.on(space, (6, 6), components=3, key=_KEY) for space in (Reals(2), Binary(4))}

MODELS = {
    "flow in data units": (InDataUnits(_FLOW, jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6])), _BOX),
    "autoregressive on reals": (InDataUnits(_IN_TURN[Reals(2)], jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6])), _BOX),
    "autoregressive on bits": (_IN_TURN[Binary(4)], None),
    "diffusion of noise": (InDataUnits(Diffusion.of_noise(2, (8, 8), key=_KEY), jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6])), _BOX),
    "diffusion of energy": (InDataUnits(Diffusion.of_energy(2, (8, 8), key=_KEY), jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6])), _BOX),
    "vae on reals": (InDataUnits(VAE.on(Reals(2), 1, (6,), components=3, key=_KEY), jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6])), _BOX),
    "gan": (InDataUnits(GAN.on(2, 2, 4, key=_KEY), jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6])), _BOX),
    "vae on bits": (VAE.on(Binary(4), 1, (4,), key=_KEY), None),
    "linear vae": (VAE.linear(2, 1, key=_KEY), _BOX),
    "ebm on reals": (EBM(NeuralEnergy(MLP(2, (8, 8), key=_KEY), Reals(2)), _PLANE, tempered(_PLANE)), _BOX),
    "ebm on bits": (EBM(NeuralEnergy(MLP(4, (8, 8), key=_KEY), Binary(4)), _BITS, tempered(_BITS)), None),
    "rbm on bits": (RBM(problems.rbm().energy, _BITS, tempered(_BITS)), None),
    "rbm on reals": (RBM(problems.gaussian_rbm().energy, _PLANE, tempered(_PLANE)), _BOX),
}
