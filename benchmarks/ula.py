"""Unadjusted Langevin on an MLP energy 2-128-128-128-1 (SiLU), 4096 chains: gibbsite against torchebm's LangevinDynamics.

    python benchmarks/ula.py [--torch-python PYTHON] [--rounds 5] [--steps 200]

The same weights, chains, step size and number of threads (2) on both sides. Each library runs in a process of its own,
one at a time, in alternating order; a process times a first run of `steps` steps (with compilation) and then the best of
three further ones. gibbsite's figure includes what it always does: the shadow work of each step and the energy's mean with
its error, R-hat and autocorrelation time; torchebm returns the last positions. The table shows medians over rounds.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

SIZES, CHAINS, STEP, THREADS, REPEATS = (2, 128, 128, 128, 1), 4096, 1e-2, 2, 3


def weights():
    """The same float32 weights for both, `(out, in)` matrices and biases."""
    import numpy as np

    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(SIZES)
    return [(rng.normal(size=(o, i)).astype("f4") / i**0.5, rng.normal(size=o).astype("f4") / 8) for i, o in pairs]


def start():
    import numpy as np

    return np.random.default_rng(1).normal(size=(CHAINS, SIZES[0])).astype("f4")


def gibbsite_runner(steps: int):
    import jax
    import jax.numpy as jnp

    from gibbsite.core import Callable, Reals
    from gibbsite.samplers import ULA, Silent, sample

    def mlp(params, x):
        for w, b in params[:-1]:
            x = jax.nn.silu(w @ x + b)
        w, b = params[-1]
        return (w @ x + b)[0]

    energy = Callable(mlp, jax.tree.map(jnp.asarray, weights()), Reals(SIZES[0]))
    kernel, x0 = ULA(STEP), start()

    def run() -> float:
        done = sample(kernel, energy, chains=CHAINS, warmup=0, draws=steps, init=x0, progress=Silent(), key=jax.random.key(0))
        return float(done["energy"].value)

    return run


def torchebm_runner(steps: int):
    import torch
    from torchebm.core import BaseModel
    from torchebm.samplers import LangevinDynamics

    torch.set_num_threads(THREADS)

    class Energy(BaseModel):
        def __init__(self):
            super().__init__()
            layers = []
            for w, b in weights():
                linear = torch.nn.Linear(w.shape[1], w.shape[0])
                linear.weight.data, linear.bias.data = torch.from_numpy(w), torch.from_numpy(b)
                layers += [linear, torch.nn.SiLU()]
            self.net = torch.nn.Sequential(*layers[:-1])
            self.requires_grad_(False)  # no gradients of weights are asked for: the cheapest use

        def forward(self, x):
            return self.net(x).squeeze(-1)

    energy = Energy()
    sampler = LangevinDynamics(energy, step_size=STEP, noise_scale=1.0)
    x0 = torch.from_numpy(start())

    def run() -> float:
        x = sampler.sample(x=x0.clone(), n_steps=steps)
        return float(energy(x).mean())

    return run


def measure(library: str, steps: int) -> None:
    begun = time.perf_counter()
    run = {"gibbsite": gibbsite_runner, "torchebm": torchebm_runner}[library](steps)
    built = time.perf_counter()
    mean = run()
    first = time.perf_counter() - built
    best = min(_timed(run) for _ in range(REPEATS))
    print(json.dumps({"start": built - begun, "first": first, "rate": CHAINS * steps / best, "mean": mean}))


def _timed(run) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def child(python: str, library: str, steps: int) -> dict:
    env = os.environ | {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": str(THREADS), "MKL_NUM_THREADS": str(THREADS)}
    command = [python, __file__, "--measure", library, "--steps", str(steps)]
    if hasattr(os, "sched_setaffinity"):
        command = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:THREADS])), *command]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{library} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=sys.executable, help="an interpreter that has torchebm, if this one has not")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--measure", choices=("gibbsite", "torchebm"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure, args.steps)
        return
    pythons = {"gibbsite": sys.executable, "torchebm": args.torch_python}
    rows: dict[str, list[dict]] = {name: [] for name in pythons}
    for turn in range(args.rounds):
        for name in list(pythons)[:: 1 if turn % 2 == 0 else -1]:
            rows[name].append(child(pythons[name], name, args.steps))
    report(rows, args.steps)


def report(rows: dict[str, list[dict]], steps: int) -> None:
    print(f"ULA, MLP {'-'.join(map(str, SIZES))} (SiLU), {CHAINS} chains, {steps} steps, {THREADS} threads, {len(rows['gibbsite'])} rounds")
    print(f"{'':10}{'chain-steps/s':>15}{'(range)':>24}{'first run, s':>14}{'start, s':>10}{'mean energy':>13}")
    for name, runs in rows.items():
        rates = sorted(r["rate"] for r in runs)
        middle = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
        spread = f"{rates[0]:.3g} to {rates[-1]:.3g}"
        print(f"{name:10}{middle['rate']:15.4g}{spread:>24}{middle['first']:14.2f}{middle['start']:10.2f}{middle['mean']:13.4f}")
    ratios = [a["rate"] / b["rate"] for a, b in zip(rows["gibbsite"], rows["torchebm"], strict=True)]
    print(f"ratio, median of rounds: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
