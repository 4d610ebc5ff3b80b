"""What an energy says of itself, as far as exact routes ask."""

from typing import NamedTuple

import equinox as eqx

from gibbsite.core import AbstractEnergy, Latent, LevelBonds, Normalised, Pairwise, ScalarField, UniformBonds, capability


class Told(NamedTuple):
    """The views that are made of numbers, and whether there are those that are functions."""

    uniform: UniformBonds | None
    pairwise: Pairwise | None
    levels: LevelBonds | None
    field: ScalarField | None
    normalised: bool
    latent: bool


@eqx.filter_jit  # one program an energy, where every operation on bonds by itself would be one
def told(energy: AbstractEnergy) -> Told:
    """All of it at once."""
    return Told(
        capability(energy, UniformBonds),
        capability(energy, Pairwise),
        capability(energy, LevelBonds),
        capability(energy, ScalarField),
        capability(energy, Normalised) is not None,
        capability(energy, Latent) is not None,
    )
