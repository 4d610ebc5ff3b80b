"""A field without interaction: independent Fourier modes, each a Gaussian."""

import math
from functools import reduce

import numpy as np

from gibbsite.core import AbstractEnergy, Estimate
from gibbsite.thermo.exact.pairs import value_at
from gibbsite.thermo.exact.summed import rounding_unit, summed
from gibbsite.thermo.exact.told import told


def free_field(side: tuple[int, ...], m2: float, stiffness: float = 1.0) -> Estimate:
    """log Z of `U = sum_b stiffness (x_i - x_j)^2 + m2 sum_i x_i^2` over the bonds of a torus.

    A wave of wave numbers k costs `m2 + stiffness sum_a (2 - 2 cos k_a)` times its squared length, so that

        log Z = (n log pi - sum_k log(m2 + stiffness sum_a (2 - 2 cos k_a))) / 2,    k_a = 2 pi j_a / side_a.

    Raises:
        ValueError: a mode that costs nothing, so that Z is infinite.
    """
    waves = [stiffness * (2 - 2 * np.cos(2 * np.pi * np.arange(n) / n)) for n in side]
    costs = m2 + reduce(np.add.outer, waves, np.zeros(()))
    if not costs.min() > 0:
        raise ValueError(f"free_field of m2={m2:g}, stiffness={stiffness:g}: Z is infinite; give an m2 above 0.")
    log_z = 0.5 * float(np.sum(math.log(math.pi) - np.log(costs)))
    return summed(log_z, 4 * float(np.finfo(float).eps) * abs(log_z))


def is_free(energy: AbstractEnergy) -> bool:
    """Whether the energy is a `ScalarField` of `lam` = 0 that has a law."""
    field = told(energy).field
    return field is not None and float(field.lam) == 0 and float(field.m2) > 0 and float(field.stiffness) >= 0


def free_field_of(energy: AbstractEnergy) -> Estimate:
    """`free_field` of an energy that is one (`is_free`), with its own constant."""
    field = told(energy).field
    if field is None or not is_free(energy):
        raise ValueError(f"{type(energy).__name__} is no free field: lam must be 0 and m2 above 0.")
    found = free_field(field.grid.side, float(field.m2), float(field.stiffness))
    zero = value_at(energy, np.zeros(energy.space.shape))
    return summed(found.value - zero, rounding_unit() * (abs(zero) + energy.space.size))
