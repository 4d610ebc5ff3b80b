"""Diffusion: noise is led back to data along a learned field, and the same flow gives the density of what it draws."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractModel, AbstractSpace, Evidence, Reals, as_float
from gibbsite.models.noising import AbstractField, Cosine, Denoising, FreeField, GradientField, NoisedEnergy, Time
from gibbsite.models.probability_flow import ProbabilityFlow
from gibbsite.models.sizing import widened
from gibbsite.nets import TimedMLP
from gibbsite.objectives import NoisePrediction

STEPS = 24
WAVES = 2  # of the time in the network


class Diffusion(AbstractModel):
    """Noise is predicted at every level of it, by a free field (`of_noise`) or by the slope of an energy (`of_energy`).

    Draws follow the probability flow, whose own density is `as_energy()`, exact but for its `steps`. The noise at
    t_min stays in both. `ancestral` draws from the reverse process instead: the same law only where the score is exact.
    """

    field: AbstractField
    dim: int = eqx.field(static=True)
    schedule: Cosine = eqx.field(converter=paramax.NonTrainable, default_factory=Cosine)
    steps: int = eqx.field(static=True, default=STEPS)

    evidence = Evidence.EXACT

    @classmethod
    def of_noise(cls, dim: int, widths: tuple[int, ...], *, key: Key[Array, ""]) -> "Diffusion":
        """An untrained model whose network predicts the noise: a vector field that need not be a gradient."""
        return cls(FreeField(TimedMLP(dim, widths, dim, waves=WAVES, key=key)), dim)

    @classmethod
    def of_energy(cls, dim: int, widths: tuple[int, ...], *, key: Key[Array, ""]) -> "Diffusion":
        """An untrained model whose network is an energy at every level (`at`), the noise sigma times its gradient."""
        return cls(GradientField(TimedMLP(dim, widths, 1, waves=WAVES, key=key)), dim)

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def noise(self, x: Float[Array, " d"], t: Time) -> Float[Array, " d"]:
        """The noise expected in x at time t."""
        model = paramax.unwrap(self)
        return model.schedule.sigma(t) * x + model.schedule.alpha(t) * model.field(x, t)

    def clean(self, x: Float[Array, " d"], t: Time) -> Float[Array, " d"]:
        """The data expected behind x at time t."""
        model = paramax.unwrap(self)
        return model.schedule.alpha(t) * x - model.schedule.sigma(t) * model.field(x, t)

    def score(self, x: Float[Array, " d"], t: Time) -> Float[Array, " d"]:
        """`grad log p_t(x) = -noise / sigma` as learned (Tweedie's formula)."""
        return -self.noise(x, t) / paramax.unwrap(self.schedule).sigma(t)

    def at(self, t: Time) -> NoisedEnergy:
        """The energy of the noised data at time t, log Z unknown.

        Raises:
            TypeError: the noise is predicted by a free field.
        """
        model = self._with_potential()
        return NoisedEnergy(model.field, as_float(t), model.schedule, self.dim)

    def path(self) -> Denoising:
        """From the Gaussian to `at(t_min)`, level after level of noise: to anneal along (`thermo.annealed_langevin`), log Z included.

        Raises:
            TypeError: the noise is predicted by a free field.
        """
        model = self._with_potential()
        return Denoising(model.field, model.schedule, self.dim)

    def _with_potential(self) -> "Diffusion":
        """The bare model, refused here and now where its field is the gradient of nothing."""
        model = paramax.unwrap(self)
        jax.eval_shape(model.field.potential, self.space.struct(), 1.0)
        return model

    def as_energy(self) -> ProbabilityFlow:
        model = paramax.unwrap(self)
        return ProbabilityFlow(model.field, model.schedule, self.dim, self.steps)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        return self.as_energy().sample(key=key)

    def ancestral(self, *, steps: int = 200, key: Key[Array, ""]) -> Float[Array, " d"]:
        """A draw by `steps` steps of the reverse process (Ho et al., arXiv 2006.11239, algorithm 2), from t = 1 to t_min.

        Each step draws `x_s` given `x_t` and the data expected behind it, with `ratio = alpha_t / alpha_s`:

            N(ratio sigma_s^2 / sigma_t^2 x_t + alpha_s v / sigma_t^2 data, sigma_s^2 v / sigma_t^2),   v = sigma_t^2 - ratio^2 sigma_s^2.
        """
        schedule = paramax.unwrap(self.schedule)
        ts = jnp.linspace(1.0, schedule.t_min, steps + 1)
        first, rest = jax.random.split(key)

        def step(x: Array, now: tuple[Array, Array, Key[Array, ""]]) -> tuple[Array, None]:
            t, s, key = now
            ratio, kept = schedule.alpha(t) / schedule.alpha(s), (schedule.sigma(s) / schedule.sigma(t)) ** 2
            fresh = 1 - ratio**2 * kept  # v / sigma_t^2
            mean = ratio * kept * x + schedule.alpha(s) * fresh * self.clean(x, t)
            return mean + schedule.sigma(s) * jnp.sqrt(fresh) * jax.random.normal(key, x.shape), None

        noise = jax.random.normal(first, (self.dim,))
        return jax.lax.scan(step, noise, (ts[:-1], ts[1:], jax.random.split(rest, steps)))[0]

    def objective(self) -> NoisePrediction:
        return NoisePrediction(self.field.passes)


def diffusion_for(data: Any, parameters: int, key: Key[Array, ""]) -> Diffusion:
    """A noise-predicting model for this data set with about so many parameters."""
    dim = data.standard_space.size
    return widened(lambda width: Diffusion.of_noise(dim, (width, width), key=key), parameters)


def diffusion_energy_for(data: Any, parameters: int, key: Key[Array, ""]) -> Diffusion:
    """A model that is an energy at every noise level, with about so many parameters."""
    dim = data.standard_space.size
    return widened(lambda width: Diffusion.of_energy(dim, (width, width), key=key), parameters)
