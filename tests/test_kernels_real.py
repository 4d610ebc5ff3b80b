"""Moves on real spaces: exact where the answer is known, the same in any units, and twins broken in the usual ways that are not."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.kernels import GAUSS, exact_walkers

from gibbsite.core import Box, Callable, Info, Normal, Reals, Uniform, as_float, draw
from gibbsite.energies import Gaussian, Rescaled
from gibbsite.samplers import (
    BAOAB,
    GHMC,
    HMC,
    MALA,
    OBABO,
    ULA,
    Barker,
    EllipticalSlice,
    Independence,
    ParallelTempering,
    RandomWalk,
    Slice,
    Spreads,
    Stretch,
    TamedULA,
    sample,
    slice,
)
from gibbsite.samplers.metropolis import guarded, locate, metropolis, shifted
from gibbsite.samplers.phase import Phase, kicked, leapfrog, lost, relaxed
from gibbsite.samplers.slice import _shrunk
from gibbsite.samplers.slope import evaluate
from gibbsite.samplers.stretch import Walkers
from gibbsite.testing import LawViolation, check_crooks, problems
from gibbsite.testing.kernel import check_exact_start, check_reversible
from gibbsite.testing.law import z_test

KEY = jax.random.key(47)
MIX, XY, WEDGE = problems.mixture(), problems.xy(), problems.wedge()
TILTED = Gaussian.of_covariance([1.0, -2.0, 0.5], [[1.0, 0.9, 0.0], [0.9, 1.0, 0.02], [0.0, 0.02, 0.01]])


def run(kernel, energy, *, chains=64, warmup=600, draws=600, init=None):
    observe = {"x": lambda x: x, "square": lambda x: x**2}
    return sample(kernel, energy, chains=chains, warmup=warmup, draws=draws, observe=observe, init=init, progress=False, key=KEY)


# ---- exact answers ----


@pytest.mark.parametrize(("kernel", "variance"), [(BAOAB(1.5), 1.0), (OBABO(1.5), 1 / (1 - 1.5**2 / 4)), (GHMC(1.5), 1.0)])
def test_the_law_of_a_well_at_a_large_step(kernel, variance: float) -> None:
    """BAOAB has the exact law of x; a leapfrog step with friction at its ends is wider by 1 / (1 - h^2 / 4) until it is refused."""
    found = run(
        kernel,
        Normal([1.0, -0.5], [1.0, 1.0]),
        init=jax.vmap(lambda k: draw(Normal([1.0, -0.5], [1.0, 1.0]), key=k))(jax.random.split(KEY, 64)),
    )
    for name, truth in (("x", np.array([1.0, -0.5])), ("square", np.array([1.0, 0.25]) + variance)):
        row = found.rows[name].estimate
        assert np.all(np.abs(row.value - truth) < 5.6 * row.stderr), (name, str(row))
        assert np.all(row.stderr < 0.03)


SCALE = jnp.array([0.3, 5.0])


@pytest.mark.parametrize(
    "make",
    [
        lambda s: ULA(0.2, s),
        lambda s: TamedULA(0.2, s),
        lambda s: MALA(0.4, s),
        lambda s: HMC(0.4, s, steps=3),
        lambda s: GHMC(0.4, 0.7, s),
        lambda s: BAOAB(0.4, 0.7, s),
        lambda s: OBABO(0.4, 0.7, s),
        lambda s: Barker(0.8, s),
        lambda s: RandomWalk(0.8, s),
        lambda s: RandomWalk(0.8, jnp.diag(s) if jnp.ndim(s) else s),
        lambda s: Slice(1.5, s),
    ],
    ids=["ula", "tamed", "mala", "hmc", "ghmc", "baoab", "obabo", "barker", "walk", "walk by a matrix", "slice"],
)
def test_scale_is_a_change_of_units(make) -> None:
    """In units of scale the moves are those of the kernel without one, and so is their work."""
    shift = jnp.array([2.0, -1.0])
    ways = [(make(1.0), MIX.energy, 0.0, 1.0), (make(SCALE), Rescaled(MIX.energy, shift, SCALE), shift, SCALE)]
    ends = []
    for kernel, energy, at, scale in ways:
        state = kernel.init(energy, at + scale * jnp.array([0.4, -0.2]), key=KEY)
        state, info = jax.lax.scan(
            lambda s, k, kernel=kernel, energy=energy: kernel.step(energy, s, key=k), state, jax.random.split(KEY, 8)
        )
        ends.append(((kernel.position(state) - at) / scale, info.shadow_work, info.accept_prob))
    for plain, scaled in zip(*ends, strict=True):
        np.testing.assert_allclose(scaled, plain, atol=1e-4)
    assert float(jnp.linalg.norm(ends[0][0] - jnp.array([0.4, -0.2]))) > 0.1


def test_stretch_moves_are_the_same_after_any_linear_map() -> None:
    turn = jnp.array([[3.0, 0.5], [-20.0, 0.1]])
    bent = Callable(_bent, (jnp.linalg.inv(turn), MIX.energy), Reals(2))
    kernel, xs = Stretch(walkers=8), jax.vmap(lambda k: MIX.sample(key=k))(jax.random.split(KEY, 8))
    ends = []
    for energy, places in ((MIX.energy, xs), (bent, xs @ turn.T)):
        state = Walkers(places, jax.vmap(energy)(places), jnp.zeros((), int))
        state, info = jax.lax.scan(lambda s, k, energy=energy: kernel.step(energy, s, key=k), state, jax.random.split(KEY, 100))
        ends.append((state.positions, info.accept_prob))
    np.testing.assert_allclose(ends[1][0], ends[0][0] @ turn.T, atol=1e-3)
    np.testing.assert_allclose(ends[1][1], ends[0][1], atol=1e-3)
    assert 0.2 < float(jnp.mean(ends[0][1])) < 0.9


def _bent(params, x):
    back, energy = params
    return energy(back @ x)


def test_a_stretched_population_follows_x() -> None:
    kernel, x = Stretch(walkers=6), jnp.array([1.0, 2.0])
    state = kernel.init(MIX.energy, x, key=KEY)
    for key in jax.random.split(KEY, 4):
        state, _ = kernel.step(MIX.energy, state, key=key)
    moved = kernel.refresh(MIX.energy, state, x)
    np.testing.assert_allclose(kernel.position(moved), x, atol=1e-6)
    np.testing.assert_allclose(jnp.diff(moved.positions, axis=0), jnp.diff(state.positions, axis=0), atol=1e-5)


# ---- tuning ----


def test_a_walk_learns_all_correlations() -> None:
    found = run(RandomWalk(0.5, jnp.eye(3)), TILTED, warmup=1500, draws=2000)
    factor = np.linalg.inv(np.asarray(TILTED.factor).T)
    whitened = np.linalg.solve(factor, np.asarray(found.kernel.scale))
    np.testing.assert_allclose(whitened @ whitened.T, np.eye(3), atol=0.15)
    assert np.all(np.triu(found.kernel.scale, 1) == 0)
    assert abs(found.acceptance - 0.234) < 0.03
    assert np.max(found.rows["x"].rhat) < 1.02
    assert np.all(np.abs(found["x"].value - TILTED.mean) < 5.6 * found["x"].stderr)


@pytest.mark.parametrize(
    ("kernel", "acceptance"),
    [
        (RandomWalk(0.1), 0.44),
        (RandomWalk(0.1, jnp.eye(1)), 0.44),
        (Barker(0.1, jnp.ones(1)), 0.4),
        (MALA(0.1, jnp.ones(1)), 0.574),
        (GHMC(0.1, 1.0, jnp.ones(1)), 0.95),
    ],
    ids=["walk", "walk by a matrix", "barker", "mala", "ghmc"],
)
def test_one_dimension_is_tuned(kernel, acceptance: float) -> None:
    found = run(kernel, Normal([20.0], [7.0]))
    assert abs(found.acceptance - acceptance) < 0.04
    if found.kernel.scale.ndim:
        np.testing.assert_allclose(found.kernel.scale.ravel(), 7.0, rtol=0.15)
    assert abs(found["x"].value - 20.0) < 5.6 * found["x"].stderr < 2.0


def test_unadjusted_moves_and_slices_take_their_scales_from_the_chains() -> None:
    wide = Normal([2.0, -1.0], [0.5, 5.0])
    for kernel in (ULA(0.1, jnp.ones(2)), BAOAB(0.5, 1.0, jnp.ones(2)), Slice(scale=jnp.ones(2))):
        np.testing.assert_allclose(run(kernel, wide, draws=16).kernel.scale, wide.scale, rtol=0.25)
    assert run(BAOAB(0.05), wide, warmup=4, draws=16).kernel.scale == 1.0


def test_a_matrix_does_not_depend_on_the_order_of_chains() -> None:
    kernel, xs = RandomWalk(0.5, jnp.eye(3)), jax.vmap(lambda k: draw(TILTED, key=k))(jax.random.split(KEY, 48))
    scales = []
    for rows in (xs, xs[::-1], xs[jax.random.permutation(KEY, 48)]):
        adaptation, tuned = Spreads(), kernel
        state = adaptation.init(kernel)
        for shift in (0.0, 0.3):
            tuned, state = adaptation.update(tuned, state, Info(jnp.ones(48), jnp.zeros(())), rows + shift)
        scales.append(np.asarray(tuned.scale))
    np.testing.assert_array_equal(scales[0], scales[1])
    np.testing.assert_array_equal(scales[0], scales[2])


def test_rungs_learn_a_matrix_each() -> None:
    ladder = ParallelTempering.over(RandomWalk(0.5, jnp.eye(3)), [0.5, 1.0])
    found = run(ladder, TILTED, chains=32, draws=64).kernel.kernel
    assert found.scale.shape == (2, 3, 3)
    np.testing.assert_allclose(np.linalg.norm(found.scale[1], axis=1), [1.0, 1.0, 0.1], rtol=0.3)


def test_a_walk_on_axes_of_its_own_takes_a_matrix_of_all() -> None:
    field = Normal(jnp.zeros((2, 2)), jnp.array([[0.1, 1.0], [2.0, 0.5]]))
    whole, single = (run(RandomWalk(0.5, scale), field, draws=16).kernel.scale for scale in (jnp.eye(4), jnp.ones((2, 2))))
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), field.scale.ravel(), rtol=0.3)
    np.testing.assert_allclose(single, field.scale, rtol=0.3)


def test_tamed_moves_stay_where_untamed_ones_explode() -> None:
    steep = Callable(_fourth_power, None, Reals(2))
    for kernel, held in ((TamedULA(0.1), True), (ULA(0.1), False)):
        state = kernel.init(steep, jnp.array([10.0, -10.0]), key=KEY)
        state, _ = jax.lax.scan(lambda s, k, kernel=kernel: kernel.step(steep, s, key=k), state, jax.random.split(KEY, 200))
        assert bool(jnp.all(jnp.abs(state.position) < 4)) is held


def _fourth_power(_, x):
    return jnp.sum(x**4)


# ---- laws in corners that the registry does not reach ----


def test_work_settled_within_a_move() -> None:
    for kernel in (BAOAB(0.5, 1.5), OBABO(0.4)):
        check_crooks(kernel, settle="next", key=KEY)


def test_a_refusal_is_what_ghmc_says() -> None:
    """Moves are made as often as stated, and a refusal turns the velocity round (no friction to speak of)."""
    kernel = GHMC(1.4, 1e-12, steps=2)

    def one(key):
        first, cache, move = jax.random.split(key, 3)
        state = kernel.init(MIX.energy, MIX.sample(key=first), key=cache)
        end, info = kernel.step(MIX.energy, state, key=move)
        refused = jnp.all(end.at.position == state.at.position)
        return refused, info.accept_prob, jnp.max(jnp.abs(jnp.where(refused, end.velocity + state.velocity, 0.0)))

    refused, accept, turned = jax.jit(jax.vmap(one))(jax.random.split(KEY, 2**14))
    assert 0.1 < float(jnp.mean(refused)) < 0.9
    z_test("GHMC", "acceptance stated against moves made", np.asarray(1.0 - refused - accept))
    assert float(jnp.max(turned)) < 1e-4


def test_slices_that_give_up_keep_the_law(monkeypatch) -> None:
    """With two draws from the interval and few widths many moves end where they began, as often as stated."""
    monkeypatch.setattr(slice, "MOST", 2)
    for kernel in (Slice(0.7, 2.0, widths=5), EllipticalSlice(Gaussian([0.3, -0.2], [[0.1, 0.03], [0.03, 0.06]]))):
        state = kernel.init(MIX.energy, jnp.array([1.0, 1.5]), key=KEY)
        ends, info = jax.vmap(lambda k, kernel=kernel, state=state: kernel.step(MIX.energy, state, key=k))(jax.random.split(KEY, 1024))
        assert 0.2 < float(jnp.mean(info.accept_prob)) < 0.95
        np.testing.assert_array_equal(jnp.any(ends.position != state.position, axis=1), info.accept_prob)
        check_exact_start(kernel, MIX, draws=2**15, key=KEY)


def test_an_elliptical_slice_of_a_full_gaussian_and_in_a_box() -> None:
    check_exact_start(EllipticalSlice(Gaussian([0.3, -0.2], [[1.0, 0.5], [0.5, 0.6]])), MIX, draws=2**16, key=KEY)
    check_exact_start(EllipticalSlice(Normal([0.3, 0.5], [1.0, 2.0])), WEDGE, draws=2**16, key=KEY)


def test_an_independent_walker_is_refused_beyond_the_walls() -> None:
    check_exact_start(Independence(Normal([0.3, 0.5], [1.0, 2.0])), WEDGE, draws=2**16, key=KEY)


# ---- broken twins ----


class Growing(RandomWalk):
    """Steps that grow with the distance from the origin."""

    def step(self, energy, state, *, key):
        size = self.step_size * (1 + jnp.linalg.norm(state.position))
        return RandomWalk.step(eqx.tree_at(lambda k: k.step_size, self, size), energy, state, key=key)


class Nearest(MALA):
    """On a torus, the way taken is read off the ends."""

    def propose(self, energy, x, key):
        root, noise = jnp.sqrt(2 * self.step_size), jax.random.normal(key, x.position.shape)
        y = evaluate(energy, shifted(energy.space, x.position, self.scale * (root * noise - self.step_size * self.drift(x))))
        way = shifted(energy.space, y.position, -x.position) / self.scale
        forth, back = (way + self.step_size * self.drift(x)) / root, (-way + self.step_size * self.drift(y)) / root
        return y, (y.energy - x.energy) + jnp.sum(back**2 - forth**2) / 2


class UntamedWork(TamedULA):
    """Tamed on the way there, and not on the way back: each alone a law with exact weights, but not those of one path."""

    def propose(self, energy, x, key):
        y, work = TamedULA.propose(self, energy, x, key)
        root, way = jnp.sqrt(2 * self.step_size), y.position - x.position
        back, wrong = ((self.step_size * drift - way) / root for drift in (self.drift(y), ULA.drift(self, y)))
        return y, work + jnp.sum(wrong**2 - back**2) / 2


class Unbalanced(Independence):
    """Accepted by the energy alone."""

    def step(self, energy, state, *, key):
        move, coin = jax.random.split(key)
        new = locate(energy, draw(self.proposal, key=move))
        return metropolis(state.energy - new.energy, new, state, key=coin)


class NoSigns(Barker):
    """The probability of the signs is forgotten."""

    def _log_sign(self, state, way):
        return jnp.zeros(())


class HotBAOAB(BAOAB):
    """Counts what friction and noise did as work."""

    def step(self, energy, state, *, key):
        last, info = BAOAB.step(self, energy, state, key=key)
        return last, Info(info.accept_prob, -lost(state, last))


class ColdOBABO(OBABO):
    """Noise sqrt(1 - c) for sqrt(1 - c^2), at the second friction."""

    def step(self, energy, state, *, key):
        before, after = jax.random.split(key)
        time = self.friction * self.step_size / 2
        start = Phase(state.at, relaxed(state.velocity, time, before))
        end = leapfrog(energy, start, self.step_size, self.scale, 1)
        noise = jax.random.normal(after, end.velocity.shape)
        velocity = jnp.exp(-time) * end.velocity + jnp.sqrt(-jnp.expm1(-time)) * noise
        return Phase(end.at, velocity), Info(jnp.ones(()), -lost(start, end))


class NoFlip(GHMC):
    """Goes on as before after a refusal."""

    def step(self, energy, state, *, key):
        before, coin, after = jax.random.split(key, 3)
        time = self.friction * self.step_size * self.steps / 2
        start = Phase(state.at, relaxed(state.velocity, time, before))
        end = leapfrog(energy, start, self.step_size, self.scale, self.steps)
        moved, info = metropolis(lost(start, end), end, start, key=coin)
        return Phase(moved.at, relaxed(moved.velocity, time, after)), info


class Centred(Slice):
    """The interval has x in its middle."""

    def step(self, energy, state, *, key):
        aim, height, shrink = jax.random.split(key, 3)
        ray = jax.random.normal(aim, state.position.shape)
        level = state.energy + jax.random.exponential(height)

        def line(s):
            new = locate(energy, state.position + s * self.width * ray / jnp.linalg.norm(ray))
            return new, new.energy <= level

        return _shrunk(line, as_float(-0.5), as_float(0.5), state, shrink)


class AboutZero(EllipticalSlice):
    """Takes the mean of the prior for zero."""

    def step(self, energy, state, *, key):
        other, height, shrink = jax.random.split(key, 3)
        there = draw(self.prior, key=other)
        level = state.energy - self.prior(state.position) + jax.random.exponential(height)

        def ellipse(angle):
            new = locate(energy, state.position * jnp.cos(angle) + there * jnp.sin(angle))
            return new, new.energy - self.prior(new.position) <= level

        return _shrunk(ellipse, as_float(-jnp.pi), as_float(jnp.pi), state, shrink)


class NoVolume(Stretch):
    """The factor z^(d - 1) is forgotten."""

    def step(self, energy, state, *, key):
        choose, size, coin = jax.random.split(key, 3)
        turn = (state.turn + 1) % self.walkers
        partner = (turn + jax.random.randint(choose, (), 1, self.walkers)) % self.walkers
        old = locate(energy, state.positions[turn])
        z = ((self.stretch - 1) * jax.random.uniform(size) + 1) ** 2 / self.stretch
        new = locate(energy, state.positions[partner] + z * (old.position - state.positions[partner]))
        moved, info = metropolis(guarded(energy, old.energy - new.energy, new), new, old, key=coin)
        return Walkers(state.positions.at[turn].set(moved.position), state.energies.at[turn].set(moved.energy), turn), info


BROKEN = {
    "growing steps": (Growing(0.5), MIX),
    "nearest image": (Nearest(2.0), XY),
    "no proposal ratio": (Unbalanced(Normal([0.2, 0.6], [1.8, 1.5])), MIX),
    "no signs": (NoSigns(0.9), MIX),
    "heat as work": (HotBAOAB(0.5), MIX),
    "cold noise": (ColdOBABO(0.5), MIX),
    "no flip": (NoFlip(1.2, 0.3), MIX),
    "x in the middle": (Centred(1.5), MIX),
    "mean of the prior": (AboutZero(Normal([0.7, -0.5], [1.5, 1.2])), MIX),
    "no volume": (NoVolume(walkers=6), GAUSS),
}


@pytest.mark.parametrize("name", BROKEN)
def test_exact_start_catches(name: str) -> None:
    kernel, problem = BROKEN[name]
    start = exact_walkers if isinstance(kernel, Stretch) else None
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(kernel, problem, start=start, draws=2**16, key=KEY)


def test_reversibility_catches_an_interval_about_x() -> None:
    with pytest.raises(LawViolation, match="reversibility"):
        check_reversible(Centred(1.5), MIX, draws=2**16, key=KEY)


class OneSided(OBABO):
    """Kick and drift in this order only: the way back is drift and kick, and `reverse` does not say so."""

    def step(self, energy, state, *, key):
        start = kicked(Phase(state.at, relaxed(state.velocity, self.friction * self.step_size, key)), self.step_size, self.scale)
        end = Phase(evaluate(energy, start.at.position + self.step_size * self.scale * start.velocity), start.velocity)
        return end, Info(jnp.ones(()), -lost(Phase(state.at, relaxed(state.velocity, self.friction * self.step_size, key)), end))


@pytest.mark.parametrize("kernel", [OneSided(0.4), UntamedWork(0.4)], ids=["one-sided", "untamed"])
def test_crooks_catches_moves_that_are_not_their_own_mirror_image(kernel) -> None:
    check_exact_start(kernel, GAUSS, draws=2**15, key=KEY)
    with pytest.raises(LawViolation, match="no time reversal"):
        check_crooks(kernel, key=KEY)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ULA(0.1, [1.0, 0.0]), "scale"),
        (lambda: MALA(0.1, -1.0), "scale"),
        (lambda: Barker(0.0), "step_size"),
        (lambda: BAOAB(0.1, 0.0), "friction"),
        (lambda: OBABO(-0.1), "step_size"),
        (lambda: GHMC(0.1, steps=0), "steps=0"),
        (lambda: RandomWalk(0.1, [[1.0, 0.5], [0.0, 0.0]]), "lower-triangular"),
        (lambda: RandomWalk(0.1, jnp.ones(3)).init(MIX.energy, jnp.zeros(2), key=KEY), "needs one of"),
        (lambda: Slice(0.0), "width"),
        (lambda: Slice(widths=0), "widths=0"),
        (lambda: EllipticalSlice(Normal([0.0], [1.0])).init(MIX.energy, jnp.zeros(2), key=KEY), "prior of shape"),
        (lambda: Stretch(1.0, walkers=6), "stretch"),
        (lambda: Stretch(walkers=3).init(MIX.energy, jnp.zeros(2), key=KEY), "walkers=3"),
    ],
)
def test_hyper_parameters_without_meaning_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BAOAB(0.1).init(WEDGE.energy, jnp.zeros(2), key=KEY), "BAOAB moves on Reals or Torus, not on Box"),
        (lambda: TamedULA(0.1).init(WEDGE.energy, jnp.zeros(2), key=KEY), "TamedULA moves on Reals or Torus, not on Box"),
        (lambda: Stretch(walkers=9).init(XY.energy, jnp.zeros(3), key=KEY), "not on Torus"),
        (lambda: Independence(Rescaled(MIX.energy, 0.0, 1.0).energy).init(XY.energy, jnp.zeros(3), key=KEY), "give both one space"),
        (lambda: Independence(Callable(_fourth_power, None, Reals(2))), "Sampleable"),
        (lambda: EllipticalSlice(Uniform(Box(jnp.zeros(2), jnp.ones(2)))), "prior"),
        (lambda: ParallelTempering.over(BAOAB(0.1), [0.5, 1.0]), "lose its memory"),
    ],
)
def test_spaces_and_parts_that_do_not_fit_are_refused(make, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()
