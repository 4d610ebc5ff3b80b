"""Metropolis within Gibbs: a kernel for each part of a product of spaces."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from gibbsite.core import AbstractAdaptation, AbstractEnergy, AbstractKernel, Info, Product, conditional
from gibbsite.core.compose import AbstractRestarted, check_restarts, divergences, restarted
from gibbsite.core.energy import Scalar


class PerPart(AbstractRestarted):
    """Each part of a `Product` moves by a kernel of its own, one after another (Metropolis within Gibbs: Tierney, Ann. Stat. 22, 1994).

    Part i moves by `kernels[i]` under the law of it given the others, where those are by then: `conditional(energy, i, others)`.
    Any kernel that moves on the space of a part will do, and may use what its conditional energy offers (`Parts`), so that
    hidden spins are drawn by `Gibbs` while real numbers move by `MALA`. The order of the parts makes a step irreversible; its time
    reversal moves them `backward`, each by its own reversal, and works add up.

    Warm-up tunes each part's kernel from that part's acceptance and positions. `accept_prob` has one entry a part.

    Raises:
        TypeError: a kernel remembers more than x, or (when it is run) the energy lives on no product.
        ValueError: (when it is run) there are more or fewer parts than kernels.
    """

    kernels: tuple[AbstractKernel, ...]
    backward: bool = eqx.field(static=True, default=False, kw_only=True)

    reversible = False
    reports_work = property(lambda self: all(k.reports_work for k in self.kernels))  # type: ignore[assignment]
    biased = property(lambda self: any(k.biased for k in self.kernels))  # type: ignore[assignment]

    def __check_init__(self) -> None:
        for kernel in self.kernels:
            check_restarts("PerPart", kernel)

    @property
    def cost(self) -> int:
        return sum(k.cache_cost + k.cost for k in self.kernels)

    def init(self, energy: AbstractEnergy, x: PyTree, *, key: Key[Array, ""]) -> PyTree:
        if not isinstance(energy.space, Product):
            raise TypeError(f"PerPart moves on a Product, not on {type(energy.space).__name__}: use a kernel of that space itself.")
        if len(energy.space.parts) != len(self.kernels):
            raise ValueError(f"PerPart has {len(self.kernels)} kernels for {len(energy.space.parts)} parts: give one each.")
        return x

    def step(self, energy: AbstractEnergy, state: tuple, *, key: Key[Array, ""]) -> tuple[tuple, Info]:
        parts, infos = range(len(state)), list(state)
        for part, leg in zip(reversed(parts) if self.backward else parts, jax.random.split(key, len(state)), strict=True):
            others = state[:part] + state[part + 1 :]
            moved, infos[part] = restarted(self.kernels[part], conditional(energy, part, others), state[part], key=leg)
            state = (*state[:part], moved, *state[part + 1 :])
        accept = jnp.stack([jnp.mean(info.accept_prob) for info in infos])
        return state, Info(accept, sum((info.shadow_work for info in infos), jnp.zeros(())), divergences(*infos), tuple(infos))

    def reverse(self) -> "PerPart":
        return PerPart(tuple(kernel.reverse() for kernel in self.kernels), backward=not self.backward)

    def tempered(self, beta: Scalar) -> "PerPart":
        return dataclasses.replace(self, kernels=tuple(kernel.tempered(beta) for kernel in self.kernels))

    def adaptation(self) -> AbstractAdaptation | None:
        each = tuple(kernel.adaptation() for kernel in self.kernels)
        return None if all(one is None for one in each) else _EachPart(each)


class _EachPart(AbstractAdaptation):
    """Tunes every part's kernel (None: leaves it) from what it reports and from the positions of its part."""

    each: tuple[AbstractAdaptation | None, ...]

    can_settle = property(lambda self: all(one is None or one.can_settle for one in self.each))  # type: ignore[assignment]

    def settled(self, earlier: PerPart, later: PerPart) -> bool:
        rows = zip(self.each, earlier.kernels, later.kernels, strict=True)
        return all(one is None or one.settled(before, now) for one, before, now in rows)

    def init(self, kernel: PerPart) -> tuple:
        return tuple(one and one.init(k) for one, k in zip(self.each, kernel.kernels, strict=True))

    def update(self, kernel: PerPart, state: tuple, info: Info, positions: tuple) -> tuple[PerPart, tuple]:
        rows = zip(self.each, kernel.kernels, state, info.tuning, positions, strict=True)
        kernels, states = zip(*((k, s) if one is None else one.update(k, s, i, x) for one, k, s, i, x in rows), strict=True)
        return _with(kernel, kernels), states

    def final(self, kernel: PerPart, state: tuple) -> PerPart:
        rows = zip(self.each, kernel.kernels, state, strict=True)
        return _with(kernel, tuple(k if one is None else one.final(k, s) for one, k, s in rows))


def _with(kernel: PerPart, kernels: tuple[Any, ...]) -> PerPart:
    return dataclasses.replace(kernel, kernels=kernels)
