"""Small energies and kernels that tests count on, or spoil: what wraps another part, and what has no cache.

A broken twin of one part stands beside the test that it must fail; what several tests need stands here.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from gibbsite.core import AbstractEnergy, AbstractKernel, Callable, Info, Reals, Tempering, draw, no_work
from gibbsite.core.compose import AbstractRestarted
from gibbsite.samplers import Progress


class Around(AbstractEnergy):
    """The energy of another, with its views; a twin changes one of the two."""

    energy: AbstractEnergy

    @property
    def space(self):
        return self.energy.space

    def __call__(self, x):
        return self.energy(x)

    def views(self):
        return self.energy.views()


class AbstractExact(AbstractRestarted):
    """A kernel that keeps its law and whose state is x."""

    reversible = True
    reports_work = True


class Anew(AbstractExact):
    """An exact draw, whatever x is."""

    def step(self, energy, state, *, key):
        return draw(energy, key=key), Info(jnp.ones(()), no_work())


class Site(AbstractExact):
    """Heat bath of one spin."""

    site: int = eqx.field(static=True)

    def step(self, energy, state, *, key):
        low, high = state.at[self.site].set(-1.0), state.at[self.site].set(1.0)
        up = jax.random.bernoulli(key, jax.nn.sigmoid(energy(low) - energy(high)))
        return jnp.where(up, high, low), Info(jnp.ones(()), no_work())


class SelfReversed(AbstractKernel):
    """A broken twin: says that it is its own time reversal."""

    inner: AbstractKernel

    reversible = True
    reports_work = True
    settles_switch = False

    def init(self, energy, x, *, key):
        return self.inner.init(energy, x, key=key)

    def step(self, energy, state, *, key):
        return self.inner.step(energy, state, key=key)

    def position(self, state):
        return self.inner.position(state)

    def refresh(self, energy, state, x=None):
        return self.inner.refresh(energy, state, x)


class NoShadow(SelfReversed):
    """A broken twin: an unadjusted move that reports no work."""

    def step(self, energy, state, *, key):
        state, info = self.inner.step(energy, state, key=key)
        return state, Info(info.accept_prob, no_work())


class TurnedWork(Tempering):
    """A broken twin: the sign of the work of a switch turned round."""

    def work(self, t0, t1, x):
        return (t0 - t1) * self.energy(x)


class Impatient(Progress):
    """A bar at which Ctrl-C is pressed at its first step."""

    closed = False

    def __init__(self) -> None:
        super().__init__("", 1)

    def advance(self, steps):
        raise KeyboardInterrupt

    def close(self):
        self.closed = True


def not_a_number() -> AbstractEnergy:
    """An energy on the plane that is NaN everywhere."""
    return Callable(lambda _, x: jnp.nan * jnp.sum(x), None, Reals(2))
