"""`simulate`: what the command `gibbsite sample` does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gibbsite.core import Tempered, as_float
from gibbsite.core.keys import key_of
from gibbsite.samplers import Until, sample
from gibbsite.simulate.file import TargetError
from gibbsite.simulate.kernels import kernel_of
from gibbsite.simulate.observables import given, usual
from gibbsite.simulate.simulation import Simulation, in_units, untempered
from gibbsite.simulate.targets import target

OF_KERNEL = "kernel."
TRACE = 256  # values of each observable that the figures show


def simulate(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    kernel: str = "auto",
    beta: float = 1.0,
    chains: int = 16,
    warmup: int | None = None,
    draws: int = 1000,
    until: Until | None = None,
    observe: Sequence[str] = (),
    seed: int = 0,
    quiet: bool = False,
) -> Simulation:
    """Samples a target of `TARGETS`, or `file.py:name`, with the kernel that suits it or one of `KERNELS`.

    Its usual observables are measured, and those of `observe`, each `file.py:name`, a function of x. Settings are those of the
    target; with `kernel.` before their names, those of the kernel.

    Raises:
        TargetError: the target, the kernel, a setting or beta is none that can be sampled with.
        ValueError, TypeError, KeyError: as `sample` has them.
    """
    if not 0 < np.float32(beta) < np.inf:
        raise TargetError(f"beta={beta}: give a positive inverse temperature.")
    key = key_of(seed)
    own, moves = _parted(settings or {})
    energy = target(name, own)
    if kernel == "auto" and moves:
        raise TargetError(f"--set kernel.{next(iter(moves))} with kernel auto, which sets its own: name a kernel with --kernel.")
    chosen: Any = "auto" if kernel == "auto" else kernel_of(kernel, moves, energy)
    observed = usual(energy.space) | given(observe, energy.space)
    if until is not None and until.name not in (known := ["energy", *observed]):
        raise TargetError(f"--until names {until.name!r}, which is not observed: there are {', '.join(known)}.")
    law = energy if beta == 1 else Tempered(energy, as_float(beta))
    run = sample(
        chosen,
        law,
        chains=chains,
        warmup=warmup,
        draws=draws,
        until=in_units(until, beta),
        observe=observed,
        trace=TRACE,
        progress=not quiet,
        key=key,
    )
    return Simulation(name, float(beta), untempered(run, float(beta)))


def _parted(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the target, and those of the kernel."""
    moves = {name.removeprefix(OF_KERNEL): value for name, value in settings.items() if name.startswith(OF_KERNEL)}
    return {name: value for name, value in settings.items() if not name.startswith(OF_KERNEL)}, moves
