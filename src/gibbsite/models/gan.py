"""The generative adversarial network: no density in x, but an energy of the hidden variables that its critic corrects."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractModel,
    AbstractSpace,
    Evidence,
    Normal,
    Normalised,
    Over,
    Reals,
    as_float,
    draw,
    need,
)
from gibbsite.core.energy import Scalar
from gibbsite.models.chains import warmed_draw
from gibbsite.models.sizing import widened
from gibbsite.nets import MLP, VectorMLP
from gibbsite.objectives import NonSaturating
from gibbsite.samplers import HMC

LATENT = 4  # hidden variables on the plane; with more columns, as many as an eighth of them


class GANEnergy(AbstractEnergy):
    """`U(z) = -log p0(z) - critic(G(z))` (Che et al., arXiv 2003.06060, eq. 5): no Jacobian, for both laws of x come from z.

    Where the critic is the log ratio of the densities of data and draws, the law of z pushed through G is that of the data,
    as far as G reaches, and log Z = 0; another log Z says how far the critic is from that.
    """

    base: AbstractEnergy
    generator: Any
    critic: Any

    @property
    def space(self) -> AbstractSpace:
        return self.base.space

    def __call__(self, z: Float[Array, " l"]) -> Scalar:
        return self.base(z) + need(self.base, Normalised, "GANEnergy").log_z() - self.critic(self.generator(z))


class GAN(AbstractModel):
    """`x = G(z)` with z from `base` (a Gaussian), against a critic of x (Goodfellow et al., arXiv 1406.2661).

    `sample` is the plain `G(z)`. Chains on `as_energy()` draw z that the critic finds likelier, and `emit` takes them to
    x: `refined` does both for one draw, moving as its kernel does.
    """

    generator: Any
    critic: Any
    base: AbstractEnergy = eqx.field(converter=paramax.NonTrainable)
    dim: int = eqx.field(static=True)

    evidence = Evidence.IMPLICIT
    over = Over.LATENT

    @classmethod
    def on(cls, dim: int, latent: int, width: int, *, key: Key[Array, ""]) -> "GAN":
        """An untrained model of `dim` columns, both networks with two hidden layers of one width."""
        one, two = jax.random.split(key)
        generator, critic = VectorMLP(latent, (width, width), dim, key=one), MLP(dim, (width, width), key=two)
        return cls(generator, critic, Normal(jnp.zeros(latent), jnp.ones(latent)), dim)

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def as_energy(self) -> GANEnergy:
        model = paramax.unwrap(self)
        return GANEnergy(model.base, model.generator, model.critic)

    def emit(self, state: Float[Array, " l"]) -> Float[Array, " d"]:
        return paramax.unwrap(self.generator)(state)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        return self.emit(draw(paramax.unwrap(self.base), key=key))

    def objective(self) -> NonSaturating:
        return NonSaturating()


def refined(
    model: AbstractModel, *, kernel: AbstractKernel | None = None, warmup: int = 60, steps: int = 40, key: Key[Array, ""]
) -> Float[Array, "*x"]:
    """The data of a chain on the energy of hidden variables, born at their unit Gaussian; HMC unless another kernel is given."""
    energy = model.as_energy()
    base = Normal(jnp.zeros(energy.space.shape), jnp.ones(energy.space.shape))
    return model.emit(warmed_draw(HMC(as_float(0.3), steps=5) if kernel is None else kernel, energy, base, warmup, steps, key=key))


def gan_for(data: Any, parameters: int, key: Key[Array, ""]) -> GAN:
    """A GAN for this data set with about so many parameters in both networks together."""
    dim = data.standard_space.size
    latent = max(LATENT, dim // 8)
    return widened(lambda width: GAN.on(dim, latent, width, key=key), parameters)
