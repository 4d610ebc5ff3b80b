"""The paradigms: each model draws samples, is an energy, and says how exact that is."""

from gibbsite.models.autoregressive import Autoregressive, AutoregressiveEnergy, autoregressive_for
from gibbsite.models.contrasted import contrasted
from gibbsite.models.diffusion import Diffusion, diffusion_energy_for, diffusion_for
from gibbsite.models.ebm import EBM
from gibbsite.models.flow import Flow, FlowEnergy
from gibbsite.models.gan import GAN, GANEnergy, gan_for, refined
from gibbsite.models.in_data_units import InDataUnits
from gibbsite.models.noising import NoisedEnergy
from gibbsite.models.paradigms import PARADIGMS, Paradigm
from gibbsite.models.probability_flow import ProbabilityFlow
from gibbsite.models.rbm import RBM
from gibbsite.models.vae import VAE, VAEEnergy, vae_for

__all__ = [
    "EBM",
    "GAN",
    "PARADIGMS",
    "RBM",
    "VAE",
    "Autoregressive",
    "AutoregressiveEnergy",
    "Diffusion",
    "Flow",
    "FlowEnergy",
    "GANEnergy",
    "InDataUnits",
    "NoisedEnergy",
    "Paradigm",
    "ProbabilityFlow",
    "VAEEnergy",
    "autoregressive_for",
    "contrasted",
    "diffusion_energy_for",
    "diffusion_for",
    "gan_for",
    "refined",
    "vae_for",
]
