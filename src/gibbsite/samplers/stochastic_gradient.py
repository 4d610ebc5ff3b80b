"""Langevin moves along slopes that are estimated from a few rows of the data."""

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from gibbsite.core import AbstractEnergy, AbstractKernel, Info, Minibatches, Reals, Torus, as_float, need, no_work
from gibbsite.core.energy import Scalar, check_values
from gibbsite.samplers.metropolis import check_space, check_step, shifted


class Walked(NamedTuple):
    """A position, and the number of steps that led there."""

    position: Float[Array, "*x"]
    steps: Int[Array, ""]


class SGLD(AbstractKernel):
    """Stochastic-gradient Langevin dynamics (Welling & Teh, ICML 2011): an unadjusted step down a slope seen in `batch` rows.

        y = x - h grad U_batch(x) + sqrt(2 h) xi,   h = step_size (1 + t / delay)^(-decay) at step t

    U_batch is the energy's estimate (`Minibatches`; of a `Posterior`, say `by_rows=True`) from rows that the key draws, uniformly and
    with repetition; the paper's epsilon is 2 h. With `decay = 0` steps stay as they are. The paper asks for a decay between 1/2 and
    1, and weighs each draw with its h; means here weigh all draws alike.

    **The draws are biased.** Slopes of variance V add `h^2 V` to the noise of a step, which is meant to be `2 h`: the law is too wide
    by a share of about `h V / 2`, and V grows as `N^2 / batch`. Where U is quadratic with curvature A and V is the same everywhere, the
    stationary variance is

        (2 + h V) / (A (2 - h A))    in place of 1 / A.

    Nothing is refused and no work is reported, for that would take all rows; every mean of a run is marked as unadjusted. The
    observed energy takes all rows of every draw: `Repeat(SGLD(...), 100)` looks at it less often.

    Raises:
        ValueError: step_size or delay is not positive, decay is negative, or the batch is empty.
        TypeError: (when it is run) the energy is no sum over rows, or lives within bounds or on sites.
    """

    step_size: Scalar = eqx.field(converter=as_float)
    batch: int = eqx.field(static=True, default=32)
    decay: Scalar = eqx.field(converter=as_float, default=0.0, kw_only=True)
    delay: Scalar = eqx.field(converter=as_float, default=100.0, kw_only=True)

    reversible = False
    reports_work = False
    settles_switch = False
    has_memory = True
    biased = True
    cache_cost = 0

    def __check_init__(self) -> None:
        check_step("SGLD", self.step_size, "squared units of x")
        check_values("SGLD", "decay", self.decay, lambda d: d >= 0, "a power, 0 for steps that stay as they are")
        check_values("SGLD", "delay", self.delay, lambda d: d > 0, "a positive number of steps")
        if self.batch < 1:
            raise ValueError(f"SGLD has batch={self.batch}: a slope takes at least one row.")

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Walked:
        check_space(energy, "SGLD", Reals, Torus)
        need(energy, Minibatches, "SGLD")
        return Walked(x, jnp.zeros((), int))

    def step(self, energy: AbstractEnergy, state: Walked, *, key: Key[Array, ""]) -> tuple[Walked, Info]:
        view = need(energy, Minibatches, "SGLD")
        rows, noise = jax.random.split(key)
        index = jax.random.randint(rows, (self.batch,), 0, view.rows)
        slope = jax.grad(lambda x: view.estimate(x, index))(state.position)
        size = self.step_size * (1 + state.steps / self.delay) ** -self.decay
        way = jnp.sqrt(2 * size) * jax.random.normal(noise, slope.shape, slope.dtype) - size * slope
        return Walked(shifted(energy.space, state.position, way), state.steps + 1), Info(jnp.ones(()), no_work())

    def position(self, state: Walked) -> Float[Array, "*x"]:
        return state.position

    def refresh(self, energy: AbstractEnergy, state: Walked, x: Array | None = None) -> Walked:
        return state if x is None else Walked(x, state.steps)

    def tempered(self, beta: Scalar) -> "SGLD":
        return eqx.tree_at(lambda kernel: kernel.step_size, self, self.step_size / beta)

    def caution(self, infos: Mapping[str, np.ndarray]) -> str:
        return (
            "Slopes came from mini-batches: draws are too wide by the noise of these, and by the step size. Take smaller steps and larger "
            "batches until means stay, or hold them against those of MALA."
        )
