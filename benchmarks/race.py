"""Libraries against each other on the same work: each in a process of its own, one at a time, in turn, on two cores.

A *contestant* is a function that builds everything and returns `Ready(work, run)`: `run()` does `work` units once more and
returns a check, a number on which contestants must agree within their noise. A process calls `run` once, which compiles, and then
`REPEATS` times; its figure is the median of these. Rounds alternate the order. After the first round, variants of a peer that were
less than half as fast as its best one rest, and so does what failed. A *race* asks for a least ratio of medians to each
peer. On a GPU, JAX and torch both use it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

THREADS, REPEATS = 2, 3
PLATFORM = "JAX_PLATFORMS"


class Ready(NamedTuple):
    """Units of work of one run, and the run."""

    work: float
    run: Callable[[], float]


class Race(NamedTuple):
    """What is raced, in which unit, by whom (ours first), and how many times the best of each family of peers we ask for.

    A peer `name:variant` belongs to the family `name`, of which the fastest variant counts.
    """

    title: str
    unit: str
    contestants: Mapping[str, Callable[[], Ready]]
    asked: Mapping[str, float]


def torch_device() -> str:
    """Where a torch contestant runs: on the GPU if JAX is to run there."""
    return "cuda" if os.environ.get(PLATFORM) == "cuda" else "cpu"


def measure(contestant: Callable[[], Ready]) -> None:
    """In the child: times one contestant and prints a line for the parent."""
    begun = time.perf_counter()
    ready = contestant()
    built = time.perf_counter()
    check = ready.run()
    first = time.perf_counter() - built
    seconds = statistics.median(_timed(ready.run) for _ in range(REPEATS))
    print(json.dumps({"start": built - begun, "first": first, "rate": ready.work / seconds, "check": check}))


def _timed(run: Callable[[], float]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def hold(race_name: str, race: Race, rounds: int, platform: str, *, module: str = "benchmarks.sampling") -> list[dict]:
    """All rounds of a race, printed as a table; one record a contestant, with its ratio to ours where it is a peer.

    Children run `module` with the race's name and `--measure CONTESTANT`.
    """
    found: dict[str, list[dict]] = {name: [] for name in race.contestants}
    racing = list(found)
    for turn in range(rounds):
        for name in racing[:: 1 if turn % 2 == 0 else -1]:
            found[name].append(_child(race_name, name, platform, module))
        racing = racing if turn else _of_use(found)
    return _summary(race, found)


def _of_use(found: Mapping[str, list[dict]]) -> list[str]:
    """Who could still be the best of a family."""
    rates = {name: runs[0]["rate"] for name, runs in found.items() if "failed" not in runs[0]}
    best = {_family(name): max(rate for other, rate in rates.items() if _family(other) == _family(name)) for name in rates}
    return [name for name, rate in rates.items() if rate >= best[_family(name)] / 2]


def _family(name: str) -> str:
    return name.split(":")[0]


def _child(race_name: str, contestant: str, platform: str, module: str) -> dict:
    threads = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, "-m", module, race_name, "--measure", contestant]
    if hasattr(os, "sched_setaffinity"):
        command = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:THREADS])), *command]
    done = subprocess.run(command, env=os.environ | {PLATFORM: platform} | threads, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def _summary(race: Race, found: dict[str, list[dict]]) -> list[dict]:
    """Medians over rounds; a contestant that never finished keeps the reason."""
    middle: dict[str, dict] = {}
    rows: dict[str, dict] = {}
    for name, runs in found.items():
        good = [run for run in runs if "failed" not in run]
        if not good:
            rows[name] = {"failed": runs[0]["failed"]}
            continue
        middle[name] = {key: statistics.median(run[key] for run in good) for key in good[0]}
        spread = f"{min(r['rate'] for r in good):.3g} to {max(r['rate'] for r in good):.3g}"
        rate, first, check = (middle[name][key] for key in ("rate", "first", "check"))
        rows[name] = {f"{race.unit} /s": rate, "(range)": spread, "first run, s": first, "check": check}
    tell(race.title, rows)
    compare({name: m["rate"] for name, m in middle.items()}, race.asked, ours=next(iter(race.contestants)))
    return [{"contestant": name, **values} for name, values in middle.items()]


def tell(title: str, rows: Mapping[str, Mapping[str, float | str]]) -> None:
    """A table of contestants by columns; what failed is told in its row."""
    columns = next((list(row) for row in rows.values() if "failed" not in row), [])
    print(f"\n{title}\n{'':28}" + "".join(f"{column:>22}" for column in columns))
    for name, row in rows.items():
        cells = [f"{value:>22}" if isinstance(value, str) else f"{value:22.5g}" for value in row.values()]
        print(f"{name:28}" + (f"failed: {row['failed']}" if "failed" in row else "".join(cells)), flush=True)


def compare(figures: Mapping[str, float], asked: Mapping[str, float], *, ours: str) -> None:
    """How many times the best figure of each family of peers our best one is; the larger, the better."""
    best: dict[str, float] = {}
    for name, figure in figures.items():
        family = _family(name)
        best[family] = max(figure, best.get(family, 0.0))
    for family, least in asked.items():
        if ours not in best or not best.get(family):
            print(f"  against {family}: no figure")
            continue
        ratio = best[ours] / best[family]
        print(f"  against {family}: {ratio:.2f} times (asked: {least:g}){'' if ratio >= least else '  SHORT'}")
