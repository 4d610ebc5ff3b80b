"""`simulate`: what the command `gibbsite sample` does."""

from collections.abc import Mapping
from typing import Any

import jax

from gibbsite.core import Tempered, as_float
from gibbsite.samplers import Progress, Silent, Until, sample
from gibbsite.samplers.run import WARMUP
from gibbsite.simulate.kernels import kernel_of
from gibbsite.simulate.observables import usual
from gibbsite.simulate.simulation import Simulation, untempered
from gibbsite.simulate.targets import TargetError, target

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
    seed: int = 0,
    quiet: bool = False,
) -> Simulation:
    """Samples a target of `TARGETS`, or `file.py:name`, with the kernel that suits it or one of `KERNELS`, and its usual observables.

    Settings are those of the target; with `kernel.` before their names, those of the kernel.

    Raises:
        TargetError: the target, the kernel, a setting or beta is none that can be sampled.
        ValueError, TypeError, KeyError: as `sample` has them.
    """
    if not 0 < beta < float("inf"):
        raise TargetError(f"beta={beta}: give a positive inverse temperature.")
    own, moves = _parted(settings or {})
    energy = target(name, own)
    if kernel == "auto" and moves:
        raise TargetError(f"--set kernel.{next(iter(moves))} with kernel auto, which sets its own: name a kernel with --kernel.")
    chosen: Any = "auto" if kernel == "auto" else kernel_of(kernel, moves, energy)
    observed = usual(energy.space)
    if until is not None and until.name not in (known := ["energy", *observed]):
        raise TargetError(f"--until names {until.name!r}, which is not observed: there are {', '.join(known)}.")
    law = energy if beta == 1 else Tempered(energy, as_float(beta))
    shown = Silent() if quiet else Progress("sampling", (WARMUP if warmup is None else warmup) + draws)
    run = sample(
        chosen,
        law,
        chains=chains,
        warmup=warmup,
        draws=draws,
        until=until,
        observe=observed,
        trace=TRACE,
        progress=shown,
        key=jax.random.key(seed),
    )
    return Simulation(name, float(beta), untempered(run, float(beta)))


def _parted(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the target, and those of the kernel."""
    moves = {name.removeprefix(OF_KERNEL): value for name, value in settings.items() if name.startswith(OF_KERNEL)}
    return {name: value for name, value in settings.items() if not name.startswith(OF_KERNEL)}, moves
