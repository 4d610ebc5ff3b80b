"""Work and free energy: equalities of nonequilibrium, and estimators made of them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from gibbsite.core import Estimate, Normalised, as_float, draw, need
from gibbsite.core.keys import chain_keys, step_keys
from gibbsite.samplers import MALA
from gibbsite.testing import plane
from gibbsite.thermo import anneal, anneal_reverse, bar, exponential_average
from gibbsite.verify.identity import Comparison, Field, Findings, Identity, Panel, Rule, Series, Statement
from gibbsite.verify.numerics import averaged, bell, law, line, on, order, settled

TIMES = (0.0, 0.3, 0.6, 1.0)
STEPS = (0.01, 0.1, 0.3, 0.6)  # of the moves between switches: how far a walker keeps up
WALKERS = 2**14


def _truth() -> float:
    """The free-energy difference of the path from a wide Gaussian to two unequal ones."""
    path, target = plane()
    assert path.base is not None
    start, end = (float(need(energy, Normalised, "work").log_z()) for energy in (path.base, target))
    return start - end


def _works() -> list[np.ndarray]:
    """Work along the path for each of `STEPS`."""
    return [anneal(plane()[0], MALA(as_float(h)), walkers=WALKERS, times=TIMES, key=jax.random.key(n)).work for n, h in enumerate(STEPS)]


def jarzynski() -> Comparison:
    """One switch between known Gaussians on the plane, in three legs, with Langevin moves of four sizes between them."""
    truth, works = _truth(), _works()

    def compare(rule: Rule) -> Findings:
        found = [rule(work) for work in works]
        statements = [Statement(f"dF, moves of {h:g}", settled(truth, 1e-6), right) for h, right in zip(STEPS, found, strict=True)]
        series = (
            Series("the formula", STEPS, [f.value for f in found], [f.stderr for f in found]),
            Series("dF", STEPS, [truth] * len(STEPS), joined=True),
            Series("mean work", STEPS, [w.mean() for w in works], joined=True),
        )
        return Findings(statements, [Panel("Free energy from work", "step of the moves", "nats", series)])

    return compare


def _from_work(work: np.ndarray) -> Estimate:
    return -exponential_average(work)


def second_law() -> Comparison:
    """One switch between known Gaussians on the plane, Langevin moves of four sizes between its legs: the mean work of each."""
    truth, works = _truth(), _works()

    def compare(rule: Rule) -> Findings:
        means = [averaged(rule(work)) for work in works]
        statements = [Statement(f"<W>, moves of {h:g}", mean, settled(truth, 1e-6), ">=") for h, mean in zip(STEPS, means, strict=True)]
        statements.append(Statement("<W> falls when walkers keep up", means[0], means[-1], ">="))
        statements.append(Statement("<W> > dF out of equilibrium", means[0], settled(truth, 1e-6), "!="))
        series = (
            Series("<W>", STEPS, [m.value for m in means], [m.stderr for m in means]),
            Series("dF", STEPS, [truth] * len(STEPS), joined=True),
        )
        return Findings(statements, [Panel("Mean work", "step of the moves", "nats", series)])

    return compare


def crooks() -> Comparison:
    """Forward work, and work of the exact time reversal from exact draws of the target, bin by bin."""
    path, target = plane()
    truth, kernel = _truth(), MALA(as_float(0.2))
    exact = jax.jit(jax.vmap(lambda k: draw(target, key=k)))(jax.random.split(jax.random.key(7), WALKERS))
    forward = anneal(path, kernel, walkers=WALKERS, times=TIMES, key=jax.random.key(5)).work
    back = -anneal_reverse(path, kernel, exact, times=TIMES, key=jax.random.key(6)).work
    edges = np.quantile(np.concatenate([forward, back]), np.linspace(0.02, 0.98, 13))
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)

    def compare(rule: Rule) -> Findings:
        inside = [(edges[:-1] <= w[:, None]) & (w[:, None] < edges[1:]) for w in (forward, back)]
        reverse, tilted = averaged(inside[1]), averaged(inside[0] * rule(forward, truth)[:, None])
        series = (
            Series("forward", middle, inside[0].mean(axis=0) / width, joined=True),
            Series("reverse", middle, reverse.value / width, reverse.stderr / width),
            Series("forward, tilted", middle, tilted.value / width, joined=True),
        )
        return Findings([Statement("P_R(-W), twelve bins", reverse, tilted)], [Panel("Laws of work", "W, nats", "density", series)])

    return compare


def ais_is_jarzynski() -> Comparison:
    """One walk of 256 walkers, its weights by the ratios of unnormalised densities, its work by the library's accounts."""
    path, _ = plane()
    kernel, times = MALA(as_float(0.2)), [as_float(t) for t in TIMES]
    assert path.base is not None
    base, keys = path.base, chain_keys(jax.random.key(3), 256)
    xs = jax.jit(jax.vmap(lambda k: draw(base, key=k)))(keys)
    states = jax.jit(jax.vmap(lambda x, k: kernel.init(path(times[0]), x, key=k)))(xs, keys)
    work, visited = np.zeros(256), [np.asarray(xs)]

    @jax.jit
    def advance(states, t0, t1, keys):  # type: ignore[no-untyped-def]
        switch = jax.vmap(lambda x: path.work(t0, t1, x))(jax.vmap(kernel.position)(states))
        states = jax.vmap(lambda s: kernel.refresh(path(t1), s))(states)
        states, info = jax.vmap(lambda s, k: kernel.step(path(t1), s, key=k))(states, keys)
        return states, switch + info.shadow_work, jax.vmap(kernel.position)(states)

    for k in range(1, len(times)):
        states, spent, here = advance(states, times[k - 1], times[k], step_keys(keys, jnp.asarray(k)))
        work += np.asarray(spent)
        visited.append(np.asarray(here))
    # log f of each time at the points after each move
    places = jnp.asarray(np.concatenate(visited))
    logs = -on(lambda t: jax.vmap(path(t))(places), np.array(TIMES)).reshape(len(times), len(visited), -1)

    def compare(rule: Rule) -> Findings:
        right = sum(rule(logs, k) for k in range(1, len(times)))
        ends = [work.min(), work.max()]
        series = (Series("walkers", -np.asarray(right), work), Series("equal", ends, ends, joined=True))
        return Findings([Statement("-W of 256 walkers", settled(-work), settled(right))], [Panel("Work", "-log AIS weight", "W", series)])

    return compare


