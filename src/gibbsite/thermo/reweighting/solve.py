"""MBAR's equations solved: Newton's steps where they descend, self-consistent ones, which always do, elsewhere."""

from typing import NamedTuple

import numpy as np

from gibbsite.thermo.reweighting.dual import Dual, Energies, PerSample, PerState, dual, laplacian_inverse, self_consistent

STEPS = 500
NEAR = 1e-12  # squared distance from the solution in standard errors; one more step of Newton squares it away
SMALL = 0.1  # nats: a step that moves no free energy farther changes P_kn by a fifth at most, and Newton's then descends
RARE = 1e-6  # a share of its samples that a state must take, for Newton's step to be finite


class Solution(NamedTuple):
    """Free energies (the first is 0), the equations there, how many steps it took, and whether they are solved."""

    f: PerState
    dual: Dual
    steps: int
    converged: bool


def solve(u: Energies, counts: PerState, f: PerState, weights: PerSample | None = None) -> Solution:
    """The minimum of the convex dual, from f.

    Newton's step is taken where it is small or lowers L by a tenth of what it promises; else the self-consistent one is.
    """
    here = dual(u, counts, f, weights)
    for step in range(1, STEPS + 1):
        gradient = here.taken - counts
        move = -laplacian_inverse(np.maximum(here.taken, RARE * counts), here.shared) @ gradient
        promised = -float(gradient @ move)
        there = dual(u, counts, f + move, weights)
        if promised < NEAR:
            return _grounded(f + move, there, step, converged=True)
        if np.max(np.abs(move)) > SMALL and _change(here, there, counts @ move, weights) > -promised / 10:
            move = self_consistent(u, here.log_mixture, weights) - f
            there = dual(u, counts, f + move, weights)
        f, here = f + move, there
    return _grounded(f, here, STEPS, converged=False)


def _change(here: Dual, there: Dual, tilt: float, weights: PerSample | None) -> float:
    """L(there) - L(here), from differences of d_n."""
    rise = there.log_mixture - here.log_mixture
    return float(rise.sum() if weights is None else rise @ weights) - tilt


def _grounded(f: PerState, here: Dual, steps: int, *, converged: bool) -> Solution:
    return Solution(f - f[0], here._replace(log_mixture=here.log_mixture - f[0]), steps, converged)
