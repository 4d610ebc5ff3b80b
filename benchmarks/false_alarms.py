"""How often annealed log Z lies too far from the exact one, over many keys: `python benchmarks/false_alarms.py gibbsite-default`.

Takes the trained models of a comparison whose log Z is integrated or summed, anneals each again as `gibbsite compare` does, and
counts how often `|annealed - exact|` exceeds 1.96 and 4 standard errors. A Gaussian error bar would give 5 % and 0.006 %.
"""

import argparse
import pathlib

import jax
import numpy as np

from gibbsite.compare.card import Card
from gibbsite.compare.constants import annealed, constants, disagreement
from gibbsite.compare.plan import plan
from gibbsite.compare.store import Store
from gibbsite.core import Over
from gibbsite.samplers import Silent
from gibbsite.train import load


def main() -> None:
    """Prints one row a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--keys", type=int, default=200)
    asked = parser.parse_args()
    store, planned = Store(asked.folder), plan(Card.read(asked.folder / "card.toml"))
    print(f"{asked.keys} keys each\n{'data set':16}{'model':10}{'mean z':>8}{'std z':>8}{'> 1.96':>9}{'> 4':>9}{'largest':>9}")
    for cell in planned.cells:
        model, train = load(store.path(cell)), np.asarray(planned.datasets[cell.dataset].train)
        if model.over is not Over.DATA:
            continue
        energy = model.as_energy()
        first = constants(energy, train, planned.card.budget, Silent(), key=jax.random.key(0))
        if not {"quadrature", "enumeration"} & set(first):
            continue
        keys = map(jax.random.key, range(asked.keys))
        found = ({**first, "ais": annealed(energy, train, planned.card.budget, Silent(), key=key)} for key in keys)
        z = np.array([disagreement(held) for held in found])
        shares = "".join(f"{100 * np.mean(np.abs(z) > limit):8.1f}%" for limit in (1.96, 4.0))
        print(f"{cell.dataset:16}{cell.model:10}{z.mean():8.2f}{z.std(ddof=1):8.2f}{shares}{np.abs(z).max():9.2f}", flush=True)


if __name__ == "__main__":
    main()
