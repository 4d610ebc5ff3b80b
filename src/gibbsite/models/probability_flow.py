"""The flow that a diffusion's velocity makes, as an energy: `-log p` of its own draws."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Normal, Normalised, Reals, Sampleable, Slope, log_prob
from gibbsite.core.energy import Scalar
from gibbsite.models.noising import AbstractField, Cosine, Time


class ProbabilityFlow(AbstractEnergy):
    """`U(x) = -log p(x)` of what `dx / d angle = v(x, t)` makes of a Gaussian at t = 1 (Song et al., arXiv 2011.13456, eq. 39):

        log p(x) = log N(x_1; 0, I) + integral over the angle of div v(x_t, t), from t_min to 1.

    Density and draws take the same `steps` equal steps in `s = log tan(angle / 2)`, where `dx / ds = sigma v`: uniform in
    log sigma near the data, and in t near the Gaussian. The divergence is the exact trace, summed over the axes of the data or
    of the first hidden layer, whichever are fewer.
    """

    field: AbstractField
    schedule: Cosine
    dim: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        end, log_volume = _integrate(self._slope_and_trace, (x, jnp.zeros(())), self._data_end(), jnp.zeros(()), self.steps)
        return -log_prob(self._gaussian(), end) - log_volume

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(lambda: jnp.zeros(())), Sampleable(self.sample), Slope(self._score))

    def _score(self, x: Float[Array, " d"]) -> Float[Array, " d"]:
        """`-noise / sigma` at t_min, the noise being `sigma x + alpha v`."""
        t = self.schedule.t_min
        return -x - self.schedule.alpha(t) / self.schedule.sigma(t) * self.field(x, t)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        """A draw of the Gaussian, carried to t_min."""
        noise = jax.random.normal(key, (self.dim,))
        return _integrate(self._slope, noise, jnp.zeros(()), self._data_end(), self.steps)

    def _slope(self, s: Scalar, x: Float[Array, " d"], args: None = None) -> Float[Array, " d"]:
        angle = _angle(s)
        return jnp.sin(angle) * self.field(x, _time(angle))

    def _slope_and_trace(self, s: Scalar, state: tuple[Array, Array], args: None) -> tuple[Array, Array]:
        angle = _angle(s)
        return self._slope(s, state[0]), jnp.sin(angle) * divergence(self.field, state[0], _time(angle))

    def _data_end(self) -> Scalar:
        return jnp.log(jnp.tan(self.schedule.angle(self.schedule.t_min) / 2))

    def _gaussian(self) -> Normal:
        return Normal(jnp.zeros(self.dim), jnp.ones(self.dim))


def divergence(field: AbstractField, x: Float[Array, " d"], t: Time) -> Scalar:
    """The trace of dv / dx, or of the field's twin, by as many derivatives as the smaller of them has dimensions."""
    h, twin = field.twin(x, t)
    point, function = (h, twin) if len(h) < len(x) else (x, lambda x: field(x, t))
    axes = jnp.eye(len(point))
    return jnp.sum(axes * jax.vmap(jax.linearize(function, point)[1])(axes))


def _angle(s: Scalar) -> Scalar:
    return 2 * jnp.arctan(jnp.exp(s))


def _time(angle: Scalar) -> Scalar:
    return 2 / jnp.pi * angle


def _integrate(slope: Callable[..., PyTree], y: PyTree, start: Scalar, stop: Scalar, steps: int) -> PyTree:
    """`y` at `stop`, by equal steps of a fifth-order Runge-Kutta method (Tsitouras 2011, by Diffrax).

    A bound method as `slope` is equal to itself from call to call, so that Diffrax compiles it once; a lambda is not.
    """
    import diffrax  # takes a second, which others need not wait for

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Tsit5(),
        start,
        stop,
        dt0=None,
        y0=y,
        stepsize_controller=diffrax.StepTo(jnp.linspace(start, stop, steps + 1)),
        max_steps=steps,
    )
    last: PyTree = jax.tree.map(lambda leaf: leaf[-1], solution.ys)
    return last
