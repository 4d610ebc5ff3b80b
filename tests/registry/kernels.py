"""Every public kernel with the problem it is held to: `(kernel, problem)`."""

from collections.abc import Callable

import blackjax
import equinox as eqx
import jax
import jax.numpy as jnp

from gibbsite.core import (
    AbstractKernel,
    AbstractPath,
    Coins,
    Cycle,
    Geometric,
    Linear,
    Mixture,
    Normal,
    Normalised,
    Repeat,
    Sampleable,
    Spins,
    Tempered,
    reference,
)
from gibbsite.energies import BoltzmannMachine, Copies, Ising, Rescaled
from gibbsite.models import Flow
from gibbsite.samplers import (
    BAOAB,
    GHMC,
    HMC,
    MALA,
    OBABO,
    SGLD,
    ULA,
    AdaptiveHMC,
    Barker,
    BlockGibbs,
    DiscreteLangevin,
    Each,
    EllipticalSlice,
    Gibbs,
    GibbsWithGradients,
    GraphGibbs,
    Houdayer,
    Independence,
    LocallyBalanced,
    LowRank,
    Metropolis,
    Multispin,
    Overrelaxation,
    ParallelTempering,
    PathAuxiliary,
    PerPart,
    RandomWalk,
    RotorHeatBath,
    SimulatedTempering,
    SingleSite,
    Slice,
    Stretch,
    SwendsenWang,
    TamedULA,
    TemperedTransitions,
    UnadjustedDiscreteLangevin,
    Wolff,
    barker,
)
from gibbsite.samplers.blackjax import MCLMC, NUTS, AdjustedMCLMC, BlackJAX
from gibbsite.samplers.stretch import Walkers
from gibbsite.testing import plane, problems, spins
from gibbsite.testing.crooks import Witness
from registry.twins import Around

_MIX, _ISING, _RBM = problems.mixture(), problems.ising(), problems.rbm()
_GLASS, _POTTS, _CAPEL, _MACHINE, _XY = problems.glass(), problems.potts(), problems.blume_capel(), problems.machine(), problems.xy()
_MIXED = problems.mixed()
_TORUS, _MACHINES = problems.torus(), problems.copies(_MACHINE, 3)
_COOLED = Linear(Coins(_TORUS.energy.space, 0.0), Copies(Ising(4, 0.0)), _TORUS.energy)  # copies of a torus all the way
_IDLE = BoltzmannMachine(_MACHINE.energy.space, _MACHINE.energy.edges, 0.0)
_COUPLED = Linear(Coins(_MACHINES.energy.space, 0.0), Copies(_IDLE, 3), _MACHINES.energy)
_GLASSES = problems.glasses()
_THAWED = Linear(
    Coins(_GLASSES.energy.space, 0.0),
    Copies(Ising((2, 3), jnp.zeros((2, 2, 3)), jnp.zeros((2, 3)), periodic=False), 2),
    _GLASSES.energy,
)
_FLOW = Flow.build(dim=2, layers=2, knots=0, width=4, key=jax.random.key(3)).as_energy()  # as good as untrained
_WELL = Normal([1.0, -0.5], [0.6, 1.4])
GAUSS = problems.Problem(_WELL, float(_WELL._log_z()), _WELL._sample)

