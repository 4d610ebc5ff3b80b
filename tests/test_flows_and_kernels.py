"""Flows at work for kernels: proposals learned from draws, and coordinates in which a law is easy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.kernels import KERNELS

from gibbsite.core import Cycle, Normal, Normalised, Pushforward, Reals, Status, Uniform, capability, draw, need
from gibbsite.core.space import Box
from gibbsite.energies import Funnel, GaussianMixture, Rescaled, Transported
from gibbsite.models import Autoregressive, Flow
from gibbsite.samplers import MALA, Independence, Silent, sample
from gibbsite.samplers.metropolis import guarded, locate, metropolis
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start
from gibbsite.testing.pushforward import check_pushforward
from gibbsite.train import fit, flow_assisted

KEY = jax.random.key(83)
MIX = problems.mixture()


def far(dim: int) -> GaussianMixture:
    """Two modes of unlike widths, ten and more of them apart: 0.3 of the law about -4 and 0.7 about +3, on all axes."""
    centres = jnp.stack([jnp.full(dim, -4.0), jnp.full(dim, 3.0)])
    return GaussianMixture(centres, [0.5, 0.9], [0.3, 0.7])


def right(x):
    return jnp.asarray(jnp.sum(x) > 0, float)


def both(energy: GaussianMixture, chains: int):
    """Half of the chains in each mode."""
    noise = jax.random.normal(KEY, (chains, energy.space.size))
    return jnp.where(jnp.arange(chains)[:, None] % 2 == 0, energy.means[0] + 0.5 * noise, energy.means[1] + 0.9 * noise)


def masses(dim: int, *, layers: int, width: int, rounds: int, budget: int, draws: int):
    energy, chains = far(dim), 64
    init = both(energy, chains)
    alone = sample(MALA(0.1), energy, chains=chains, warmup=100, draws=draws, observe=right, init=init, progress=Silent(), key=KEY)
    flow = Flow.build(dim=dim, layers=layers, knots=6, width=width, key=KEY)
    helped = flow_assisted(MALA(0.1), energy, flow, init=init, rounds=rounds, steps=60, budget=budget, key=KEY)
    run = sample(
        helped.kernel, energy, chains=chains, warmup=0, draws=draws, observe=right, init=helped.positions, progress=Silent(), key=KEY
    )
    return alone, helped, run


def judge(alone, helped, run) -> None:
    """Frozen at a half, and told: chains disagree. With global moves, right, and told how many were accepted."""
    assert alone["right"].value == 0.5 and alone.status is Status.NOT_MIXED
    share = run["right"]
    assert abs(share.value - 0.7) < 5.6 * share.stderr < 0.12, str(share)
    assert run.rows["right"].rhat < 1.05
    assert run.infos["accept_by_part"][1] > 0.1
    assert "accept_by_part" in str(run)


@pytest.mark.long
def test_masses_of_modes_that_are_known() -> None:
    judge(*masses(2, layers=3, width=16, rounds=2, budget=40_000, draws=200))


@pytest.mark.long
def test_masses_of_modes_in_ten_dimensions() -> None:
    alone, helped, run = masses(10, layers=6, width=32, rounds=5, budget=150_000, draws=1000)
    judge(alone, helped, run)
    assert helped.acceptance[-1] > helped.acceptance[0]


def test_a_mode_without_a_chain_stays_missed() -> None:
    """As the docstring says: everything agrees, and three tenths of the law are not there."""
    energy = far(2)
    flow = Flow.build(dim=2, layers=2, knots=0, width=8, key=KEY)
    helped = flow_assisted(MALA(0.1), energy, flow, init=both(energy, 64)[1::2], rounds=1, steps=40, budget=20_000, key=KEY)
    run = sample(helped.kernel, energy, chains=32, warmup=0, draws=200, observe=right, init=helped.positions, progress=Silent(), key=KEY)
    assert run["right"].value == 1.0 and helped.acceptance[-1] > 0.5


class WithoutDensity(Independence):
    """The density of proposals left out of the ratio."""

    def step(self, energy, state, *, key):
        move, coin = jax.random.split(key)
        new = locate(energy, draw(self.proposal, key=move))
        return metropolis(guarded(energy, state.energy - new.energy, new), new, state, key=coin)


def test_proposals_without_their_density_are_caught() -> None:
    local, sound = KERNELS["flow assisted"][0].kernels
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(Cycle((local, WithoutDensity(sound.proposal))), MIX, draws=2**15, key=KEY)


def test_proposals_that_miss_are_told() -> None:
    run = sample(Independence(Normal([9.0, 9.0], [0.1, 0.1])), MIX.energy, chains=4, warmup=0, draws=8, progress=Silent(), key=KEY)
    assert "nothing rests on them" in str(run)


def test_broken_maps_are_caught() -> None:
    wide = Normal([1.0, -0.5], [0.5, 1.5])
    view, xs = capability(wide, Pushforward), jnp.array([[0.3, 1.0], [2.0, -1.0]])
    check_pushforward(wide, view, xs)
    for name, broken in {
        "determinant": Pushforward(lambda z: (view.forward(z)[0], jnp.zeros(())), view.inverse),
        "inverse": Pushforward(view.forward, lambda x: view.inverse(x) + 0.1),
        "density": Pushforward(lambda z: (view.forward(2 * z)[0], view.forward(z)[1] + 2 * jnp.log(2.0)), lambda x: view.inverse(x) / 2),
    }.items():
        with pytest.raises(LawViolation, match=name):
            check_pushforward(wide, broken, xs)


class Unweighted(Transported):
    """The determinant of the map left out."""

    def __call__(self, x):
        return self.energy(self.forward(x))


def test_draws_through_a_map_are_those_of_the_law() -> None:
    flow = Rescaled(Flow.build(dim=2, layers=2, knots=0, width=4, key=KEY).as_energy(), [-0.7, 0.5], [1.5, 1.2])

    def held(kind):
        through = kind(MIX.energy, flow)
        check_exact_start(MALA(0.2), problems.Problem(through, MIX.log_z, Transported(MIX.energy, flow)._sample), draws=2**15, key=KEY)

    held(Transported)
    with pytest.raises(LawViolation, match="exact-start"):
        held(Unweighted)


def test_maps_that_do_not_fit_are_refused() -> None:
    flow = Normal(jnp.zeros(2), jnp.ones(2))
    with pytest.raises(TypeError, match="Pushforward, which GaussianMixture lacks"):
        Transported(MIX.energy, MIX.energy)
    with pytest.raises(TypeError, match=r"shape \(2,\) of its flow, not on Reals of shape \(3,\)"):
        Transported(Normal(jnp.zeros(3), jnp.ones(3)), flow)
    with pytest.raises(TypeError, match="not on Box"):
        Transported(Uniform(Box([0.0, 0.0], [1.0, 1.0])), flow)
    assert Transported(MIX.energy, flow).space == Reals(2)


def test_a_flow_is_fitted_to_an_energy() -> None:
    """An affine flow holds a Gaussian: the bound of -log Z closes, from above."""
    flow = Flow.build(dim=2, layers=2, knots=0, width=4, key=KEY)
    wide = Normal([1.0, -0.5], [0.5, 1.5])
    fitted = fit(flow, wide, budget=200_000, learning_rate=0.02, progress=Silent(), key=KEY)
    assert -1e-4 < fitted.history["score"][-1] + float(need(wide, Normalised, "test").log_z()) < 0.01
    with pytest.raises(ValueError, match="cannot be fitted to an energy on"):
        fit(flow, Normal(jnp.zeros(3), jnp.ones(3)), budget=1000, progress=Silent(), key=KEY)
    with pytest.raises(ValueError, match="MaximumLikelihood with an energy in place of data"):
        fit(flow, wide, objective=flow.objective(), budget=1000, progress=Silent(), key=KEY)
    with pytest.raises(TypeError, match="Pushforward"):
        fit(Autoregressive.on(Reals(2), (), key=KEY), wide, budget=1000, progress=Silent(), key=KEY)


@pytest.mark.long
def test_a_funnel_is_easy_through_a_flow() -> None:
    """More effective draws of the neck a gradient than without the map, its moments right; |z|^2 tells whether the tails are reached."""
    funnel = Funnel(10, 3.0)
    xs = np.asarray(jax.vmap(lambda k: draw(funnel, key=k))(jax.random.split(KEY, 20_000)))
    fitted = fit(Flow.build(dim=10, layers=4, knots=0, width=32, key=KEY), xs, budget=2_000_000, progress=Silent(), key=KEY)
    latent = Transported(funnel, fitted.model.as_energy())
    neck = {"neck": lambda x: x[0], "square": lambda x: x[0] ** 2}
    through = {name: lambda z, f=f: f(latent.forward(z)) for name, f in neck.items()} | {"|z|^2": lambda z: jnp.sum(z**2)}
    plain = sample("auto", funnel, chains=64, draws=1000, observe=neck, progress=Silent(), key=KEY)
    eased = sample("auto", latent, chains=64, draws=1000, observe=through, progress=Silent(), key=KEY)
    for name, truth in {"neck": 0.0, "square": 9.0}.items():
        assert abs(eased[name].value - truth) < 5.6 * eased[name].stderr < 2.0
    assert abs(eased["|z|^2"].value - 10) < 2.0

    def per_gradient(run):
        return run["neck"].ess / (run.chains * run.draws * run.infos["leapfrog_steps"])

    assert per_gradient(eased) > 5 * per_gradient(plain)
