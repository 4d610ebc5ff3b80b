"""Gradients that it takes to know E[x^2], tuning included: `sample("auto")` against NUTS of BlackJAX and of NumPyro with Stan's warm-up.

    python -m benchmarks.gradients [--problem gaussian brownian] [--replicas 16] [--json FILE]

Needs `blackjax` and `numpyro`. Two posteriors:

* gaussian: 100 dimensions, variances from 10^-2 to 10^2 evenly in log (condition number 10^4) along axes turned at random, mean
  drawn from N(0, 1). The truth is exact.
* brownian: BrownianMotionUnknownScalesMissingMiddleObservations of the Inference Gym (Sountsov, Radul et al. 2020): a walk of
  30 steps seen with noise but for its middle ten, both log scales with prior N(0, 2^2); here x = (log innovation scale, log
  observation scale, walk), 32 dimensions. The truth is by quadrature over both scales: the means of the scales are 0.1155 and 0.1127.
  The gym publishes 0.1198(6) and 0.1011(6), from Stan, for the same data and priors; a long run of BlackJAX's NUTS told there found
  0.11526 and 0.11305 (tensorflow/probability issue 1992), and locations as here. A prior N(0, 4^2) would give 0.1201 and 0.1018.

The figure is the squared bias b^2 = max_i (mean of x_i^2 - E x_i^2)^2 / Var x_i^2 (the worst coordinate) of the mean over all draws
of all chains so far, by the number of gradients of all chains so far, those of warm-up included. Told is where the median over
independent replicas falls to 0.01 for good. One gradient is one leapfrog step; that of the starting point, and those of the
first search for a step size where there is one, are left out. All in float32, all from N(0, I). NUTS runs with the warm-up of
Stan, whose step size goes to acceptance 0.8, with a diagonal matrix (the default of both) and with a
dense one; in one chain, since each further one would pay for a warm-up of its own.
"""

import argparse
import functools
import json
import pathlib
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.race import compare, tell
from gibbsite.core import AbstractEnergy, Callable, Reals
from gibbsite.energies import Gaussian
from gibbsite.samplers import sample

GOAL = 0.01
SEEN = [0.21592641, 0.118771404, -0.07945447, 0.037677474, -0.27885845, -0.1484156, -0.3250906, -0.22957903, -0.44110894, -0.09830782]
SEEN += [None] * 10
SEEN += [-0.8786016, -0.83736074, -0.7384849, -0.8939254, -0.7774566, -0.70238715, -0.87771565, -0.51853573, -0.6948214, -0.6202789]


class Problem(NamedTuple):
    """An energy with E[x_i^2] and Var[x_i^2]."""

    energy: AbstractEnergy
    square: np.ndarray
    variance: np.ndarray


class Cost(NamedTuple):
    """Of one replica: gradients in warm-up and up to each draw (all chains), and the mean of x^2 up to there."""

    warmup: float
    gradients: np.ndarray
    means: np.ndarray


def gaussian() -> Problem:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(100, 100)))[0]
    covariance, mean = (axes * np.logspace(-2, 2, 100)) @ axes.T, rng.normal(size=100)
    var = np.diag(covariance)
    return Problem(Gaussian.of_covariance(mean, covariance), var + mean**2, 2 * var**2 + 4 * var * mean**2)


def walk(seen, x):
    """Energy of (log innovation scale, log observation scale, walk)."""
    inner, outer, path = x[0], x[1], x[2:]
    missing = jnp.isnan(seen)
    steps, noise = jnp.diff(path, prepend=0.0), jnp.where(missing, 0.0, path - jnp.where(missing, 0.0, seen))
    prior = (inner**2 + outer**2) / 8
    return prior + jnp.sum(steps**2) * jnp.exp(-2 * inner) / 2 + 30 * inner + jnp.sum(noise**2) * jnp.exp(-2 * outer) / 2 + 20 * outer


