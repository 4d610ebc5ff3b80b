"""Public laws: what every energy, kernel, objective, model and estimator must satisfy, and problems with exact answers.

Each law raises a `LawViolation` that names the law, the part, what was measured and the bound. Bounds stand at
z = 5.6, a false-alarm rate of about 2e-8 a comparison.
"""

from gibbsite.testing import problems
from gibbsite.testing.bounds import check_bound
from gibbsite.testing.crooks import check_crooks, plane, spins
from gibbsite.testing.devices import check_devices
from gibbsite.testing.energy import check_energy, check_forwarding
from gibbsite.testing.estimator import check_coverage, check_estimator, check_exact
from gibbsite.testing.kernel import check_kernel
from gibbsite.testing.law import LawViolation
from gibbsite.testing.model import check_emission, check_model
from gibbsite.testing.objective import check_objective
from gibbsite.testing.resampling import check_resampling

__all__ = [
    "LawViolation",
    "check_bound",
    "check_coverage",
    "check_crooks",
    "check_devices",
    "check_emission",
    "check_energy",
    "check_estimator",
    "check_exact",
    "check_forwarding",
    "check_kernel",
    "check_model",
    "check_objective",
    "check_resampling",
    "plane",
    "problems",
    "spins",
]
