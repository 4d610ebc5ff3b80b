"""From where to anneal an energy: a base that covers it, a path to it, and a kernel that moves along the path."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    AbstractSpace,
    Coins,
    Cycle,
    Geometric,
    Latent,
    Normal,
    Product,
    Reals,
    Tempering,
    as_float,
    capability,
    offers,
    reference,
    two_valued,
)
from gibbsite.core.keys import chain_keys
from gibbsite.energies import LawMixture
from gibbsite.samplers import HMC, BlockGibbs, Independence, Silent, choose, sample
from gibbsite.thermo.annealing import FEW, Ladder, check_end
from gibbsite.thermo.cover import cover
from gibbsite.thermo.resampling import systematic
from gibbsite.thermo.smc import Population, smc

CHAINS, DRAWS, KEEP = 32, 600, 3  # of the pilot
WIDER = 1.5  # the spread of a first base, in that of the pilot's draws
CROWD, MOVES = 1024, 5  # walkers of a population, and their moves at a stage
MORE, COORDINATES = 4, 256  # times as many walkers of the second one, where they have few coordinates in all
DRIFT = 3.0  # times as far out in the last third of the pilot as in its first tenth: no chain at rest is
FAR = 0.9  # the quantile that is compared: one basin among many does not move it


class Outset(NamedTuple):
    """A path from a base to an energy, the kernel for it, and whether pilot chains ran away (never, where space is finite)."""

    path: AbstractPath
    kernel: AbstractKernel
    drifting: bool = False


def outset(energy: AbstractEnergy, *, base: AbstractEnergy | None = None, key: Key[Array, ""]) -> Outset:
    """The base is the one given; else, where the space is finite or compact, its uniform law; on a product with real parts, uniform
    and Gaussian laws of the parts; hidden units have their own path, from the mean of pilot chains. On the reals pilot chains tell
    where the law is, and populations, from a Gaussian about them and then from what these found, how much of it is where; the base is
    a mixture of laws that cover (`cover`) the draws of either.

    Raises:
        TypeError: no kernel moves there that accounts for its work.
    """
    latent = capability(energy, Latent)
    if latent is not None and latent.path is not None and base is None:
        xs = _pilot(energy, key)
        flat = xs.reshape(-1, *xs.shape[2:])
        field = Coins.like(energy.space, flat).field if two_valued(energy.space) else as_float(flat.mean(axis=0))
        return Outset(latent.path(field), BlockGibbs(), isinstance(energy.space, Reals) and _drifting(xs))
    if not isinstance(energy.space, Reals):
        return _of_sites(energy, base, key)
    kernel = _of_all_lengths(energy.space)
    first, second, third, fourth = jax.random.split(key, 4)
    xs = _pilot(energy, first)
    if base is not None or _drifting(xs):
        return Outset(Geometric(base or reference(energy.space), energy), kernel, _drifting(xs))
    flat = xs.reshape(-1, *xs.shape[2:])
    wide = Normal(flat.mean(axis=0), WIDER * flat.std(axis=0))
    seen = cover(np.asarray(jax.random.permutation(third, flat)))
    crowd = smc(Geometric(wide, energy), kernel, walkers=CROWD, moves=MOVES, progress=Silent(), key=second)
    assert isinstance(crowd.kernel, Ladder)
    tuned = crowd.kernel.at(jnp.asarray(len(crowd.times) - 1))
    again, *orders = jax.random.split(fourth, 3)
    near = _near(energy, tuned, seen, cover(_even(crowd, orders[0])))
    many = CROWD * min(max(COORDINATES // energy.space.size, 1), MORE)
    crowd = smc(near.path, near.kernel, walkers=many, moves=MOVES, progress=Silent(), key=again)
    return _near(energy, tuned, seen, cover(_even(crowd, orders[1])))


def along_path(energy: AbstractEnergy, path: AbstractPath, *, key: Key[Array, ""]) -> Outset:
    """A path that is given, with the kernel for an energy half way along it.

    Raises:
        ValueError: the path does not end at the energy, constant included.
        TypeError: no kernel moves there that accounts for its work; the path has no base.
    """
    check_end(path, energy, chain_keys(key, FEW))
    half = path(as_float(0.5))
    if offers(half, Latent):
        return Outset(path, BlockGibbs())
    if isinstance(energy.space, Reals):
        return Outset(path, _of_all_lengths(energy.space), _drifting(_pilot(energy, key)))
    return Outset(path, choose(half).kernel)


def _of_all_lengths(space: Reals) -> HMC:
    """Steps of all lengths: scales differ from place to place."""
    return HMC(as_float(0.1), jnp.ones(space.shape), jitter=as_float(1.0), steps=8)


def _of_sites(energy: AbstractEnergy, base: AbstractEnergy | None, key: Key[Array, ""]) -> Outset:
    """Off the reals alone: by the temperature, where infinite temperature is a law, else from the base."""
    unbounded = _real_parts(energy.space)
    whole: AbstractPath = Geometric(base or reference(energy.space), energy)
    path = Tempering(energy, reference(energy.space)) if base is None and not any(unbounded) else whole
    runaway = any(unbounded) and any(_drifting(xs) for xs, real in zip(_pilot(energy, key), unbounded, strict=True) if real)
    return Outset(path, choose(path(as_float(0.5))).kernel, runaway)


def _real_parts(space: AbstractSpace) -> list[bool]:
    """Of a product, which parts are unbounded."""
    return [isinstance(part, Reals) for part in space.parts] if isinstance(space, Product) else [False]


def _near(energy: AbstractEnergy, tuned: AbstractKernel, *laws: AbstractEnergy) -> Outset:
    """From a mixture of laws, whose draws are proposals on the way as well: what no slope leads to, they do."""
    law = LawMixture(laws, jnp.full(len(laws), 1 / len(laws)))
    return Outset(Geometric(law, energy), Cycle((tuned, Independence(law))))


def _even(crowd: Population, key: Key[Array, ""]) -> Float[np.ndarray, "n *x"]:
    """The walkers, as often as they weigh."""
    draw, order = jax.random.split(key)
    chosen = systematic(jnp.asarray(crowd.log_weights), len(crowd.log_weights), key=draw)
    return np.asarray(crowd.positions, np.float64)[np.asarray(jax.random.permutation(order, chosen))]


def _pilot(energy: AbstractEnergy, key: Key[Array, ""]) -> Any:
    """Draws `chains n *x`, of a product those of each part."""
    run = sample("auto", energy, chains=CHAINS, draws=DRAWS, keep=KEEP, progress=Silent(), key=key)
    return jax.tree.map(lambda xs: np.asarray(xs, np.float64), run.samples)


def _drifting(xs: Float[np.ndarray, "chains n *x"]) -> bool:
    """Whether a coordinate is much farther out at the end than at the beginning."""
    if not np.all(np.isfinite(xs)):
        return True
    flat, n = xs.reshape(*xs.shape[:2], -1), xs.shape[1]
    far = np.abs(flat - np.median(flat, axis=(0, 1)))
    first, last = (np.quantile(part, FAR, axis=(0, 1)) for part in (far[:, : n // 10], far[:, -(n // 3) :]))
    return bool(np.any(last > DRIFT * first))
