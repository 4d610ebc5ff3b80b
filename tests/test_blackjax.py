"""BlackJAX algorithms as kernels: tuned by our warm-up and by theirs, energies as arguments, and twins broken in the usual ways."""

import sys

import blackjax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Info, Normal, Status, Tempered, as_float
from gibbsite.samplers import MCLMC, NUTS, AdjustedMCLMC, BlackJAX, mclmc_tuned, sample, window_adapted
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start, check_reversible

KEY = jax.random.key(53)
MIX = problems.mixture()
WIDE = Normal(jnp.arange(1.0, 5.0), jnp.logspace(-1, 1, 4))


def run(kernel, *, warmup=400, draws=300, energy=WIDE):
    return sample(kernel, energy, chains=16, warmup=warmup, draws=draws, observe={"x": lambda x: x}, progress=False, key=KEY)


@pytest.mark.parametrize(
    ("kernel", "accept"), [(NUTS(0.1, scale=jnp.ones(4), doublings=5), 0.8), (AdjustedMCLMC(0.1, scale=jnp.ones(4)), 0.9)]
)
def test_our_warm_up_tunes_them(kernel, accept: float) -> None:
    found = run(kernel)
    assert abs(found.acceptance - accept) < 0.06
    np.testing.assert_allclose(found.kernel.scale, WIDE.scale, rtol=0.2)
    assert np.all(np.abs(found["x"].value - WIDE.loc) < 5.6 * found["x"].stderr)
    assert np.all(found["x"].stderr < 0.1 * WIDE.scale)
    assert "num_integration_steps" in found.infos


def test_window_adaptation_gives_a_tuned_kernel() -> None:
    kernel = window_adapted(WIDE, jnp.zeros(4), key=KEY)
    np.testing.assert_allclose(kernel.scale, WIDE.scale, rtol=0.5)
    assert 0.2 < kernel.step_size < 2


def test_microcanonical_tuning_gives_a_tuned_kernel() -> None:
    near = Normal(jnp.arange(1.0, 5.0), jnp.array([0.5, 1.0, 1.5, 2.0]))
    kernel = mclmc_tuned(near, jnp.zeros(4), steps=4000, key=KEY)
    np.testing.assert_allclose(kernel.scale, near.scale, rtol=0.5)
    found = run(kernel, warmup=0, draws=1000, energy=near)
    assert found.status is Status.UNADJUSTED
    assert np.all(np.abs(found["x"].value - near.loc) < 0.2 * near.scale)


def test_parameters_and_temperatures_compile_once() -> None:
    traces, x = [], jnp.array([0.3, -0.2])

    @eqx.filter_jit
    def move(kernel, energy):
        traces.append(1)
        return kernel.step(energy, kernel.init(energy, x, key=KEY), key=KEY)[1].extra["energy"]

    made = [BlackJAX(blackjax.hmc, {"step_size": h, "inverse_mass_matrix": jnp.ones(2), "num_integration_steps": 3}) for h in (0.3, 0.7)]
    found = {float(move(kernel, Tempered(MIX.energy, as_float(beta)))) for kernel in made for beta in (0.5, 1.0)}
    assert len(traces) == 1
    assert len(found) == 4


def test_a_wrong_parameter_is_named() -> None:
    with pytest.raises(TypeError, match=r"BlackJAX\(mala\).*'stepsize'.*step_size"):
        BlackJAX(blackjax.mala, {"step_size": 0.1, "stepsize": 0.1})
    with pytest.raises(TypeError, match="step_size"):
        BlackJAX(blackjax.mala)


def test_its_absence_is_told(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(ImportError, match=r'pip install "gibbsite\[blackjax\]"'):
        NUTS(0.1).init(MIX.energy, jnp.zeros(2), key=KEY)


def test_spins_are_refused() -> None:
    with pytest.raises(TypeError, match="NUTS moves on Reals, not on Spins"):
        NUTS(0.1).init(problems.ising().energy, jnp.ones((3, 3)), key=KEY)


def test_nuts_is_reversible() -> None:
    check_reversible(NUTS(0.5, scale=[0.7, 1.1], doublings=4), MIX, draws=2**14, key=KEY)


class Uphill(AdjustedMCLMC):
    """The energy itself for the log density."""

    def algorithm(self, energy):
        return blackjax.adjusted_mclmc(energy, self.step_size, integration_steps_params=(self.steps,))


class FixedMass(NUTS):
    """A step size that shrinks where the start is steep: a way that the way back does not take."""

    def step(self, energy, state, *, key):
        steep = jnp.linalg.norm(state.logdensity_grad)
        return NUTS.step(eqx.tree_at(lambda k: k.step_size, self, self.step_size / (1 + steep)), energy, state, key=key)


class Forgetful(MCLMC):
    """The volume that a step takes up is left out of its work."""

    def step(self, energy, state, *, key):
        new, info = MCLMC.step(self, energy, state, key=key)
        return new, Info(info.accept_prob, state.logdensity - new.logdensity)


@pytest.mark.parametrize("broken", [Uphill(0.8, steps=3), FixedMass(0.8, doublings=4), Forgetful(0.4, 1.5)], ids=lambda k: type(k).__name__)
def test_broken_twins_are_caught(broken) -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(broken, MIX, draws=2**16, key=KEY)


def test_its_divergent_moves_are_counted_and_located() -> None:
    run = sample(NUTS(40.0), Normal([0.0, 1.0], [1.0, 0.01]), chains=2, warmup=0, draws=16, progress=False, key=jax.random.key(2))
    assert run.divergences is not None and run.divergences.sum() > 0 and run.lost
