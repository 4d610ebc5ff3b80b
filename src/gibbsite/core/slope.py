"""A slope that is learned for its own sake, and so need not be that of any energy."""

from collections.abc import Callable as Function
from typing import Any

from jaxtyping import Array, Float

from gibbsite.core.energy import Added, Capability, Scalar, Scaled


class Slope(Capability):
    """`slope(x)` stands for `-grad U(x)` in what is drawn, without being the gradient of U or of anything else.

    A diffusion's network says so of the data seen through its least noise; `metrics.curl` measures how far from a gradient
    it is. Tempered slopes scale; those of a sum add.
    """

    slope: Function[[Float[Array, "*x"]], Float[Array, "*x"]]

    def tempered(self, beta: Scalar) -> "Slope":
        return Slope(Scaled(self.slope, beta))

    def plus(self, other: Any) -> "Slope":
        return Slope(Added(self.slope, other.slope))
