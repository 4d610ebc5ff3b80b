"""Whether this machine computes what it should: versions, devices, compiled sums against eager ones, free disk."""

import pathlib
import shutil
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.compare.versions import versions

TOLERANCE = 1e-4  # relative; float32 sums of 256 terms stay below 1e-5


class Finding(NamedTuple):
    """One line of the report; `fine` is False where something needs doing, which `text` then says."""

    name: str
    text: str
    fine: bool = True


def examine(folder: pathlib.Path) -> list[Finding]:
    """All findings; `folder` is where results would go."""
    devices = ", ".join(f"{d.device_kind} ({d.platform})" for d in jax.devices())
    return [Finding("versions", versions()), Finding("devices", f"{len(jax.devices())}: {devices}"), sums(), disk(folder)]


def sums() -> Finding:
    """Compiled, vmapped matrix-vector products and sums against NumPy in float64.

    JAX 0.10.2 returns wrong sums for a vmapped matrix-vector product on CPU (jax issue 39103); so may others.
    """
    worst = max(_error(n, d) for n, d in ((7, 2), (64, 33), (256, 128), (1024, 16)))
    if worst > TOLERANCE:
        text = f"compiled sums are wrong by {worst:.1g} (relative): JAX {jax.__version__} is broken here; install another, such as 0.10.1."
        return Finding("self-check", text, fine=False)
    return Finding("self-check", f"compiled and eager sums agree to {worst:.0e}")


def _error(n: int, d: int) -> float:
    rng = np.random.default_rng(0)
    weights, xs = rng.normal(size=(d, d)).astype(np.float32), rng.normal(size=(n, d)).astype(np.float32)

    def energy(x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.tanh(weights @ x) ** 2)

    truth = (np.tanh(xs.astype(np.float64) @ weights.T.astype(np.float64)) ** 2).sum(axis=1)
    compiled = np.asarray(jax.jit(jax.vmap(energy))(xs), np.float64)
    eager = np.asarray(jax.vmap(energy)(jnp.asarray(xs)), np.float64)
    scale = np.abs(truth).max()
    return float(max(np.abs(compiled - truth).max(), np.abs(eager - truth).max()) / scale)


def disk(folder: pathlib.Path) -> Finding:
    """Room for results: a comparison writes a few megabytes, long runs with checkpoints more."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < 0.5:
        return Finding("free disk", f"{free:.2f} GB in {folder}: make room, or write elsewhere with --out.", fine=False)
    return Finding("free disk", f"{free:.1f} GB in {folder}")
