"""An energy with a constant of its own: a claim about log Z that can be learned, and checked."""

import math

import equinox as eqx
from jaxtyping import PyTree

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Copied, Latent, Neighbours, Normalised, UniformBonds, as_float
from gibbsite.core.energy import Scalar


class Offset(AbstractEnergy):
    """`U(x) = energy(x) + log_z`: normalised, `integral exp(-U) = 1`, where `log_z` is the log Z of `energy`.

    `log_z` is a leaf like any other, so that an objective may learn it (`NoiseContrastive`). It is a claim and no
    capability: U is `Normalised` only where `energy` is, and says then how far the claim is off.
    """

    energy: AbstractEnergy
    log_z: Scalar = eqx.field(converter=as_float, default=0.0)

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def __call__(self, x: PyTree) -> Scalar:
        return self.energy(x) + self.log_z

    def views(self) -> tuple[Capability, ...]:
        return tuple(kept for view in self.energy.views() if (kept := self._carry(view)) is not None)

    def _carry(self, view: Capability) -> Capability | None:
        if isinstance(view, Neighbours):  # tell the energy itself
            return None
        if isinstance(view, Copied):
            return Copied(Offset(view.one, self.log_z / self.space.shape[0]))
        if isinstance(view, UniformBonds):
            tori = math.prod(self.space.shape[:-2])
            return UniformBonds(view.coupling, view.constant + self.log_z / tori)
        if isinstance(view, Normalised):
            return Normalised(lambda: view.log_z() - self.log_z)
        if isinstance(view, Latent):  # without its path, whose end lacks the constant
            return Latent(Offset(view.joint, self.log_z), view.sample_hidden, view.sample_visible)
        return view  # draws and conditionals know no constants
