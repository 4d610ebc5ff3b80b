"""What kernels over a ladder of temperatures share: a kernel for every rung, and the path that the rungs are on."""

from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractPath, ArrayLike, Geometric, Tempering, as_float
from gibbsite.core.compose import check_restarts
from gibbsite.core.energy import check_values

K = TypeVar("K", bound=AbstractKernel)
LEAST = 0.1  # a base at beta = 0 has a scale of its own: no rung is tempered further


class AbstractTempering(AbstractKernel):
    """A ladder whose rung r runs at `betas[r]`, increasing to the target at 1 (hottest first).

    Its energy is `betas[r] * energy`, or `(1 - beta) base + beta energy` where a base is given (needed where hot laws would not
    be normalisable, as at beta 0). The leaves of `kernel` carry a leading axis of rungs (see `over`); it is started anew at every
    visit, and so may keep no memory. To add one, write what a kernel needs.
    """

    kernel: AbstractKernel
    betas: Float[Array, " rungs"] = eqx.field(converter=as_float)
    base: AbstractEnergy | None = None

    biased = property(lambda self: self.kernel.biased)  # type: ignore[assignment]

    def __check_init__(self) -> None:
        name = type(self).__name__
        check_restarts(name, self.kernel)
        above = "above 0" if self.base is None else "from 0 on"
        check_values(name, "betas", self.betas, self._is_ladder, f"increasing numbers {above} that end at 1")

    def _is_ladder(self, betas: np.ndarray) -> bool:
        low = betas.ravel()[0] if betas.size else -1.0
        rising = betas.ndim == 1 and betas.size > 0 and bool(np.all(np.diff(betas) > 0)) and bool(np.isclose(betas[-1], 1.0))
        return bool(rising and (low > 0 or (low == 0 and self.base is not None)))

    @classmethod
    def over(cls: type[K], kernel: AbstractKernel, betas: ArrayLike, base: AbstractEnergy | None = None, **options: Any) -> K:
        """The same kernel on every rung, as it suits the temperature there (`kernel.tempered`); `options` are fields by name."""
        betas = jnp.atleast_1d(as_float(betas))
        lifted = eqx.filter_vmap(lambda beta: kernel.tempered(beta))(betas if base is None else jnp.maximum(betas, LEAST))
        return cls(lifted, betas, base, **options)  # type: ignore[call-arg]

    def path(self, energy: AbstractEnergy) -> AbstractPath:
        """The path whose points are the rungs."""
        return Tempering(energy) if self.base is None else Geometric(self.base, energy)
