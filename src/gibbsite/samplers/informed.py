"""Proposals that know how the energy would change: for spaces of few values a site, one site at a time or a path of them."""

from collections.abc import Callable as Function

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from gibbsite.core import AbstractEnergy, Conditionals, Info, need, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.metropolis import SITES, check_whole, guarded, metropolis
from gibbsite.samplers.sites import AbstractSiteKernel, SiteState, by_level, level_of
from gibbsite.samplers.slope import AbstractSlopeKernel, SlopeState, evaluate


class GibbsWithGradients(AbstractSlopeKernel):
    """Change one site, chosen by the first-order change of energy (Grathwohl et al., arXiv 2102.04509, algorithm 1).

    q(i, v | x) is softmax(-dU / 2) with dU = grad U(x)_i (v - x_i), over all sites i and values v other than x_i; the change
    is accepted by Metropolis-Hastings. An energy that only asks which values are equal has slope 0, and then sites and
    values are chosen blindly: `LocallyBalanced` sees them.
    """

    spaces = SITES
    reversible = True
    reports_work = True
    settles_switch = False

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        choose, coin = jax.random.split(key)
        here = jax.nn.log_softmax(_by_slope(energy, state), axis=None)
        site, level = _one_of(here, choose)
        new = evaluate(energy, _changed(energy, state.position, site, level))
        there = jax.nn.log_softmax(_by_slope(energy, new), axis=None)
        old = level_of(energy.space, jnp.ravel(state.position)[site])
        log_ratio = state.energy - new.energy + there[site, old] - here[site, level]
        return metropolis(guarded(energy, log_ratio, new), new, state, key=coin)


class PathAuxiliary(AbstractSlopeKernel):
    """Change several sites, one after another, all chosen by the slope at the start (Sun et al., ICLR 2022, "Path auxiliary ...").

    The number of sites is uniform in 1, ..., `flips` (a fixed even number of flips would never leave half of the space). Sites and
    values are drawn as by `GibbsWithGradients`, without putting sites back; the path is part of the proposal, and the way
    back runs along it with the slope at the end. Two gradients decide on many flips at once.
    """

    flips: int = eqx.field(static=True, default=8)

    spaces = SITES
    reversible = True
    reports_work = True
    settles_switch = False

    def __check_init__(self) -> None:
        check_whole("PathAuxiliary", "flips", self.flips, "a path changes one site or more, a whole number")

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> SlopeState:
        if self.flips > x.size:
            raise ValueError(f"PathAuxiliary has flips={self.flips} for {x.size} sites: a path changes each site once at most.")
        return super().init(energy, x, key=key)

    def step(self, energy: AbstractEnergy, state: SlopeState, *, key: Key[Array, ""]) -> tuple[SlopeState, Info]:
        length, order, draw, coin = jax.random.split(key, 4)
        table, old = _by_slope(energy, state), level_of(energy.space, jnp.ravel(state.position))
        on = jnp.arange(self.flips) <= jax.random.randint(length, (), 0, self.flips)
        weight = jax.nn.logsumexp(table, axis=-1)
        sites = jax.lax.top_k(weight + jax.random.gumbel(order, weight.shape), self.flips)[1]  # Plackett & Luce, in order
        levels = jax.random.categorical(draw, table[sites])
        sites = jnp.where(on, sites, len(table))  # beyond the end: written nowhere
        new = evaluate(energy, _changed(energy, state.position, sites, levels))
        back = _log_path(_by_slope(energy, new), sites, old[sites], on, backward=True)
        log_ratio = state.energy - new.energy + back - _log_path(table, sites, levels, on, backward=False)
        return metropolis(guarded(energy, log_ratio, new), new, state, key=coin)