D = 1.0  # between two unit Gaussians


def _bridges() -> tuple[np.ndarray, np.ndarray, float]:
    x = line(-8, 9, 3401)
    laws = [np.exp(law(bell(place, 1.0), x).log_density()) for place in (0.0, D)]
    return laws[0], laws[1], float(x[1, 0] - x[0, 0])


def _bridge_variance(bridge: np.ndarray) -> float:
    """n Var of `log E_0[p_1 a] / E_1[p_0 a]` from n independent draws of each state."""
    p, q, cell = _bridges()
    both = p * q
    return float(np.sum(bridge**2 * both * (p + q)) * cell / (np.sum(bridge * both) * cell) ** 2 - 2)


def bar_optimal() -> Comparison:
    """Two unit Gaussians one width apart: the variance of every bridge by quadrature, of Bennett's from 400 repetitions."""
    p, q, cell = _bridges()
    others = {
        "1 / (p + q)": 1 / (p + q),
        "1 / sqrt(p q)": 1 / np.sqrt(p * q),
        "1": np.ones_like(p),
        "1 / max(p, q)": 1 / np.maximum(p, q),
        "1 / (p + 3 q)": 1 / (p + 3 * q),
    }
    variances = {name: _bridge_variance(bridge) for name, bridge in others.items()}
    repeats, n = 400, 800
    draws = np.random.default_rng(4).normal(size=(2, repeats, n))
    forward, back = D * (D / 2 - draws[0]), D * (draws[1] + D / 2)  # U_1 - U_0 at draws of state 0, U_0 - U_1 at those of state 1
    squares = [n * float(bar(a, b).value) ** 2 for a, b in zip(forward, back, strict=True)]

    def compare(rule: Rule) -> Findings:
        least = _bridge_variance(rule(p, q))
        statements = [Statement(f"least: against {name}", settled(least), settled(v), "<=") for name, v in variances.items()]
        # Of the variance at finite n, terms of relative order 1/n are left.
        measured = averaged(squares)
        statements.append(Statement("n Var, 400 estimates", settled(measured.value, measured.stderr + 1 / n), settled(least)))
        statements.append(Statement("n Var in closed form", settled(least), settled(1 / (np.sum(p * q / (p + q)) * cell) - 2)))
        place = np.arange(len(variances))
        series = (
            Series("bridges, in the order listed", place, list(variances.values())),
            Series("the formula", place, [least] * len(place), joined=True),
        )
        return Findings(statements, [Panel("Variance of bridges", "bridge", "n Var", series)])

    return compare


