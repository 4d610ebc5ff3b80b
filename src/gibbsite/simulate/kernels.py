"""Kernels by name, as the command line asks for them: `hmc`, with `kernel.step_size=0.1`."""

import inspect
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp

from gibbsite import samplers
from gibbsite.compare.card import unknown
from gibbsite.core import AbstractEnergy, AbstractKernel
from gibbsite.samplers.checks import check_parts
from gibbsite.simulate.targets import TargetError


class Named(NamedTuple):
    """The class of a kernel, and the parameters that it has unless told otherwise."""

    build: type[AbstractKernel]
    settings: Mapping[str, Any] = MappingProxyType({})


STEP = {"step_size": 0.1}

KERNELS: dict[str, Named] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "-", named.build.__name__).lower(): named
    for named in (
        Named(samplers.BAOAB, STEP),
        Named(samplers.Barker, STEP),
        Named(samplers.BlockGibbs),
        Named(samplers.DiscreteLangevin, STEP),
        Named(samplers.EllipticalSlice),
        Named(samplers.GHMC, STEP),
        Named(samplers.Gibbs),
        Named(samplers.GibbsWithGradients),
        Named(samplers.HMC, STEP),
        Named(samplers.LocallyBalanced),
        Named(samplers.MALA, STEP),
        Named(samplers.Metropolis),
        Named(samplers.OBABO, STEP),
        Named(samplers.Overrelaxation),
        Named(samplers.PathAuxiliary),
        Named(samplers.RandomWalk, STEP),
        Named(samplers.RotorHeatBath),
        Named(samplers.SingleSite),
        Named(samplers.Slice),
        Named(samplers.SwendsenWang),
        Named(samplers.TamedULA, STEP),
        Named(samplers.ULA, STEP),
        Named(samplers.Wolff),
    )
}


def kernel_of(name: str, settings: Mapping[str, Any], energy: AbstractEnergy) -> AbstractKernel:
    """The kernel of that name with these parameters, one that moves where this energy lives.

    A `scale` that is not told has the axes of x, so that warm-up tunes it.

    Raises:
        TargetError: there is none, it does not take the parameters, or it does not fit the energy; those that do are listed.
    """
    found = KERNELS.get(name)
    if found is None:
        raise TargetError(f"{unknown('kernel', name, KERNELS)}. On {_place(energy)} there are auto, {', '.join(fitting(energy))}.")
    known = list(inspect.signature(found.build).parameters)
    for setting in settings:
        if setting not in known:
            raise TargetError(f"--kernel {name}: {unknown('parameter', setting, known)}.")
    try:
        kernel = _built(found, settings, energy)
        check_parts(kernel, energy)
    except (TypeError, ValueError) as error:
        fit = ", ".join(fitting(energy))
        raise TargetError(f"--kernel {name}: {error} On {_place(energy)} there are auto, {fit}.") from error
    return kernel


def fitting(energy: AbstractEnergy) -> list[str]:
    """The names of kernels that move where this energy lives, by what it can do; nothing is compiled."""
    return [name for name, named in KERNELS.items() if _fits(named, energy)]


def _fits(named: Named, energy: AbstractEnergy) -> bool:
    try:
        check_parts(_built(named, {}, energy), energy)
    except (TypeError, ValueError, RuntimeError):  # what a kernel raises where it cannot move
        return False
    return True


def _built(named: Named, settings: Mapping[str, Any], energy: AbstractEnergy) -> AbstractKernel:
    scaled = "scale" in inspect.signature(named.build).parameters
    tuned = {"scale": jnp.ones(energy.space.shape)} if scaled else {}
    return named.build(**{**tuned, **named.settings, **settings})


def _place(energy: AbstractEnergy) -> str:
    return f"this {type(energy.space).__name__} of {energy.space.size} coordinates"
