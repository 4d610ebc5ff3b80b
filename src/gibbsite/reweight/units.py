"""Energies in units of kT, and back: u = E / (R T), E for a mole."""

from typing import NamedTuple

from gibbsite.data import DataError

GAS_CONSTANT = 8.31446261815324e-3  # kJ / (mol K), exact in the SI of 2019
KILOJOULES = {"kJ/mol": 1.0, "kcal/mol": 4.184}
UNITS = ("kT", *KILOJOULES)


class Scale(NamedTuple):
    """What the energies of a file are in, and the temperature in kelvin where it is known."""

    units: str = "kT"
    temperature: float | None = None

    @property
    def kt(self) -> float:
        """One kT in the file's units."""
        return 1.0 if self.units == "kT" else self.of(self.units)

    def of(self, units: str) -> float:
        """One kT in kJ/mol or kcal/mol."""
        assert self.temperature is not None
        return GAS_CONSTANT * self.temperature / KILOJOULES[units]


def scale(units: str, temperature: float | None) -> Scale:
    """The scale, if it is one.

    Raises:
        DataError: unknown units; a temperature that is none, or none where one is needed.
    """
    if units not in UNITS:
        raise DataError(f"units={units!r} (--units) are unknown; energies are in {', '.join(UNITS)}.")
    if temperature is not None and not 0 < temperature < float("inf"):
        raise DataError(f"temperature={temperature} (--temperature): give a positive number of kelvin.")
    if units != "kT" and temperature is None:
        raise DataError(f"Energies in {units} need a temperature in kelvin to become reduced ones: give it (--temperature 298.15).")
    return Scale(units, temperature)
