"""How a diffusion takes data to noise, and the fields that lead back: one angle, one velocity, and all else follows."""

import abc
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractEnergy, AbstractPath, AbstractSpace, Normal, Reals, as_float
from gibbsite.core.energy import Scalar
from gibbsite.nets import TimedMLP

Time = Scalar | float  # between t_min, the data, and 1, the Gaussian
Twin = Callable[[Array], Array]


class Cosine(eqx.Module):
    """`x_t = alpha x + sigma noise`, `alpha = cos(angle)`, `sigma = sin(angle)`, `angle = pi t / 2`, t from `t_min` to 1.

    The cosine schedule (Nichol & Dhariwal, arXiv 2102.09672) of the variance-preserving process
    `dx = -beta x / 2 dt + sqrt(beta) dW` (Song et al., arXiv 2011.13456, eq. 11) with `beta = pi tan(pi t / 2)`. Data of
    unit variance keep it. At t = 1 nothing but noise is left; the data are seen through a Gaussian of width sigma(t_min).
    """

    t_min: Scalar = eqx.field(converter=as_float, default=0.01)

    def angle(self, t: Time) -> Scalar:
        return jnp.pi / 2 * as_float(t)

    def alpha(self, t: Time) -> Scalar:
        return jnp.cos(self.angle(t))

    def sigma(self, t: Time) -> Scalar:
        return jnp.sin(self.angle(t))

    def time(self, sigma: Time) -> Scalar:
        """The t at which the noise is sigma."""
        return 2 / jnp.pi * jnp.arcsin(as_float(sigma))

    def noised(self, x: Float[Array, "*x"], noise: Float[Array, "*x"], t: Time) -> Float[Array, "*x"]:
        return self.alpha(t) * x + self.sigma(t) * noise


class AbstractField(eqx.Module):
    """What is learned: the mean velocity `v(x, t) = E[dx_t / d angle | x_t = x] = E[alpha noise - sigma data | x_t = x]`.

    It is of the order of one at every t, and so are its errors in the data and in the noise,

        data = alpha x - sigma v,    noise = sigma x + alpha v

    (Salimans & Ho, arXiv 2202.00512; the preconditioning of Karras et al., arXiv 2206.00364, for data of unit variance).
    """

    passes: ClassVar[int] = 1  # evaluations of one example in training, forward and backward

    @abc.abstractmethod
    def __call__(self, x: Float[Array, " d"], t: Time) -> Float[Array, " d"]:
        """The velocity."""

    def twin(self, x: Float[Array, " d"], t: Time) -> tuple[Float[Array, " w"], Twin]:
        """A point h and a function u with the same divergence there, `div_h u(h) = div_x v(x)`, in perhaps fewer dimensions.

        A field `v(x) = f(h)` of `h = W x + b` has one in `u(h) = W f(h)`, for a trace is cyclic: `tr(f' W) = tr(W f')`.
        """
        return x, lambda x: self(x, t)

    def potential(self, x: Float[Array, " d"], t: Time) -> Scalar:
        """A function whose gradient in x is the velocity.

        Raises:
            TypeError: there is none.
        """
        raise TypeError(f"{type(self).__name__} is a free vector field, the gradient of nothing: use Diffusion.of_energy.")


class FreeField(AbstractField):
    """The velocity is what the network says: in general no gradient."""

    net: TimedMLP

    def __call__(self, x: Float[Array, " d"], t: Time) -> Float[Array, " d"]:
        return self.net(x, t)

    def twin(self, x: Float[Array, " d"], t: Time) -> tuple[Float[Array, " w"], Twin]:
        h, into = _first_layer(self.net, x, t)
        mixing = into @ self.net.net.layers[-1].weight
        return h, lambda h: mixing @ self.net.net.hidden(h)


class GradientField(AbstractField):
    """The velocity is the gradient of a network with one output: the score is a true gradient at every t."""

    net: TimedMLP

    passes = 2

    def __call__(self, x: Float[Array, " d"], t: Time) -> Float[Array, " d"]:
        return jax.grad(self.potential)(x, t)

    def twin(self, x: Float[Array, " d"], t: Time) -> tuple[Float[Array, " w"], Twin]:
        h, into = _first_layer(self.net, x, t)
        last = self.net.net.layers[-1].weight[0]
        return h, lambda h: (into @ into.T) @ jax.grad(lambda h: last @ self.net.net.hidden(h))(h)

    def potential(self, x: Float[Array, " d"], t: Time) -> Scalar:
        return self.net(x, t)[0]


def _first_layer(net: TimedMLP, x: Float[Array, " d"], t: Time) -> tuple[Float[Array, " w"], Float[Array, "w d"]]:
    """What the first layer makes of the point and the time, and its weights on the point."""
    first = net.net.layers[0]
    return first(net.inputs(x, t)), first.weight[:, : len(x)]


class NoisedEnergy(AbstractEnergy):
    """`U_t(x) = |x|^2 / 2 + (alpha / sigma) potential(x, t)`, minus whose gradient is the score at t; `log_z` is not known.

    At t = 1 it is the Gaussian, at t_min the data's; any t between makes a member of a path from one to the other.
    """

    field: AbstractField
    t: Scalar = eqx.field(converter=as_float)
    schedule: Cosine
    dim: int = eqx.field(static=True)

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        ratio = self.schedule.alpha(self.t) / self.schedule.sigma(self.t)
        return jnp.sum(x**2) / 2 + ratio * self.field.potential(x, self.t)


class Denoising(AbstractPath):
    """From the Gaussian to the data through ever less noise, `sigma(s) = sigma(t_min)^s` for s from 0 to 1 (see `NoisedEnergy`).

    Levels evenly apart in s are in geometric progression, as those of annealed Langevin dynamics are (Song & Ermon, arXiv 1907.05600).
    """

    field: AbstractField
    schedule: Cosine
    dim: int = eqx.field(static=True)

    @property
    def base(self) -> Normal:
        return Normal(jnp.zeros(self.dim), jnp.ones(self.dim))

    def sigma(self, s: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """The noise at s."""
        return self.schedule.sigma(self.schedule.t_min) ** s

    def __call__(self, t: Scalar) -> NoisedEnergy:
        return NoisedEnergy(self.field, self.schedule.time(self.sigma(t)), self.schedule, self.dim)

    def work(self, t0: Scalar, t1: Scalar, x: Float[Array, " d"]) -> Scalar:
        return self(t1)(x) - self(t0)(x)
