"""Kernels made of kernels: the same one several times, one after another, or one at random.

The parts are restarted from the position at each leg, so they may keep caches but no memory (momenta, parities).
"""

from collections.abc import Mapping
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core.adaptation import AbstractAdaptation
from gibbsite.core.energy import AbstractEnergy, Scalar, as_float, check_values
from gibbsite.core.info import Info
from gibbsite.core.kernel import AbstractKernel

DIVERGENT = "divergent"  # the extra of an info that counts moves lost along the slope: those of the parts add up


class Repeat(AbstractKernel):
    """`times` steps of one kernel, counted as one."""

    kernel: AbstractKernel
    times: int = eqx.field(static=True)

    reversible = property(lambda self: self.kernel.reversible)  # type: ignore[assignment]
    reports_work = property(lambda self: self.kernel.reports_work)  # type: ignore[assignment]
    has_memory = property(lambda self: self.kernel.has_memory)  # type: ignore[assignment]
    biased = property(lambda self: self.kernel.biased)  # type: ignore[assignment]
    # Several steps would settle the switch in the first one on the way there and on the way back: not a time reversal.
    settles_switch = property(lambda self: self.kernel.settles_switch and self.times == 1)  # type: ignore[assignment]

    def __check_init__(self) -> None:
        if self.times < 1:
            raise ValueError(f"times={self.times}: Repeat makes at least one step.")

    @property
    def cost(self) -> int:
        return self.times * self.kernel.cost

    @property
    def cache_cost(self) -> int:
        return self.kernel.cache_cost

    def init(self, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> PyTree:
        return self.kernel.init(energy, x, key=key)

    def step(self, energy: AbstractEnergy, state: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, Info]:
        def body(state: PyTree, key: Key[Array, ""]) -> tuple[PyTree, Info]:
            return self.kernel.step(energy, state, key=key)

        state, infos = jax.lax.scan(body, state, jax.random.split(key, self.times))
        extra = jax.tree.map(lambda e: jnp.mean(e, axis=0), infos.extra) | divergences(infos)
        last = jax.tree.map(lambda a: a[-1], infos.tuning)
        return state, Info(jnp.mean(infos.accept_prob, axis=0), jnp.sum(infos.shadow_work), extra, last)

    def position(self, state: PyTree) -> PyTree:
        return self.kernel.position(state)

    def energy(self, energy: AbstractEnergy, state: PyTree) -> Scalar:
        return self.kernel.energy(energy, state)

    def refresh(self, energy: AbstractEnergy, state: PyTree, x: PyTree | None = None) -> PyTree:
        return self.kernel.refresh(energy, state, x)

    def reverse(self) -> "Repeat":
        return Repeat(self.kernel.reverse(), self.times)

    def tempered(self, beta: Scalar) -> "Repeat":
        return Repeat(self.kernel.tempered(beta), self.times)

    def adaptation(self) -> AbstractAdaptation | None:
        inner = self.kernel.adaptation()
        return None if inner is None else _Within(inner)

    def caution(self, infos: Mapping[str, np.ndarray]) -> str:
        return self.kernel.caution(infos)


class _Within(AbstractAdaptation):
    """Adapts the kernel inside a `Repeat`."""

    inner: AbstractAdaptation

    can_settle = property(lambda self: self.inner.can_settle)  # type: ignore[assignment]

    def settled(self, earlier: Repeat, later: Repeat) -> bool:
        return self.inner.settled(earlier.kernel, later.kernel)

    def init(self, kernel: Repeat) -> PyTree:
        return self.inner.init(kernel.kernel)

    def update(self, kernel: Repeat, state: PyTree, info: Info, positions: PyTree) -> tuple[Repeat, PyTree]:
        tuned, state = self.inner.update(kernel.kernel, state, info, positions)
        return Repeat(tuned, kernel.times), state

    def final(self, kernel: Repeat, state: PyTree) -> Repeat:
        return Repeat(self.inner.final(kernel.kernel, state), kernel.times)


class AbstractRestarted(AbstractKernel):
    """A kernel made of others whose state is the position alone: each part starts from it."""

    settles_switch = False
    cache_cost = 0

    def init(self, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> PyTree:
        return x

    def position(self, state: PyTree) -> PyTree:
        return state

    def refresh(self, energy: AbstractEnergy, state: PyTree, x: PyTree | None = None) -> PyTree:
        return state if x is None else x


class Cycle(AbstractRestarted):
    """Each kernel once, in order; the time reversal runs the reversed kernels in reversed order.

    Warm-up does not tune the parts: give them tuned. The acceptance of each is told as `accept_by_part`.
    """

    kernels: tuple[AbstractKernel, ...]

    reversible = False
    reports_work = property(lambda self: all(k.reports_work for k in self.kernels))  # type: ignore[assignment]
    biased = property(lambda self: any(k.biased for k in self.kernels))  # type: ignore[assignment]

    def __check_init__(self) -> None:
        _check_parts("Cycle", self.kernels)

    @property
    def cost(self) -> int:
        return sum(k.cache_cost + k.cost for k in self.kernels)

    def step(self, energy: AbstractEnergy, state: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, Info]:
        infos = []
        for kernel, leg in zip(self.kernels, jax.random.split(key, len(self.kernels)), strict=True):
            state, info = restarted(kernel, energy, state, key=leg)
            infos.append(info)
        accepts = jnp.stack([jnp.mean(info.accept_prob) for info in infos])
        work = sum((info.shadow_work for info in infos), jnp.zeros(()))
        return state, Info(jnp.mean(accepts), work, {"accept_by_part": accepts} | divergences(*infos))

    def caution(self, infos: Mapping[str, np.ndarray]) -> str:
        if "accept_by_part" not in infos:
            return ""
        own = zip(self.kernels, infos["accept_by_part"], strict=True)
        return " ".join(filter(None, (kernel.caution({"accept_prob": np.asarray(accept)}) for kernel, accept in own)))

    def reverse(self) -> "Cycle":
        return Cycle(tuple(kernel.reverse() for kernel in reversed(self.kernels)))

    def tempered(self, beta: Scalar) -> "Cycle":
        return Cycle(tuple(kernel.tempered(beta) for kernel in self.kernels))


class Mixture(AbstractRestarted):
    """One of the kernels, drawn with the given probabilities; reversible if all of them are.

    The choice is part of the path and is the same in the time reversal, so the work is that of the kernel chosen.
    Warm-up does not tune the parts: give them tuned. Chains choose each for itself, so that a step of many costs one of every
    kernel.

    Raises:
        ValueError: a weight is not positive: a kernel that is never drawn is better left out.
    """

    kernels: tuple[AbstractKernel, ...]
    weights: Float[Array, " kernels"] = eqx.field(converter=as_float)

    reversible = property(lambda self: all(k.reversible for k in self.kernels))  # type: ignore[assignment]
    reports_work = property(lambda self: all(k.reports_work for k in self.kernels))  # type: ignore[assignment]
    biased = property(lambda self: any(k.biased for k in self.kernels))  # type: ignore[assignment]

    def __check_init__(self) -> None:
        _check_parts("Mixture", self.kernels)
        if self.weights.shape != (len(self.kernels),):
            raise ValueError(f"Mixture has weights of shape {self.weights.shape} for {len(self.kernels)} kernels; give one each.")
        allowed = "positive numbers, in the proportion of the probabilities; leave out a kernel that is never drawn"
        check_values("Mixture", "weights", self.weights, lambda w: (w > 0) & np.isfinite(w), allowed)

    @property
    def cost(self) -> int:
        return sum(k.cache_cost + k.cost for k in self.kernels)

    def step(self, energy: AbstractEnergy, state: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, Info]:
        choice, leg = jax.random.split(key)
        which = jax.random.categorical(choice, jnp.log(self.weights))

        def moved(kernel: AbstractKernel, none: dict[str, Array], x: PyTree) -> tuple[PyTree, Info]:
            x, info = restarted(kernel, energy, x, key=leg)
            return x, Info(jnp.mean(info.accept_prob), info.shadow_work, none | divergences(info))

        counted = any(jax.eval_shape(partial(moved, kernel, {}), state)[1].extra for kernel in self.kernels)
        none = {DIVERGENT: jnp.zeros(())} if counted else {}  # all kernels must report as much
        return jax.lax.switch(which, [partial(moved, kernel, none) for kernel in self.kernels], state)

    def reverse(self) -> "Mixture":
        return Mixture(tuple(kernel.reverse() for kernel in self.kernels), self.weights)

    def tempered(self, beta: Scalar) -> "Mixture":
        return Mixture(tuple(kernel.tempered(beta) for kernel in self.kernels), self.weights)


def _check_parts(name: str, kernels: tuple[AbstractKernel, ...]) -> None:
    if not isinstance(kernels, tuple) or not kernels:
        raise ValueError(f"{name} has {kernels!r} for its kernels: give one or more in a tuple, such as {name}((ULA(0.1), MALA(0.1))).")
    for kernel in kernels:
        check_restarts(name, kernel)


def check_restarts(name: str, kernel: AbstractKernel) -> None:
    """Raises TypeError where a kernel remembers more than x."""
    if kernel.has_memory:
        raise TypeError(f"{name} would restart {type(kernel).__name__} from a single x and lose its memory: use it on its own.")


def divergences(*infos: Info) -> dict[str, Array]:
    """How many moves were lost along the slope, in all of these infos together; nothing, where none counts them."""
    counts = [jnp.sum(info.extra[DIVERGENT]) for info in infos if DIVERGENT in info.extra]
    return {DIVERGENT: sum(counts[1:], counts[0])} if counts else {}


def restarted(kernel: AbstractKernel, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, Info]:
    """One step of a kernel that starts at x and keeps nothing but where it ends."""
    start, move = jax.random.split(key)
    state, info = kernel.step(energy, kernel.init(energy, x, key=start), key=move)
    return kernel.position(state), info
