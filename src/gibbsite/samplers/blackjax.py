"""Algorithms of BlackJAX (Cabezas et al., arXiv 2402.10797) as kernels: any of them by one adaptor, the usual ones by name.

BlackJAX closes over a log density and its parameters; here both are arguments, so that another step size or temperature is no
other program. It is imported when a kernel first moves: `pip install "gibbsite[blackjax]"`.
"""

import abc
import importlib
import inspect
from collections.abc import Callable as Function
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import AbstractAdaptation, AbstractEnergy, AbstractKernel, Info, Reals, as_float
from gibbsite.core.compose import DIVERGENT
from gibbsite.core.energy import Scalar, array_leaves
from gibbsite.samplers.adapt import STEP_SIZE, DualAveraging
from gibbsite.samplers.metropolis import check_axes, check_scale, check_space, check_step
from gibbsite.samplers.spreads import Spreads, has_axes, step_and_scale

MEMORY = ("momentum", "slice", "random_generator_arg")  # what a BlackJAX state holds besides x and what is known there
ACCEPTANCE = ("acceptance_rate", "acceptance_probability")


class AbstractBlackJAX(AbstractKernel):
    """A kernel whose moves are those of a BlackJAX algorithm; to add one, say in `algorithm` which, and what it does to its law.

    The log density is `-energy`. What the algorithm reports by a single number (divergences, leapfrog steps, ...) is reported
    under its own name; a change of energy that it reports is the shadow work of a move that nothing refuses.

    Raises:
        ImportError: BlackJAX is not installed.
        TypeError: the energy does not live on real numbers.
    """

    settles_switch = False

    @abc.abstractmethod
    def algorithm(self, energy: AbstractEnergy) -> Any:
        """BlackJAX's pair of functions `init(x, key)` and `step(key, state)` for this energy."""

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Any:
        check_space(energy, type(self).__name__, Reals)
        return self.algorithm(energy).init(x, key)

    def step(self, energy: AbstractEnergy, state: Any, *, key: Key[Array, ""]) -> tuple[Any, Info]:
        state, info = self.algorithm(energy).step(key, state)
        told = {DIVERGENT if name == "is_divergent" else name: as_float(value) for name, value in _numbers(info).items()}
        accept = next((told.pop(name) for name in ACCEPTANCE if name in told), jnp.ones(()))
        return state, Info(accept, told.pop("energy_change", jnp.zeros(())), told)

    def position(self, state: Any) -> Float[Array, "*x"]:
        return state.position

    def energy(self, energy: AbstractEnergy, state: Any) -> Scalar:
        return -state.logdensity if hasattr(state, "logdensity") else energy(state.position)

    def refresh(self, energy: AbstractEnergy, state: Any, x: Array | None = None) -> Any:
        """What is known of x is found anew; momenta and the like are kept."""
        at = state.position if x is None else x
        fresh = self.algorithm(energy).init(at, jax.random.key(0))  # the key draws only what is replaced by what was there
        return fresh._replace(**{name: getattr(state, name) for name in MEMORY if hasattr(state, name)})


def _numbers(info: Any) -> dict[str, Any]:
    """The entries of a BlackJAX info that are one number."""
    entries = info._asdict() if hasattr(info, "_asdict") else {}
    return {name: value for name, value in entries.items() if isinstance(value, jax.Array | float | int) and jnp.ndim(value) == 0}


def blackjax() -> Any:
    """The package.

    Raises:
        ImportError: it is not installed; the message says what installs it.
    """
    try:
        return importlib.import_module("blackjax")
    except ImportError as error:
        raise ImportError('BlackJAX is not installed: pip install "gibbsite[blackjax]".') from error


def _plain(algorithm: Function) -> Function:
    """The function behind an entry of BlackJAX's face, which is no hashable value itself."""
    return getattr(algorithm, "differentiable", algorithm)


class BlackJAX(AbstractBlackJAX):
    """Any BlackJAX algorithm: `BlackJAX(blackjax.mala, {"step_size": 0.1})`.

    `algorithm(logdensity, **params)` is as BlackJAX documents it. Decimal numbers among `params` become array leaves, whole
    numbers and functions stay as they are. Warm-up does not tune it: give tuned parameters, such as BlackJAX's own
    adaptations find.

    What an algorithm does to its law is not known here: say `exact=True` of one that leaves it invariant and is its own time
    reversal, as those are that accept or refuse, so that it can be used where work is accounted for.

    Raises:
        TypeError: the algorithm takes no parameter of that name, or needs one that is not given.
    """

    make: Function = eqx.field(static=True, converter=_plain)
    params: dict[str, PyTree] = eqx.field(converter=array_leaves, default_factory=dict)
    exact: bool = eqx.field(static=True, default=False, kw_only=True)

    has_memory = True  # it may have
    reversible = property(lambda self: self.exact)  # type: ignore[assignment]
    reports_work = property(lambda self: self.exact)  # type: ignore[assignment]

    def __check_init__(self) -> None:
        name = getattr(self.make, "__module__", "the algorithm").rsplit(".", 1)[-1]
        try:
            inspect.signature(self.make).bind(None, **self.params)
        except TypeError as error:
            raise TypeError(f"BlackJAX({name}): {error}; it is called as {name}{inspect.signature(self.make)}.") from error

    def algorithm(self, energy: AbstractEnergy) -> Any:
        return self.make(lambda x: -energy(x), **self.params)


