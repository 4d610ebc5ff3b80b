"""The restricted Boltzmann machine: hidden units that do not see each other, summed out exactly."""

import equinox as eqx
import paramax
from jaxtyping import Array, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractModel, AbstractSpace, Evidence, Reals
from gibbsite.models.chains import annealed_draw, warmed_draw
from gibbsite.objectives import PersistentContrastiveDivergence
from gibbsite.samplers import BlockGibbs

# On reals: Adam evens out the walkers' noise over updates, so few walkers and many updates learn most from a budget.
WALKERS = 24


class RBM(AbstractModel):
    """A machine with a `Latent` view, trained and drawn from through the energy of its visible units.

    Bits: block Gibbs, and draws annealed from the decoupled machine whose biases are those of the data (`base.field`).
    Reals: Gibbs hardly leaves a mode, so tempered chains between `base` and the marginal energy, as for an `EBM`.
    The density is exact up to log Z, which is known for up to 20 hidden (or visible) units.
    """

    machine: AbstractEnergy
    base: AbstractEnergy = eqx.field(converter=paramax.NonTrainable)
    kernel: AbstractKernel = eqx.field(converter=paramax.NonTrainable)
    warmup: int = eqx.field(static=True, default=80, kw_only=True)
    steps: int = eqx.field(static=True, default=60, kw_only=True)

    evidence = Evidence.NOT_ESTABLISHED

    @property
    def space(self) -> AbstractSpace:
        return self.as_energy().space

    def as_energy(self) -> AbstractEnergy:
        return paramax.unwrap(self.machine)

    def sample(self, *, key: Key[Array, ""]) -> PyTree:
        model = paramax.unwrap(self)
        if isinstance(self.space, Reals):
            return warmed_draw(model.kernel, model.machine, model.base, self.warmup, self.steps, key=key)
        return annealed_draw(model.machine.path(model.base.field), BlockGibbs(), 5 * self.warmup, self.steps, key=key)

    def objective(self) -> PersistentContrastiveDivergence:
        kernel = paramax.unwrap(self.kernel)
        if isinstance(self.space, Reals):
            return PersistentContrastiveDivergence(kernel, chains=WALKERS)
        return PersistentContrastiveDivergence(kernel)
