"""Hamiltonian moves: tuned to any scales, exact at any step, and twins broken in the usual ways that are not."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Geometric, Normal, Reals, Repeat, draw, schedule
from gibbsite.models.chains import warmed_draw
from gibbsite.objectives import PersistentContrastiveDivergence
from gibbsite.samplers import HMC, MALA, ParallelTempering, Silent, sample
from gibbsite.samplers.metropolis import metropolis
from gibbsite.samplers.phase import Phase, lost
from gibbsite.samplers.slope import evaluate
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start, check_reversible
from gibbsite.testing.objective import Shifted
from gibbsite.thermo import anneal

KEY = jax.random.key(31)
MIX = problems.mixture()
WIDE = Normal(jnp.arange(1.0, 9.0), jnp.logspace(-2, 2, 8))


def run(kernel, energy=WIDE, *, chains=32, warmup=600, draws=600):
    return sample(kernel, energy, chains=chains, warmup=warmup, draws=draws, observe={"x": lambda x: x}, progress=Silent(), key=KEY)


def test_scales_from_a_hundredth_to_a_hundred_are_learned() -> None:
    """HMC finds all of them; Langevin moves, at as many gradients, have not left their starts on the wide axes."""
    found = run(HMC(0.1, jnp.ones(8)))
    assert abs(found.infos["accept_prob"] - 0.8) < 0.05
    np.testing.assert_allclose(found.kernel.scale, WIDE.scale, rtol=0.15)
    row = found.rows["x"]
    assert np.max(row.rhat) < 1.01
    assert np.min(row.estimate.ess) > 1000
    assert np.all(np.abs(row.estimate.value - WIDE.loc) < 5.6 * row.estimate.stderr)
    assert np.all(row.estimate.stderr < 0.05 * WIDE.scale)
    creeping = run(MALA(0.1), draws=6000)
    assert np.max(creeping.rows["x"].rhat) > 1.5


def test_one_scale_is_left_as_it_is() -> None:
    found = run(HMC(0.1, 2.0), Normal(jnp.zeros(2), jnp.array([1.0, 3.0])))
    assert found.kernel.scale == 2.0
    assert abs(found.infos["accept_prob"] - 0.8) < 0.05


def test_a_lone_chain_learns_its_scales() -> None:
    energy = Normal(jnp.array([2.0, -1.0]), jnp.array([0.05, 20.0]))
    found = run(HMC(0.1, jnp.ones(2)), energy, chains=1, warmup=1500)
    np.testing.assert_allclose(found.kernel.scale, energy.scale, rtol=0.3)


def test_every_way_to_tune_takes_scales_along() -> None:
    """In repeats, on the rungs of a ladder, and in the chain of a single draw."""
    energy = Normal(jnp.array([2.0, -1.0]), jnp.array([0.1, 5.0]))
    inner = HMC(0.1, jnp.ones(2), steps=5)
    repeated = run(Repeat(inner, 2), energy).kernel.kernel
    np.testing.assert_allclose(repeated.scale, energy.scale, rtol=0.15)
    rungs = run(ParallelTempering.over(inner, [0.3, 1.0]), energy).kernel.kernel
    np.testing.assert_allclose(rungs.scale, jnp.stack([energy.scale] * 2), rtol=0.15)
    assert rungs.step_size[0] > 1.3 * rungs.step_size[1]  # the hot rung is wider by sqrt(1 / 0.3)
    base = Normal(jnp.zeros(2), jnp.ones(2))
    xs = jax.vmap(lambda k: warmed_draw(inner, energy, base, 200, 30, key=k))(jax.random.split(KEY, 512))
    z = (np.asarray(xs) - energy.loc) / energy.scale
    assert np.all(np.abs(z.mean(axis=0)) < 5.6 / np.sqrt(512))
    assert np.all(np.abs((z**2).mean(axis=0) - 1) < 5.6 * np.sqrt(2 / 512))


def test_scales_are_tuned_along_a_path_and_in_training() -> None:
    wide = Normal(jnp.array([2.0, -1.0]), jnp.array([0.25, 3.0]))
    path = Geometric(Normal(jnp.zeros(2), jnp.full(2, 4.0)), wide)
    found = anneal(path, HMC(0.1, jnp.ones(2), steps=5), walkers=4096, times=schedule(24), tune=64, progress=Silent(), key=KEY)
    assert abs(found.log_z.value - float(wide._log_z())) < 5.6 * found.log_z.stderr < 0.3
    np.testing.assert_allclose(found.kernel.kernel.scale[-1], wide.scale, rtol=0.5)
    model, xs = Shifted(wide), jax.vmap(lambda k: draw(wide, key=k))(jax.random.split(KEY, 64))
    objective = PersistentContrastiveDivergence(HMC(0.1, jnp.ones(2), steps=5), steps=10, chains=64)
    _, state, _ = objective.gradients(model, xs, objective.init(model, xs, key=KEY), key=KEY)
    assert state.kernel.scale[1] > 5 * state.kernel.scale[0]


def test_a_sweep_of_step_sizes_compiles_once() -> None:
    traces, x = [], draw(WIDE, key=KEY)

    @eqx.filter_jit
    def move(kernel):
        traces.append(1)
        return kernel.step(WIDE, kernel.init(WIDE, x, key=KEY), key=KEY)[1].accept_prob

    found = [float(move(HMC(step, scale, jitter))) for step, scale, jitter in ((0.012, 1.0, 0), (0.007, 2, 0.1), (1, 0.02, 0.2))]
    assert len(traces) == 1
    assert len(set(found)) == 3


def test_a_trajectory_leads_back() -> None:
    """With the velocity turned round, the same steps lead to the start, so that volume and law are kept."""
    kernel, x = HMC(0.3, [0.7, 1.1], steps=7), MIX.sample(key=KEY)
    start = Phase(evaluate(MIX.energy, x), jnp.array([0.4, -1.2]))
    end = kernel._trajectory(MIX.energy, start, kernel.step_size)
    back = kernel._trajectory(MIX.energy, end._replace(velocity=-end.velocity), kernel.step_size)
    np.testing.assert_allclose(back.at.position, x, atol=1e-5)
    np.testing.assert_allclose(-back.velocity, start.velocity, atol=1e-5)
    assert float(jnp.linalg.norm(end.at.position - x)) > 0.1
    whole = jax.jacfwd(lambda q: _flat(kernel, q))(jnp.concatenate([x, start.velocity]))
    assert abs(float(jnp.linalg.det(whole)) - 1) < 1e-4


def _flat(kernel: HMC, q):
    end = kernel._trajectory(MIX.energy, Phase(evaluate(MIX.energy, q[:2]), q[2:]), kernel.step_size)
    return jnp.concatenate([end.at.position, end.velocity])


class NoKinetic(HMC):
    """Accepted by the energy alone."""

    def step(self, energy, state, *, key):
        kick, coin = jax.random.split(key)
        start = Phase(state, jax.random.normal(kick, state.position.shape))
        end = self._trajectory(energy, start, self.step_size)
        return metropolis(state.energy - end.at.energy, end.at, state, key=coin)


class HalfKick(HMC):
    """The first half kick is forgotten."""

    def _trajectory(self, energy, start, size):
        return HMC._trajectory(self, energy, start._replace(velocity=start.velocity + size / 2 * self.scale * start.at.grad), size)


class Cautious(HMC):
    """Steps that shrink where the start is steep: a way that the way back does not take."""

    def step(self, energy, state, *, key):
        kick, coin = jax.random.split(key)
        start = Phase(state, jax.random.normal(kick, state.position.shape))
        end = self._trajectory(energy, start, self.step_size / (1 + jnp.linalg.norm(state.grad)))
        return metropolis(lost(start, end), end.at, state, key=coin)


@pytest.mark.parametrize("broken", [NoKinetic, HalfKick, Cautious])
def test_broken_trajectories_are_caught(broken: type) -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(broken(0.8, steps=4), MIX, draws=2**16, key=KEY)


def test_a_way_that_cannot_be_gone_back_is_not_reversible() -> None:
    with pytest.raises(LawViolation, match="reversibility"):
        check_reversible(Cautious(0.4, steps=4), MIX, draws=2**16, key=KEY)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HMC(0.0), "step_size"),
        (lambda: HMC(0.1, [1.0, 0.0]), "scale"),
        (lambda: HMC(0.1, jitter=1.5), "jitter"),
        (lambda: HMC(0.1, steps=0), "steps=0"),
    ],
)
def test_hyper_parameters_without_meaning_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_spins_are_refused() -> None:
    with pytest.raises(TypeError, match="HMC moves on Reals or Box or Torus, not on Spins"):
        HMC(0.1).init(problems.ising().energy, jnp.ones((3, 3)), key=KEY)


def test_a_move_is_paid_by_the_gradient() -> None:
    kernel = HMC(0.1, steps=7)
    assert (kernel.cost, kernel.cache_cost) == (7, 1)
    assert isinstance(MIX.energy.space, Reals)
