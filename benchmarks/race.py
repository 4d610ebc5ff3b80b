"""Libraries against each other on the same work: each in a process of its own, one at a time, in turn, on two cores.

A *contestant* is a function that builds everything and returns `Ready(work, run)`: `run()` does `work` units once more and
returns a check, a number on which contestants must agree within their noise. Its process calls `run` once, which compiles, and waits;
then it is asked for one run a round, so that all see the same minutes of a machine whose speed wanders. Rounds alternate the order. After
the first round, variants of a peer that were less than half as fast as its best one rest, and so does what failed. A *race* asks for
a least ratio of medians to each peer. On a GPU, JAX and torch both use it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

THREADS = 2
PLATFORM = "JAX_PLATFORMS"


class Ready(NamedTuple):
    """Units of work of one run, and the run."""

    work: float
    run: Callable[[], float]


class Race(NamedTuple):
    """What is raced, in which unit, by whom (ours first), and how many times the best of each family of peers we ask for.

    A contestant `name:variant` belongs to the family `name`, of which the fastest variant counts.
    """

    title: str
    unit: str
    contestants: Mapping[str, Callable[[], Ready]]
    asked: Mapping[str, float]


def torch_device() -> str:
    """Where a torch contestant runs: on the GPU if JAX is to run there."""
    return "cuda" if os.environ.get(PLATFORM) == "cuda" else "cpu"


def measure(contestant: Callable[[], Ready]) -> None:
    """In the child: a line of JSON when all is compiled, and one after each run that a line from the parent asks for."""
    begun = time.perf_counter()
    ready = contestant()
    built = time.perf_counter()
    check = ready.run()
    print(json.dumps({"start": built - begun, "first": time.perf_counter() - built, "check": check}), flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        ready.run()
        print(json.dumps({"rate": ready.work / (time.perf_counter() - begun)}), flush=True)


class Contestant:
    """A child process, compiled and waiting; `failed` is the last line that it told, if it has ended."""

    def __init__(self, command: list[str], platform: str):
        threads = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        shared = {PLATFORM: platform, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # several live on one GPU
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.child = subprocess.Popen(command, env=os.environ | shared | threads, stdin=subprocess.PIPE, text=True, **both)
        self.rates, self.failed = [], ""
        self.first = self._heard()

    def run(self) -> None:
        """One more run, unless it has failed."""
        if self.failed:
            return
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        if heard := self._heard():
            self.rates.append(heard["rate"])

    def close(self) -> None:
        """Ends the process."""
        self.child.kill()
        self.child.communicate()

    def _heard(self) -> dict:
        """The next line that the child tells; nothing where it has ended."""
        assert self.child.stdout is not None
        last = ""
        for line in self.child.stdout:
            if line.startswith("{"):
                return json.loads(line)
            last = line.strip() or last
        self.failed = last or f"exit {self.child.wait()}"
        return {}


def hold(race_name: str, race: Race, rounds: int, platform: str, *, module: str = "benchmarks.sampling") -> list[dict]:
    """All rounds of a race, printed as a table; one record a contestant, with its ratio to ours where it is a peer.

    Children run `module` with the race's name and `--measure CONTESTANT`.
    """
    held = {name: Contestant(_command(race_name, name, module), platform) for name in race.contestants}
    racing = list(held)
    for turn in range(rounds):
        for name in racing[:: 1 if turn % 2 == 0 else -1]:
            held[name].run()
        racing = racing if turn else of_use({name: one.rates[0] for name, one in held.items() if not one.failed})
    for one in held.values():
        one.close()
    return _summary(race, held)


def of_use(rates: Mapping[str, float]) -> list[str]:
    """Who could still be the best of a family."""
    best = _best(rates)
    return [name for name, rate in rates.items() if rate >= best[_family(name)] / 2]


def _best(figures: Mapping[str, float]) -> dict[str, float]:
    """The largest figure of each family."""
    return {family: max(f for name, f in figures.items() if _family(name) == family) for family in map(_family, figures)}


def _family(name: str) -> str:
    return name.split(":")[0]


def _command(race_name: str, contestant: str, module: str) -> list[str]:
    command = [sys.executable, "-m", module, race_name, "--measure", contestant]
    if not hasattr(os, "sched_setaffinity"):
        return command
    return ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:THREADS])), *command]


def _summary(race: Race, held: Mapping[str, Contestant]) -> list[dict]:
    """Medians over rounds; a contestant that failed keeps the reason."""
    rows: dict[str, dict] = {}
    for name, one in held.items():
        if one.failed or not one.rates:
            rows[name] = {"failed": one.failed or "no round was run"}
            continue
        spread = f"{min(one.rates):.3g} to {max(one.rates):.3g}"
        rate = statistics.median(one.rates)
        rows[name] = {f"{race.unit} /s": rate, "(range)": spread, "first run, s": one.first["first"], "check": one.first["check"]}
    tell(race.title, rows)
    rates = {name: row[f"{race.unit} /s"] for name, row in rows.items() if "failed" not in row}
    compare(rates, race.asked, ours=_family(next(iter(race.contestants))))
    return [{"contestant": name, **held[name].first, "rate": rate, "rates": held[name].rates} for name, rate in rates.items()]


def tell(title: str, rows: Mapping[str, Mapping[str, float | str]]) -> None:
    """A table of contestants by columns; what failed is told in its row."""
    columns = next((list(row) for row in rows.values() if "failed" not in row), [])
    print(f"\n{title}\n{'':28}" + "".join(f"{column:>22}" for column in columns))
    for name, row in rows.items():
        cells = [f"{value:>22}" if isinstance(value, str) else f"{value:22.5g}" for value in row.values()]
        print(f"{name:28}" + (f"failed: {row['failed']}" if "failed" in row else "".join(cells)), flush=True)


def compare(figures: Mapping[str, float], asked: Mapping[str, float], *, ours: str) -> None:
    """How many times the best figure of each family of peers our best one is; the larger, the better."""
    best = _best(figures)
    for family, least in asked.items():
        if ours not in best or not best.get(family):
            print(f"  against {family}: no figure")
            continue
        ratio = best[ours] / best[family]
        print(f"  against {family}: {ratio:.2f} times (asked: {least:g}){'' if ratio >= least else '  SHORT'}")
