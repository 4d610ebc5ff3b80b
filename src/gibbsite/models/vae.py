"""The variational autoencoder: hidden variables are drawn, then data given them; an encoder guesses them back."""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractModel,
    AbstractSpace,
    Binary,
    Capability,
    Evidence,
    Marginal,
    Normal,
    Normalised,
    Over,
    Product,
    Reals,
    Sampleable,
    draw,
    log_prob,
)
from gibbsite.core.energy import Scalar
from gibbsite.energies import GaussianMixture
from gibbsite.models.sizing import widened
from gibbsite.nets import VectorMLP
from gibbsite.objectives import ELBO

FLOOR = 0.02  # of every scale, in standard deviations of the data: without one a single point has any density
REACH, SPREAD = 1.5, 0.3  # of an untrained mixture prior: where its components lie, and how wide they are
COMPONENTS = 16  # of the prior: twice the modes that one can expect to tell apart
QUIET = -2.0  # raw noise of an untrained decoder, a scale of 0.15: data that begin as noise may never be found in z
MOST_HIDDEN = 8  # variables, unless told otherwise


def positive(raw: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """A scale of any raw number: 0.71 at zero, at least `FLOOR`."""
    return FLOOR + jax.nn.softplus(raw)


def shares(logits: Float[Array, " k"]) -> Float[Array, " k"]:
    """Weights that sum to one."""
    return jax.nn.softmax(logits)


class OneNoise(eqx.Module):
    """Means from a network, and behind them raw scales that are the same for every input."""

    mean: VectorMLP
    raw: Float[Array, " scales"]

    def __call__(self, x: Float[Array, " in_size"]) -> Float[Array, " out_size"]:
        return jnp.concatenate([self.mean(x), self.raw])


class AbstractDecoder(eqx.Module):
    """The law of data x at given hidden variables z."""

    @abc.abstractmethod
    def log_prob(self, x: Float[Array, " d"], z: Float[Array, " l"]) -> Scalar:
        """Its log-probability, or log-density, at x."""

    @abc.abstractmethod
    def sample(self, z: Float[Array, " l"], *, key: Key[Array, ""]) -> Float[Array, " d"]:
        """One draw."""


class GaussianDecoder(AbstractDecoder):
    """`N(x; mean(z), scale(z)^2)`: a network gives the means and `noises` raw scales, one for all coordinates or one each.

    One for all is the safe choice where z can explain every coordinate: with one each, training may hide a coordinate in
    its noise and never find it again.
    """

    net: VectorMLP | OneNoise
    noises: int = eqx.field(static=True, default=1)

    def _law(self, z: Float[Array, " l"]) -> tuple[Float[Array, " d"], Float[Array, " noises"]]:
        numbers = self.net(z)
        return numbers[: -self.noises], positive(numbers[-self.noises :])

    def log_prob(self, x: Float[Array, " d"], z: Float[Array, " l"]) -> Scalar:
        mean, scale = self._law(z)
        return jnp.sum(norm.logpdf(x, mean, scale))

    def sample(self, z: Float[Array, " l"], *, key: Key[Array, ""]) -> Float[Array, " d"]:
        mean, scale = self._law(z)
        return mean + scale * jax.random.normal(key, mean.shape)


class BernoulliDecoder(AbstractDecoder):
    """Independent bits, a network gives their log-odds."""

    net: VectorMLP

    def log_prob(self, x: Float[Array, " d"], z: Float[Array, " l"]) -> Scalar:
        return -jnp.sum(jax.nn.softplus((1 - 2 * x) * self.net(z)))

    def sample(self, z: Float[Array, " l"], *, key: Key[Array, ""]) -> Float[Array, " d"]:
        log_odds = self.net(z)
        return jax.random.bernoulli(key, jax.nn.sigmoid(log_odds)).astype(log_odds.dtype)


class VAEEnergy(AbstractEnergy):
    """`U(x, z) = -log p(z) - log p(x | z)`, `log_z = 0` (Kingma & Welling, arXiv 1312.6114, section 2).

    `guess(x) = N(loc(x), scale(x)^2)` by an encoder that gives the locations and the raw scales of all coordinates of z.
    """

    prior: AbstractEnergy
    decoder: AbstractDecoder
    encoder: VectorMLP | OneNoise
    data_space: AbstractSpace

    @property
    def space(self) -> Product:
        return Product((self.data_space, self.prior.space))

    def __call__(self, x: tuple[Float[Array, " d"], Float[Array, " l"]]) -> Scalar:
        data, z = x
        return -log_prob(self.prior, z) - self.decoder.log_prob(data, z)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(lambda: jnp.zeros(())), Sampleable(self._sample), Marginal(self._guess))

    def _sample(self, *, key: Key[Array, ""]) -> tuple[Float[Array, " d"], Float[Array, " l"]]:
        hidden, visible = jax.random.split(key)
        z = draw(self.prior, key=hidden)
        return self.decoder.sample(z, key=visible), z

    def _guess(self, x: Float[Array, " d"]) -> Normal:
        loc, raw = jnp.split(self.encoder(x), 2)
        return Normal(loc, positive(raw))


