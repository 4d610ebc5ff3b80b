"""The law of devices: draws are the same, bit for bit, on 1, 2 and 4 of them, which never talk while drawing.

The compiler decides how a sum or a fused product is rounded, and may decide otherwise for another shape: the promise
holds for chain kernels with at least 16 chains a device. The energies of a population (parallel tempering) were seen to
differ in the last bit between one device and several.
"""

import hashlib
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import AbstractEnergy, AbstractKernel
from gibbsite.samplers import Silent, loop, sample
from gibbsite.samplers.start import observers_of, start, with_buffers
from gibbsite.testing.law import LawViolation

COLLECTIVES = re.compile(r"all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter")
CHAINS = 64  # 16 a device or more: vector loops without remainders, which round alike


def check_devices(registry: str, names: Iterable[str], *, counts: tuple[int, ...] = (1, 2, 4), seed: int = 3) -> None:
    """Runs kernels in processes of their own, which see each count of virtual devices, and compares the draws.

    `registry` says where the kernels are, as `module:DICT` with values `(kernel, problem)`; the modules are looked for
    where this process looks. Raises:
        LawViolation: a kernel draws otherwise on another count, or its compiled loop of draws holds a collective.
    """
    names = list(names)
    found = {count: _digests(registry, names, count, seed) for count in counts}
    first = counts[0]
    for count, name in ((count, name) for count in counts[1:] for name in names):
        if found[count][name] != found[first][name]:
            raise LawViolation(f"{name}: draws on {count} devices differ from those on {first}.")


def _digests(registry: str, names: list[str], count: int, seed: int) -> dict[str, str]:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
    env = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = f"from gibbsite.testing.devices import _child; _child({registry!r}, {names!r}, {count}, {seed})"
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    if done.returncode:
        raise LawViolation(f"{', '.join(names)}: no draws on {count} devices: {done.stderr.strip().splitlines()[-1]}")
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


def _child(registry: str, names: list[str], count: int, seed: int) -> None:
    """Prints a digest of the draws of each kernel."""
    assert jax.device_count() == count
    module, table = registry.split(":")
    kernels = getattr(importlib.import_module(module), table)
    for name in names:
        kernel, problem = kernels[name]
        if count > 1 and (met := collectives(kernel, problem.energy)):
            raise LawViolation(f"{name}: devices talk while drawing: {', '.join(met)}")
        key, quiet = jax.random.key(seed), Silent()
        run = sample(kernel, problem.energy, chains=CHAINS, warmup=12, draws=16, keep=4, progress=quiet, key=key)
        leaves = [np.ascontiguousarray(leaf).tobytes() for leaf in jax.tree.leaves(run.samples)]
        energy = np.float64(run.energy.value).tobytes()
        print(name, hashlib.sha256(b"".join([*leaves, energy])).hexdigest())


def collectives(kernel: AbstractKernel, energy: AbstractEnergy, chains: int = CHAINS) -> list[str]:
    """The collectives in the compiled text of the loop that draws, on the devices of this process."""
    problem, carry, _ = start(kernel, energy, observers_of(None), None, chains, jax.random.key(0))
    carry = with_buffers(problem, carry, kept=4, traced=4)
    span = loop.Span(*(jnp.asarray(n, jnp.int32) for n in (0, 4, 0, 16, 4, 4)))
    advance: Any = loop.advance  # compiled by filter_jit, whose type hides `lower`
    text = advance.lower(problem, carry, span).compile().compiled.as_text()
    return sorted(set(COLLECTIVES.findall(text)))