class AbstractScaled(AbstractBlackJAX):
    """An algorithm by name, in the words of our own kernels: a step size in units of `scale`, which is one number or one a coordinate.

    BlackJAX's inverse mass matrix is `scale^2`.
    """

    step_size: Scalar = eqx.field(converter=as_float)
    scale: Float[Array, "*x"] = eqx.field(converter=as_float, default=1.0, kw_only=True)

    def __check_init__(self) -> None:
        check_step(type(self).__name__, self.step_size, "units of scale")
        check_scale(type(self).__name__, self.scale)

    def init(self, energy: AbstractEnergy, x: Float[Array, "*x"], *, key: Key[Array, ""]) -> Any:
        check_axes(type(self).__name__, self.scale, x)
        return super().init(energy, x, key=key)

    def inverse_mass(self, energy: AbstractEnergy) -> Float[Array, " d"]:
        return jnp.broadcast_to(self.scale**2, energy.space.shape).ravel()


class NUTS(AbstractScaled):
    """The No-U-Turn sampler (Hoffman & Gelman, JMLR 15, 2014; multinomial: Betancourt, arXiv 1701.02434).

    Trajectories double until they turn back, at most `doublings` times; x is drawn from the whole trajectory. `accept_prob` is
    the mean over its points, which is what the step size is tuned by (to 0.8), and not how often x moves. The number of
    leapfrog steps taken is told as `num_integration_steps`; chains that run together wait for the longest.
    """

    doublings: int = eqx.field(static=True, default=10, kw_only=True)

    reversible = False  # in fact it is; but it does not move as often as `accept_prob` says
    reports_work = True

    @property
    def cost(self) -> int:
        """The most."""
        return 2**self.doublings

    def algorithm(self, energy: AbstractEnergy) -> Any:
        return blackjax().nuts(lambda x: -energy(x), self.step_size, self.inverse_mass(energy), max_num_doublings=self.doublings)

    def reverse(self) -> "NUTS":
        return self

    def adaptation(self) -> AbstractAdaptation:
        return step_and_scale(self, DualAveraging(STEP_SIZE, as_float(0.8)))


class MCLMC(AbstractScaled):
    """Microcanonical Langevin Monte Carlo (Robnik et al., JMLR 24, 2023; Robnik & Seljak, arXiv 2303.18221), unadjusted.

    The velocity has length 1 and forgets its direction over `length`, in units of scale: one step is two gradients, and nothing
    is refused. The change of energy with the volume that the step takes up is its shadow work, so that the bias can be
    weighted away; means that are not weighted are marked as unadjusted. Needs two dimensions.

    Warm-up takes the scale of each coordinate from the chains, where it is more than one number; `mclmc_tuned` finds all three.
    """

    length: Scalar = eqx.field(converter=as_float)

    reversible = False
    reports_work = True
    settles_switch = True
    has_memory = True

    @property
    def cost(self) -> int:
        return 2

    def algorithm(self, energy: AbstractEnergy) -> Any:
        return blackjax().mclmc(lambda x: -energy(x), self.length, self.step_size, inverse_mass_matrix=self.inverse_mass(energy))

    def reverse(self) -> "MCLMC":
        """Itself, as of all underdamped moves whose velocities begin from their own law."""
        return self

    def adaptation(self) -> AbstractAdaptation | None:
        return Spreads() if has_axes(self) else None


class AdjustedMCLMC(AbstractScaled):
    """`steps` microcanonical steps with a new velocity, accepted or refused (Robnik, Cohn-Gordon & Seljak, arXiv 2503.01707).

    Warm-up tunes the step size to acceptance 0.9, and the scale of each coordinate where it is more than one number. One step
    is two gradients.
    """

    steps: int = eqx.field(static=True, default=10, kw_only=True)

    reversible = True
    reports_work = True

    @property
    def cost(self) -> int:
        return 2 * self.steps

    def algorithm(self, energy: AbstractEnergy) -> Any:
        params = {"inverse_mass_matrix": self.inverse_mass(energy), "integration_steps_params": (self.steps,)}
        return blackjax().adjusted_mclmc(lambda x: -energy(x), self.step_size, **params)

    def adaptation(self) -> AbstractAdaptation:
        return step_and_scale(self, DualAveraging(STEP_SIZE, as_float(0.9)))


def window_adapted(energy: AbstractEnergy, x: Float[Array, "*x"], *, steps: int = 1000, key: Key[Array, ""]) -> NUTS:
    """`NUTS` with step size and scales from BlackJAX's window adaptation, the warm-up of Stan, of one chain that starts at `x`.

    The kernel's own `adaptation()` learns from all chains together instead.

    Raises:
        ImportError: BlackJAX is not installed.
    """
    found, _ = blackjax().window_adaptation(blackjax().nuts, lambda x: -energy(x)).run(key, x, num_steps=steps)
    scale = jnp.sqrt(found.parameters["inverse_mass_matrix"]).reshape(energy.space.shape)
    return NUTS(found.parameters["step_size"], scale=scale)


def mclmc_tuned(energy: AbstractEnergy, x: Float[Array, "*x"], *, steps: int = 10_000, key: Key[Array, ""]) -> MCLMC:
    """`MCLMC` with step size, length and scales from BlackJAX's tuning for a run of `steps` steps, of one chain that starts at `x`.

    Raises:
        ImportError: BlackJAX is not installed.
    """
    first, tune = jax.random.split(key)
    package, density = blackjax(), lambda x: -energy(x)
    state = package.mclmc.init(x, density, first)
    kernel = package.mclmc.build_kernel()
    _, found, _ = package.mclmc_find_L_and_step_size(kernel, steps, state, tune, density)
    return MCLMC(found.step_size, found.L, scale=jnp.sqrt(found.inverse_mass_matrix).reshape(energy.space.shape))
