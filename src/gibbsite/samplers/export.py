"""Runs in the form of ArviZ, for its plots and its tables."""

import importlib
from typing import Any

import jax
import numpy as np

from gibbsite.samplers.per_part import PerPart
from gibbsite.samplers.report import Run, name_of


def to_arviz(run: Run) -> Any:
    """The run as a tree of data sets (`xarray.DataTree`) in ArviZ's schema.

    `posterior` holds the kept draws `chain draw *x` as `x` (one part each as `x0`, `x1`, ... on a product), and the traces of
    observables as `posterior` variables of their names (one called as the draws are: "x observed") where a value was traced with every
    kept draw. `sample_stats` holds
    `energy` on the same condition, and for each chain its mean `acceptance_rate` and, of kernels that go by a slope, the number
    of `divergences`. Draws that lie on disk (`store=`) are read.

    Raises:
        ValueError: the run kept no draws.
        ImportError: arviz-base is not installed.
    """
    if run.samples is None:
        raise ValueError("This run kept no draws, and ArviZ works on draws: sample with keep=1, and with trace=draws for the energy.")
    arviz = _arviz()
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(run.samples)]
    names = ["x"] if len(leaves) == 1 else [f"x{number}" for number in range(len(leaves))]
    kept = leaves[0].shape[:2]
    traced = {_beside(name, names): values for name, values in run.traces.items() if values.shape[:2] == kept}
    stats = {"energy": traced.pop("energy")} if "energy" in traced else {}
    attrs = {"inference_library": "gibbsite", "kernel": name_of(run.kernel)}
    groups = {"posterior": dict(zip(names, leaves, strict=True)) | traced, "sample_stats": stats}
    tree = arviz.from_dict(groups if stats else {"posterior": groups["posterior"]}, attrs={"posterior": attrs})
    return _with_chains(tree, run)


def _beside(name: str, taken: list[str]) -> str:
    """The name of an observable, another one where draws have it."""
    return f"{name} observed" if name in taken else name


def _with_chains(tree: Any, run: Run) -> Any:
    """What is known of each chain as a whole: no draw has it, so that it has no axis of draws."""
    xarray = importlib.import_module("xarray")
    known: dict[str, Any] = {"acceptance_rate": run.by_chain["accept_prob"]}
    if run.divergences is not None:
        known["divergences"] = run.divergences
    axes = ("chain", "part" if isinstance(run.kernel, PerPart) else "rung")
    held = {name: (axes[: values.ndim], values) for name, values in known.items()}
    coordinates = {"chain": tree["posterior"].coords["chain"].values}
    whole = xarray.Dataset(held, coordinates)
    there = tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else xarray.Dataset()
    tree["sample_stats"] = xarray.DataTree(there.merge(whole))
    return tree


def _arviz() -> Any:
    try:
        return importlib.import_module("arviz_base")
    except ImportError as error:
        raise ImportError("to_arviz needs arviz-base, which is not installed: pip install 'gibbsite[arviz]'.") from error
