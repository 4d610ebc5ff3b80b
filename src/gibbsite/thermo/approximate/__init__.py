"""log Z approximately: each result says whether it is a lower bound, exact in a case, or no bound at all.

What is no bound is *not established*: it has a value, and neither error bar nor interval.
"""

from gibbsite.thermo.approximate.bethe import bethe
from gibbsite.thermo.approximate.laplace import laplace
from gibbsite.thermo.approximate.plefka import mean_field, tap
from gibbsite.thermo.approximate.series import high_temperature_series, ising_series, low_temperature_series
from gibbsite.thermo.approximate.variational import gibbs_bogoliubov

__all__ = [
    "bethe",
    "gibbs_bogoliubov",
    "high_temperature_series",
    "ising_series",
    "laplace",
    "low_temperature_series",
    "mean_field",
    "tap",
]
