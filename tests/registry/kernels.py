"""Every public kernel with the problem it is held to: `(kernel, problem)`."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from gibbsite.core import AbstractEnergy, AbstractKernel, Cycle, Geometric, Mixture, Normal, Normalised, Repeat, Sampleable, reference
from gibbsite.samplers import HMC, MALA, ULA, BlockGibbs, Gibbs, GibbsWithGradients, ParallelTempering
from gibbsite.testing import plane, problems, spins
from gibbsite.testing.crooks import Witness

_MIX, _ISING, _RBM = problems.mixture(), problems.ising(), problems.rbm()
_WELL = Normal([1.0, -0.5], [0.6, 1.4])
GAUSS = problems.Problem(_WELL, float(_WELL._log_z()), _WELL._sample)

KERNELS: dict[str, tuple[AbstractKernel, problems.Problem]] = {
    "ula": (ULA(0.1), _MIX),
    "mala": (MALA(0.3), _MIX),
    "mala in a box": (MALA(0.4), problems.wedge()),
    "hmc": (HMC(0.3, [0.7, 1.1], 0.3, steps=4), _MIX),
    "hmc in a box": (HMC(0.4, steps=3), problems.wedge()),
    "gibbs": (Gibbs(), _ISING),
    "gibbs backward": (Gibbs(backward=True), _ISING),
    "block gibbs": (BlockGibbs(), _RBM),
    "gibbs with gradients": (GibbsWithGradients(), _ISING),
    "repeat": (Repeat(ULA(0.05), 3), _MIX),
    "cycle": (Cycle((ULA(0.1), MALA(0.4), ULA(0.03))), _MIX),
    "mixture": (Mixture((MALA(0.1), MALA(0.8)), [0.3, 0.7]), _MIX),
    "parallel tempering": (ParallelTempering.over(MALA(0.3), [0.3, 0.6, 1.0]), GAUSS),
}


def exact_rungs(kernel, key):
    """A whole population from its exact law: rung r of a Gaussian is the Gaussian with scale / sqrt(beta)."""
    first, rest = jax.random.split(key)
    noise = jax.random.normal(rest, (len(kernel.betas), 2))
    xs = _WELL.loc + _WELL.scale * noise / jnp.sqrt(kernel.betas)[:, None]
    return kernel.init(_WELL, xs[-1], key=first)._replace(positions=xs)


class Known(AbstractEnergy):
    """The energy of a problem with its constant and its exact draws as capabilities."""

    energy: AbstractEnergy
    log_z: float
    sample: Callable = eqx.field(static=True)

    @property
    def space(self):
        return self.energy.space

    def __call__(self, x):
        return self.energy(x)

    def views(self):
        return (*self.energy.views(), Normalised(lambda: jnp.asarray(self.log_z)), Sampleable(self.sample))


def witness(name: str) -> Witness:
    """A path between known ends on which the named kernel can move."""
    problem = KERNELS[name][1]
    if problem is _RBM:
        return problem.energy.path(), Known(problem.energy, problem.log_z, problem.sample)
    if "in a box" in name:
        return Geometric(reference(problem.energy.space), problem.energy), Known(problem.energy, problem.log_z, problem.sample)
    return spins() if problem is _ISING else plane()