KERNELS: dict[str, tuple[AbstractKernel, problems.Problem]] = {
    "ula": (ULA(0.1), _MIX),
    "mala": (MALA(0.3), _MIX),
    "mala in a box": (MALA(0.4), problems.wedge()),
    "hmc": (HMC(0.3, [0.7, 1.1], 0.3, steps=4), _MIX),
    "hmc in a box": (HMC(0.4, steps=3), problems.wedge()),
    "adaptive hmc": (AdaptiveHMC(0.3, [[0.7, 0.0], [0.3, 1.1]], length=1.1), _MIX),
    "adaptive hmc, low rank": (AdaptiveHMC(0.3, LowRank([0.7, 1.1], [[0.6], [0.8]], [1.7]), length=1.1), _MIX),
    "mala on a torus": (MALA(0.8, [0.7, 1.1, 0.9]), _XY),
    "hmc on a torus": (HMC(0.6, [1.4, 2.2, 1.8], steps=3), _XY),
    "tamed ula": (TamedULA(0.1, [0.7, 1.1]), _MIX),
    "barker": (Barker(0.9, [0.7, 1.1]), _MIX),
    "baoab": (BAOAB(0.5, 1.5, [0.7, 1.1]), _MIX),
    "baoab on a torus": (BAOAB(0.6, 0.8), _XY),
    "obabo": (OBABO(0.4, 1.5, [0.7, 1.1]), _MIX),
    "ghmc": (GHMC(0.7, 0.8, [0.7, 1.1], steps=2), _MIX),
    "ghmc in a box": (GHMC(0.4, 0.8), problems.wedge()),
    "random walk": (RandomWalk(0.8, [[0.9, 0.0], [0.3, 0.6]]), _MIX),
    "random walk on a torus": (RandomWalk(1.5), _XY),
    "independence": (Independence(Normal([0.2, 0.6], [1.8, 1.5])), _MIX),
    "independence of spins": (Independence(Coins(Spins((3, 3)), 0.2)), _ISING),
    "slice": (Slice(1.5, [0.7, 1.1]), _MIX),
    "slice in a box": (Slice(0.4, widths=3), problems.wedge()),
    "slice on a torus": (Slice(3.0, widths=2), _XY),
    "elliptical slice": (EllipticalSlice(Normal([0.3, -0.2], [1.5, 1.2])), _MIX),
    "stretch": (Stretch(walkers=6), GAUSS),
    "gibbs": (Gibbs(), _ISING),
    "gibbs backward": (Gibbs(backward=True), _ISING),
    "block gibbs": (BlockGibbs(), _RBM),
    "gibbs with gradients": (GibbsWithGradients(), _ISING),
    "gibbs of levels": (Gibbs(), _POTTS),
    "single site": (SingleSite(), _ISING),
    "single site of levels": (SingleSite(), _POTTS),
    "metropolis": (Metropolis(), _ISING),
    "metropolis backward, of levels": (Metropolis(backward=True), _POTTS),
    "gibbs with gradients of levels": (GibbsWithGradients(), _CAPEL),
    "path auxiliary": (PathAuxiliary(4), _GLASS),
    "path auxiliary of levels": (PathAuxiliary(6), _CAPEL),
    "locally balanced": (LocallyBalanced(), _MACHINE),
    "locally balanced of levels": (LocallyBalanced(barker), _POTTS),
    "discrete langevin": (DiscreteLangevin(0.7), _MACHINE),
    "discrete langevin of levels": (DiscreteLangevin(0.9), _CAPEL),
    "unadjusted discrete langevin": (UnadjustedDiscreteLangevin(0.4), _MACHINE),
    "unadjusted discrete langevin of levels": (UnadjustedDiscreteLangevin(0.3), _CAPEL),
    "swendsen-wang": (SwendsenWang(), _GLASS),
    "swendsen-wang of bits": (SwendsenWang(), _MACHINE),
    "swendsen-wang of levels": (SwendsenWang(), _POTTS),
    "wolff": (Wolff(), _GLASS),
    "wolff of levels": (Wolff(), _POTTS),
    "wolff of rotors": (Wolff(), _XY),
    "multispin": (Multispin(), _TORUS),
    "graph gibbs": (GraphGibbs(backward=True), _MACHINES),
    "houdayer": (Cycle((Each(Gibbs()), Houdayer())), _GLASSES),
    "rotor heat bath": (RotorHeatBath(), _XY),
    "overrelaxation": (Cycle((RotorHeatBath(backward=True), Overrelaxation())), _XY),
    "nuts": (NUTS(0.5, scale=[0.7, 1.1], doublings=3), _MIX),
    "mclmc": (MCLMC(0.8, 1.5, scale=[0.7, 1.1]), _MIX),
    "adjusted mclmc": (AdjustedMCLMC(0.8, scale=[0.7, 1.1], steps=3), _MIX),
    "blackjax": (BlackJAX(blackjax.barker, {"step_size": 0.9}, exact=True), _MIX),
    "repeat": (Repeat(ULA(0.05), 3), _MIX),
    "flow assisted": (Cycle((MALA(0.4), Independence(Rescaled(_FLOW, [-0.7, 0.5], [1.5, 1.2])))), _MIX),
    "cycle": (Cycle((ULA(0.1), MALA(0.4), ULA(0.03))), _MIX),
    "mixture": (Mixture((MALA(0.1), MALA(0.8)), [0.3, 0.7]), _MIX),
    "per part": (PerPart((MALA(0.3, [1.1, 0.7]), Gibbs())), _MIXED),
    "parallel tempering": (ParallelTempering.over(MALA(0.3), [0.3, 0.6, 1.0]), GAUSS),
    "parallel tempering by coins": (ParallelTempering.over(HMC(0.5, steps=2), [0.3, 0.6, 1.0], stochastic=True), GAUSS),
    "tempered glasses": (ParallelTempering.over(Cycle((Each(Gibbs()), Houdayer())), [0.3, 0.6, 1.0]), _GLASSES),
    "simulated tempering": (SimulatedTempering.over(MALA(0.3), [0.3, 0.6, 1.0], most=6, log_weights=jnp.array([0.4, -0.3, 0.0])), _MIX),
    "tempered transitions": (TemperedTransitions.over(Cycle((ULA(0.2), MALA(0.3))), [0.3, 0.5, 0.75, 1.0]), _MIX),
    "tempered transitions of spins": (TemperedTransitions.over(Gibbs(), [0.4, 0.7, 1.0]), _ISING),
}

