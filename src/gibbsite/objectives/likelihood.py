"""Maximum likelihood: exactly where log Z is known, and by walkers that follow the model where it is not.

    grad_theta [-log p(x)] = grad_theta U(x) - E_model[grad_theta U],

so a positive phase on data and a negative phase on the model's own draws are all that is needed.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractModel,
    AbstractObjective,
    Normalised,
    as_float,
    capability,
    log_prob,
    need,
    two_valued,
    values,
)
from gibbsite.core.energy import Scalar
from gibbsite.core.objective import Metrics
from gibbsite.objectives.gradient import gradient
from gibbsite.objectives.loss import AbstractLoss
from gibbsite.samplers import ParallelTempering
from gibbsite.samplers.tempering import Replicas


class MaximumLikelihood(AbstractLoss):
    """`-mean log p(x)` itself, for models that know their constant (`Normalised`). No state."""

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> None:
        need(paramax.unwrap(model).as_energy(), Normalised, "MaximumLikelihood")

    def loss(self, model: AbstractModel, xs: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Scalar:
        energy = model.as_energy()
        return -jnp.mean(jax.vmap(lambda x: log_prob(energy, x))(xs))

    def evaluations(self, batch_size: int) -> int:
        return batch_size


class Walkers(NamedTuple):
    """The persistent chains, the kernel as tuned so far, and the state of its tuning."""

    kernel: AbstractKernel
    adapt: PyTree
    states: PyTree


class PersistentContrastiveDivergence(AbstractObjective):
    """The likelihood gradient with `chains` walkers that are never restarted (Tieleman, ICML 2008).

    The walkers start at data. Each update refreshes them under the new parameters and moves them `steps` times, so
    they follow the model as long as it moves slowly; whether they do between separated modes depends on the kernel:
    a population such as `ParallelTempering` over a base carries them across (`chains` populations are kept). The
    kernel's `adaptation()` goes on during training, from all chains together. `energy_l2` adds
    `energy_l2 * mean(U(data)^2 + U(walkers)^2)` (Du & Mordatch, arXiv 1903.08689).
    """

    kernel: AbstractKernel
    steps: int = eqx.field(static=True, default=1)
    chains: int = eqx.field(static=True, default=128)
    energy_l2: Scalar = eqx.field(converter=as_float, default=0.0)

    def init(self, model: AbstractModel, data: Float[Array, "n *x"], *, key: Key[Array, ""]) -> Walkers:
        energy = paramax.unwrap(model).as_energy()
        kernel = paramax.unwrap(self.kernel)
        choose, start = jax.random.split(key)
        xs = data[jax.random.randint(choose, (self.chains,), 0, len(data))]
        states = jax.vmap(lambda x, k: kernel.init(energy, x, key=k))(xs, jax.random.split(start, self.chains))
        adaptation = kernel.adaptation()
        return Walkers(kernel, None if adaptation is None else adaptation.init(kernel), states)

    def gradients(
        self, model: AbstractModel, batch: Float[Array, "n *x"], state: Walkers, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Walkers, Metrics]:
        state, accept = self.move(paramax.unwrap(model).as_energy(), state, key=key)
        xs = jax.vmap(state.kernel.position)(state.states)

        def loss(m: AbstractModel) -> Scalar:
            energy = jax.vmap(m.as_energy())
            data, walkers = energy(batch), energy(xs)
            penalty = self.energy_l2 * (jnp.mean(data**2) + jnp.mean(walkers**2))
            return jnp.mean(data) - jnp.mean(walkers) + penalty

        gap, grads = gradient(loss, model)
        return grads, state, {"loss": gap, "accept_prob": jnp.mean(accept)}

    def move(self, energy: AbstractEnergy, state: Walkers, *, key: Key[Array, ""]) -> tuple[Walkers, Array]:
        """The walkers after `steps` moves under `energy`, whose parameters may have changed, and the last acceptance."""
        states = jax.vmap(lambda s: state.kernel.refresh(energy, s))(state.states)
        state = state._replace(states=states)
        for leg in jax.random.split(key, self.steps):
            state, accept = self._step(energy, state, key=leg)
        return state, accept

    def _step(self, energy: AbstractEnergy, state: Walkers, *, key: Key[Array, ""]) -> tuple[Walkers, Array]:
        kernel, adapt, states = state
        states, info = jax.vmap(lambda s, k: kernel.step(energy, s, key=k))(states, jax.random.split(key, self.chains))
        adaptation = kernel.adaptation()
        if adaptation is not None:
            kernel, adapt = adaptation.update(kernel, adapt, info, jax.vmap(kernel.position)(states))
        return Walkers(kernel, adapt, states), jnp.mean(info.accept_prob, axis=0)

    def score(self, model: AbstractModel, data: Float[Array, "n *x"], state: Walkers, *, key: Key[Array, ""]) -> Scalar:
        """Held-out nats per example by the best means at hand.

        Replicas over a normalised base: `mean U + log Z` with log Z from the rungs (`rung_log_z`). Two-valued sites:
        the pseudo-likelihood (Besag 1975) at one random site per example. Otherwise the distance between the
        mean energies of data and walkers, which only says that the two agree.
        """
        energy = paramax.unwrap(model).as_energy()
        kernel = state.kernel
        if isinstance(kernel, ParallelTempering) and kernel.base is not None and capability(kernel.base, Normalised) is not None:
            return jnp.mean(jax.vmap(energy)(data)) + self._log_z(kernel, energy, state, key=key)
        if two_valued(energy.space):
            return _pseudo_nll(energy, data, key)
        xs = jax.vmap(state.kernel.position)(state.states)
        return jnp.abs(jnp.mean(jax.vmap(energy)(data)) - jnp.mean(jax.vmap(energy)(xs)))

    def _log_z(self, kernel: ParallelTempering, energy: AbstractEnergy, state: Walkers, *, key: Key[Array, ""]) -> Scalar:
        total = []
        for leg in jax.random.split(key, 8):
            state, _ = self.move(energy, state, key=leg)
            total.append(rung_log_z(kernel, energy, state.states))
        return jnp.mean(jnp.stack(total))

    def evaluations(self, batch_size: int) -> int:
        kernel = paramax.unwrap(self.kernel)
        return batch_size + self.chains * (1 + kernel.cache_cost + self.steps * kernel.cost)


def rung_log_z(kernel: ParallelTempering, energy: AbstractEnergy, states: Replicas) -> Scalar:
    """log Z from the replicas, by Bennett's midpoint between neighbouring rungs:

    log Z_{r+1}/Z_r = log E_r[exp(-w/2)] - log E_{r+1}[exp(+w/2)], w the work of the switch r -> r+1.
    """
    path = kernel.path(energy)
    assert path.base is not None
    xs = states.positions
    work = jax.vmap(jax.vmap(path.work), in_axes=(None, None, 0))
    up = work(kernel.betas[:-1], kernel.betas[1:], xs[:, :-1])
    down = work(kernel.betas[:-1], kernel.betas[1:], xs[:, 1:])
    steps = jax.nn.logsumexp(-up / 2, axis=0) - jax.nn.logsumexp(down / 2, axis=0)
    return need(path.base, Normalised, "rung_log_z").log_z() + jnp.sum(steps)


def _pseudo_nll(energy: AbstractEnergy, xs: Float[Array, "n *x"], key: Key[Array, ""]) -> Scalar:
    """`-log p(x_i | rest)` at a random site, times the number of sites."""
    low, high = values(energy.space)
    size = energy.space.size

    def one(x: Array, site: Array) -> Scalar:
        flat = jnp.ravel(x)
        flipped = flat.at[site].set(low + high - flat[site]).reshape(x.shape)
        return -size * jax.nn.log_sigmoid(energy(flipped) - energy(x))

    return jnp.mean(jax.vmap(one)(xs, jax.random.randint(key, (len(xs),), 0, size)))
