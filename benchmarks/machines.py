"""Restricted Boltzmann machines on MNIST: trained by persistent contrastive divergence, log Z certified, likelihood of the test images.

    GIBBSITE_MNIST=mnist.npz python -m benchmarks.machines [--hidden 16 500] [--epochs 20] [--seconds 300] [--width 0.5] [--json FILE]

The machine of 16 hidden units has an exact log Z, against which its sampled certificate is held. Published for 784 x 500 and PCD (PyDeep):
annealed importance sampling forward says -84.9 nats an image, in reverse -96.6, which leaves log Z open by 11.7.
"""

import argparse
import json
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import Coins, Normalised, capability
from gibbsite.data import load
from gibbsite.energies import BinaryRBM
from gibbsite.models import RBM
from gibbsite.models.machines import binary_machine
from gibbsite.objectives import PersistentContrastiveDivergence
from gibbsite.samplers import BlockGibbs
from gibbsite.thermo import certify
from gibbsite.train import fit

BATCH, WALKERS = 256, 256


def trained(hidden: int, epochs: int) -> tuple[BinaryRBM, np.ndarray]:
    """The machine, and the test images."""
    data = load("mnist")
    base = Coins.like(data.space, data.train)
    model = RBM(binary_machine(base.field, hidden, key=jax.random.key(0)), base, BlockGibbs())
    objective = PersistentContrastiveDivergence(BlockGibbs(), chains=WALKERS)
    rows = epochs * len(data.train)
    found = fit(model, data, objective=objective, budget=2 * rows, batch_size=BATCH, patience=1000, key=jax.random.key(1))
    return found.model.as_energy(), np.asarray(data.test)


def row(hidden: int, epochs: int, seconds: float, width: float) -> dict[str, object]:
    begun = time.perf_counter()
    machine, test = trained(hidden, epochs)
    trained_in = time.perf_counter() - begun
    found = certify(machine, routes=["sampled"], seconds=seconds, width=width, key=jax.random.key(2))
    energy = float(jnp.mean(jax.vmap(machine)(test)))
    known = capability(machine, Normalised)
    exact = None if known is None else float(known.log_z())
    print(f"\n784 x {hidden}, {epochs} epochs in {trained_in:.0f} s\n{found}")
    lo, hi = found.log_z.lo, found.log_z.hi
    print(f"test images: {-energy - hi:.2f} to {-energy - lo:.2f} nats each" + ("" if exact is None else f"; exact log Z {exact:.4f}"))
    return {"hidden": hidden, "epochs": epochs, "trained in": trained_in, "exact": exact, "test energy": energy, **found.record()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 500])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--json", type=pathlib.Path, help="where the figures go as well")
    args = parser.parse_args()
    rows = [row(hidden, args.epochs, args.seconds, args.width) for hidden in args.hidden]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
