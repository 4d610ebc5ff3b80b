"""Laws that are a standard Gaussian, carried over by a map with an inverse: normalising flows."""

from collections.abc import Callable as Function

from jaxtyping import Array, Float

from gibbsite.core.energy import Capability, Scalar


class Pushforward(Capability):
    """The law is that of `x = T(z)` with z from N(0, I), of the shape of x, and T smooth with an inverse.

    `forward(z)` returns x and `log |det dT/dz|`, `inverse(x)` the z that leads there, so that
    `-U(x) - log_z = log N(z; 0, I) - log |det dT/dz|`. Tempering and sums lose it.
    """

    forward: Function[[Float[Array, "*x"]], tuple[Float[Array, "*x"], Scalar]]
    inverse: Function[[Float[Array, "*x"]], Float[Array, "*x"]]
