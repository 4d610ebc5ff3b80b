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
import time
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from gibbsite.core.checkpoint import digest, header, read, same, write
from gibbsite.samplers.loop import Carry

FORMAT = 1
BLOCK = 32 * 2**20  # bytes of draws that are written at once
LOOKS = 64  # times that the state of a run is noted, at least, where it keeps so many draws


class Store:
    """The folder of one run, which is told by `config`: its counts, names, and digests of its numbers.

    Raises:
        ImportError: Zarr is not installed.
        CheckpointError: the folder holds another run.
    """

    def __init__(self, folder: str | os.PathLike, config: dict[str, Any], x: PyTree, chains: int, slots: int):
        self.folder, self.config, self.chains, self.slots = pathlib.Path(folder), {"format": FORMAT, **config}, chains, slots
        self.x, self.zarr, self.begun, self.before = x, _zarr(), time.perf_counter(), 0.0
        size = chains * sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(x))
        self.ring = max(1, min(BLOCK // size, -(-slots // LOOKS)))
        self.state = self.folder / "state"
        if self.state.exists():
            held = header(self.state)
            same(self.state, {name: value for name, value in held.items() if name not in ("done", "seconds")}, self.config)

    def resumed(self, carry: Carry) -> tuple[Carry, int] | None:
        """What the loop carried, and after how many draws; None where the folder holds nothing yet."""
        if not self.state.exists():
            return None
        held, arrays = read(self.state, lambda _: _noted(carry))
        self.before = held["seconds"]
        return eqx.combine(arrays, carry), held["done"]

    @property
    def seconds(self) -> float:
        """How long the run has taken, earlier starts included."""
        return self.before + time.perf_counter() - self.begun

    def create(self, carry: Carry) -> None:
        """Empty arrays, and the state before the first draw."""
        for path, leaf in self._parts():
            chunks = (self.chains, self.ring, *leaf.shape)
            shape = (self.chains, self.slots, *leaf.shape)
            self.zarr.create_array(path, shape=shape, chunks=chunks, dtype=leaf.dtype, overwrite=True)
        self._note(carry, 0)

    @contextlib.contextmanager
    def writer(self, thin: int) -> Iterator["Writer"]:
        """Takes what the loop carries after each chunk; at the end, all of it is on disk."""
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            writer = Writer(self, thin, thread)
            yield writer
            writer.wait()

    def put(self, kept: PyTree, first: int, carry: Carry, done: int) -> None:
        """Writes draws `slots chains *x` from slot `first` on, then the state."""
        for (path, _), values in zip(self._parts(), jax.tree.leaves(kept), strict=True):
            self.zarr.open_array(path, mode="r+")[:, first : first + len(values)] = np.swapaxes(values, 0, 1)
        self._note(carry, done)

    def samples(self) -> PyTree:
        """The draws `chains draws *x` as Zarr arrays, which read what they are asked for."""
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

    def __init__(self, store: Store, thin: int, thread: concurrent.futures.Executor):
        self.store, self.thin, self.thread = store, thin, thread
        self.pending: concurrent.futures.Future | None = None

    def __call__(self, carry: Carry, start: int, stop: int) -> None:
        first, last = start // self.thin, stop // self.thin
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


def describe(parts: PyTree) -> dict[str, str]:
    """Marks of the numbers in a tree and of its structure, without addresses of functions."""
    leaves, structure = jax.tree.flatten(eqx.filter(parts, eqx.is_array))
    text = re.sub(r" at 0x[0-9a-f]+", "", str(structure))
    return {"numbers": digest(leaves), "structure": digest([np.frombuffer(text.encode(), np.uint8)])}


def _zarr() -> Any:
    try:
        return importlib.import_module("zarr")
    except ImportError as error:
        raise ImportError("store= writes draws with Zarr, which is not installed: pip install 'gibbsite[zarr]'.") from error
