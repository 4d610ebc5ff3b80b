"""The books of a population, and the error of its log Z from a single run.

Walkers that descend from one draw of the base are a family, with a share f_i of the weight. Families are independent but for
resampling, and the relative variance of Z is, with k over the stages,

    V = 1 - prod_k (1 - sum_i f_i^2 after weighing) / (1 - sum_i f_i^2 before):

of what the sum of squares grows by, the part that weighing causes. What resampling adds is its own noise, which any unbiased rule
adds without moving the mean, and is left out as it happened. Without resampling V is the relative variance of a mean of weights,
`(n / ess - 1) / (n - 1)`. Lee & Whiteley (Biometrika 105, 2018) leave out what independent draws add on average, a factor
1 - 1/n in each `1 - sum f^2`, and prove that unbiased; for a rule with less noise that would be too much. Few families make V noisy,
even negative: it is taken to be no less than the sum over stages of `sum_i (change of f_i)^2`, what they would give if moves forgot
everything. A chain of a waste-free run belongs to one family.

`rho_t = n sum_i f_i^2` is the mean family size of population annealing (Wang, Machta & Katzgraber, PRE 92, 2015). Few families tell
little about an error: below 30 of them (n / rho_t) the status is LOW_ESS.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from gibbsite.core import Estimate, Evidence, Status
from gibbsite.thermo.weights import ENOUGH, effective_samples, heavy_tailed, judged, log_sum_exp, summable


class Books:
    """The accounts of a run, on the host in float64."""

    def __init__(self, walkers: int, *, given: bool):
        self.times, self.log_zs = [0.0], [0.0]
        self.ess: list[float] = []
        self.rho_t: list[float] = []
        self.acceptance: list[float] = []
        self.shift = 0.0  # log of the mean weight that a stage found
        self._walkers, self._given = walkers, given
        self._shares = np.full(walkers, 1 / walkers)  # of the families
        self._apart, self._forgetful = 1.0, 0.0  # the product of the error's formula, and the sum that bounds it
        self._heavy = self._broken = False

    def weigh(self, t: float, log_weights: np.ndarray, families: np.ndarray) -> bool:
        """Notes what a switch made of the weights; False where they are no numbers any more."""
        self._broken = not summable(log_weights)
        if self._broken:
            return False
        self.shift = log_sum_exp(log_weights) - math.log(self._walkers)
        before, self._shares = self._shares, held(families, shares(log_weights))
        kin, was = kinship(self._shares), kinship(before)
        self._apart *= (1 - kin) / (1 - was) if was < 1 else 0.0
        self._forgetful += kinship(self._shares - before) * self._walkers / (self._walkers - 1)
        # A step that was chosen keeps its weights even; one that was given may be too far.
        self._heavy |= self._given and effective_samples(log_weights) >= ENOUGH and heavy_tailed(log_weights)
        self.times.append(t)
        self.log_zs.append(self.log_zs[-1] + self.shift)
        self.ess.append(effective_samples(log_weights))
        self.rho_t.append(self._walkers * kin)
        return True

    def settle(self, acceptance: float, families: np.ndarray, *, anew: bool) -> None:
        """Notes who is left after resampling and moving."""
        self.acceptance.append(acceptance)
        if anew:
            self._shares = held(families, np.full(self._walkers, 1 / self._walkers))

    def estimate(self, evidence: Evidence) -> Estimate:
        """log(Z / Z_base)."""
        if self._broken or self.times[-1] < 1:
            status = Status.NON_FINITE if self._broken else Status.NOT_CONVERGED
            return Estimate(None, None, status=status, evidence=Evidence.NOT_ESTABLISHED)
        variance = max(1 - self._apart, self._forgetful)
        independent = self._walkers / (1 + (self._walkers - 1) * variance)
        ess = min(independent, *self.ess, self._walkers / self.rho_t[-1])
        return judged(self.log_zs[-1], variance, ess=ess, heavy=self._heavy, evidence=evidence)


def shares(log_weights: Float[np.ndarray, " walkers"]) -> Float[np.ndarray, " walkers"]:
    """The weights as shares of their sum."""
    return np.exp(log_weights - log_sum_exp(log_weights))


def held(families: Int[np.ndarray, " walkers"], shares: Float[np.ndarray, " walkers"]) -> Float[np.ndarray, " walkers"]:
    """What the walkers of each family have together; families are numbered like walkers."""
    return np.bincount(families, shares, minlength=len(families))


def kinship(shares: Float[np.ndarray, " families"]) -> float:
    """The sum of squares: of shares, the chance that two walkers drawn by their weights are of one family."""
    return float(np.sum(shares**2))
