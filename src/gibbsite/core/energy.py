"""An energy is a function: `p(x)` is proportional to `exp(-energy(x))`.

Energies are dimensionless and *unbatched* (`jax.vmap` adds axes); their parameters are array leaves, so another
temperature or another weight is another argument and never another program. What an energy can do besides being
evaluated (its constant, exact draws, conditionals, hidden units) it says through *capabilities*: small views that
wrappers such as `Tempered` transform and pass on. Nothing in gibbsite asks for the class of an energy.
"""

import abc
from collections.abc import Callable as Function
from typing import TYPE_CHECKING, Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core.space import AbstractSpace

Scalar = Float[Array, ""]


def as_float(value: Any) -> Array:
    """`value` as a strongly typed array of the default float dtype (a bare `0.1` is weakly typed and recompiles)."""
    return jnp.asarray(value, jnp.result_type(float))


def check_values(owner: str, name: str, value: Any, allowed: Function[[Any], Any], remedy: str) -> None:
    """Raises ValueError where a value is not allowed; one that is being traced is not looked at."""
    if not isinstance(value, jax.core.Tracer) and not np.all(allowed(np.asarray(value))):
        raise ValueError(f"{owner} has {name}={np.asarray(value)}: give {remedy}.")


def array_leaves(params: PyTree) -> PyTree:
    """Numbers with a decimal point as array leaves, so that another value is no other program; the rest as it is."""
    return jax.tree.map(lambda leaf: as_float(leaf) if _is_decimal(leaf) else leaf, params)


def _is_decimal(leaf: Any) -> bool:
    return isinstance(leaf, float) or (isinstance(leaf, np.ndarray | np.generic) and np.issubdtype(leaf.dtype, np.floating))


class Capability(eqx.Module):
    """A view of an energy that offers more than its value.

    To add a capability: subclass with the functions it offers, and say in `tempered` and `plus` what becomes of it
    under `beta * energy` and `energy + other`; None means that it is lost.
    """

    def tempered(self, beta: Scalar) -> "Capability | None":
        return None

    def plus(self, other: Any) -> "Capability | None":
        return None


class Normalised(Capability):
    """The constant is known: `log_z()` is the log of the integral (or sum) of `exp(-energy)`, in nats."""

    log_z: Function[[], Scalar]


class Sampleable(Capability):
    """Exact, independent draws: `sample(key=key)` returns one `x`."""

    sample: Function[..., PyTree]


class Start(Capability):
    """Where chains may be born, if draws of the reference law are no place to be: `sample(key=key)` gives one `x`, of whatever law.

    A sum keeps that of either term.
    """

    sample: Function[..., PyTree]

    def tempered(self, beta: Scalar) -> "Start":
        return self


class Conditionals(Capability):
    """Single-site conditionals of a discrete space, in blocks that can be updated at once.

    `logits(x)[i] = log p(x_i high | rest) - log p(x_i low | rest)` on `Spins` and `Binary`, all sites at once; on a
    `Categorical` space there is one more axis, and `logits(x)[i, k]` is log p of level k at site i, up to a constant of the
    site. `blocks[k]` marks the sites of block `k`, which are independent given the others; each site is in one block.
    Logits of a sum add, those of a tempered energy scale.
    """

    logits: Function[[Array], Float[Array, "..."]]
    blocks: Float[Array, "blocks *x"]

    def tempered(self, beta: Scalar) -> "Conditionals":
        return Conditionals(Scaled(self.logits, beta), self.blocks)

    def plus(self, other: "Conditionals") -> "Conditionals | None":
        # Sites without couplings carry one block; any colouring is finer than that one.
        finer = self.blocks if len(self.blocks) >= len(other.blocks) else other.blocks
        if min(len(self.blocks), len(other.blocks)) > 1:
            return None
        return Conditionals(Added(self.logits, other.logits), finer)


class Latent(Capability):
    """Hidden units whose sum gives this energy: `joint((x, h))`, with both conditionals drawn exactly.

    Tempering and sums lose this view; `path(field)`, where there is one, leads to this energy from independent visible
    units with biases `field` and keeps it all the way.
    """

    joint: "AbstractEnergy"
    sample_hidden: Function[..., Array]
    sample_visible: Function[..., Array]
    path: Function[..., Any] | None = None


class Scaled(eqx.Module):
    """`factor * fn(x)`: unlike a closure, another factor is no other program."""

    fn: Function
    factor: Scalar

    def __call__(self, x: Array) -> Array:
        return self.factor * self.fn(x)


class Added(eqx.Module):
    """`first(x) + second(x)`."""

    first: Function
    second: Function

    def __call__(self, x: Array) -> Array:
        return self.first(x) + self.second(x)


