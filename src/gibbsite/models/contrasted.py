"""The energy-based model learned against noise: its base is the noise, and its constant a parameter."""

import equinox as eqx
import paramax

from gibbsite.core import Normalised, need
from gibbsite.energies import Offset
from gibbsite.models.ebm import EBM
from gibbsite.objectives import NoiseContrastive


def contrasted(model: EBM) -> tuple[EBM, NoiseContrastive]:
    """`U(x) = energy(x) + log_z + base(x)` with `log_z` a parameter, and the objective that tells data from draws of the base.

    `log_z` starts at that of the base, the right one while `energy` is zero. Then `exp(-energy - log_z)` is all that is
    learned: the odds of data against noise, times a constant. Two evaluations an example.
    """
    base = paramax.unwrap(model.base)
    log_z = need(base, Normalised, "contrasted").log_z()
    return eqx.tree_at(lambda m: m.energy, model, Offset(model.energy, log_z)), NoiseContrastive(base)
