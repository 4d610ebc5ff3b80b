"""Gradients with respect to what is trained, and to nothing else: the one place where constants are told apart."""

from collections.abc import Callable

import equinox as eqx
import jax
import paramax
from jaxtyping import PyTree

from gibbsite.core import AbstractModel
from gibbsite.core.energy import Scalar


def _constant(node: object) -> bool:
    return isinstance(node, paramax.NonTrainable)


def split(model: PyTree) -> tuple[PyTree, PyTree]:
    """What is trained, and the constants: leaves that are not floats, or stand in `paramax.NonTrainable`."""
    return eqx.partition(model, eqx.is_inexact_array, is_leaf=_constant)


def join(params: PyTree, constants: PyTree) -> PyTree:
    """The model made of both halves."""
    return eqx.combine(params, constants, is_leaf=_constant)


def count(model: PyTree) -> int:
    """Number of trained scalars."""
    return sum(leaf.size for leaf in jax.tree.leaves(split(model)[0]))


def gradient(loss: Callable[[AbstractModel], Scalar], model: AbstractModel) -> tuple[Scalar, PyTree]:
    """The value of `loss(paramax.unwrap(model))` and its gradient in the shape of the model, None at constants."""
    params, constants = split(model)

    def of(params: PyTree) -> Scalar:
        return loss(paramax.unwrap(join(params, constants)))

    return eqx.filter_value_and_grad(of)(params)
