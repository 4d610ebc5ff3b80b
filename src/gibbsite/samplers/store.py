"""Draws kept on disk: a Zarr array that grows behind the run, and with it the state from which a killed run goes on.

FOLDER/state          what the loop carried after the draws that are written, whole or not there (`core.checkpoint`)
FOLDER/draws.zarr     the draws, `chains draws *x`; one array for each part of x, where it has several

While the next draws are computed, a thread writes the last ones: first to the array, then the state. A run that is killed
in between repeats what it had not noted, and gets the same draws.
"""

import concurrent.futures
import contextlib
import importlib
import math
import os
import pathlib
import re
from collections.abc import Callable as Function
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from gibbsite.core.checkpoint import CheckpointError, digest, header, read, same, write
from gibbsite.samplers.loop import Carry, Problem
from gibbsite.samplers.plan import Plan
from gibbsite.samplers.report import name_of
from gibbsite.samplers.sink import AbstractSink

FORMAT = 1
BLOCK = 32 * 2**20  # bytes of draws that are written at once
LOOKS = 64  # times that the state of a run is noted, at least, where it keeps so many draws


class Store(AbstractSink):
    """The folder of one run, which is told by its counts, names, and digests of its numbers.

    Raises:
        ValueError: the plan keeps no draws.
        ImportError: Zarr is not installed.
        CheckpointError: the folder holds another run, or cannot be written.
    """

    def __init__(self, folder: str | os.PathLike, problem: Problem, carry: Carry, plan: Plan, first: int, begun: float):
        if not plan.kept:
            raise ValueError(f"store={os.fspath(folder)!r} without keep=: say every how many draws one is stored.")
        self.folder, self.plan, self.begun, self.before = pathlib.Path(folder), plan, begun, 0.0
        self.state, self.config, self.zarr = self.folder / "state", _told(problem, carry, plan, first), _zarr()
        self.x, self.chains = problem.energy.space.struct(), len(problem.keys)
        size = self.chains * sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(self.x))
        self.slots = max(1, min(BLOCK // size, -(-plan.kept // LOOKS)))
        self.chunk = self.slots * plan.thin
        self._check()

    def _check(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"store={os.fspath(self.folder)!r} cannot be written ({error.strerror}): give another folder.") from error
        if self.state.exists():
            held = header(self.state)
            same(self.state, {name: value for name, value in held.items() if name not in ("done", "seconds")}, self.config)

    def resumed(self, like: Function[[], Carry]) -> tuple[Carry, int] | None:
        if not self.state.exists():
            return None
        carry = like()
        held, arrays = read(self.state, lambda _: _noted(carry))
        self.before = held["seconds"]
        return eqx.combine(arrays, carry), held["done"]

    @contextlib.contextmanager
    def taking(self, carry: Carry, done: int) -> Iterator["Writer"]:
        if not done:
            self._create(carry)
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            writer = Writer(self, thread)
            yield writer
            writer.wait()

    def _create(self, carry: Carry) -> None:
        """Empty arrays, and the state before the first draw."""
        for path, leaf in self._parts():
            chunks = (self.chains, self.slots, *leaf.shape)
            shape = (self.chains, self.plan.kept, *leaf.shape)
            self.zarr.create_array(path, shape=shape, chunks=chunks, dtype=leaf.dtype, overwrite=True)
        self._note(carry, 0)

    def put(self, kept: PyTree, first: int, carry: Carry, done: int) -> None:
        """Writes draws `slots chains *x` from slot `first` on, then the state."""
        for (path, _), values in zip(self._parts(), jax.tree.leaves(kept), strict=True):
            self.zarr.open_array(path, mode="r+")[:, first : first + len(values)] = np.swapaxes(values, 0, 1)
        self._note(carry, done)

    def samples(self, carry: Carry) -> PyTree:
        """As Zarr arrays, which read what they are asked for."""
        arrays = [self.zarr.open_array(path, mode="r") for path, _ in self._parts()]
        return jax.tree.unflatten(jax.tree.structure(self.x), arrays)

    def _parts(self) -> list[tuple[str, jax.ShapeDtypeStruct]]:
        leaves = jax.tree.leaves(self.x)
        root = self.folder / "draws.zarr"
        return [(str(root if len(leaves) == 1 else root / str(number)), leaf) for number, leaf in enumerate(leaves)]

    def _note(self, carry: Carry, done: int) -> None:
        write(self.state, self.config | {"done": done, "seconds": self.seconds}, _noted(carry))


class Writer:
    """Hands chunks to the thread, one at a time, so that memory does not grow where the disk is slow."""

    def __init__(self, store: Store, thread: concurrent.futures.Executor):
        self.store, self.thread = store, thread
        self.pending: concurrent.futures.Future | None = None

    def __call__(self, carry: Carry, start: int, stop: int) -> None:
        first, last = start // self.store.plan.thin, stop // self.store.plan.thin
        kept = jax.tree.map(lambda a: np.asarray(a[: last - first]), carry.kept)
        self.wait()
        self.pending = self.thread.submit(self.store.put, kept, first, carry, stop)

    def wait(self) -> None:
        """Until the last chunk is written; what went wrong there is raised here."""
        if self.pending is not None:
            self.pending.result()


def _noted(carry: Carry) -> PyTree:
    """The arrays that a run goes on from: all but the draws."""
    return eqx.filter(carry._replace(kept=None), eqx.is_array)


def _told(problem: Problem, carry: Carry, plan: Plan, first: int) -> dict[str, Any]:
    """What tells this run from others; functions that are observed are known by their names."""
    parts = {"kernel": name_of(carry.kernel), "target": type(problem.energy).__name__, "observe": list(problem.observers)}
    counts = {"chains": len(problem.keys), "first": first, "draws": plan.draws, "keep": plan.thin, "every": plan.every}
    return {"format": FORMAT, **parts, **counts, **_marks((problem.energy, carry, jax.random.key_data(problem.keys)))}


def _marks(parts: PyTree) -> dict[str, str]:
    """Marks of the numbers in a tree and of its structure, without addresses of functions."""
    leaves, structure = jax.tree.flatten(eqx.filter(parts, eqx.is_array))
    text = re.sub(r" at 0x[0-9a-f]+", "", str(structure))
    return {"numbers": digest(leaves), "structure": digest([np.frombuffer(text.encode(), np.uint8)])}


def _zarr() -> Any:
    try:
        return importlib.import_module("zarr")
    except ImportError as error:
        raise ImportError("store= writes draws with Zarr, which is not installed: pip install 'gibbsite[zarr]'.") from error
