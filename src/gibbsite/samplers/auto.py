"""Which kernel suits an energy, by its space and by what it can do."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    Box,
    Conditionals,
    Copied,
    Cycle,
    Latent,
    LocalFields,
    Pairwise,
    Product,
    Reals,
    Torus,
    as_float,
    conditional,
    discrete,
    need,
    offers,
)
from gibbsite.samplers.chees import AdaptiveHMC
from gibbsite.samplers.cluster import SwendsenWang
from gibbsite.samplers.gibbs import BlockGibbs, Gibbs
from gibbsite.samplers.hamiltonian import HMC
from gibbsite.samplers.houdayer import Each
from gibbsite.samplers.informed import GibbsWithGradients
from gibbsite.samplers.low_rank import LowRank
from gibbsite.samplers.per_part import PerPart
from gibbsite.samplers.report import name_of
from gibbsite.samplers.rotor import Overrelaxation, RotorHeatBath

CHAINS = 64
FEW_CHAINS = 16  # where each draw is dear: enough for errors from the spread of chains, and for warm-up to be short
FEW_AXES = 128  # up to which all correlations are learned: a matrix costs size^2 a leapfrog step and size^3 whenever it is found anew


class Choice(NamedTuple):
    """A kernel, why it was taken, and how many chains of it to run."""

    kernel: AbstractKernel
    why: str
    chains: int = CHAINS


def choose(energy: AbstractEnergy) -> Choice:
    """The kernel that `sample("auto", energy)` runs.

    Exact draws of parts come before gradients: hidden units, then clusters where every bond favours equal sites, sites, rotors.
    On a product of spaces each part has the kernel that its own law would get, the others given.

    Raises:
        TypeError: no kernel moves on the space of this energy.
    """
    if offers(energy, Copied):
        one = choose(need(energy, Copied, "auto").one)
        if one.kernel.adaptation() is None and not one.kernel.has_memory:
            return Choice(Each(one.kernel), f"each copy moves by itself, for {one.why}", one.chains)
    if offers(energy, Latent):
        return Choice(BlockGibbs(), "hidden units are drawn exactly, layer by layer")
    if offers(energy, Conditionals):
        if _attract(energy):
            return Choice(Cycle((Gibbs(), SwendsenWang())), "every bond favours equal sites, so that clusters may turn as a whole")
        return Choice(Gibbs(), "sites are drawn from their exact conditionals")
    if offers(energy, LocalFields):
        return Choice(Cycle((RotorHeatBath(), Overrelaxation())), "rotors are drawn from, and turned about, the fields that they see")
    if discrete(energy.space):
        return Choice(GibbsWithGradients(), "no conditionals are known, so flips are chosen by the gradient")
    if isinstance(energy.space, Reals):
        size, why = energy.space.size, "there is a gradient; step size, length of trajectories and scales are tuned in warm-up"
        if size <= FEW_AXES:
            return Choice(AdaptiveHMC(as_float(0.1), jnp.eye(size)), f"{why}, with all correlations", FEW_CHAINS)
        return Choice(AdaptiveHMC(as_float(0.1), LowRank.identity(energy.space.shape)), f"{why}, with the leading correlations", FEW_CHAINS)
    if isinstance(energy.space, Box | Torus):
        return Choice(HMC(as_float(0.1), jnp.ones(energy.space.shape)), "there is a gradient; step size and scales are tuned in warm-up")
    if isinstance(energy.space, Product):
        return _part_by_part(energy, energy.space)
    raise TypeError(f"No kernel of kernel='auto' moves on {type(energy.space).__name__}: give one yourself, or compose one.")


def _part_by_part(energy: AbstractEnergy, space: Product) -> Choice:
    """Kernels chosen with all others at 0: what the energy of a part offers does not hang on where they are."""
    x = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), space.struct())
    each = [choose(conditional(energy, part, x[:part] + x[part + 1 :])) for part in range(len(x))]
    why = "; ".join(f"part {part} by {name_of(choice.kernel)}, for {choice.why}" for part, choice in enumerate(each))
    chains = min(choice.chains for choice in each)
    return Choice(PerPart(tuple(choice.kernel for choice in each)), f"each part moves at given others, {why}", chains)


def _attract(energy: AbstractEnergy) -> bool:
    """Whether there are bonds, and none that favours unequal sites."""
    if not offers(energy, Pairwise):
        return False
    gaps = np.asarray(eqx.filter_jit(lambda e: need(e, Pairwise, "auto").gaps)(energy))
    return len(gaps) > 0 and bool(np.all(gaps >= 0))