def brownian() -> Problem:
    """Given both scales the walk is Gaussian; the scales themselves go by quadrature on a grid, in float64."""
    seen = np.array([np.nan if y is None else y for y in SEEN])
    grid = [(inner, outer) for inner in np.linspace(-6, 1, 141) for outer in np.linspace(-16, 1, 171)]
    logs, means, variances = (np.array(a) for a in zip(*(given(seen, *scales) for scales in grid), strict=True))
    law, scales = np.exp(logs - np.max(logs)), np.array(grid)
    law /= law.sum()
    square = law @ np.concatenate([scales**2, means**2 + variances], axis=1)
    fourth = law @ np.concatenate([scales**4, means**4 + 6 * means**2 * variances + 3 * variances**2], axis=1)
    return Problem(Callable(walk, jnp.asarray(seen, jnp.float32), Reals(32)), square, fourth - square**2)


def given(seen: np.ndarray, inner: float, outer: float) -> tuple[float, np.ndarray, np.ndarray]:
    """The log density of both log scales up to a constant, and mean and variance of the walk given them."""
    at, steps = np.nonzero(~np.isnan(seen))[0], np.arange(1, 31)
    walk = np.exp(2 * inner) * np.minimum.outer(steps, steps)
    noisy = walk[np.ix_(at, at)] + np.exp(2 * outer) * np.eye(len(at))
    solved = np.linalg.solve(noisy, np.column_stack([seen[at], walk[at]]))
    log = -(seen[at] @ solved[:, 0] + np.linalg.slogdet(noisy)[1]) / 2 - (inner**2 + outer**2) / 8
    return log, walk[:, at] @ solved[:, 0], np.diag(walk - walk[:, at] @ solved[:, 1:])


def auto(energy: AbstractEnergy, chains: int | None, warmup: int | None, draws: int, keys) -> list[Cost]:
    """`sample("auto")`, with the leapfrog steps of warm-up added up; those of a draw are the same for all."""

    def one(key) -> Cost:
        run = sample(
            "auto", energy, chains=chains, warmup=warmup, draws=draws, observe={"squares": jnp.square}, trace=draws, progress=False, key=key
        )
        before, after = (float(infos["leapfrog_steps"]) * run.chains for infos in (run.tuning, run.infos))
        return _cost(before * run.warmup, (run.traces["squares"].mean(axis=0), np.full(draws, after)))

    return [one(key) for key in keys]


def _cost(warmup, told) -> Cost:
    squares, spent = (np.asarray(a, float) for a in told)
    so_far = np.arange(1, len(squares) + 1)[:, None]
    return Cost(float(warmup), float(warmup) + np.cumsum(spent), np.cumsum(squares, axis=0) / so_far)


def blackjax_nuts(energy: AbstractEnergy, chains: int, warmup: int, draws: int, keys, *, dense: bool) -> list[Cost]:
    import blackjax

    def density(x):
        return -energy(x)

    def count(state, info, adaptation):
        return info.num_integration_steps

    def chain(key):
        begin, tune, run = jax.random.split(key, 3)
        x = jax.random.normal(begin, energy.space.shape)
        window = blackjax.window_adaptation(blackjax.nuts, density, is_mass_matrix_diagonal=not dense, adaptation_info_fn=count)
        found, spent = window.run(tune, x, num_steps=warmup)
        nuts = blackjax.nuts(density, **found.parameters)

        def move(state, key):
            state, info = nuts.step(key, state)
            return state, (state.position**2, info.num_integration_steps)

        return jnp.sum(spent), jax.lax.scan(move, found.state, jax.random.split(run, draws))[1]

    spent, (squares, steps) = jax.device_get(jax.jit(jax.vmap(chain))(jnp.concatenate([jax.random.split(key, chains) for key in keys])))
    return _by_replica(spent, squares, steps, chains)


