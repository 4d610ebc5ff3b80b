"""Kernels for parts of mixed spaces: each moves under the law given the others; twins that look at the wrong others fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.kernels import Known

from gibbsite.core import Box, Callable, Given, Latent, Linear, Parts, Product, Reals, Spins, Status, capability, conditional, need
from gibbsite.core.compose import divergences, restarted
from gibbsite.core.kernel import Info
from gibbsite.energies import BinaryRBM, Ising
from gibbsite.samplers import (
    GHMC,
    HMC,
    MALA,
    ULA,
    Gibbs,
    GibbsWithGradients,
    ParallelTempering,
    PerPart,
    RandomWalk,
    Silent,
    choose,
    name_of,
    sample,
)
from gibbsite.testing import LawViolation, check_crooks, problems
from gibbsite.testing.kernel import check_exact_start
from gibbsite.testing.problems import Problem

KEY = jax.random.key(64)
Z = 5.6
MIXED = problems.mixed()
COUPLINGS = np.array([0.3, 0.4, 1.5])  # of the two spins, a field on the second, the slope in the box


def three_parts(params, x):
    """A number beside two spins, and another in a box whose slope hangs on the first spin."""
    y, s, u = x
    return (y[0] - s[0] + 0.5 * s[1]) ** 2 / 1.28 - params[0] * s[0] * s[1] - params[1] * s[1] + (params[2] + s[0]) * u[0]


def draw_three(*, key):
    """Spins from their four masses, the rest given them."""
    spins = jnp.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    which, noise, inside = jax.random.split(key, 3)
    rates = COUPLINGS[2] + spins[:, 0]
    logits = COUPLINGS[0] * spins[:, 0] * spins[:, 1] + COUPLINGS[1] * spins[:, 1] + jnp.log(-jnp.expm1(-rates) / rates)
    at = jax.random.categorical(which, logits)
    s, rate = spins[at], rates[at]
    u = -jnp.log1p(jax.random.uniform(inside, (1,)) * jnp.expm1(-rate)) / rate
    return s[:1] - 0.5 * s[1:] + 0.8 * jax.random.normal(noise, (1,)), s, u


THREE = Callable(three_parts, jnp.asarray(COUPLINGS, jnp.float32), Product((Reals(1), Spins(2), Box([0.0], [1.0]))))
STATES = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)])
RATES = COUPLINGS[2] + STATES[:, 0]
LOG_Z = np.log(
    np.sum(np.exp(COUPLINGS[0] * STATES.prod(axis=1) + COUPLINGS[1] * STATES[:, 1]) * (1 - np.exp(-RATES)) / RATES) * np.sqrt(1.28 * np.pi)
)
TRIPLE = Problem(THREE, float(LOG_Z), draw_three)


@pytest.mark.parametrize(
    ("kernel", "problem"),
    [
        (PerPart((ULA(0.1), GibbsWithGradients()), backward=True), MIXED),
        (PerPart((RandomWalk(0.9), GibbsWithGradients(), HMC(0.3, steps=2))), TRIPLE),
    ],
    ids=["works add up", "three parts"],
)
def test_any_kernel_of_a_part_keeps_the_whole(kernel: PerPart, problem: Problem) -> None:
    check_exact_start(kernel, problem, draws=2**15, key=KEY)


class Stale(PerPart):
    """Moves every part under the others as they were when the step began."""

    def step(self, energy, state, *, key):
        legs = jax.random.split(key, len(state))
        moves = [
            restarted(k, conditional(energy, i, state[:i] + state[i + 1 :]), state[i], key=legs[i]) for i, k in enumerate(self.kernels)
        ]
        infos = [info for _, info in moves]
        return tuple(x for x, _ in moves), Info(jnp.ones(2), sum(i.shadow_work for i in infos), divergences(*infos), tuple(infos))


class Crossed(PerPart):
    """Takes the others in the wrong order."""

    def step(self, energy, state, *, key):
        turned = Callable(lambda params, x: three_parts(params, (x[2], x[1], x[0])), energy.params, energy.space)
        return PerPart.step(self, turned, state, key=key)


@pytest.mark.parametrize(
    ("kernel", "problem"),
    [(Stale((MALA(0.3), Gibbs())), MIXED), (Crossed((RandomWalk(0.9), GibbsWithGradients(), HMC(0.3, steps=2))), TRIPLE)],
    ids=["stale", "crossed"],
)
def test_a_part_that_moves_under_the_wrong_law_is_seen(kernel: PerPart, problem: Problem) -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(kernel, problem, draws=2**15, key=KEY)


class SameOrder(PerPart):
    """Reverses its parts and not their order."""

    def reverse(self):
        return SameOrder(tuple(kernel.reverse() for kernel in self.kernels))


def test_a_part_knows_what_the_whole_offers_of_it() -> None:
    x = MIXED.sample(key=KEY)
    hidden = conditional(MIXED.energy, 1, x[:1])
    assert capability(MIXED.energy, Parts) is not None and not isinstance(hidden, Given)
    assert isinstance(conditional(THREE, 1, TRIPLE.sample(key=KEY)[::2]), Given)
    with pytest.raises(TypeError, match="Conditionals"):
        PerPart((RandomWalk(1.0), Gibbs(), HMC(0.3))).step(THREE, TRIPLE.sample(key=KEY), key=KEY)


def test_auto_takes_a_kernel_for_each_part_and_tunes_it() -> None:
    """Means of all five coordinates against exact draws, from a step size that warm-up has to find."""
    observe = {"v": lambda x: x[0], "h": lambda x: x[1]}
    run = sample("auto", MIXED.energy, chains=64, warmup=200, draws=400, observe=observe, progress=Silent(), key=KEY)
    assert name_of(run.kernel) == "PerPart(AdaptiveHMC, Gibbs)"
    assert "part 1 by Gibbs, for sites are drawn" in str(run) and run.status is Status.OK
    assert run.acceptance.shape == (2,) and run.acceptance[1] == 1 and 0.5 < run.acceptance[0] < 0.95
    exact = jax.vmap(lambda k: MIXED.sample(key=k))(jax.random.split(KEY, 2**16))
    for name, part in zip(("v", "h"), exact, strict=True):
        error = np.hypot(run[name].stderr, np.std(part, axis=0) / 2**8)
        assert np.all(np.abs(run[name].value - np.mean(part, axis=0)) < Z * error)
    assert name_of(choose(THREE).kernel) == "PerPart(AdaptiveHMC, GibbsWithGradients, HMC)"


def test_a_step_size_is_found_for_the_part_that_has_one() -> None:
    run = sample(PerPart((MALA(3e-3), Gibbs())), MIXED.energy, chains=32, warmup=200, draws=5, progress=Silent(), key=KEY)
    assert run.kernel.kernels[0].step_size > 0.1 and run.kernel.kernels[1] == Gibbs()
    assert run.divergences is not None and run.divergences.sum() == 0


@pytest.mark.long
def test_step_sizes_are_found_for_each_rung_of_each_part() -> None:
    ladder = ParallelTempering.over(PerPart((MALA(3e-3), Gibbs())), [0.4, 0.7, 1.0])
    run = sample(ladder, MIXED.energy, chains=16, warmup=200, draws=20, progress=Silent(), key=KEY)
    step_sizes = np.asarray(run.kernel.kernel.kernels[0].step_size)
    assert run.acceptance.shape == (3, 2) and np.all(step_sizes > 0.1) and step_sizes[0] > step_sizes[2]


def test_costs_add_up_and_what_does_not_fit_is_refused() -> None:
    kernel = PerPart((HMC(0.1, steps=5), Gibbs()))
    assert (kernel.cost, kernel.cache_cost) == (7, 0)
    with pytest.raises(TypeError, match="lose its memory"):
        PerPart((GHMC(0.1), Gibbs()))
    with pytest.raises(TypeError, match="moves on a Product, not on Spins"):
        sample(kernel, Ising(4, 0.3), chains=2, draws=2, key=KEY)
    with pytest.raises(ValueError, match="2 kernels for 3 parts"):
        sample(kernel, THREE, chains=2, draws=2, key=KEY)


def two_bits(coupling, fields) -> Known:
    """`U = -coupling s_0 s_1 - fields . s` of two spins as bits of a machine with one unit a layer, all of it known from four states."""
    w, a, b = 4 * coupling, 2 * (fields[0] - coupling), 2 * (fields[1] - coupling)
    joint = need(BinaryRBM([[w]], [a], [b]), Latent, "test").joint
    states = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    logits = -jax.vmap(lambda s: joint((s[:1], s[1:])))(states)

    def draw(*, key):
        s = states[jax.random.categorical(key, logits)]
        return s[:1], s[1:]

    return Known(joint, jax.nn.logsumexp(logits), draw)


def test_crooks_catches_parts_reversed_in_the_wrong_order() -> None:
    start, target = two_bits(0.2, (2.9, -1.6)), two_bits(3.0, (-0.9, 0.0))
    witness = Linear(start, start.energy, target.energy), target
    check_crooks(PerPart((Gibbs(), Gibbs())), witness, key=KEY)
    with pytest.raises(LawViolation, match="no time reversal"):
        check_crooks(SameOrder((Gibbs(), Gibbs())), witness, key=KEY)
