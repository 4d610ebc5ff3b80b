"""The energy-based model: a network is the energy, a fixed base keeps it normalisable."""

import equinox as eqx
import paramax
from jaxtyping import Array, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractModel, AbstractSpace, Evidence, Sum
from gibbsite.models.chains import warmed_draw
from gibbsite.objectives import PersistentContrastiveDivergence


class EBM(AbstractModel):
    """`U(x) = energy(x) + base(x)`: the base (a broad Gaussian, biased coins) is a constant, `energy` is learned.

    Draws are the ends of tempered chains between base and model, so they follow the density as far as the chains
    mix; log Z is not known: it is integrated in the plane, and annealed (a lower bound in expectation) elsewhere.
    """

    energy: AbstractEnergy
    base: AbstractEnergy = eqx.field(converter=paramax.NonTrainable)
    kernel: AbstractKernel = eqx.field(converter=paramax.NonTrainable)
    warmup: int = eqx.field(static=True, default=80, kw_only=True)
    steps: int = eqx.field(static=True, default=60, kw_only=True)

    evidence = Evidence.NOT_ESTABLISHED

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def as_energy(self) -> AbstractEnergy:
        return Sum(paramax.unwrap(self.energy), paramax.unwrap(self.base))

    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        model = paramax.unwrap(self)
        return warmed_draw(model.kernel, model.as_energy(), model.base, self.warmup, self.steps, key=key)

    def objective(self) -> PersistentContrastiveDivergence:
        return PersistentContrastiveDivergence(paramax.unwrap(self.kernel))
