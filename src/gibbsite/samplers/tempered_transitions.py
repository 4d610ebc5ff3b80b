"""Tempered transitions: a tour through hot rungs, accepted or refused as a whole."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, Info
from gibbsite.core.compose import AbstractRestarted, divergences, restarted
from gibbsite.core.energy import Scalar
from gibbsite.samplers.metropolis import metropolis
from gibbsite.samplers.rungs import AbstractTempering


class TemperedTransitions(AbstractRestarted, AbstractTempering):
    """From the target to the hottest rung and back, a move on each rung either way (Neal, Statistics and Computing 6, 1996).

    On the way up each rung's kernel moves x after the switch to that rung, on the way down its time reversal does before the
    switch to the next. The end is accepted with

        min(1, exp(-work)),    work = sum of all switches U_to(x) - U_from(x), and of the moves' own shadow work,

    which is the product of ratios of the paper. Any kernel that reports its work and knows its time reversal will do, Gibbs
    sweeps and unadjusted moves too (Nilmeier et al., PNAS 108, 2011). The kernel of the target rung is not used: take turns with it,
    `Cycle((MALA(0.1), TemperedTransitions.over(...)))`. One configuration, whose work is 0: no weights are needed, but more rungs than
    for parallel tempering, for the whole tour is accepted or nothing. Warm-up does not tune it. Steps report the `work`, in nats.

    Raises:
        TypeError: the kernel reports no work, or remembers more than x.
    """

    reversible = True
    reports_work = True

    def __check_init__(self) -> None:
        if not self.kernel.reports_work:
            raise TypeError(f"TemperedTransitions accepts by work, and {type(self.kernel).__name__} does not report its own.")

    @property
    def cost(self) -> int:
        return 2 * (len(self.betas) - 1) * (1 + self.kernel.cache_cost + self.kernel.cost)

    def step(self, energy: AbstractEnergy, state: PyTree, *, key: Key[Array, ""]) -> tuple[PyTree, Info]:
        path, betas, up = self.path(energy), self.betas, jnp.arange(len(self.betas) - 1)
        back = self.kernel.reverse()
        *legs, coin = jax.random.split(key, 3)

        def moved(kernels: AbstractKernel, x: PyTree, rung: Array, key: Key[Array, ""]) -> tuple[PyTree, Info]:
            return restarted(jax.tree.map(lambda a: a[rung], kernels), path(betas[rung]), x, key=key)

        def heat(x: PyTree, leg: tuple[Array, Key[Array, ""]]) -> tuple[PyTree, tuple[Scalar, Info]]:
            switch = path.work(betas[leg[0] + 1], betas[leg[0]], x)
            x, info = moved(self.kernel, x, *leg)
            return x, (switch, info.told())

        def cool(x: PyTree, leg: tuple[Array, Key[Array, ""]]) -> tuple[PyTree, tuple[Scalar, Info]]:
            x, info = moved(back, x, *leg)
            return x, (path.work(betas[leg[0]], betas[leg[0] + 1], x), info.told())

        hot, (out, there) = jax.lax.scan(heat, state, (up[::-1], jax.random.split(legs[0], len(up))))
        end, (home, here) = jax.lax.scan(cool, hot, (up, jax.random.split(legs[1], len(up))))
        work = jnp.sum(out + there.shadow_work) + jnp.sum(home + here.shadow_work)
        x, info = metropolis(jnp.where(jnp.isnan(work), -jnp.inf, -work), end, state, key=coin)
        return x, Info(info.accept_prob, info.shadow_work, {"work": work, **divergences(there, here)})
