"""MBAR and what stands on it: free energies, expectations and profiles from samples of many states."""

from gibbsite.thermo.reweighting.bootstrap import Bootstrap, bootstrap
from gibbsite.thermo.reweighting.mbar import MBAR, mbar
from gibbsite.thermo.reweighting.profile import Profile, profile
from gibbsite.thermo.reweighting.series import Decorrelated, Equilibrium, decorrelate, equilibrium, statistical_inefficiency

__all__ = [
    "MBAR",
    "Bootstrap",
    "Decorrelated",
    "Equilibrium",
    "Profile",
    "bootstrap",
    "decorrelate",
    "equilibrium",
    "mbar",
    "profile",
    "statistical_inefficiency",
]
