"""Kernels made of kernels pass on what their parts report, cost what is computed, and refuse weights without meaning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.kernels import KERNELS

from gibbsite.core import (
    Box,
    Callable,
    Cycle,
    Geometric,
    Histogram,
    Independent,
    Info,
    Mixture,
    Normal,
    Repeat,
    Status,
    Tempered,
    Uniform,
    no_work,
)
from gibbsite.energies import Copies, LennardJones
from gibbsite.energies.distances import between, length
from gibbsite.samplers import (
    HMC,
    MALA,
    ULA,
    AdaptiveHMC,
    Each,
    Gibbs,
    ParallelTempering,
    PerPart,
    RandomWalk,
    Silent,
    SimulatedTempering,
    TemperedTransitions,
    sample,
)

KEY = jax.random.key(41)
LADDER = [0.3, 0.6, 1.0]
WELL = Normal([1.0, -0.5], [0.6, 1.4])


class Lost(MALA):
    """Loses every move along the slope."""

    def step(self, energy, state, *, key):
        return state, Info(jnp.ones(()), no_work(), {"divergent": jnp.ones(())})


LOST = Lost(0.1)
COMPOSED = {  # with the number of parts that move in a step
    "repeat": (Repeat(LOST, 3), WELL, 3),
    "cycle": (Cycle((LOST, RandomWalk(0.1), LOST)), WELL, 2),
    "cycle of cycles": (Cycle((LOST, Repeat(Cycle((LOST, LOST)), 2))), WELL, 5),
    "mixture": (Mixture((LOST, Repeat(LOST, 3)), [0.5, 0.5]), WELL, (1, 3)),
    "mixture with a kernel that counts none": (Mixture((LOST, RandomWalk(0.1)), [0.5, 0.5]), WELL, (0, 1)),
    "each": (Each(LOST), Copies(WELL, 4), 4),
    "per part": (PerPart((LOST, RandomWalk(0.1), Repeat(LOST, 2))), Independent((WELL, WELL, WELL)), 3),
    "parallel tempering": (ParallelTempering.over(LOST, LADDER, moves=2), WELL, 6),
    "tempered transitions": (TemperedTransitions.over(LOST, LADDER), WELL, 4),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_divergent_moves_of_all_parts_are_counted(name: str) -> None:
    kernel, energy, moves = COMPOSED[name]
    x = jax.tree.map(lambda s: jnp.ones(s.shape), energy.space.struct())
    step = eqx.filter_jit(lambda k: kernel.step(energy, kernel.init(energy, x, key=k), key=k)[1].extra["divergent"])
    found = {int(step(k)) for k in jax.random.split(KEY, 32)}
    assert found == (set(moves) if isinstance(moves, tuple) else {moves})


def test_divergent_moves_of_an_excursion_are_counted() -> None:
    """One a visit of a rung, and the last one on the target."""
    kernel = SimulatedTempering.over(LOST, LADDER)
    x = WELL._sample(key=KEY)
    infos = jax.jit(jax.vmap(lambda k: kernel.step(WELL, x, key=k)[1]))(jax.random.split(KEY, 64))
    np.testing.assert_array_equal(infos.extra["divergent"], infos.extra["visits"].sum(axis=1) + 1)
    assert np.ptp(infos.extra["divergent"]) > 0


def test_a_run_of_a_composition_counts_and_locates_them() -> None:
    """The place of a configuration with several parts is told by all its coordinates; what goes by no slope counts nothing."""
    cliff = Callable(lambda params, x: 0.5 * jnp.sum(x**2) + 0.5e10 * jnp.maximum(x[0] - 1, 0) ** 2, None, WELL.space)
    kernel, energy = PerPart((HMC(0.1, steps=3), RandomWalk(0.1))), Independent((cliff, WELL))
    init = (jnp.zeros((8, 2)), jnp.ones((8, 2)))
    run = sample(kernel, energy, chains=8, warmup=0, draws=100, init=init, progress=Silent(), key=KEY)
    assert run.divergences.sum() > 5 and len(run.lost) > 1
    assert f"{run.divergences.sum()} moves" in str(run)
    walk = Cycle((RandomWalk(0.1), Mixture((RandomWalk(0.1), RandomWalk(0.2)), [0.5, 0.5])))
    assert "divergent" not in eqx.filter_eval_shape(lambda x: walk.step(WELL, x, key=KEY)[1].extra, WELL.loc)


def test_unadjusted_rungs_are_told() -> None:
    """Replicas that nothing accepts bias the target as much as one chain would: a run is marked by the works of the rungs."""
    ladder = ParallelTempering.over(ULA(0.3), LADDER)
    info = eqx.filter_jit(ladder.step)(WELL, ladder.init(WELL, WELL.loc, key=KEY), key=KEY)[1]
    assert info.shadow_work != 0


def test_a_mixture_costs_all_its_kernels_and_takes_only_positive_weights() -> None:
    """Chains choose each for itself, and a compiled step makes the moves of all kernels to use one."""
    assert Mixture((MALA(0.1), HMC(0.1, steps=9)), [0.9, 0.1]).cost == 2 + 10
    for weights in ([1.0, 0.0], [0.0, 0.0], [1.0, -0.5], [1.0, np.inf], [np.nan, 1.0]):
        with pytest.raises(ValueError, match=r"Mixture has weights=.*positive numbers"):
            Mixture((MALA(0.1), HMC(0.1)), weights)


def wall(params, x):
    return jnp.where(x[0] > 0.5, jnp.inf, 1.5 * x[0])


def test_infinite_temperature_knows_no_walls() -> None:
    """0 times infinity is 0: a path that ends with the weight 0 on an energy ends at the other one, wherever that is infinite."""
    box = Box([0.0], [1.0])
    walled, free = Callable(wall, None, box), Uniform(box)
    outside, inside = jnp.array([0.7]), jnp.array([0.2])
    assert Tempered(walled, 0.0)(outside) == Tempered(walled, 0.0)(inside) == 0.0
    assert np.isposinf(Tempered(walled, 0.5)(outside)) and float(Tempered(walled, 0.5)(inside)) == pytest.approx(0.15)
    for path, t in ((Geometric(free, walled), 0.0), (Geometric(walled, free), 1.0)):
        assert path(jnp.asarray(t))(outside) == 0.0
    assert np.isnan(Tempered(Callable(lambda params, x: x[0] * jnp.nan, None, box), 0.0)(inside))


def test_an_empty_bin_leaves_the_others_established() -> None:
    edges = jnp.array([-9.0, -8.0, 0.0, 1.0, 8.0, 9.0])
    unit = Normal(jnp.zeros(1), jnp.ones(1))
    bins = {"bins": Histogram(lambda x: x[0], edges), "stuck": Histogram(lambda x: 0.0 * x[0] + 0.5, edges)}
    run = sample(MALA(0.8), unit, chains=32, warmup=50, draws=400, observe=bins, progress=Silent(), key=KEY)
    found = run["bins"]
    assert found.status is Status.OK and found.ess is not None
    assert np.all(found.value[[0, 4]] == 0) and np.allclose(found.stderr[[0, 4]], 1 / found.ess)
    assert np.allclose(found.lo[[0, 4]], 0) and np.allclose(found.hi[[0, 4]], 3 / found.ess)
    truth = np.array([0.5, 0.341345, 0.158655])
    assert np.all(np.abs(found.value[1:4] - truth) < 5.6 * found.stderr[1:4])
    assert run["stuck"].status is Status.CONSTANT and run["stuck"].value[2] == 1


def test_clusters_start_as_loose_crystals() -> None:
    """No two particles within 0.7 of the radius, the shapes of chains unlike, and a run that needs no start of the user's."""
    for cluster in (LennardJones(13), LennardJones(7, 2, 2.0, 0.5, 3.0), LennardJones(3, 1), LennardJones(55)):
        view = cluster.views()[0]
        xs = jax.vmap(lambda k, view=view: view.sample(key=k))(jax.random.split(KEY, 256))
        apart = jax.vmap(lambda x: length(between(x)))(xs) / cluster.radius
        assert np.min(apart) > 0.7 and np.median(np.min(apart, axis=1)) < 1.3 and np.std(jax.vmap(cluster)(xs)) > 0.1
    run = sample(MALA(1e-4), LennardJones(13), chains=16, warmup=0, draws=2, progress=Silent(), key=KEY)
    assert run.divergences.sum() == 0 and run.energy.value < 20


