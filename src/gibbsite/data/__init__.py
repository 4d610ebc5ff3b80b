"""Data: toy densities, digits, and files of the user, as one `Dataset` in data units with its map to standard units."""

from gibbsite.data.dataset import DataError, Dataset, Modes
from gibbsite.data.files import from_array
from gibbsite.data.ising import IsingTorus, ising
from gibbsite.data.loader import NAMES, load
from gibbsite.data.toys import Checkerboard, checkerboard, gaussians8, moons

__all__ = [
    "NAMES",
    "Checkerboard",
    "DataError",
    "Dataset",
    "IsingTorus",
    "Modes",
    "checkerboard",
    "from_array",
    "gaussians8",
    "ising",
    "load",
    "moons",
]
