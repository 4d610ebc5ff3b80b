"""How wide a network must be for a model to have so many parameters."""

import math
from bisect import bisect_left
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax

from gibbsite.core import AbstractModel

WIDEST = 4096

M = TypeVar("M", bound=AbstractModel)


def widened(build: Callable[[int], M], parameters: int) -> M:
    """`build(width)` of the smallest width with so many trained parameters; nothing else is built on the way."""

    def trained(width: int) -> int:
        leaves = jax.tree.leaves(eqx.filter_eval_shape(build, width), is_leaf=lambda n: isinstance(n, paramax.NonTrainable))
        shapes = (leaf for leaf in leaves if isinstance(leaf, jax.ShapeDtypeStruct) and jnp.issubdtype(leaf.dtype, jnp.inexact))
        return sum(math.prod(leaf.shape) for leaf in shapes)

    return build(bisect_left(range(WIDEST), parameters, lo=1, key=trained))