@pytest.mark.parametrize("kernel", [kernel for kernel, _ in KERNELS.values()], ids=KERNELS)
def test_a_part_of_which_only_the_acceptance_is_known_can_be_warned_of(kernel) -> None:
    if not kernel.has_memory:  # else it is no part
        assert isinstance(kernel.caution({"accept_prob": np.asarray(0.5)}), str)


def test_a_cycle_with_walks_over_rungs_is_told() -> None:
    walk = Cycle((Cycle((MALA(0.1),)), SimulatedTempering.over(MALA(0.1), LADDER)))
    assert "Cycle" in str(sample(walk, WELL, chains=2, warmup=2, draws=4, progress=Silent(), key=KEY))


@pytest.mark.parametrize("wrap", [lambda kernel: Repeat(kernel, 2), lambda kernel: PerPart((kernel, Gibbs()))], ids=["repeat", "per part"])
def test_warm_up_inside_of_another_kernel_ends_when_it_has_settled(wrap) -> None:
    adaptation = wrap(AdaptiveHMC(0.1)).adaptation()
    assert adaptation.can_settle and not wrap(MALA(0.1)).adaptation().can_settle
    same, other = wrap(AdaptiveHMC(0.1)), wrap(AdaptiveHMC(0.3))
    assert adaptation.settled(same, same) and not adaptation.settled(same, other)