def numpyro_nuts(energy: AbstractEnergy, chains: int, warmup: int, draws: int, keys, *, dense: bool) -> list[Cost]:
    from numpyro.infer import MCMC, NUTS

    many = chains * len(keys)
    first, run = jax.random.split(keys[0])
    kernel = NUTS(potential_fn=energy, dense_mass=dense, target_accept_prob=0.8)
    mcmc = MCMC(kernel, num_warmup=warmup, num_samples=draws, num_chains=many, chain_method="vectorized", progress_bar=False)
    xs = jax.random.normal(first, (many, *energy.space.shape))
    mcmc.warmup(run, init_params=xs, collect_warmup=True, extra_fields=("num_steps",))
    spent = np.asarray(mcmc.get_extra_fields(group_by_chain=True)["num_steps"]).sum(axis=1)
    mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=("num_steps",))
    squares = np.asarray(mcmc.get_samples(group_by_chain=True)) ** 2
    return _by_replica(spent, squares, np.asarray(mcmc.get_extra_fields(group_by_chain=True)["num_steps"]), chains)


def _by_replica(spent, squares, steps, chains: int) -> list[Cost]:
    groups = [slice(i, i + chains) for i in range(0, len(spent), chains)]
    return [_cost(spent[g].sum(), (squares[g].mean(axis=0), steps[g].sum(axis=0))) for g in groups]


def crossing(problem: Problem, replicas: list[Cost]) -> dict[str, float]:
    """Where the median of b^2 falls to the goal for good; infinite where it does not."""
    bias = np.array([np.max((c.means - problem.square) ** 2 / problem.variance, axis=1) for c in replicas])
    middle, spent = np.median(bias, axis=0), np.median([c.gradients for c in replicas], axis=0)
    above = np.nonzero(middle > GOAL)[0]
    first = 0 if len(above) == 0 else above[-1] + 1
    reached = first < len(middle)
    return {
        "in warm-up": float(np.median([c.warmup for c in replicas])),
        "draws": float(first + 1) if reached else np.inf,
        "gradients": float(spent[first]) if reached else np.inf,
        "b^2 at end": float(middle[-1]),
        "of gradients": float(spent[-1]),
    }


SAMPLERS = {
    "auto": auto,
    "BlackJAX NUTS": functools.partial(blackjax_nuts, dense=False),
    "NumPyro NUTS": functools.partial(numpyro_nuts, dense=False),
    "BlackJAX NUTS, dense": functools.partial(blackjax_nuts, dense=True),
    "NumPyro NUTS, dense": functools.partial(numpyro_nuts, dense=True),
}
PEERS = list(SAMPLERS)[1:]
# sampler, chains, steps of warm-up, draws of each chain
PLANS = [("auto", None, None, 400), ("auto", 8, 60, 800), ("auto", 16, 60, 400), ("auto", 64, 60, 100), ("auto", 64, 500, 100)]
PLANS += [(name, 1, warmup, 3000) for name in PEERS for warmup in (300, 1000)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", nargs="+", choices=("gaussian", "brownian"), default=("gaussian", "brownian"))
    parser.add_argument("--sampler", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS))
    parser.add_argument("--replicas", type=int, default=8)
    parser.add_argument("--json", type=pathlib.Path, help="where the figures go as well")
    args = parser.parse_args()
    rows = []
    for name in args.problem:
        problem = {"gaussian": gaussian, "brownian": brownian}[name]()
        plans = [plan for plan in PLANS if plan[0] in args.sampler]
        found = {f"{plan[0]}:{plan[1] or 'usual'} x {plan[2] or 'usual'}": held(problem, args.replicas, *plan) for plan in plans}
        tell(f"{name}: gradients to b^2 = {GOAL}, median of {args.replicas} replicas (sampler:chains x steps of warm-up)", found)
        compare({who: 1 / row["gradients"] for who, row in found.items()}, dict.fromkeys(PEERS, 1), ours="auto")
        rows += [{"problem": name, "contestant": who, **row} for who, row in found.items()]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def held(problem: Problem, replicas: int, sampler: str, chains: int, warmup: int, draws: int) -> dict[str, float]:
    """The figures of one sampler with one plan."""
    begun = time.perf_counter()
    keys = jax.random.split(jax.random.key(1), replicas)
    figures = crossing(problem, SAMPLERS[sampler](problem.energy, chains, warmup, draws, keys))
    return figures | {"seconds": time.perf_counter() - begun}


if __name__ == "__main__":
    main()
