"""Kernels by name, as the command line asks for them: `hmc`, with `kernel.step_size=0.1`. A new one is one entry in `KERNELS`."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from gibbsite import samplers
from gibbsite.compare.card import unknown
from gibbsite.core import AbstractEnergy, AbstractKernel, Product
from gibbsite.samplers.checks import check_parts
from gibbsite.simulate.file import TargetError

KERNELS: dict[str, type[AbstractKernel]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower(): kind
    for kind in (
        samplers.AdaptiveHMC,
        samplers.BAOAB,
        samplers.Barker,
        samplers.BlockGibbs,
        samplers.DiscreteLangevin,
        samplers.GHMC,
        samplers.Gibbs,
        samplers.GibbsWithGradients,
        samplers.HMC,
        samplers.LocallyBalanced,
        samplers.MALA,
        samplers.Metropolis,
        samplers.OBABO,
        samplers.Overrelaxation,
        samplers.PathAuxiliary,
        samplers.RandomWalk,
        samplers.RotorHeatBath,
        samplers.SingleSite,
        samplers.Slice,
        samplers.SwendsenWang,
        samplers.TamedULA,
        samplers.ULA,
        samplers.Wolff,
    )
}
STEP = 0.1  # where warm-up starts to tune


def kernel_of(name: str, settings: Mapping[str, Any], energy: AbstractEnergy) -> AbstractKernel:
    """The kernel of that name with these parameters, one that moves where this energy lives.

    A `step_size` that is not told is `STEP`; a `scale` has the axes of x, so that warm-up tunes it.

    Raises:
        TargetError: there is none, it does not take the parameters, or it does not fit the energy; those that do are listed.
    """
    found = KERNELS.get(name)
    if found is None:
        raise TargetError(f"{unknown('kernel', name, KERNELS)}. On {_place(energy)} there are auto, {', '.join(fitting(energy))}.")
    if isinstance(energy.space, Product):
        raise TargetError(f"--kernel {name} moves one array, and this energy lives on {len(energy.space.parts)} parts: take auto.")
    known = list(inspect.signature(found).parameters)
    for setting in settings:
        if setting not in known:
            raise TargetError(f"--kernel {name}: {unknown('parameter', setting, known)}.")
    try:
        kernel = _built(found, settings, energy)
        check_parts(kernel, energy)
    except (TypeError, ValueError) as error:
        others = "" if _fits(found, energy) else f" On {_place(energy)} there are auto, {', '.join(fitting(energy))}."
        raise TargetError(f"--kernel {name}: {error}{others}") from error
    return kernel


def fitting(energy: AbstractEnergy) -> list[str]:
    """The names of kernels that move where this energy lives, by what it can do; nothing is compiled."""
    if isinstance(energy.space, Product):
        return []
    return [name for name, kind in KERNELS.items() if _fits(kind, energy)]


def _fits(kind: type[AbstractKernel], energy: AbstractEnergy) -> bool:
    try:
        check_parts(_built(kind, {}, energy), energy)
    except (TypeError, ValueError, RuntimeError):  # what a kernel raises where it cannot move
        return False
    return True


def _built(kind: type[AbstractKernel], settings: Mapping[str, Any], energy: AbstractEnergy) -> AbstractKernel:
    usual = {"step_size": STEP, "scale": jnp.ones(energy.space.shape)}
    known = inspect.signature(kind).parameters
    return kind(**{**{name: value for name, value in usual.items() if name in known}, **settings})


def _place(energy: AbstractEnergy) -> str:
    return f"this {type(energy.space).__name__} of {energy.space.size} coordinates"
