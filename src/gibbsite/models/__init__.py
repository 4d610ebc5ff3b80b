"""The paradigms: each model draws samples, is an energy, and says how exact that is."""

from gibbsite.models.ebm import EBM
from gibbsite.models.flow import Flow, FlowEnergy
from gibbsite.models.in_data_units import InDataUnits
from gibbsite.models.paradigms import PARADIGMS, Paradigm
from gibbsite.models.rbm import RBM

__all__ = ["EBM", "PARADIGMS", "RBM", "Flow", "FlowEnergy", "InDataUnits", "Paradigm"]