class VAE(AbstractModel):
    """Hidden variables from a learned mixture, data from a Gaussian about a network of them (bits: by their log-odds).

    A prior `N(0, I)` leaves bridges between far modes and shifts their masses; a mixture of Gaussians in the latent space
    carries the masses in its weights (Dilokthanakul et al., arXiv 1611.02648; Tomczak & Welling, arXiv 1705.07120,
    section 2). The joint law of (x, z) is exact; that of x alone is bounded: `thermo.importance_bound`, `thermo.marginal`.
    """

    energy: VAEEnergy

    evidence = Evidence.EXACT
    over = Over.JOINT

    @classmethod
    def on(
        cls,
        space: AbstractSpace,
        latent: int,
        widths: tuple[int, ...],
        *,
        components: int = COMPONENTS,
        noises: int = 1,
        key: Key[Array, ""],
    ) -> "VAE":
        """An untrained model; the decoder has the hidden layers of the encoder in reverse.

        `components=1` gives a prior N(0, I). On the reals `noises` is 1 or the number of coordinates; bits have none.

        Raises:
            TypeError: the space is not reals or bits along one axis.
        """
        if not isinstance(space, Reals | Binary) or len(space.shape) != 1:
            raise TypeError(f"VAE needs Reals or Binary of one axis, and this is {space}: flatten the rows.")
        place, up, down = jax.random.split(key, 3)
        numbers = space.size + (0 if isinstance(space, Binary) else noises)
        net = VectorMLP(latent, widths[::-1], numbers, key=down)
        decoder = BernoulliDecoder(net) if isinstance(space, Binary) else GaussianDecoder(quiet(net, noises), noises)
        prior = mixture(latent, components, key=place) if components > 1 else unit(latent)
        return cls(VAEEnergy(prior, decoder, VectorMLP(space.size, widths, 2 * latent, key=up), space))

    @classmethod
    def linear(cls, dim: int, latent: int, *, key: Key[Array, ""]) -> "VAE":
        """Affine maps, one noise and a prior N(0, I): probabilistic PCA (Tipping & Bishop, J. R. Stat. Soc. B 61, 1999).

        The marginal is `N(b, W W^T + s^2 I)` and the posterior Gaussian, of covariance `s^2 (W^T W + s^2 I)^-1`: the encoder
        can meet it where the columns of W are orthogonal, which training sees to (Lucas et al., arXiv 1911.02469).
        """
        up, down = jax.random.split(key)
        decoder = GaussianDecoder(OneNoise(VectorMLP(latent, (), dim, key=down), jnp.zeros(1)))
        encoder = OneNoise(VectorMLP(dim, (), latent, key=up), jnp.zeros(latent))
        return cls(VAEEnergy(unit(latent), decoder, encoder, Reals((dim,))))

    @property
    def space(self) -> AbstractSpace:
        return self.energy.data_space

    def as_energy(self) -> VAEEnergy:
        return paramax.unwrap(self.energy)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        return draw(self.as_energy(), key=key)[0]

    def objective(self) -> ELBO:
        return ELBO()


def quiet(net: VectorMLP, noises: int) -> VectorMLP:
    """The same network, with the last outputs near `QUIET`."""
    bias: Any = net.layers[-1].bias
    return eqx.tree_at(lambda n: n.layers[-1].bias, net, bias.at[-noises:].set(QUIET))


def unit(latent: int) -> AbstractEnergy:
    """`N(0, I)`, a constant."""
    return paramax.non_trainable(Normal(jnp.zeros(latent), jnp.ones(latent)))


def mixture(latent: int, components: int, *, key: Key[Array, ""]) -> AbstractEnergy:
    """An untrained mixture of Gaussians, narrow and scattered, so that training can hand each mode components of its own."""
    means = REACH * jax.random.normal(key, (components, latent))
    raw = jnp.full(components, math.log(math.expm1(SPREAD - FLOOR)))
    scales: Any = paramax.Parameterize(positive, raw)
    weights: Any = paramax.Parameterize(shares, jnp.zeros(components))
    prior = GaussianMixture(means, jnp.ones(components), jnp.ones(components))
    return eqx.tree_at(lambda m: (m.scales, m.weights), prior, (scales, weights))


def vae_for(data: Any, parameters: int, key: Key[Array, ""]) -> VAE:
    """Two hidden layers of the width that meets this number of parameters, encoder, decoder and prior together.

    As many hidden variables as coordinates up to eight: these share one noise, and their prior is a mixture, for the modes
    of the data are modes of z. Beyond that each coordinate has its own noise, and the prior is N(0, I): training leaves
    most components of a mixture alone, and what these few draws decode to, the encoder has never seen.
    """
    space = data.standard_space
    latent = min(space.size, MOST_HIDDEN)
    noises, components = (1, COMPONENTS) if latent == space.size else (space.size, 1)
    return widened(lambda width: VAE.on(space, latent, (width, width), components=components, noises=noises, key=key), parameters)
