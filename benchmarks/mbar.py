"""MBAR with its errors and 100 bootstraps, against pymbar 4: `python -m benchmarks.mbar [--rounds 3] [--out FILE]`.

36 harmonic wells in a row with 2,500 samples each. `solve`: free energies, their covariance, overlap. `bootstrap`: free energies, overlap
and 100 replicates. Needs `pymbar` (of the extra `bench`), which runs as it does by default, with its JAX acceleration; `pymbar:numpy` is
without. Every contestant has a process of its own on two cores, one at a time; its figure is the median of runs after the first,
which compiles. The check is the free energy of the last state.
"""

import argparse
import functools
import json
import pathlib
import sys

import numpy as np

from benchmarks.race import Race, Ready, hold, measure

STATES, EACH, REPLICATES = 36, 2500, 100


def problem() -> tuple[np.ndarray, np.ndarray]:
    """Reduced energies and counts: widths and offsets (of a few kT) vary, neighbours overlap."""
    rng = np.random.default_rng(0)
    stiffness, centres = 1 + np.arange(STATES) % 3 / 2, 1.5 * np.arange(STATES)
    x = (centres[:, None] + rng.normal(size=(STATES, EACH)) / np.sqrt(stiffness[:, None])).ravel()
    return stiffness[:, None] * (x - centres[:, None]) ** 2 / 2 + rng.normal(scale=2, size=(STATES, 1)), np.full(STATES, EACH)


def ours(replicates: int) -> Ready:
    import jax

    from gibbsite.thermo import bootstrap, mbar

    u, counts = problem()

    def run() -> float:
        m = mbar(u, counts)
        estimates = m.free_energies
        assert m.overlap_scalar > 0 and all(e.stderr is not None for e in estimates)
        if replicates:
            drawn = bootstrap(m, replicates, key=jax.random.key(0))
            assert drawn.failed == 0
            estimates = tuple(drawn.difference(k) for k in range(STATES))
        return float(estimates[-1])

    return Ready(1, run)


def pymbar(replicates: int, *, jax: bool) -> Ready:
    if not jax:
        sys.modules["jax"] = None  # type: ignore[assignment]  # as if it were not installed, for pymbar alone
    from pymbar import MBAR

    if not jax:
        del sys.modules["jax"]

    u, counts = problem()

    def run() -> float:
        m = MBAR(u, counts, n_bootstraps=replicates)
        free = m.compute_free_energy_differences(uncertainty_method="bootstrap" if replicates else None)
        assert m.compute_overlap()["scalar"] > 0 and np.all(np.isfinite(free["dDelta_f"]))
        return float(free["Delta_f"][0, -1])

    return Ready(1, run)


TITLE = f"MBAR, {STATES} states, {STATES * EACH} samples"
RACES = {
    "solve": Race(
        f"{TITLE}, covariance and overlap",
        "analyses",
        {
            "gibbsite": functools.partial(ours, 0),
            "pymbar": functools.partial(pymbar, 0, jax=True),
            "pymbar:numpy": functools.partial(pymbar, 0, jax=False),
        },
        {"pymbar": 1},
    ),
    "bootstrap": Race(
        f"{TITLE}, overlap and {REPLICATES} bootstraps",
        "analyses",
        {"gibbsite": functools.partial(ours, REPLICATES), "pymbar": functools.partial(pymbar, REPLICATES, jax=True)},
        {"pymbar": 1},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("races", nargs="*", metavar="race", help=f"some of {', '.join(RACES)}; all, if none is named")
    parser.add_argument("--rounds", type=int, default=3, help="of all contestants; with bootstraps, pymbar takes minutes for each")
    parser.add_argument("--out", type=pathlib.Path, help="a JSON file for the figures")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.races) - set(RACES):
        parser.error(f"no race is called {', '.join(sorted(unknown))}; there are {', '.join(RACES)}")
    if args.measure:
        measure(RACES[args.races[0]].contestants[args.measure])
        return
    told = {name: hold(name, RACES[name], args.rounds, "cpu", module="benchmarks.mbar") for name in args.races or RACES}
    if args.out:
        args.out.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
