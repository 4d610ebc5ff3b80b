"""The energies among which a walker is to be at home everywhere: levels at equal distances, or bins of a continuous energy."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gibbsite.core import AbstractEnergy, Pairwise, as_float, discrete, need, values
from gibbsite.core.energy import Scalar
from gibbsite.samplers.sites import by_level


class Levels(eqx.Module):
    """`count` energies `low + k step`, k = 0, 1, ...; an energy belongs to the nearest. Levels without any state do no harm.

    `Levels.of(energy)` are those of equal bonds (Ising, Potts), `Levels.bins(low, high, count)` equal parts of an interval.

    Raises:
        ValueError: the step is not positive, or there are fewer than two.
    """

    low: Scalar = eqx.field(converter=as_float)
    step: Scalar = eqx.field(converter=as_float)
    count: int = eqx.field(static=True)
    binned: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.count < 2 or not (np.isfinite(self.low) and np.isfinite(self.step) and self.step > 0):
            raise ValueError(f"Levels has {self.count} levels from {self.low} by steps of {self.step}: two or more, a step above 0.")

    @classmethod
    def of(cls, energy: AbstractEnergy) -> "Levels":
        """Those of sites with bonds of one strength and nothing else: from all bonds at their best to all at their worst.

        Raises:
            TypeError: the energy does not list its bonds, or its space is not discrete.
            ValueError: bonds differ, or sites feel a field; say `Levels(low, step, count)`.
        """
        bonds = need(energy, Pairwise, "Levels.of")
        if not discrete(energy.space):
            raise TypeError(f"Levels.of counts levels, and {type(energy.space).__name__} has a continuum: use Levels.bins.")
        gaps = np.asarray(bonds.gaps, np.float64)
        if len(gaps) == 0 or np.ptp(gaps) > 0 or gaps[0] == 0:
            raise ValueError(f"{type(energy).__name__} has bonds of different strengths, or none: say Levels(low, step, count) yourself.")
        if bonds.alone is not None and np.any(np.ptp(np.asarray(by_level(energy.space, bonds.alone)), axis=-1) > 0):
            raise ValueError(f"{type(energy).__name__} has sites in a field: say Levels(low, step, count), or Levels.bins, yourself.")
        alike = float(energy(jnp.full(energy.space.shape, values(energy.space)[0])))
        return cls(as_float(alike + min(0.0, gaps[0]) * len(gaps)), as_float(abs(gaps[0])), len(gaps) + 1)

    @classmethod
    def bins(cls, low: float, high: float, count: int) -> "Levels":
        """`count` equal bins from `low` to `high`."""
        step = (high - low) / max(count, 1)
        return cls(as_float(low + step / 2), as_float(step), count, binned=True)

    def index(self, energy: Float[Array, "*n"]) -> Int[Array, "*n"]:
        """The numbers of the nearest ones, whether they exist or not."""
        return jnp.round((energy - self.low) / self.step).astype(jnp.int32)

    def holds(self, energy: Float[Array, "*n"]) -> Bool[Array, "*n"]:
        """Whether the nearest one exists."""
        place = jnp.round((energy - self.low) / self.step)
        return (place >= 0) & (place < self.count)  # false of what is no number

    def centres(self) -> Float[np.ndarray, " count"]:
        """The energies, in float64."""
        return float(self.low) + float(self.step) * np.arange(self.count)

    def ends(self) -> tuple[float, float]:
        """Where the first one begins and the last one ends."""
        half = float(self.step) / 2
        return float(self.low) - half, float(self.low) + float(self.step) * (self.count - 1) + half

    @property
    def width(self) -> float:
        """Of a bin; 0 for levels."""
        return float(self.step) if self.binned else 0.0
