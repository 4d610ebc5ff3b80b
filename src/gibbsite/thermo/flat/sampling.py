"""Wang-Landau finds the weights, multicanonical sampling measures the density of states.

A state of energy E is given the weight `1 / g(E)`, so that a histogram of energies is flat, and walkers go from the lowest energies to
the highest and come back by another way. *Wang-Landau* learns g as it walks, `log g(E) += f` at every visit (Wang & Landau, PRL 86,
2001); f is halved whenever the histogram is flat, and falls as 1/t in the end, where halving would stop too early (Belardinelli &
Pereyra, PRE 75, 046701, 2007). Its weights change as it walks, so no error bar can be had of them. *Multicanonical sampling* (Berg &
Neuhaus, PRL 68, 1992) keeps them fixed: walkers are then independent, weights need only be roughly right, and

    g(E) = visits of E / weight of E, up to a factor that the number of all states gives.
"""

import dataclasses
import math
from collections.abc import Callable as Function

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from gibbsite.core import AbstractEnergy, AbstractSpace, Box, Torus, as_float, discrete, draw, reference, values
from gibbsite.core.energy import check_values
from gibbsite.core.keys import MULTICANONICAL, WANG_LANDAU, chain_keys
from gibbsite.core.reference import ends
from gibbsite.samplers import Progress
from gibbsite.samplers.checks import check_counts, check_energy
from gibbsite.samplers.progress import chunks
from gibbsite.thermo.density import DensityOfStates
from gibbsite.thermo.flat.levels import Levels
from gibbsite.thermo.flat.moves import move_for
from gibbsite.thermo.flat.walk import Crowd, Problem, Walker, crowd, forgetful, learn, measure

EQUILIBRATION = 10  # one sweep for so many of those asked for is thrown away first


@dataclasses.dataclass(frozen=True, repr=False)
class FlatWeights:
    """What Wang-Landau has learnt: `log_g` (nats, up to a constant; -inf where nobody was) at the energies of `levels`.

    `positions` (walkers *x) are where walkers ended; `factor` is the last f, of one visit, and `late` whether it falls as 1/t.
    """

    levels: Levels
    log_g: Float[np.ndarray, " levels"]
    positions: Float[Array, "walkers *x"]
    factor: float
    late: bool

    def __repr__(self) -> str:
        """`weights of 63 of 129 levels, f = 8e-06, falling as 1/t`."""
        seen, how = int(np.isfinite(self.log_g).sum()), "falling as 1/t" if self.late else "still halving"
        return f"weights of {seen} of {self.levels.count} levels, f = {self.factor:.0e}, {how}"


