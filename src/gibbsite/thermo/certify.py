"""`certify`: log Z by every exact route that an energy has, or by three sampled ones that must agree.

The sampled routes share a path and the temperatures and kernels that a pilot population was tuned to, and nothing else, so that their
errors are independent:

* `annealing`: annealed importance sampling on a finer schedule, `anneal`; both ways and Bennett's ratio where the energy can be drawn from;
* `population`: walkers weighed, resampled and moved, `smc`;
* `stones`: replica exchange and Bennett's ratio between neighbours, `stepping_stones`.

They fail in different ways: the first two know only what came down from the base, the third only what its replicas have met, and
each tells by its weights, its families or its R-hat when it has failed. What none of them ever met, none of them can miss.
Rounds with keys of their own are added until the interval is narrow enough or the time is over. A route whose round is in doubt begins
anew with twice the effort (steps, stages, or draws), and what it did before is dropped; so do all where they disagree.
"""

import dataclasses
import math
import time
from collections.abc import Callable as Function
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractPath, Estimate, Evidence, Sampleable, Status, capability
from gibbsite.core.keys import chain_keys
from gibbsite.samplers import Progress, Silent
from gibbsite.samplers.checks import check_energy, check_key
from gibbsite.thermo.annealing import Ladder, anneal, anneal_reverse, draw_base
from gibbsite.thermo.certificate import Certificate, Route, judge
from gibbsite.thermo.exact import exact_routes
from gibbsite.thermo.outset import along_path, outset
from gibbsite.thermo.perturbation import bar
from gibbsite.thermo.smc import smc
from gibbsite.thermo.stones import stepping_stones
from gibbsite.thermo.weights import log_mean

CESS = 0.9  # of the pilot's stages
MOVES = 3  # at every temperature
FINER = 4  # stages of the population in one of the pilot, with one move each: families stay small
SPREAD = 0.4  # variance of log-weights at the end of annealing, where moves forget: it takes stages^2 |log CESS| / SPREAD steps
FEWER, FEWEST = 4, 64  # walkers of the population for each one that anneals, and takes so many more steps; and no fewer than these
APART = 4  # stages of the pilot between two neighbouring stones
POPULATIONS = 16
MOST = 200  # rounds
DEAR = "enumeration"  # of up to 2^25 states: taken unasked only where there is no other exact route


class Problem(NamedTuple):
    """A path with the temperatures and kernels that a pilot was tuned to, and the walkers of a round."""

    path: AbstractPath
    ladder: Ladder
    times: Float[np.ndarray, " times"]
    walkers: int

    def steps(self, count: int) -> tuple[Float[np.ndarray, " steps"], Ladder]:
        """As many steps spread over the stages, and the kernel for each: that of the end of its stage."""
        stages = np.linspace(0, len(self.times) - 1, count + 1)
        index = np.ceil(stages - 1e-9).astype(int)
        return np.interp(stages, np.arange(len(self.times)), self.times), Ladder(jax.tree.map(lambda a: a[index], self.ladder.kernel))


