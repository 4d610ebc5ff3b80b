"""Inverse problems: couplings and fields of Ising and Potts energies from samples (maximum entropy with given means and pairs).

Of all laws with the means and pair correlations of the data, the one of largest entropy is `exp(sum J s s' + sum h s) / Z`: to find it is
to fit a Boltzmann machine.
"""

from gibbsite.thermo.inverse.boltzmann_learning import boltzmann_learning, exact_learning
from gibbsite.thermo.inverse.inferred import Inferred, couplings_of
from gibbsite.thermo.inverse.mean_field import mean_field, tap
from gibbsite.thermo.inverse.pseudo_likelihood import pseudo_likelihood

__all__ = ["Inferred", "boltzmann_learning", "couplings_of", "exact_learning", "mean_field", "pseudo_likelihood", "tap"]
