"""A module without its arrays, as JSON: classes and functions by name, arrays by shape and dtype, the rest as it is.

Only names inside gibbsite and the libraries its models are made of are ever imported. A module with a `recipe` (the
arguments of its `build`) is stored as that: parts of it may hold functions that have no name.
"""

import dataclasses
import importlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

TRUSTED = ("gibbsite", "paramax", "equinox", "jax")


def encode(node: Any) -> Any:
    """The skeleton of a PyTree of modules, as plain JSON values.

    Raises:
        TypeError: a static field has no JSON form; names it.
    """
    if node is None or isinstance(node, bool | int | float | str):
        return node
    if isinstance(node, jax.Array | np.ndarray | jax.ShapeDtypeStruct):
        return {"array": list(node.shape), "dtype": str(node.dtype)}
    if isinstance(node, tuple | list):
        return {type(node).__name__: [encode(part) for part in node]}
    if isinstance(node, dict):
        return {"dict": {name: encode(part) for name, part in node.items()}}
    if isinstance(node, eqx.Module) and hasattr(node, "recipe"):
        return {"recipe": _name(type(node)), "arguments": node.recipe}
    if isinstance(node, eqx.Module):
        fields = {field.name: encode(getattr(node, field.name)) for field in dataclasses.fields(node)}
        return {"module": _name(type(node)), "fields": fields}
    if callable(node) and "<" not in getattr(node, "__qualname__", "<"):
        return {"function": _name(node)}
    raise TypeError(f"{node!r} ({type(node).__name__}) cannot be written as JSON: name the function, or give the module a `recipe`.")


def decode(code: Any) -> Any:
    """The PyTree of a skeleton, `jax.ShapeDtypeStruct` in place of its arrays."""
    if not isinstance(code, dict):
        return code
    if "array" in code:
        return jax.ShapeDtypeStruct(tuple(code["array"]), jnp.dtype(code["dtype"]))
    if "tuple" in code or "list" in code:
        return tuple(map(decode, code["tuple"])) if "tuple" in code else list(map(decode, code["list"]))
    if "dict" in code:
        return {name: decode(part) for name, part in code["dict"].items()}
    if "function" in code:
        return _import(code["function"])
    if "recipe" in code:
        build = _import(code["recipe"]).build
        # Built outright: under eval_shape a closure of the module would keep an abstract array.
        built = build(**code["arguments"], key=jax.random.key(0))
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if eqx.is_array(leaf) else leaf, built)
    module = object.__new__(_import(code["module"]))
    for name, part in code["fields"].items():
        object.__setattr__(module, name, decode(part))
    return module


def _name(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def _import(name: str) -> Any:
    module, _, path = name.partition(":")
    if module.split(".")[0] not in TRUSTED:
        raise TypeError(f"{name} is not a part of {', '.join(TRUSTED)}: a model file names nothing else.")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