def wang_landau(
    energy: AbstractEnergy,
    levels: Levels | None = None,
    *,
    walkers: int = 64,
    sweeps: int = 2000,
    scale: float = 0.5,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> FlatWeights:
    """Weights that make the histogram of energies flat, learnt by walkers that share them; a sweep is one trial a site, of each walker.

    `levels` are the energies to visit (`Levels.of(energy)` where not given) and must hold all that the energy can be. On a `Box`
    or a `Torus` a site moves by up to `scale` of its range, either way.

    Raises:
        TypeError: the space has no volume that is known (the reals), or the energy does not tell its levels.
        ValueError: numbers make no sense, or energies lie beyond the levels.
    """
    check_energy(energy)
    check_counts(walkers=walkers, sweeps=sweeps)
    log_volume(energy.space)
    problem, own = _problem(energy, Levels.of(energy) if levels is None else levels, scale), jax.random.fold_in(key, WANG_LANDAU)
    unknown = jnp.full(problem.levels.count, -jnp.inf)
    begun = crowd(problem, _born(energy, chain_keys(own, walkers)), unknown, as_float(1 / walkers), own)
    with progress or Progress("Wang-Landau", sweeps) as shown:
        held = _walk(learn, problem, begun, sweeps, shown)
    positions = held.walkers.x.reshape(-1, *energy.space.shape)
    return FlatWeights(problem.levels, held.log_g.float64(), positions, float(held.factor), bool(held.late))


def multicanonical(
    energy: AbstractEnergy,
    weights: FlatWeights,
    *,
    sweeps: int = 4000,
    scale: float = 0.5,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> DensityOfStates:
    """The density of states by walkers under fixed weights, independent of each other given these, with errors from them.

    They start where Wang-Landau left them; a tenth of `sweeps` more is thrown away. The weights need not be exact, only good enough for
    walkers to cross all energies many times; where they do not, the numbers of the density say NOT_CONVERGED.

    Raises:
        ValueError: numbers make no sense, there are fewer than two walkers, or energies lie beyond the levels.
    """
    check_energy(energy)
    check_counts(sweeps=sweeps)
    if len(weights.positions) < 2:
        raise ValueError("these weights have one walker, and the error comes from several: run wang_landau with two or more.")
    problem, own = _problem(energy, weights.levels, scale), jax.random.fold_in(key, MULTICANONICAL)
    begun = crowd(problem, weights.positions, as_float(_filled(weights.log_g)), as_float(0.0), own)
    burn = -(-sweeps // EQUILIBRATION)
    with progress or Progress("multicanonical", burn + sweeps) as shown:
        settled = _walk(measure, problem, begun, burn, shown)
        held = _walk(measure, problem, settled._replace(walkers=forgetful(settled.walkers)), sweeps, shown)
    return density(energy, problem.levels, held.log_g.float64(), held.walkers)


def density(energy: AbstractEnergy, levels: Levels, log_g: Float[np.ndarray, " levels"], walkers: Walker) -> DensityOfStates:
    """What walkers have seen under the weights `exp(-log_g)`; the energy of a bin is the mean of those seen there."""
    counts, offsets = (np.asarray(a, np.float64) for a in (walkers.counts, walkers.offsets))
    energies = levels.centres() + offsets.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    return DensityOfStates.from_counts(energies, counts, -log_g, log_total=log_volume(energy.space), width=levels.width)


def log_volume(space: AbstractSpace) -> float:
    """The log of the number of states, or of the volume.

    Raises:
        TypeError: it is infinite, or not known.
    """
    if discrete(space):
        return space.size * math.log(len(values(space)))
    if not isinstance(space, Box | Torus):
        raise TypeError(f"{type(space).__name__} has no finite volume, so a density of states has no total: use a Box or a Torus.")
    low, high = (np.asarray(end, np.float64) for end in ends(space))
    return float(np.sum(np.log(high - low)))


def _problem(energy: AbstractEnergy, levels: Levels, scale: float) -> Problem:
    check_values("A flat walk", "scale", scale, lambda s: (s > 0) & (s <= 1), "a share of the range, above 0")
    return Problem(move_for(energy, scale), levels)


def _filled(log_g: Float[np.ndarray, " levels"]) -> Float[np.ndarray, " levels"]:
    """Levels that nobody has seen take what lies between, or beside, those that were."""
    seen = np.isfinite(log_g)
    return np.interp(np.arange(len(log_g)), np.flatnonzero(seen), log_g[seen])


@eqx.filter_jit
def _born(energy: AbstractEnergy, keys: Key[Array, " walkers"]) -> Float[Array, "walkers *x"]:
    base = reference(energy.space)
    return jax.vmap(lambda k: draw(base, key=k))(keys)


def _walk(step: Function[[Problem, Crowd, Int[Array, "2"]], Crowd], problem: Problem, held: Crowd, sweeps: int, shown: Progress) -> Crowd:
    """`sweeps` of them, looked at from time to time."""
    _check_reach(problem.levels, held.walkers)
    for start, stop in chunks(sweeps, shown):
        held = jax.block_until_ready(step(problem, held, jnp.asarray((start, stop), jnp.int32)))
        _check_reach(problem.levels, held.walkers)
    return held


def _check_reach(levels: Levels, walkers: Walker) -> None:
    low, high = levels.ends()
    lowest, highest = float(jnp.min(walkers.lowest)), float(jnp.max(walkers.highest))
    if not (low <= lowest and highest <= high):
        raise ValueError(
            f"Energies from {lowest:g} to {highest:g} were met, and the levels go from {low:g} to {high:g}: states beyond them would be "
            "missing from the total. Give levels that hold all energies."
        )
