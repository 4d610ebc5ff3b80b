"""Which kernel suits an energy, by its space and by what it can do."""

from typing import NamedTuple

import jax.numpy as jnp

from gibbsite.core import AbstractEnergy, AbstractKernel, Box, Conditionals, Latent, Reals, Torus, as_float, capability, two_valued
from gibbsite.samplers.gibbs import BlockGibbs, Gibbs
from gibbsite.samplers.hamiltonian import HMC
from gibbsite.samplers.informed import GibbsWithGradients


class Choice(NamedTuple):
    """A kernel and why it was taken."""

    kernel: AbstractKernel
    why: str


def choose(energy: AbstractEnergy) -> Choice:
    """The kernel that `sample("auto", energy)` runs.

    Exact conditionals come before gradients, and hidden units that are drawn exactly before both.

    Raises:
        TypeError: no kernel moves on the space of this energy.
    """
    if capability(energy, Latent) is not None:
        return Choice(BlockGibbs(), "hidden units are drawn exactly, layer by layer")
    if capability(energy, Conditionals) is not None:
        return Choice(Gibbs(), "sites are drawn from their exact conditionals")
    if two_valued(energy.space):
        return Choice(GibbsWithGradients(), "no conditionals are known, so flips are chosen by the gradient")
    if isinstance(energy.space, Reals | Box | Torus):
        return Choice(HMC(as_float(0.1), jnp.ones(energy.space.shape)), "there is a gradient; step size and scales are tuned in warm-up")
    raise TypeError(f"No kernel of kernel='auto' moves on {type(energy.space).__name__}: give one yourself, or compose one.")
