"""Energies by name, as the command line asks for them: `ising` with `side=64`, or `file.py:name`."""

import ast
import inspect
from collections.abc import Callable as Function
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from gibbsite import energies
from gibbsite.compare.card import unknown
from gibbsite.core import AbstractEnergy
from gibbsite.core.keys import key_of
from gibbsite.samplers import Until
from gibbsite.samplers.checks import check_energy
from gibbsite.simulate.file import TargetError, evaluated, from_file, telling


class Target(NamedTuple):
    """How an energy is built, and the settings that it has unless told otherwise."""

    build: Function[..., Any]
    settings: Mapping[str, Any] = MappingProxyType({})

    def names(self) -> list[str]:
        """What may be set; where disorder is drawn, its `seed`."""
        return ["seed" if name == "key" else name for name in inspect.signature(self.build).parameters]

    def __call__(self, settings: Mapping[str, Any]) -> Any:
        held = {**self.settings, **settings}
        if "seed" in self.names():
            held["key"] = key_of(held.pop("seed", 0))
        return self.build(**held)


TARGETS: dict[str, Target] = {
    "ising": Target(energies.Ising, {"side": 32}),
    "potts": Target(energies.Potts, {"side": 32, "levels": 3}),
    "blume-capel": Target(energies.BlumeCapel, {"side": 32}),
    "xy": Target(energies.XY, {"side": 32}),
    "clock": Target(energies.Clock, {"side": 32, "levels": 6}),
    "edwards-anderson": Target(energies.edwards_anderson, {"side": (8, 8, 8)}),
    "sherrington-kirkpatrick": Target(energies.sherrington_kirkpatrick, {"n": 64}),
    "phi4": Target(energies.Phi4, {"side": 16, "m2": -4.75, "lam": 5.1}),
    "gmm40": Target(energies.gmm40),
    "funnel": Target(energies.Funnel),
    "rosenbrock": Target(energies.Rosenbrock),
    "banana": Target(energies.Banana),
    "double-well": Target(energies.DoubleWell),
    "many-well": Target(energies.ManyWell),
    "mueller-brown": Target(energies.MuellerBrown),
    "ring": Target(energies.Ring),
    "dw4": Target(energies.DoubleWellParticles),
    "lj13": Target(energies.LennardJones, {"n": 13}),
    "lj55": Target(energies.LennardJones, {"n": 55}),
}


def target(text: str, settings: Mapping[str, Any]) -> AbstractEnergy:
    """The energy of that name, or of that file, built with these settings.

    Raises:
        TargetError: there is none, it does not take the settings, or it cannot be evaluated.
    """
    found = from_file(text) if ".py" in text else TARGETS.get(text)
    if found is None:
        raise TargetError(f"{unknown('target', text, TARGETS)}, or file.py:name.")
    energy = found if isinstance(found, AbstractEnergy) else _built(text, found, settings)
    if settings and energy is found:
        raise TargetError(f"{text} is an energy already built, so --set {next(iter(settings))} has no meaning: name a function.")
    check_energy(energy)
    evaluated(text, energy, energy.space)
    return energy


def _built(text: str, found: Any, settings: Mapping[str, Any]) -> AbstractEnergy:
    if not callable(found):
        raise TargetError(f"{text} is a {type(found).__name__}: name an energy, or a function that returns one.")
    build = found if isinstance(found, Target) else Target(found)
    known = build.names()
    for name in settings:
        if name not in known:
            raise TargetError(f"{text}: {unknown('setting', name, known)}." if known else f"{text} has nothing to set: leave out {name}.")
    with telling(text, text.rpartition(":")[0]):
        energy = build(settings)
    if not isinstance(energy, AbstractEnergy):
        raise TargetError(f"{text} gives a {type(energy).__name__}, not an energy: return one, such as Callable(fn, params, space).")
    return energy


def settings_of(texts: Iterable[str]) -> dict[str, Any]:
    """Settings by name.

    Raises:
        TargetError: one is none, or told twice.
    """
    held: dict[str, Any] = {}
    for name, value in map(setting, texts):
        if name in held:
            raise TargetError(f"--set {name} is given twice: give it once.")
        held[name] = value
    return held


def setting(text: str) -> tuple[str, Any]:
    """`side=64`, `side=8,8,8`, `coupling=-0.5`, `periodic=false`, `kernel.step_size=0.1` as a name and a value.

    Raises:
        TargetError: it is none of these.
    """
    name, equals, value = text.partition("=")
    words = {"true": True, "false": False}
    if not equals or not name.strip().removeprefix("kernel.").isidentifier():
        raise TargetError(f"--set {text!r}: give name=value, such as side=64.")
    if value.strip().lower() in words:
        return name.strip(), words[value.strip().lower()]
    try:
        return name.strip(), ast.literal_eval(value.strip())
    except (ValueError, SyntaxError) as error:
        raise TargetError(f"--set {text!r}: the value is a number, numbers with commas between, true or false.") from error


def limit(text: str | None) -> Until | None:
    """`energy=0.01` as the error bar to reach.

    Raises:
        TargetError: it is no name and no positive number.
    """
    if text is None:
        return None
    name, _, number = text.rpartition("=")
    try:
        return Until(name.strip(), float(number))
    except ValueError as error:
        raise TargetError(f"--until {text!r}: give an observable and a positive number, such as energy=0.01.") from error
