"""Moves of single sites by their exact conditionals: heat bath and Metropolis."""

from collections.abc import Callable as Function

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, Conditionals, Info, Latent, Neighbours, capability, need, no_work, two_valued, values
from gibbsite.samplers.sites import AbstractSiteKernel, AbstractSweep, SiteState, Update, by_level, level_of


class Gibbs(AbstractSweep):
    """One sweep of heat-bath updates, block after block (Geman & Geman, IEEE PAMI 6, 1984).

    Uses `Conditionals`: on a bipartite lattice the blocks are the two colours of a checkerboard; where an energy lists
    `Neighbours`, a block is updated without a look at the others. The order makes the sweep irreversible; its time reversal
    sweeps the blocks `backward`.
    """

    needs = Conditionals

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        view = capability(energy, Neighbours)
        return super().step(energy, state, key=key) if view is None else self._listed(view, values(energy.space), state.position, key)

    def _listed(self, view: Neighbours, levels: tuple[float, ...], x: Float[Array, "*x"], key: Key[Array, ""]) -> tuple[SiteState, Info]:
        low, high = levels
        noise = jax.random.logistic(key, view.alone.shape, x.dtype)

        def one(held: Array, block: Array) -> tuple[Array, None]:
            turned = noise[block] < view.alone[block] + view.around(held, block)
            return held.at[block].set(jnp.where(turned, high, low)), None

        held = jnp.append(jnp.ravel(x), 0.0)
        held, _ = jax.lax.scan(one, held, view.blocks, reverse=self.backward)
        return SiteState(held[:-1].reshape(x.shape)), Info(jnp.ones(()), no_work())

    def update(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Update:
        view = need(energy, Conditionals, "Gibbs")
        draw = _heat_bath(energy, x, key)
        return lambda x: (draw(view.logits(x)), jnp.ones(()))


class SingleSite(AbstractSiteKernel):
    """The heat-bath update of one site, any of them with equal probability (Glauber, J. Math. Phys. 4, 1963): reversible.

    It computes the logits of all sites to use those of one: `Gibbs` moves all of them at that price, block by block.
    """

    needs = Conditionals
    reversible = True

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        which, noise = jax.random.split(key)
        x = state.position
        new = _heat_bath(energy, x, noise)(need(energy, Conditionals, "SingleSite").logits(x))
        chosen = jnp.arange(x.size).reshape(x.shape) == jax.random.randint(which, (), 0, x.size)
        return SiteState(jnp.where(chosen, new, x)), Info(jnp.ones(()), no_work())


class Metropolis(AbstractSweep):
    """One sweep of proposals, block after block, each site to another of its values, all of them with equal probability.

    A site is accepted with `min(1, exp(-dU))` (Metropolis et al., J. Chem. Phys. 21, 1953). Two-valued sites move more often
    than by heat bath (Peskun, Biometrika 60, 1973); where nothing couples or pulls them, every sweep turns all of them
    and the chain never forgets. The order makes the sweep irreversible; its time reversal sweeps the blocks `backward`.
    """

    needs = Conditionals

    def update(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Update:
        view = need(energy, Conditionals, "Metropolis")
        shift, coin = jax.random.split(key)
        levels = jnp.asarray(values(energy.space), x.dtype)
        ahead = jax.random.randint(shift, x.shape, 1, len(levels))
        height = jnp.log(jax.random.uniform(coin, x.shape, x.dtype))

        def propose(x: Array) -> tuple[Array, Array]:
            logits = by_level(energy.space, view.logits(x))
            old = level_of(energy.space, x)
            new = (old + ahead) % len(levels)
            gain = _taken(logits, new) - _taken(logits, old)
            return jnp.where(height < gain, levels[new], x), jnp.exp(jnp.minimum(gain, 0.0))

        return propose


def _taken(logits: Float[Array, "*x levels"], level: Array) -> Float[Array, "*x"]:
    return jnp.take_along_axis(logits, level[..., None], axis=-1)[..., 0]


def _heat_bath(energy: AbstractEnergy, x: Array, key: Key[Array, ""]) -> Function[[Array], Array]:
    """What each site becomes at given logits; its noise is drawn once."""
    return _two_valued(energy, x, key) if two_valued(energy.space) else _several_valued(energy, x, key)


def _two_valued(energy: AbstractEnergy, x: Array, key: Key[Array, ""]) -> Function[[Array], Array]:
    low, high = values(energy.space)
    noise = jax.random.logistic(key, x.shape, x.dtype)
    return lambda logits: jnp.where(noise < logits, high, low)


def _several_valued(energy: AbstractEnergy, x: Array, key: Key[Array, ""]) -> Function[[Array], Array]:
    """The same for any number of levels: the largest of logits plus Gumbel noise."""
    levels = jnp.asarray(values(energy.space), x.dtype)
    noise = jax.random.gumbel(key, (*x.shape, len(levels)), x.dtype)
    return lambda logits: levels[jnp.argmax(logits + noise, axis=-1)]


class BlockGibbs(AbstractSiteKernel):
    """Hidden units given visible ones, then visible given hidden: reversible for the marginal of the visible units.

    Uses `Latent` (Smolensky 1986; Hinton, Neural Computation 14, 2002, for the RBM).
    """

    needs = Latent
    reversible = True

    def step(self, energy: AbstractEnergy, state: SiteState, *, key: Key[Array, ""]) -> tuple[SiteState, Info]:
        view = need(energy, Latent, "BlockGibbs")
        up, down = jax.random.split(key)
        hidden = view.sample_hidden(state.position, key=up)
        return SiteState(view.sample_visible(hidden, key=down)), Info(jnp.ones(()), no_work())