def _log_path(
    table: Float[Array, "sites levels"],
    sites: Int[Array, " flips"],
    levels: Int[Array, " flips"],
    on: Bool[Array, " flips"],
    *,
    backward: bool,
) -> Scalar:
    """The log probability that sites are taken in this order (or in the opposite one), each to its level, none of them twice.

    Each step is a softmax over the sites that are left: those never taken, and those that are to come, this one included.
    """
    weight = jax.nn.logsumexp(table, axis=-1)
    never = jax.nn.logsumexp(weight.at[sites].set(-jnp.inf, mode="drop"))
    taken = jnp.where(on, weight.at[sites].get(mode="fill", fill_value=0.0), -jnp.inf)
    left = jnp.logaddexp(never, jax.lax.cumlogsumexp(taken, reverse=not backward))
    return jnp.sum(jnp.where(on, table.at[sites, levels].get(mode="fill", fill_value=0.0) - left, 0.0))


def square_root(log_ratio: Array) -> Array:
    """`log g` of the balancing function `g(t) = sqrt t`."""
    return log_ratio / 2


def barker(log_ratio: Array) -> Array:
    """`log g` of the balancing function `g(t) = t / (1 + t)`, which is bounded (Barker, Aust. J. Phys. 18, 1965)."""
    return jax.nn.log_sigmoid(log_ratio)


class LocallyBalanced(AbstractSiteKernel):
    """Change one site, chosen by the exact energies of all neighbours of x (Zanella, JASA 115, 2020, section 2).

    From x go to y, which differs at one site, with probability `g(p(y) / p(x)) / Z(x)`, Z the sum of g over the neighbours; accept
    with `min(1, Z(x) / Z(y))`, which is what is left of the Metropolis-Hastings ratio where `g(t) = t g(1/t)`. `balance` is
    log g as a function of log t: `square_root` or `barker`. Uses `Conditionals`, one look at them at x and one at y.
    """

    balance: Function[[Array], Array] = eqx.field(static=True, default=square_root)

    needs = Conditionals
    reversible = True

    @property
    def cost(self) -> int:
        return 2

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        choose, coin = jax.random.split(key)
        here = self._neighbours(energy, state.position)
        new = SiteState(_changed(energy, state.position, *_one_of(here, choose)))
        log_ratio = jax.nn.logsumexp(here) - jax.nn.logsumexp(self._neighbours(energy, new.position))
        return metropolis(log_ratio, new, state, key=coin)

    def _neighbours(self, energy: AbstractEnergy, x: Float[Array, "*x"]) -> Float[Array, "sites levels"]:
        """`log g` of every change of one site; minus infinity where nothing changes."""
        logits = by_level(energy.space, need(energy, Conditionals, "LocallyBalanced").logits(x)).reshape(x.size, -1)
        old = level_of(energy.space, jnp.ravel(x))[:, None]
        ratios = self.balance(logits - jnp.take_along_axis(logits, old, axis=1))
        return jnp.where(jnp.arange(logits.shape[1]) == old, -jnp.inf, ratios)


def _by_slope(energy: AbstractEnergy, state: SlopeState) -> Float[Array, "sites levels"]:
    """Half the log weight that a change of one site would gain, to first order; minus infinity where nothing changes."""
    ahead = jnp.asarray(values(energy.space)) - jnp.ravel(state.position)[:, None]
    return jnp.where(ahead == 0, -jnp.inf, -jnp.ravel(state.grad)[:, None] * ahead / 2)


def _one_of(table: Float[Array, "sites levels"], key: Key[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """One site and level, with probabilities proportional to the exponentials of the table."""
    return jnp.divmod(jax.random.categorical(key, jnp.ravel(table)), table.shape[1])


def _changed(energy: AbstractEnergy, x: Float[Array, "*x"], site: Int[Array, "..."], level: Int[Array, "..."]) -> Float[Array, "*x"]:
    """x with these sites at these of their values; numbers beyond the last site are passed over."""
    new = jnp.asarray(values(energy.space), x.dtype)[level]
    return jnp.ravel(x).at[site].set(new, mode="drop").reshape(x.shape)
