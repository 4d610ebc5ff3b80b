"""Inverse temperatures: `0.35:0.50:16`."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gibbsite.simulate import TargetError

FINE = 200  # points between which curves are drawn, about


class Range(NamedTuple):
    """`points` inverse temperatures from `low` to `high`, at equal steps."""

    low: float
    high: float
    points: int

    @property
    def betas(self) -> Float[np.ndarray, " points"]:
        """Those of the runs."""
        return np.linspace(self.low, self.high, self.points)

    @property
    def parts(self) -> int:
        """Into how many steps of the fine grid each step is divided."""
        return max(1, round(FINE / (self.points - 1)))

    @property
    def grid(self) -> Float[np.ndarray, " fine"]:
        """The fine grid of curves, of which every `parts`-th point is one of a run."""
        return np.linspace(self.low, self.high, (self.points - 1) * self.parts + 1)

    def checked(self) -> "Range":
        """Itself.

        Raises:
            TargetError: it is no range.
        """
        ends = f"beta from {self.low:g} to {self.high:g}"
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low >= 0):
            raise TargetError(f"{ends}: give finite inverse temperatures, 0 or more.")
        if not self.high > self.low:
            turned = f"did you mean {self.high:g}:{self.low:g}:{self.points}" if self.high < self.low else "give two that differ"
            raise TargetError(f"{ends}: the second end must be the larger (the colder) one; {turned}.")
        if self.points < 3:
            raise TargetError(f"{ends} in {self.points} points: give 3 or more, so many that neighbours overlap.")
        return self


def betas_of(text: str) -> Range:
    """`LOW:HIGH:POINTS` as a range.

    Raises:
        TargetError: it is none.
    """
    parts = text.split(":")
    try:
        low, high, points = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError) as error:
        raise TargetError(f"--beta {text!r}: give LOW:HIGH:POINTS, such as 0.35:0.50:16.") from error
    if len(parts) != 3:
        raise TargetError(f"--beta {text!r}: give LOW:HIGH:POINTS, such as 0.35:0.50:16.")
    return Range(low, high, points).checked()
