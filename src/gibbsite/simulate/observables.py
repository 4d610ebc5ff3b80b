"""What is measured: where nobody has said what, by the space of the energy; and what the user has written."""

from collections.abc import Callable as Function
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from gibbsite.core import AbstractSpace, Categorical, Product, Spins, Torus
from gibbsite.core.energy import Scalar
from gibbsite.simulate.file import TargetError, evaluated, from_file

FEW = 4  # coordinates that are told one by one

Observable = Function[[Array], Scalar]


def usual(space: AbstractSpace) -> dict[str, Observable]:
    """The usual observables by name: magnetisation and its size on spins and rotors, order of Potts spins, coordinates on reals.

    On a product those of every part.
    """
    if isinstance(space, Product):
        each = [(i, name, fn) for i, part in enumerate(space.parts) for name, fn in usual(part).items()]
        return {f"{name} of part {i}": _of_part(i, fn) for i, name, fn in each}
    if isinstance(space, Spins):
        return {"m": jnp.mean, "|m|": _size, "m^2": _square}
    if isinstance(space, Torus):
        return {"|m|": _turned, "|m|^2": _turned_square}
    if isinstance(space, Categorical):
        return {"mean": jnp.mean, "order": _order(space.levels)}
    if space.size <= FEW:
        return {f"x[{i}]": _coordinate(i) for i in range(space.size)}
    return {"mean x": jnp.mean, "mean x^2": _squares}


def given(names: Sequence[str], space: AbstractSpace) -> dict[str, Observable]:
    """Observables of the user's, each `file.py:name`, by that name.

    Raises:
        TargetError: there is none, or it is no function of x.
    """
    found: dict[str, Observable] = {}
    for text in names:
        fn, name = from_file(text), text.rpartition(":")[2]
        if not callable(fn) or name in found:
            raise TargetError(f"{text} is {'observed already' if name in found else f'a {type(fn).__name__}'}: name a function of x.")
        evaluated(text, fn, space)
        found[name] = fn
    return found


def _size(x: Float[Array, "*x"]) -> Scalar:
    return jnp.abs(jnp.mean(x))


def _square(x: Float[Array, "*x"]) -> Scalar:
    return jnp.mean(x) ** 2


def _squares(x: Float[Array, "*x"]) -> Scalar:
    return jnp.mean(x**2)


def _turned(x: Float[Array, "*x"]) -> Scalar:
    return jnp.sqrt(_turned_square(x))


def _turned_square(x: Float[Array, "*x"]) -> Scalar:
    return jnp.mean(jnp.cos(x)) ** 2 + jnp.mean(jnp.sin(x)) ** 2


def _order(levels: tuple[float, ...]) -> Observable:
    """`(q largest - 1) / (q - 1)` with the share of the commonest level: 0 in disorder, 1 where all sites agree."""
    q = len(levels)

    def order(x: Float[Array, "*x"]) -> Scalar:
        shares = jnp.mean(x.reshape(-1, 1) == jnp.asarray(levels), axis=0)
        return (q * jnp.max(shares) - 1) / (q - 1)

    return order


def _of_part(i: int, fn: Observable) -> Observable:
    return lambda x: fn(x[i])


def _coordinate(i: int) -> Observable:
    return lambda x: jnp.ravel(x)[i]
