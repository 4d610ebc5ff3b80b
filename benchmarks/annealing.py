"""log Z by `smc` along a path against ebmkit's AIS: mean squared error times gradients, over many seeds, in one run.

    python -m benchmarks.annealing [--problem many-well mlp] [--seeds 64] [--json FILE]

Needs `ebmkit` and `torch`. Two energies whose log Z is known:

* many-well: Many-Well-32, sixteen double wells with as many Gaussians, log Z = 164.6957 (32 dimensions, 65,536 basins);
* mlp: a network 2-128-128-128-1 of fixed random weights, eight times as steep, in a bowl |x|^2 / 2; log Z by quadrature.

The figure is `MSE x gradients`: the mean squared error of log Z over seeds, times the gradients that one estimate took, tuning included.
Twice the walkers take twice the gradients for half the MSE, so it does not depend on their number. Energies without a gradient (those of
weights) are told beside it. ebmkit's `ais_log_z` runs as it is documented: HMC of 5 leapfrog steps from 0.1, adapted on the way, even
temperatures (1000 is its default), 64 chains, from N(0, I); "base" starts it from our base, which is as steep at the origin as the
target. All seeds of ebmkit run side by side in one call and are parted afterwards; its steps are then adapted to all of them.
"""

import argparse
import functools
import json
import math
import pathlib
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import networks
from benchmarks.race import THREADS, compare, tell
from gibbsite.core import AbstractEnergy, Callable, Geometric, Normal, Reals
from gibbsite.energies import ManyWell
from gibbsite.samplers import HMC, Silent
from gibbsite.thermo import quadrature, smc
from gibbsite.thermo.smc import HALVINGS

STEEP = 8.0  # of the network
CHAINS, LEAPS = 64, 5  # ebmkit's defaults
ASKED = 2.0


class Problem(NamedTuple):
    """An energy here and as a torch function, its log Z, and a base of unit width."""

    energy: AbstractEnergy
    torch: object
    log_z: float
    base: Normal


class Found(NamedTuple):
    """log Z of every seed, and what one estimate took."""

    log_zs: np.ndarray
    gradients: float
    energies: float


def many_well() -> Problem:
    def wells(x):
        first, second = x[:, ::2], x[:, 1::2]
        return (first**4 - 6 * first**2 - first / 2 + second**2 / 2).sum(1)

    energy = ManyWell(16)
    return Problem(energy, wells, 164.695675313182, Normal(-jax.grad(energy)(jnp.zeros(32)), jnp.ones(32)))


def steep(params, x):
    bowl = 0.5 * x @ x
    return STEEP * (networks.mlp(params, x) - bowl) + bowl


def mlp() -> Problem:
    import torch

    layers = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in networks.weights()]

    def net(x):
        h = x
        for w, b in layers[:-1]:
            h = torch.nn.functional.silu(torch.addmm(b, h, w.T))
        w, b = layers[-1]
        return STEEP * torch.addmm(b, h, w.T)[:, 0] + 0.5 * (x**2).sum(1)

    energy = Callable(steep, jax.tree.map(jnp.asarray, networks.weights()), Reals(2))
    return Problem(energy, net, float(quadrature(energy, low=-20, high=20)), Normal(jnp.zeros(2), jnp.ones(2)))


def ebmkit(problem: Problem, seeds: int, *, temperatures: int, own_base: bool) -> Found:
    """Its AIS as documented; chains are independent, so those of all seeds run together."""
    import torch
    from ebm import ais_log_z

    torch.manual_seed(0)
    dim = problem.energy.space.size
    base = (
        None if own_base else torch.distributions.Independent(torch.distributions.Normal(torch.tensor(np.array(problem.base.loc)), 1.0), 1)
    )
    out = ais_log_z(problem.torch, (dim,), base=base, n_temps=temperatures, n_chains=CHAINS * seeds)
    groups = out.log_weights.numpy().reshape(seeds, CHAINS)
    log_zs = np.logaddexp.reduce(groups, axis=1) - math.log(CHAINS)
    return Found(log_zs, CHAINS * temperatures * (LEAPS + 1), CHAINS * temperatures)


def by_smc(problem: Problem, seeds: int, *, walkers: int, cess: float, moves: int, steps: int) -> Found:
    """Times chosen by conditional ESS, steps tuned on the way: nothing is spent on a pilot."""
    path = Geometric(problem.base, problem.energy)
    runs = [
        smc(path, HMC(0.2, steps=steps), walkers=walkers, cess=cess, moves=moves, most=5000, progress=Silent(), key=jax.random.key(seed))
        for seed in range(seeds)
    ]
    stages = float(np.mean([len(run.ess) for run in runs]))
    log_zs = np.array([run.log_z.value for run in runs], float)
    looks = HALVINGS + 2  # for the next time; the compiler may take the energies out of that loop
    return Found(log_zs, walkers * stages * (moves * steps + 1), walkers * stages * looks)


PROBLEMS = {"many-well": many_well, "mlp": mlp}
OURS = {
    "many-well": functools.partial(by_smc, walkers=512, cess=0.99, moves=1, steps=5),
    "mlp": functools.partial(by_smc, walkers=512, cess=0.9, moves=1, steps=5),
}
TEMPERATURES = (100, 300, 1000)


def contestants(name: str) -> dict[str, functools.partial[Found]]:
    """Ours first, then ebmkit from its base, and from ours where that is another."""
    families = {"ebmkit": True, "ebmkit, base": False} if name == "many-well" else {"ebmkit": True}
    theirs = {
        f"{family}:{temperatures}": functools.partial(ebmkit, temperatures=temperatures, own_base=own)
        for family, own in families.items()
        for temperatures in TEMPERATURES
    }
    return {"gibbsite": OURS[name], **theirs}


def figures(problem: Problem, found: Found, seconds: float) -> dict[str, float]:
    """What is told of one contestant."""
    off = found.log_zs - problem.log_z
    mse = float(np.mean(off**2))
    return {
        "bias": float(np.mean(off)),
        "rms error": mse**0.5,
        "gradients": found.gradients,
        "energies": found.energies,
        "MSE x gradients": mse * found.gradients,
        "seconds each": seconds / len(off),
    }


def main() -> None:
    import torch

    torch.set_num_threads(THREADS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--json", type=pathlib.Path, help="where the figures go as well")
    args = parser.parse_args()
    rows = []
    for name in args.problem:
        problem, told = PROBLEMS[name](), {}
        for who, contestant in contestants(name).items():
            begun = time.perf_counter()
            told[who] = figures(problem, contestant(problem, args.seeds), time.perf_counter() - begun)
        tell(f"{name}: log Z = {problem.log_z:.4f}, {args.seeds} seeds", told)
        asked = {who.split(":")[0]: ASKED for who in told if who != "gibbsite"}
        compare({who: 1 / row["MSE x gradients"] for who, row in told.items()}, asked, ours="gibbsite")
        rows += [{"problem": name, "contestant": who, **row} for who, row in told.items()]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
