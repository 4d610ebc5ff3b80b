"""The speed of sampling against other libraries: `python -m benchmarks.sampling [race ...] [--rounds 9] [--platform cpu] [--out FILE]`.

Peers are those of the extra `bench`, in the same environment. Without names, all races run, on two cores, one process at a time.
"""

import argparse
import json
import pathlib

from benchmarks import lattices, networks
from benchmarks.race import hold, measure

RACES = lattices.RACES | networks.RACES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("races", nargs="*", metavar="race", help=f"some of {', '.join(RACES)}; all, if none is named")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--platform", choices=("cpu", "cuda"), default="cpu", help="where JAX and torch run; numba stays on one core")
    parser.add_argument("--out", type=pathlib.Path, help="a JSON file for the figures")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.races) - set(RACES):
        parser.error(f"no race is called {', '.join(sorted(unknown))}; there are {', '.join(RACES)}")
    if args.measure:
        measure(RACES[args.races[0]].contestants[args.measure])
        return
    told = {name: hold(name, RACES[name], args.rounds, args.platform) for name in args.races or RACES}
    if args.out:
        args.out.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
