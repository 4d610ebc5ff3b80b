"""A model trained on standardised data, in the data's own units, Jacobian kept."""

import equinox as eqx
import paramax
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractModel, AbstractObjective, AbstractSpace, Evidence, Over, as_float
from gibbsite.energies.rescaled import Rescaled, RescaledVisible


def _constant(value: object) -> paramax.NonTrainable:
    return value if isinstance(value, paramax.NonTrainable) else paramax.NonTrainable(as_float(value))


class InDataUnits(AbstractModel):
    """`x = shift + scale z` for a model of z: `U(x) = U_z((x - shift) / scale) + sum log scale`."""

    model: AbstractModel
    shift: Float[Array, "*x"] = eqx.field(converter=_constant)
    scale: Float[Array, "*x"] = eqx.field(converter=_constant)

    @property
    def evidence(self) -> Evidence:  # type: ignore[override]
        """That of the model inside."""
        return self.model.evidence

    @property
    def over(self) -> Over:  # type: ignore[override]
        """That of the model inside."""
        return self.model.over

    @property
    def space(self) -> AbstractSpace:
        return self.model.space

    def as_energy(self) -> AbstractEnergy:
        energy = self.model.as_energy()
        if self.over is Over.LATENT:
            return energy  # hidden variables have no units
        rescaled = Rescaled if self.over is Over.DATA else RescaledVisible
        return rescaled(energy, paramax.unwrap(self.shift), paramax.unwrap(self.scale))

    def emit(self, state: PyTree) -> Float[Array, "*x"]:
        if self.over is not Over.LATENT:
            return state[0] if self.over is Over.JOINT else state
        return paramax.unwrap(self.shift) + paramax.unwrap(self.scale) * self.model.emit(state)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        return paramax.unwrap(self.shift) + paramax.unwrap(self.scale) * self.model.sample(key=key)

    def objective(self) -> AbstractObjective:
        return self.model.objective()
