"""Simulated tempering: one configuration that walks over a ladder of temperatures."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from gibbsite.core import AbstractAdaptation, AbstractEnergy, AbstractKernel, ArrayLike, Info, as_float, no_work
from gibbsite.core.compose import AbstractRestarted, divergences, restarted
from gibbsite.samplers.adapt import pooled
from gibbsite.samplers.rungs import AbstractTempering

FEW_HOME = 0.9  # share of excursions that come home, below which the report warns


class _Walk(NamedTuple):
    """Moves made, the configuration and its rung, how often each rung was come to, and divergent moves (where they are counted)."""

    moves: Int[Array, ""]
    x: PyTree
    rung: Int[Array, ""]
    visits: Float[Array, " rungs"]
    lost: dict[str, Array]


class SimulatedTempering(AbstractRestarted, AbstractTempering):
    """Excursions of one configuration from the target through hotter rungs (Marinari & Parisi, Europhys. Lett. 19, 1992).

    Configuration and rung together follow `exp(log_weights[r] - U_r(x))`. A step is a whole excursion: from the target, a move of
    the kernel of the rung and a draw of the next rung given x (all rungs at once: Chodera & Shirts, J. Chem. Phys. 135, 2011), over
    and over until the rung is the target's again, and a last move there. Kernel and draw are reversible, so an excursion run
    backward is as likely and as long: x follows the target exactly, whatever the weights are. One that is not home after
    `most` moves is undone, for the way back would have been cut off as well.

    The state is one x: compositions may hold this kernel, and its work is 0. Weights decide how long excursions are: with
    `log_weights = -log Z` of the rungs all are visited alike, and one takes as many moves as there are rungs on average. Warm-up
    finds them (`Weights`); it leaves the kernels as they are: give them tuned. Chains that run together take as long as the
    slowest. Steps report `visits`, how often an excursion comes to each rung, and `home`, the share that came back.

    Raises:
        TypeError: the kernel is not reversible, or remembers more than x.
    """

    log_weights: Float[Array, " rungs"] = eqx.field(converter=as_float, kw_only=True)
    most: int = eqx.field(static=True, default=1000, kw_only=True)

    reversible = True
    reports_work = True

    def __check_init__(self) -> None:
        if not self.kernel.reversible:
            raise TypeError(
                f"SimulatedTempering needs a reversible kernel, and {type(self.kernel).__name__} is not: use MALA or SingleSite."
            )
        if self.log_weights.shape != self.betas.shape or self.most < 1:
            raise ValueError(
                f"SimulatedTempering has log_weights of shape {self.log_weights.shape} for betas of shape {self.betas.shape}, "
                f"most={self.most}: give one a rung, and at least 1 move."
            )

    @classmethod
    def over(cls, kernel: AbstractKernel, betas: ArrayLike, base: AbstractEnergy | None = None, **options: Any) -> "SimulatedTempering":
        """The same kernel on every rung, as it suits the temperature there; log weights are 0 unless given."""
        return super().over(kernel, betas, base, **{"log_weights": jnp.zeros_like(jnp.atleast_1d(as_float(betas)))} | options)

    @property
    def cost(self) -> int:
        """Of an excursion on average, where the weights are right."""
        rungs = len(self.betas)
        return rungs + (rungs + 1) * (self.kernel.cache_cost + self.kernel.cost)

    def step(self, energy: AbstractEnergy, state: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, Info]:
        path, target = self.path(energy), len(self.betas) - 1
        walk, last = jax.random.split(key)

        def moved(x: PyTree, rung: Array, key: Key[Array, ""]) -> tuple[PyTree, dict[str, Array]]:
            kernel = jax.tree.map(lambda a: a[rung], self.kernel)
            x, info = restarted(kernel, path(self.betas[rung]), x, key=key)
            return x, divergences(info)

        def further(walked: _Walk) -> _Walk:
            move, hop = jax.random.split(jax.random.fold_in(walk, walked.moves))
            x, lost = moved(walked.x, walked.rung, move)
            whole = path.work(jnp.zeros(()), jnp.ones(()), x)  # the paths here are linear in t: U_r = U_0 + beta_r D
            rung = jax.random.categorical(hop, self.log_weights - self.betas * whole)
            return _Walk(walked.moves + 1, x, rung, walked.visits.at[rung].add(1.0), jax.tree.map(jnp.add, walked.lost, lost))

        def away(walked: _Walk) -> Bool[Array, ""]:
            return (walked.rung != target) & (walked.moves < self.most)

        none = jax.tree.map(jnp.zeros_like, jax.eval_shape(lambda: moved(state, jnp.asarray(target), last)[1]))
        start = _Walk(jnp.zeros((), int), state, jnp.asarray(target), jnp.zeros(len(self.betas)), none)
        end = jax.lax.while_loop(away, further, further(start))
        home = end.rung == target
        x, lost = moved(end.x, jnp.asarray(target), last)
        x = jax.tree.map(lambda a, b: jnp.where(home, a, b), x, state)
        extra = {"visits": end.visits, "home": jnp.asarray(home, end.visits.dtype)} | jax.tree.map(jnp.add, end.lost, lost)
        return x, Info(_changed(x, state), no_work(), extra)

    def adaptation(self) -> AbstractAdaptation:
        return Weights()

    def caution(self, infos: Mapping[str, np.ndarray]) -> str:
        if "visits" not in infos:
            return ""
        if infos["visits"][0] == 0:
            return "No excursion reached the hottest rung: modes may be missed; take more rungs, a longer warm-up, or more draws."
        if infos["home"] < FEW_HOME:
            return f"Only {infos['home']:.0%} of excursions came home: take a longer warm-up, or more moves (`most`)."
        return ""


def _changed(new: PyTree, old: PyTree) -> Float[Array, ""]:
    """1 where anything differs, else 0: what a step reports as its acceptance."""
    differ = [jnp.any(a != b) for a, b in zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True)]
    return jnp.any(jnp.stack(differ)).astype(jnp.result_type(float))


_WEIGHTS = attrgetter("log_weights")
SLOW = 10  # updates after which the gain falls


class Weights(AbstractAdaptation):
    """Levels the visits of rungs: `log_weights -= gain (rungs share - 1)`, of all chains (Tan, J. Comp. Graph. Stat. 26, 2017).

    `share` is that of a rung in all visits of this step, the gain `min(1, 10 / updates)` (Robbins & Monro 1951). The weight of
    the target stays 0.
    """

    def init(self, kernel: SimulatedTempering) -> Float[Array, ""]:
        return jnp.zeros(())

    def update(
        self, kernel: SimulatedTempering, state: Float[Array, ""], info: Info, positions: PyTree
    ) -> tuple[SimulatedTempering, Float[Array, ""]]:
        visits = pooled(info.extra["visits"])
        gain = jnp.minimum(1.0, SLOW / (state + 1))
        found = kernel.log_weights - gain * (len(visits) * visits / jnp.sum(visits) - 1)
        return eqx.tree_at(_WEIGHTS, kernel, found - found[-1]), state + 1

    def final(self, kernel: SimulatedTempering, state: Float[Array, ""]) -> SimulatedTempering:
        return kernel