class AbstractEnergy(eqx.Module):
    """A scalar function on a space.

    To add an energy:
      * subclass with array leaves for parameters and a `space`;
      * write `__call__(x) -> scalar` for one `x`, the formula and its source in the docstring;
      * list what else is known exactly in `views()`; add one export and one line in `tests/registry/energies.py`.
    """

    if TYPE_CHECKING:  # an AbstractVar would be a constructor argument to a type checker

        @property
        def space(self) -> AbstractSpace:
            """The space of `x`."""
    else:
        space: eqx.AbstractVar[AbstractSpace]

    @abc.abstractmethod
    def __call__(self, x: PyTree) -> Scalar:
        """The energy of one configuration, in units of kT."""

    def views(self) -> tuple[Capability, ...]:
        """The capabilities of this energy (none unless stated)."""
        return ()


C = TypeVar("C", bound=Capability)


def capability(energy: AbstractEnergy, kind: type[C]) -> C | None:
    """The energy's view of this kind, or None."""
    return next((view for view in energy.views() if isinstance(view, kind)), None)


def offers(energy: AbstractEnergy, kind: type[Capability]) -> bool:
    """Whether the energy has a view of this kind; the arrays of its views are not computed."""
    return eqx.filter_eval_shape(lambda e: capability(e, kind), energy) is not None


def need(energy: AbstractEnergy, kind: type[C], user: str) -> C:
    """The view, or a TypeError that names the energy, the capability and who needs it."""
    view = capability(energy, kind)
    if view is None:
        offered = ", ".join(type(v).__name__ for v in energy.views()) or "none"
        raise TypeError(f"{user} needs the capability {kind.__name__}, which {type(energy).__name__} lacks (it offers: {offered}).")
    return view


def log_prob(energy: AbstractEnergy, x: PyTree) -> Scalar:
    """`-energy(x) - log_z()` in nats; TypeError where the constant is not known."""
    return -energy(x) - need(energy, Normalised, "log_prob").log_z()


def draw(energy: AbstractEnergy, *, key: Key[Array, ""]) -> PyTree:
    """One exact draw; TypeError where the energy has none."""
    return need(energy, Sampleable, "draw").sample(key=key)


class Tempered(AbstractEnergy):
    """`beta * energy(x)`: the law at inverse temperature `beta`; 0 is infinite temperature, for spaces with an end.

    At beta = 0 the energy is 0 everywhere, where `energy` is infinite too: the ends of a path are its two energies.

    Raises:
        ValueError: beta is negative or not finite.
    """

    energy: AbstractEnergy
    beta: Scalar = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        check_values("Tempered", "beta", self.beta, lambda b: (b >= 0) & np.isfinite(b), "an inverse temperature: positive, or 0")

    @property
    def space(self) -> AbstractSpace:
        return self.energy.space

    def __call__(self, x: PyTree) -> Scalar:
        energy = self.energy(x)
        return jnp.where((self.beta == 0) & jnp.isinf(energy), 0.0, self.beta * energy)

    def views(self) -> tuple[Capability, ...]:
        scaled = (view.tempered(self.beta) for view in self.energy.views())
        return tuple(view for view in scaled if view is not None)


class Sum(AbstractEnergy):
    """`first(x) + second(x)`: the product of two unnormalised laws on one space."""

    first: AbstractEnergy
    second: AbstractEnergy

    def __check_init__(self) -> None:
        one, two = self.first.space, self.second.space
        if type(one) is not type(two) or one.shape != two.shape:
            raise ValueError(
                f"Sum of energies on {type(one).__name__} of shape {one.shape} and {type(two).__name__} of shape {two.shape}; "
                "both must be one space."
            )

    @property
    def space(self) -> AbstractSpace:
        return self.first.space

    def __call__(self, x: PyTree) -> Scalar:
        return self.first(x) + self.second(x)

    def views(self) -> tuple[Capability, ...]:
        pairs = ((view, capability(self.second, type(view))) for view in self.first.views() if not isinstance(view, Start))
        sums = (a.plus(b) for a, b in pairs if b is not None)
        born = capability(self.first, Start) or capability(self.second, Start)
        return tuple(view for view in (*sums, born) if view is not None)


class Callable(AbstractEnergy):
    """A user's function `fn(params, x) -> scalar` on a space; `params` may be any PyTree of arrays, or None.

    The function is compiled once: change `params`, not the function. Floats among them become array leaves; an integer
    stays one, and another integer is another program.
    """

    fn: Function[[PyTree, PyTree], Scalar] = eqx.field(static=True)
    params: PyTree = eqx.field(converter=array_leaves)
    space: AbstractSpace

    def __call__(self, x: PyTree) -> Array:
        return self.fn(self.params, x)