def bar_to_ti() -> Comparison:
    """Harmonic wells of curvature 1 and 1 + d, at 2001 quantiles of each law; d is halved twice."""
    z = ndtri((np.arange(2001) + 0.5) / 2001)
    widths = (0.4, 0.2, 0.1)
    slopes = [(z**2 / 2, z**2 / (2 * (1 + d))) for d in widths]  # dU/dk at both ends
    bennett = [-float(bar(d * left, -d * right).value) for d, (left, right) in zip(widths, slopes, strict=True)]

    def compare(rule: Rule) -> Findings:
        gaps = [found - rule(d, left.mean(), right.mean()) for found, d, (left, right) in zip(bennett, widths, slopes, strict=True)]
        logs = np.log10(widths)
        series = (
            Series("BAR less the formula", logs, np.log10(np.abs(gaps)), joined=True),
            Series("third order", logs, math.log10(abs(gaps[0])) + 3 * (logs - logs[0]), joined=True),
        )
        return Findings(
            [Statement("order of the gap", order(gaps), settled(3.0))], [Panel("Narrow windows", "log10 d", "log10 gap", series)]
        )

    return compare


IDENTITIES = (
    Identity(
        name="jarzynski",
        title="Jarzynski's equality",
        field=Field.WORK,
        formula="exp(dlog Z) = <exp(-W)>,  dF = -log <exp(-W)>",
        conditions="Walkers start in equilibrium; W counts switches and shadow work; energies in kT. Here dF = -dlog Z.",
        source="Jarzynski, Phys. Rev. Lett. 78, 1997, eq. 2; Carbone, arXiv 2406.13661",
        check=jarzynski,
        rule=_from_work,
        twin=averaged,
        broken="the mean work is taken for the free energy",
        sampled=True,
    ),
    Identity(
        name="crooks",
        title="Crooks' theorem",
        field=Field.WORK,
        formula="P_R(-W) = P_F(W) exp(dF - W)",
        conditions="Both directions start in equilibrium, and the second is the exact time reversal of the first.",
        source="Crooks, Phys. Rev. E 60, 1999",
        check=crooks,
        rule=lambda work, difference: np.exp(difference - work),
        twin=lambda work, difference: np.exp(work - difference),
        broken="the sign of the exponent is turned",
        sampled=True,
    ),
    Identity(
        name="second-law",
        title="The second law",
        field=Field.WORK,
        formula="<W> >= dF",
        conditions="As for Jarzynski's equality, of which it is Jensen's inequality.",
        source="Jarzynski, Phys. Rev. Lett. 78, 1997",
        check=second_law,
        rule=lambda work: work,
        twin=lambda work: -work,
        broken="the sign of the work is turned",
        sampled=True,
    ),
    Identity(
        name="ais-is-jarzynski",
        title="Annealed importance sampling is Jarzynski's equality",
        field=Field.WORK,
        formula="-W = sum_k log f_k(x_{k-1}) - log f_{k-1}(x_{k-1}),  f_k = exp(-U_k)",
        conditions="Moves keep their law, so that they do no work; x_{k-1} is where move k - 1 ended.",
        source="Neal, Statistics and Computing 11, 2001; Jarzynski 1997; Carbone, arXiv 2406.13661",
        check=ais_is_jarzynski,
        rule=lambda logs, k: logs[k][k - 1] - logs[k - 1][k - 1],
        twin=lambda logs, k: logs[k][k] - logs[k - 1][k],
        broken="the ratio is taken after the move",
    ),
    Identity(
        name="bar-optimal",
        title="Bennett's bridge has the least variance",
        field=Field.WORK,
        formula="a = 1/(p + q) minimises n Var of log E_p[q a] / E_q[p a];  n Var = 1 / int p q / (p + q) - 2",
        conditions="n independent draws of each state, n large.",
        source="Bennett, J. Comput. Phys. 22, 1976; Meng & Wong, Statistica Sinica 6, 1996",
        check=bar_optimal,
        rule=lambda p, q: 1 / (p + q),
        twin=lambda p, q: 1 / np.sqrt(p * q),
        broken="the geometric bridge is called the best",
    ),
    Identity(
        name="bar-to-ti",
        title="In narrow windows Bennett's method is thermodynamic integration",
        field=Field.WORK,
        formula="dF by BAR = d/2 (<dU/dk>_0 + <dU/dk>_1) + O(d^3)",
        conditions="As many draws of both ends; U is linear in k.",
        source="expansion of Bennett's equation in d; Bennett, J. Comput. Phys. 22, 1976",
        check=bar_to_ti,
        rule=lambda width, left, right: width * (left + right) / 2,
        twin=lambda width, left, right: width * left,
        broken="one end is taken instead of the mean of both",
        quick=True,
    ),
)