BIASED: dict[str, AbstractKernel] = {  # no work says by how much; held to the closed form of their bias, in a file of their own
    "sgld": SGLD(4e-3, batch=4),
}
REGISTERED = KERNELS | BIASED


def exact_rungs(kernel, key):
    """A whole population from its exact law: rung r of a Gaussian is the Gaussian with scale / sqrt(beta)."""
    first, rest = jax.random.split(key)
    noise = jax.random.normal(rest, (len(kernel.betas), 2))
    xs = _WELL.loc + _WELL.scale * noise / jnp.sqrt(kernel.betas)[:, None]
    return kernel.init(_WELL, xs[-1], key=first)._replace(positions=xs)


HOT = [problems.enumerated(Tempered(_GLASSES.energy, beta)).sample for beta in (0.3, 0.6, 1.0)]


def exact_glasses(kernel, key):
    """Every rung from its own table."""
    xs = jnp.stack([sample(key=k) for sample, k in zip(HOT, jax.random.split(key, 3), strict=True)])
    return kernel.init(_GLASSES.energy, xs[-1], key=key)._replace(positions=xs)


def exact_walkers(kernel, key):
    """As many independent draws as there are walkers."""
    xs = jax.vmap(lambda k: _WELL._sample(key=k))(jax.random.split(key, kernel.walkers))
    return Walkers(xs, jax.vmap(_WELL)(xs), jnp.zeros((), int))


STARTS = {  # whole states of populations
    "parallel tempering": exact_rungs,
    "parallel tempering by coins": exact_rungs,
    "tempered glasses": exact_glasses,
    "stretch": exact_walkers,
}


class Known(Around):
    """The energy of a problem with its constant and its exact draws as capabilities."""

    log_z: float
    sample: Callable = eqx.field(static=True)

    def views(self):
        return (*self.energy.views(), Normalised(lambda: jnp.asarray(self.log_z)), Sampleable(self.sample))


def path_of(problem: problems.Problem) -> AbstractPath | None:
    """A path of its own, where the geometric one loses the view that the kernel needs."""
    if problem is _RBM:
        return problem.energy.path()
    own = ((_TORUS, _COOLED), (_MACHINES, _COUPLED), (_GLASSES, _THAWED))
    return next((path for other, path in own if problem is other), None)


def witness(name: str) -> Witness:
    """A path between known ends on which the named kernel can move."""
    problem = KERNELS[name][1]
    if (path := path_of(problem)) is not None:
        return path, Known(problem.energy, problem.log_z, problem.sample)
    from_reference = (_GLASS, _POTTS, _CAPEL, _MACHINE, _XY, _MIXED)
    if "in a box" in name or name == "independence of spins" or any(problem is other for other in from_reference):
        return Geometric(reference(problem.energy.space), problem.energy), Known(problem.energy, problem.log_z, problem.sample)
    return spins() if problem is _ISING else plane()
