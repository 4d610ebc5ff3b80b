"""The autoregressive model: each coordinate given those before it, so density and draws are exact."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jax.scipy.special import ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractModel,
    AbstractSpace,
    Binary,
    Capability,
    Evidence,
    Normalised,
    Reals,
    Sampleable,
    draw,
)
from gibbsite.core.energy import Scalar
from gibbsite.models.sizing import widened
from gibbsite.nets import MaskedMLP
from gibbsite.objectives import MaximumLikelihood

FLOOR = 0.01  # of a component's scale, in standard deviations of the data: without one a single point has any density


class AbstractConditional(eqx.Module):
    """The law of one coordinate, given by `size` numbers that a network makes of those before it."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many numbers; direct connections reach the first."""

    @abc.abstractmethod
    def log_prob(self, params: Float[Array, " size"], x: Scalar) -> Scalar:
        """Its log-probability, or log-density, at x."""

    @abc.abstractmethod
    def sample(self, params: Float[Array, " size"], *, key: Key[Array, ""]) -> Scalar:
        """One draw."""


class Bernoulli(AbstractConditional):
    """A bit with log-odds `params[0]`."""

    @property
    def size(self) -> int:
        return 1

    def log_prob(self, params: Float[Array, "1"], x: Scalar) -> Scalar:
        return -jax.nn.softplus((1 - 2 * x) * params[0])

    def sample(self, params: Float[Array, "1"], *, key: Key[Array, ""]) -> Scalar:
        return jax.random.bernoulli(key, jax.nn.sigmoid(params[0])).astype(params.dtype)


class MixtureOfGaussians(AbstractConditional):
    """`sum_k w_k N(x; place + mean_k, scale_k^2)` (RNADE; Uria, Murray & Larochelle, arXiv 1306.0186, eq. 6).

    `params` holds place and, a component each, log-weights, means and raw scales. At zero the components lie at the
    quantiles of a unit Gaussian. Scales are at least `FLOOR`.
    """

    components: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        return 1 + 3 * self.components

    def parts(self, params: Float[Array, " size"]) -> tuple[Float[Array, " k"], Float[Array, " k"], Float[Array, " k"]]:
        """Log-weights, means and scales."""
        logits, means, raw = params[1:].reshape(3, -1)
        quantiles = ndtri((jnp.arange(self.components) + 0.5) / self.components)
        return jax.nn.log_softmax(logits), params[0] + means + quantiles, FLOOR + jax.nn.softplus(raw)

    def log_prob(self, params: Float[Array, " size"], x: Scalar) -> Scalar:
        log_weights, means, scales = self.parts(params)
        return jax.nn.logsumexp(log_weights + norm.logpdf(x, means, scales))

    def sample(self, params: Float[Array, " size"], *, key: Key[Array, ""]) -> Scalar:
        log_weights, means, scales = self.parts(params)
        which, noise = jax.random.split(key)
        k = jax.random.categorical(which, log_weights)
        return means[k] + scales[k] * jax.random.normal(noise)


class AutoregressiveEnergy(AbstractEnergy):
    """`U(x) = -sum_i log q(x_i | x_1, ..., x_{i-1})`, all conditionals in one pass; `log_z = 0`. Draws take d passes."""

    net: Callable[[Array], Array]
    conditional: AbstractConditional
    space: AbstractSpace

    def __call__(self, x: Float[Array, " d"]) -> Scalar:
        return -jnp.sum(jax.vmap(self.conditional.log_prob)(self.net(x), x))

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(lambda: jnp.zeros(())), Sampleable(self._sample))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        def site(x: Array, now: tuple[Array, Key[Array, ""]]) -> tuple[Array, None]:
            i, key = now
            return x.at[i].set(self.conditional.sample(self.net(x)[i], key=key)), None

        d = self.space.size
        return jax.lax.scan(site, jnp.zeros(d), (jnp.arange(d), jax.random.split(key, d)))[0]


class Autoregressive(AbstractModel):
    """Coordinates drawn one after the other: bits by their log-odds, reals from mixtures of Gaussians."""

    energy: AutoregressiveEnergy

    evidence = Evidence.EXACT

    @classmethod
    def on(cls, space: AbstractSpace, widths: tuple[int, ...], *, components: int = 8, key: Key[Array, ""]) -> "Autoregressive":
        """An untrained model with hidden layers of these widths; bits have no use for `components`.

        Raises:
            TypeError: the space is not reals or bits along one axis.
        """
        if not isinstance(space, Reals | Binary) or len(space.shape) != 1:
            raise TypeError(f"Autoregressive needs Reals or Binary of one axis, and this is {space}: flatten the rows.")
        conditional = Bernoulli() if isinstance(space, Binary) else MixtureOfGaussians(components)
        return cls(AutoregressiveEnergy(MaskedMLP(space.size, widths, conditional.size, key=key), conditional, space))

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def as_energy(self) -> AutoregressiveEnergy:
        return paramax.unwrap(self.energy)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        return draw(self.as_energy(), key=key)

    def objective(self) -> MaximumLikelihood:
        return MaximumLikelihood()


def autoregressive_for(data: Any, parameters: int, key: Key[Array, ""]) -> Autoregressive:
    """Two hidden layers of the width that meets this number of parameters; a single coordinate has components to meet it."""
    space = data.standard_space
    if space.size == 1:
        return Autoregressive.on(space, (), components=max(1, parameters // 3), key=key)
    components = 8 if space.size <= 8 else 4

    return widened(lambda width: Autoregressive.on(space, (width, width), components=components, key=key), parameters)
