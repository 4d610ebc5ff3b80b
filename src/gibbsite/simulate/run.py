"""`simulate`: what the command `gibbsite sample` does."""

from collections.abc import Mapping
from typing import Any

import jax

from gibbsite.core import Tempered, as_float
from gibbsite.samplers import Progress, Silent, Until, sample
from gibbsite.simulate.observables import usual
from gibbsite.simulate.simulation import Simulation, untempered
from gibbsite.simulate.targets import TargetError, target

TRACE = 256  # values of each observable that the figures show


def simulate(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    kernel: str = "auto",
    beta: float = 1.0,
    chains: int = 16,
    warmup: int = 500,
    draws: int = 1000,
    until: Until | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Simulation:
    """Samples a target of `TARGETS`, or `file.py:name`, with the kernel that suits it, and its usual observables.

    Raises:
        TargetError: the target, a setting or beta is none that can be sampled.
        ValueError, TypeError, KeyError: as `sample` has them.
    """
    if not 0 < beta < float("inf"):
        raise TargetError(f"beta={beta}: give a positive inverse temperature.")
    if kernel != "auto":
        raise TargetError(f"kernel {kernel!r}: the command line knows auto; give others to gibbsite.sample.")
    energy = target(name, settings or {})
    observed = usual(energy.space)
    if until is not None and until.name not in (known := ["energy", *observed]):
        raise TargetError(f"--until names {until.name!r}, which is not observed: there are {', '.join(known)}.")
    law = energy if beta == 1 else Tempered(energy, as_float(beta))
    shown = Silent() if quiet else Progress("sampling", warmup + draws)
    run = sample(
        "auto",
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
