"""The law of Crooks: work forward and work on the time-reversed path differ only by the free energy."""

from collections.abc import Callable as Function

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import (
    AbstractEnergy,
    AbstractKernel,
    AbstractPath,
    AbstractSpace,
    ArrayLike,
    Capability,
    Conditionals,
    Estimate,
    Geometric,
    Linear,
    Normal,
    Normalised,
    Sampleable,
    Spins,
    as_float,
    draw,
    need,
)
from gibbsite.core.energy import Scalar
from gibbsite.energies import GaussianMixture
from gibbsite.testing.law import LawViolation, Z
from gibbsite.thermo import Annealing, anneal, anneal_reverse, bar


class TwoSpins(AbstractEnergy):
    """`U = -coupling s_0 s_1 - field . s`, all of it known from four states: the smallest law on which an order of sites shows."""

    coupling: Scalar = eqx.field(converter=as_float)
    field: Float[Array, "2"] = eqx.field(converter=as_float)

    @property
    def space(self) -> AbstractSpace:
        return Spins((2,))

    def __call__(self, x: Float[Array, "2"]) -> Scalar:
        return -self.coupling * x[0] * x[1] - jnp.sum(self.field * x)

    def views(self) -> tuple[Capability, ...]:
        return (Normalised(self._log_z), Sampleable(self._sample), Conditionals(self._logits, jnp.eye(2)))

    def _logits(self, x: Float[Array, "2"]) -> Float[Array, "2"]:
        return 2 * (self.coupling * x[::-1] + self.field)

    def _log_z(self) -> Scalar:
        return jax.nn.logsumexp(-jax.vmap(self)(jnp.asarray(_STATES)))

    def _sample(self, *, key: Key[Array, ""]) -> Float[Array, "2"]:
        return jnp.asarray(_STATES)[jax.random.categorical(key, -jax.vmap(self)(jnp.asarray(_STATES)))]


Witness = tuple[AbstractPath, AbstractEnergy]  # a path and its target; both ends with known constants and exact draws

_STATES = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], np.float32)


def plane() -> Witness:
    """From a wide Gaussian to two unequal ones, on the plane."""
    base = Normal(jnp.zeros(2), jnp.full(2, 1.5))
    target = GaussianMixture(jnp.array([[1.0, 0.8], [-0.6, -1.2]]), jnp.array([0.8, 0.5]), jnp.array([1.0, 2.0]))
    return Geometric(base, target), target


def spins() -> Witness:
    """Two spins between which the order of a sweep shows: swept the wrong way, log Z is off by 0.6."""
    base, target = TwoSpins(as_float(0.2), as_float((2.9, -1.6))), TwoSpins(as_float(3.0), as_float((-0.9, 0.0)))
    return Linear(base, base, target), target


def check_crooks(
    kernel: AbstractKernel,
    witness: Witness | None = None,
    *,
    times: ArrayLike | tuple[float, ...] = (0.0, 0.4, 1.0),
    settle: str = "own",
    walkers: int = 2**15,
    limit: float = 0.03,
    forward: Function[..., Annealing] = anneal,
    reverse: Function[..., Annealing] = anneal_reverse,
    key: Key[Array, ""],
) -> Estimate:
    """`bar` of forward and reverse work must recover the known log(Z_target / Z_base), its error at most `limit`.

    Both ends are drawn exactly, so each one-sided estimate is right even where the reverse walk is not the time reversal
    of the forward one; Bennett's combination is not. The path has three points and no symmetry: kernels must state their
    reversal (a Cycle reversed in order, a sweep swept backward) and drivers must keep the order of switches and moves.
    The `witness` is `plane()` by default; give `spins()` to kernels of spins, or your own path and its target.
    `forward` and `reverse` are the drivers under test.

    Raises:
        LawViolation: the answer is off by more than 5.6 of its errors, or too uncertain to tell.
    """
    path, target = witness or plane()
    assert path.base is not None
    truth = float(need(target, Normalised, "check_crooks").log_z() - need(path.base, Normalised, "check_crooks").log_z())
    there, back, exact = jax.random.split(key, 3)
    out = forward(path, kernel, walkers=walkers, times=times, settle=settle, key=there)
    xs = jax.jit(jax.vmap(lambda k: draw(target, key=k)))(jax.random.split(exact, walkers))
    home = reverse(path, out.kernel, xs, times=times, settle=settle, key=back)
    found = bar(out.work, home.work)
    name = type(kernel).__name__
    if found.value is None or found.stderr > limit:
        raise LawViolation(
            f"{name}: Bennett's estimate is {found} ({found.status.value}), too uncertain to test; its error must be at most {limit:g}."
        )
    z = (found.value - truth) / max(found.stderr, 1e-6)
    if abs(z) > Z:
        raise LawViolation(
            f"{name}: forward and reverse work give {found} for log Z = {truth:.6g}, {z:.1f} errors off: its reverse is no time reversal."
        )
    return found
