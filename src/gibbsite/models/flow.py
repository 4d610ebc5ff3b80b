"""The normalising flow: an invertible map carries a Gaussian to the data, so density and draws are exact."""

import equinox as eqx
import flowjax.bijections
import flowjax.distributions
import flowjax.flows
import jax
import jax.numpy as jnp
import paramax
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractModel, AbstractSpace, Capability, Evidence, Normalised, Pushforward, Reals, Sampleable
from gibbsite.core.energy import Scalar
from gibbsite.objectives import MaximumLikelihood


class FlowEnergy(AbstractEnergy):
    """`U(x) = -log q(x)` of a FlowJAX distribution; `log_z = 0`."""

    distribution: flowjax.distributions.AbstractDistribution

    @property
    def space(self) -> AbstractSpace:
        return Reals(self.distribution.shape)

    def __call__(self, x: Float[Array, "*x"]) -> Scalar:
        return -self.distribution.log_prob(x)

    def views(self) -> tuple[Capability, ...]:
        exact = (Normalised(lambda: jnp.zeros(())), Sampleable(self._sample))
        return (*exact, Pushforward(self._forward, self._inverse)) if self._from_gaussian() else exact

    def _from_gaussian(self) -> bool:
        return isinstance(getattr(self.distribution, "base_dist", None), flowjax.distributions.StandardNormal)

    def _forward(self, z: Float[Array, "*x"]) -> tuple[Float[Array, "*x"], Scalar]:
        return self._bijection().transform_and_log_det(z)

    def _inverse(self, x: Float[Array, "*x"]) -> Float[Array, "*x"]:
        return self._bijection().inverse(x)

    def _bijection(self) -> flowjax.bijections.AbstractBijection:
        assert isinstance(self.distribution, flowjax.distributions.AbstractTransformed)
        return self.distribution.bijection

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "*x"]:
        return self.distribution.sample(key)


class Flow(AbstractModel):
    """Coupling layers (one axis: autoregressive ones) of rational-quadratic splines (Durkan et al., arXiv 1906.04032).

    `knots=0` takes affine layers (Dinh et al., arXiv 1605.08803). The Gaussian base is a constant. Splines act on
    [-5, 5] in standard units and are the identity beyond.
    """

    distribution: flowjax.distributions.AbstractDistribution
    dim: int = eqx.field(static=True)
    layers: int = eqx.field(static=True)
    knots: int = eqx.field(static=True)
    width: int = eqx.field(static=True)

    evidence = Evidence.EXACT

    @classmethod
    def build(cls, *, dim: int, layers: int, knots: int, width: int, key: Key[Array, ""]) -> "Flow":
        """An untrained flow, close to the identity."""
        base = paramax.non_trainable(flowjax.distributions.StandardNormal((dim,)))  # type: ignore[call-arg]
        spline = flowjax.bijections.RationalQuadraticSpline(knots=knots, interval=5.0) if knots else None
        make = flowjax.flows.coupling_flow if dim > 1 else flowjax.flows.masked_autoregressive_flow
        flow = make(key, base_dist=base, transformer=spline, flow_layers=layers, nn_width=width, nn_activation=jax.nn.silu)
        return cls(flow, dim, layers, knots, width)

    @property
    def recipe(self) -> dict[str, int]:
        """The arguments of `build` that make a flow of this shape."""
        return {"dim": self.dim, "layers": self.layers, "knots": self.knots, "width": self.width}

    @property
    def space(self) -> AbstractSpace:
        return Reals((self.dim,))

    def as_energy(self) -> AbstractEnergy:
        return FlowEnergy(paramax.unwrap(self.distribution))

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " d"]:
        return paramax.unwrap(self.distribution).sample(key)

    def objective(self) -> MaximumLikelihood:
        return MaximumLikelihood()