def certify(
    energy: AbstractEnergy,
    *,
    routes: Iterable[str] | None = None,
    base: AbstractEnergy | None = None,
    path: AbstractPath | None = None,
    walkers: int = 512,
    width: float = 0.1,
    seconds: float = 60.0,
    level: float = 0.95,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Certificate:
    """log Z of `exp(-energy)` in nats, with an interval at `level` and the evidence for it.

    `routes` are names of exact ones, of `SAMPLED`, or "exact" and "sampled" for all of either kind; by default all exact ones that
    the energy has (enumeration only if there is no other), and where there is none, all sampled ones. Sampled routes go on, round by
    round, until the interval is as narrow as `width`, or another round would take longer than `seconds` allow; one always runs.
    `base` replaces the one that `outset` would choose, `path` the whole way, such as a `Trajectory` along the energy's own training; it
    must end at the energy (to a thousandth, at a few draws of its base). Exact routes use neither.

    The verdict is *exact*; *established*, where three routes worked and agree; or *not established*: then there is no value, and the
    certificate says why (a route's status, routes that disagree, walkers that run away because the energy has no finite Z).

    Raises:
        ValueError: a route is none, or a number makes no sense; a base and a path are given; the path does not end at the energy.
        TypeError: no kernel moves on the space; the base cannot be drawn from.
    """
    check_energy(energy)
    check_key(key)
    for name, number in (("width", width), ("seconds", seconds)):
        if not number > 0:
            raise ValueError(f"{name}={number}: give a positive number.")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: give a share between 0 and 1, such as 0.95.")
    if not hasattr(walkers, "__index__") or walkers < FEWEST:
        raise ValueError(f"walkers={walkers}: give a whole number, {FEWEST} or more.")
    if base is not None and path is not None:
        raise ValueError(f"base={type(base).__name__} and path={type(path).__name__}: give one of them, for a path has its own base.")
    begun, exact = time.perf_counter(), exact_routes(energy)
    wanted = chosen(routes, exact)
    done = [_timed(name, exact[name]) for name in wanted if name in exact]
    failed = routes is None and all(route.log_z.status is not Status.OK for route in done)
    sampled = list(SAMPLED) if failed else [name for name in wanted if name in SAMPLED]
    if sampled:
        with progress or Progress("certifying, seconds", math.ceil(seconds)) as shown:
            done += _sampled(energy, base, path, sampled, walkers, width, begun + seconds, level, shown, key)
    return judge(tuple(done), level=level, seconds=time.perf_counter() - begun)


def chosen(routes: Iterable[str] | None, exact: Iterable[str]) -> list[str]:
    """The names of routes that are asked for.

    Raises:
        ValueError: one is none that this energy has.
    """
    exact = list(exact)
    if routes is None:
        return [name for name in exact if name != DEAR] or exact or list(SAMPLED)
    known, found = [*exact, *SAMPLED], list[str]()
    for name in [routes] if isinstance(routes, str) else routes:
        kinds = {"exact": exact, "sampled": list(SAMPLED)}
        if name not in known and not kinds.get(name):
            there = ", ".join([*known, *(["exact"] if exact else []), "sampled"])
            raise ValueError(f"route={name}: this energy has {there}.")
        found += kinds.get(name, [name])
    return list(dict.fromkeys(found))


def _timed(name: str, route: Function[[], Estimate]) -> Route:
    begun = time.perf_counter()
    found = route()
    return Route(name, found, time.perf_counter() - begun)


def _sampled(
    energy: AbstractEnergy,
    base: AbstractEnergy | None,
    path: AbstractPath | None,
    names: list[str],
    walkers: int,
    width: float,
    deadline: float,
    level: float,
    progress: Progress,
    key: Key[Array, ""],
) -> list[Route]:
    """Rounds of these routes, until the joint interval is narrow or the deadline near."""
    begun, (pilot, own) = time.perf_counter(), jax.random.split(key)
    problem = _piloted(energy, base, path, walkers, pilot)
    progress.advance(round(time.perf_counter() - begun))
    if isinstance(problem, Status):
        nothing = Estimate(None, None, status=problem, evidence=Evidence.NOT_ESTABLISHED)
        return [Route(name, nothing, 0.0) for name in names]
    courses = [_Course(name) for name in names]
    for n in range(MOST):
        begun, due = time.perf_counter(), _due(courses)
        keys = jax.random.split(jax.random.fold_in(own, n), len(due))
        with ThreadPoolExecutor() as pool:  # they share nothing, and none keeps a second core busy by itself
            list(pool.map(lambda course, k: course.go_on(problem, energy, k), due, keys))
        now = time.perf_counter()
        progress.advance(round(now - begun))
        found = judge(tuple(pooled(course.rounds) for course in courses), level=level, seconds=0.0)
        if found.disagreeing:
            for course in courses:
                course.doubt()
        narrow = _narrow(found, width)
        if narrow or now + max(course.ahead for course in _due(courses)) > deadline:
            break
    return list(found.routes)


def _narrow(found: Certificate, width: float) -> bool:
    """Whether the joint interval is as narrow as asked; of too few routes to join, that of each."""
    if found.log_z.value is None and found.log_z.status is not Status.TOO_SHORT:
        return False
    held = [found.log_z] if found.log_z.value is not None else [route.log_z for route in found.routes]
    return all(part.value is not None and part.hi - part.lo <= width for part in held)


@dataclasses.dataclass
class _Course:
    """One route on its way: the rounds that count, the effort of the next, and whether that begins anew."""

    name: str
    rounds: list[Route] = dataclasses.field(default_factory=list)
    effort: int = 1
    doubted: bool = False

    def go_on(self, problem: Problem, energy: AbstractEnergy, key: Key[Array, ""]) -> None:
        """One more round; none from before a doubt counts."""
        begun = time.perf_counter()
        found, overlap = SAMPLED[self.name](problem, energy, self.effort, key)
        new, fine = Route(self.name, found, time.perf_counter() - begun, overlap), found.status is Status.OK
        self.rounds = [*self.rounds, new] if fine and not self.doubted else [new]
        self.doubted = False
        if not fine:
            self.doubt()

    def doubt(self) -> None:
        self.doubted, self.effort = True, 2 * self.effort

    @property
    def ahead(self) -> float:
        """Seconds that the next round will take, about."""
        return self.rounds[-1].seconds * (2 if self.doubted else 1)


def _due(courses: list[_Course]) -> list[_Course]:
    """Those in doubt, for which the others wait; else all."""
    return [course for course in courses if course.doubted] or courses


def _piloted(
    energy: AbstractEnergy, base: AbstractEnergy | None, path: AbstractPath | None, walkers: int, key: Key[Array, ""]
) -> Problem | Status:
    """The path, temperatures and tuned kernels; a status where walkers run away. As many go as later: it is one program."""
    start, along = jax.random.split(key)
    path, kernel, drifting = outset(energy, base=base, key=start) if path is None else along_path(energy, path, key=start)
    if drifting:
        return Status.DRIFTING
    found = smc(path, kernel, walkers=walkers, cess=CESS, moves=MOVES, progress=Silent(), key=along)
    if found.times[-1] < 1:
        return found.log_z.status
    ladder = found.kernel if isinstance(found.kernel, Ladder) else Ladder.over(found.kernel, found.times)
    return Problem(path, ladder, found.times, walkers)


def _annealing(problem: Problem, energy: AbstractEnergy, effort: int, key: Key[Array, ""]) -> tuple[Estimate, float | None]:
    there, back, drawn = jax.random.split(key, 3)
    stages, walkers = len(problem.times) - 1, max(problem.walkers // FEWER, FEWEST)
    times, ladder = problem.steps(effort * max(FINER * stages, math.ceil(-math.log(CESS) / SPREAD * stages**2)))
    forward = anneal(problem.path, ladder, walkers=walkers, times=times, progress=Silent(), key=there)
    if capability(energy, Sampleable) is None:
        return forward.log_z, None
    xs = draw_base(energy, chain_keys(drawn, walkers))
    reverse = anneal_reverse(problem.path, ladder, xs, times=times, progress=Silent(), key=back)
    both = bar(forward.work, reverse.work)
    return both + forward.base_log_z, None if both.ess is None else both.ess / (2 * walkers)


def _population(problem: Problem, energy: AbstractEnergy, effort: int, key: Key[Array, ""]) -> tuple[Estimate, float | None]:
    times, ladder = problem.steps(effort * FINER * (len(problem.times) - 1))
    found = smc(
        problem.path, ladder, walkers=problem.walkers, times=times, moves=1, tune=False, most=len(times), progress=Silent(), key=key
    )
    return found.log_z, None


def _stones(problem: Problem, energy: AbstractEnergy, effort: int, key: Key[Array, ""]) -> tuple[Estimate, float | None]:
    times, ladder = problem.steps(math.ceil((len(problem.times) - 1) / APART))
    draws, warmup = effort * problem.walkers, effort * problem.walkers // 4
    found = stepping_stones(
        problem.path, ladder, times=times, populations=POPULATIONS, draws=draws, warmup=warmup, progress=Silent(), key=key
    )
    return found.log_z, float(np.min(found.overlap))


SAMPLED = {"annealing": _annealing, "population": _population, "stones": _stones}


def pooled(rounds: Iterable[Route]) -> Route:
    """One route from independent rounds of it: the log of the mean of Z, its relative variance that of a mean of as many.

    A mean of Z is unbiased where each is. Its error is no less than what the rounds' scatter says, where there are eight and more.
    """
    parts = list(rounds)
    last, count, seconds = parts[-1], len(parts), sum(part.seconds for part in parts)
    if count == 1:
        return last
    values, errors = (np.array([getattr(part.log_z, name) for part in parts]) for name in ("value", "stderr"))
    spread = float(np.std(values, ddof=1)) if count >= 8 else 0.0
    stderr = max(math.sqrt(float(np.mean(errors**2))), spread) / math.sqrt(count)
    known = [part.log_z.ess for part in parts if part.log_z.ess is not None]
    overlap = min((part.overlap for part in parts if part.overlap is not None), default=None)
    found = Estimate(float(log_mean(values).value), stderr, ess=sum(known) if len(known) == count else None, evidence=last.log_z.evidence)
    return Route(last.name, found, seconds, overlap, count)
