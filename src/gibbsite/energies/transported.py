"""An energy seen through a flow that was fitted to it."""

from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractSpace, Pushforward, Reals, need
from gibbsite.core.energy import Scalar
from gibbsite.energies.mapped import AbstractMapped


class Transported(AbstractMapped):
    """The energy of z where `x = T(z)` has the given energy and T is the map of `flow`: `U(z) = energy(T(z)) - log |det dT/dz|`.

    If the flow had the law of the energy, z would be a standard Gaussian. If it is only near, z is near to one: its scales are
    alike and its bends are gone, and any kernel on the reals may move it (neural transport: Hoffman et al., arXiv 1903.03704;
    Parno & Marzouk, SIAM/ASA J. Uncertain. Quantif. 6, 2018). The flow decides what a move is worth, not where it leads: the law of
    `T(z)` is that of the energy, whatever the flow. Observe `f(transported.forward(z))`.

    Where the flow is too narrow, z has tails wider than a Gaussian's, and chains go there seldom: observe `|z|^2`, whose mean should be
    near the number of coordinates. Flows fitted by `ReverseKL` are narrow as a rule, and may hold one of several modes alone; those
    fitted to draws are not.

    Raises:
        TypeError: the flow has no map (`Pushforward`), or the energy does not live on the reals, in the shape of the flow.
    """

    flow: AbstractEnergy

    def __check_init__(self) -> None:
        need(self.flow, Pushforward, "Transported")
        if not isinstance(self.energy.space, Reals) or self.energy.space.shape != self.flow.space.shape:
            where = f"{type(self.energy.space).__name__} of shape {self.energy.space.shape}"
            raise TypeError(f"Transported takes an energy on the reals, in the shape {self.flow.space.shape} of its flow, not on {where}.")

    @property
    def space(self) -> AbstractSpace:
        return self.flow.space

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        there, log_slope = need(self.flow, Pushforward, "Transported").forward(x)
        return self.energy(there) - log_slope

    def forward(self, z: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return need(self.flow, Pushforward, "Transported").forward(z)[0]

    def inverse(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return need(self.flow, Pushforward, "Transported").inverse(x)
