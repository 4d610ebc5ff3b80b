"""Every kernel keeps the laws; kernels broken in the ways that libraries have been broken do not."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.cases import cases
from registry.kernels import GAUSS, KERNELS, STARTS, exact_rungs, path_of, witness
from registry.twins import NoShadow, TurnedWork

from gibbsite.core import Callable, Cycle, Geometric, Info, Mixture, Normal, Reals, Repeat, as_float, need, no_work, schedule
from gibbsite.core.energy import Conditionals
from gibbsite.energies import GaussianMixture
from gibbsite.samplers import MALA, ULA, Gibbs, ParallelTempering, Silent, name_of, sample
from gibbsite.samplers.gibbs import SiteState
from gibbsite.samplers.slope import SlopeState, evaluate
from gibbsite.testing import LawViolation, check_crooks, check_devices, check_kernel, problems, spins
from gibbsite.testing.kernel import (
    check_chunks,
    check_compiles_once,
    check_exact_start,
    check_forgets,
    check_log_z,
    check_moves,
    check_refresh,
    check_reversible,
)
from gibbsite.thermo import anneal, annealing

KEY = jax.random.key(20)
MIX, ISING = problems.mixture(), problems.ising()


BY_FORMULA = {
    *("mala", "hmc", "gibbs with gradients", "parallel tempering", "metropolis", "path auxiliary", "locally balanced"),
    *("discrete langevin", "wolff"),
}


@pytest.mark.parametrize("name", cases(KERNELS, lambda entry: name_of(entry[0])))
def test_laws(name: str) -> None:
    kernel, problem = KERNELS[name]
    draws = 2**12 if name == "multispin" else 2**15  # each is of 32 copies
    quick = ("swendsen", "wolff", "houdayer", "rotor", "overrelaxation", "path", "nuts", "adjusted", "simulated", "tempered")
    forgets = 100 if name.startswith(quick) or name.endswith("torus") else 500
    check_kernel(kernel, problem, start=STARTS.get(name), path=path_of(problem), draws=draws, forgets=forgets, key=KEY)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(BY_FORMULA))
def test_acceptance_is_right_to_a_twentieth(name: str) -> None:
    """Kernels that accept by a formula, in enough draws to see a log acceptance that is off by 0.05."""
    kernel, problem = KERNELS[name]
    check_exact_start(kernel, problem, start=STARTS.get(name), draws=2**18, key=KEY)
    if kernel.reversible:
        check_reversible(kernel, problem, draws=2**18, key=KEY)


@pytest.mark.parametrize("name", ["hmc", "baoab", "gibbs", "block gibbs", "multispin", "parallel tempering", "stretch"])
def test_draws_do_not_depend_on_chunks(name: str) -> None:
    check_chunks(*KERNELS[name], key=KEY)


WORKERS = [name for name, (kernel, _) in KERNELS.items() if kernel.reports_work]


@pytest.mark.parametrize("name", cases(KERNELS, lambda entry: name_of(entry[0]), WORKERS))
def test_work_forward_and_back(name: str) -> None:
    check_crooks(KERNELS[name][0], witness(name), key=KEY)


def propose(state: SlopeState, variance, step, key):
    return state.position - step * state.grad + jnp.sqrt(variance) * jax.random.normal(key, state.position.shape)


def hastings(x: SlopeState, y: SlopeState, step):
    """log pi(y -> x) - log pi(x -> y)."""
    forward = jnp.sum((y.position - x.position + step * x.grad) ** 2)
    backward = jnp.sum((x.position - y.position + step * y.grad) ** 2)
    return (forward - backward) / (4 * step)


class ColdULA(ULA):
    """Noise sqrt(h) for sqrt(2 h), its work reported as ULA does."""

    def step(self, energy, state, *, key):
        new = evaluate(energy, propose(state, self.step_size, self.step_size, key))
        return new, Info(jnp.ones(()), new.energy - state.energy - hastings(state, new, self.step_size))


class BiasedMALA(MALA):
    """log acceptance plus 0.05."""

    def log_ratio(self, old: SlopeState, new: SlopeState):
        return old.energy - new.energy + hastings(old, new, self.step_size) + 0.05

    def step(self, energy, state, *, key):
        move, coin = jax.random.split(key)
        new = evaluate(energy, propose(state, 2 * self.step_size, self.step_size, move))
        log_ratio = self.log_ratio(state, new)
        accept = jnp.log(jax.random.uniform(coin)) < log_ratio
        kept = jax.tree.map(lambda a, b: jnp.where(accept, a, b), new, state)
        return kept, Info(jnp.exp(jnp.minimum(log_ratio, 0.0)), no_work())


class NoHastings(BiasedMALA):
    """The asymmetry of the proposal is forgotten."""

    def log_ratio(self, old: SlopeState, new: SlopeState):
        return old.energy - new.energy


class TemperedHastings(BiasedMALA):
    """The whole log ratio of the target, Hastings term included, is taken to the power beta."""

    beta: jax.Array = eqx.field(converter=as_float, default=1.0)

    def log_ratio(self, old: SlopeState, new: SlopeState):
        return old.energy - new.energy + self.beta * hastings(old, new, self.step_size)


class StaleMALA(MALA):
    """Keeps energy and gradient of the old energy under a new one."""

    def refresh(self, energy, state, x=None):
        return state if x is None else MALA.refresh(self, energy, state, x)


class WrongSignGibbs(Gibbs):
    def step(self, energy, state, *, key):
        view = need(energy, Conditionals, "Gibbs")
        x = state.position
        for block, leg in zip(view.blocks, jax.random.split(key, len(view.blocks)), strict=True):
            x = jnp.where(block > 0, jnp.where(jax.random.logistic(leg, x.shape) < -view.logits(x), 1.0, -1.0), x)
        return SiteState(x), Info(jnp.ones(()), no_work())


class WrongSwap(ParallelTempering):
    """Swaps accepted with the sign of the work turned round."""

    def path(self, energy):
        return TurnedWork(energy)


LADDER = [0.3, 0.6, 1.0]

BROKEN = {
    "noise sqrt(h)": (ColdULA(0.1), MIX),
    "no work": (NoShadow(ULA(0.1)), MIX),
    "bias 0.05": (BiasedMALA(0.3), MIX),
    "no Hastings term": (NoHastings(0.3), MIX),
    "Gibbs sign": (WrongSignGibbs(), ISING),
}


@pytest.mark.parametrize("name", BROKEN)
def test_exact_start_catches(name: str) -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(*BROKEN[name], draws=2**15 if name == "Gibbs sign" else 2**18, key=KEY)


def tempered_hastings() -> ParallelTempering:
    kernel = ParallelTempering.over(TemperedHastings(0.3), LADDER)
    return eqx.tree_at(lambda k: k.kernel.beta, kernel, kernel.betas)


@pytest.mark.parametrize("kernel", [WrongSwap.over(MALA(0.3), LADDER), tempered_hastings()], ids=["swap sign", "tempered Hastings"])
def test_exact_start_catches_tempering_with(kernel: ParallelTempering) -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(kernel, GAUSS, start=exact_rungs, key=KEY)


class ClaimsReversible(Gibbs):
    reversible = True


def test_reversibility_catches_a_sweep_that_claims_it() -> None:
    with pytest.raises(LawViolation, match="reversibility"):
        check_reversible(ClaimsReversible(), ISING, draws=2**16, key=KEY)


def test_log_z_catches_missing_work() -> None:
    with pytest.raises(LawViolation, match="log Z"):
        check_log_z(NoShadow(ULA(0.3)), MIX, key=KEY)


def test_refresh_and_log_z_catch_a_stale_cache() -> None:
    with pytest.raises(LawViolation, match="refresh"):
        check_refresh(StaleMALA(0.3), MIX, key=KEY)
    with pytest.raises(LawViolation, match="log Z"):
        check_log_z(StaleMALA(0.3), MIX, key=KEY)


class StaticStep(ULA):
    step_size: float = eqx.field(static=True, converter=float)


class Still(MALA):
    """Never moves."""

    def step(self, energy, state, *, key):
        return state, Info(jnp.zeros(()), no_work())


class Boastful(MALA):
    """Says that every proposal was accepted."""

    def step(self, energy, state, *, key):
        state, info = MALA.step(self, energy, state, key=key)
        return state, Info(jnp.ones(()), info.shadow_work)


class Shifted(MALA):
    """Has another energy at hand than that of its position."""

    def energy(self, energy, state):
        return state.energy + 1


class Through(MALA):
    """Walks through the walls of a box."""

    def step(self, energy, state, *, key):
        open_energy = Callable(energy.fn, energy.params, Reals(2))
        return MALA.step(self, open_energy, state, key=key)


class Half(Gibbs):
    """Updates one colour of the checkerboard only."""

    def step(self, energy, state, *, key):
        swept, info = Gibbs.step(self, energy, state, key=key)
        return SiteState(jnp.where(need(energy, Conditionals, "Half").blocks[0] > 0, swept.position, state.position)), info


@pytest.mark.parametrize(("kernel", "reason"), [(Still, "none of"), (Boastful, "acceptance stated"), (Shifted, "energy of the state")])
def test_a_move_that_is_not_what_it_says_is_seen(kernel: type, reason: str) -> None:
    with pytest.raises(LawViolation, match=reason):
        check_moves(kernel(0.3), MIX, key=KEY)


def test_a_kernel_that_cannot_reach_everything_is_seen() -> None:
    check_exact_start(Half(), ISING, draws=2**15, key=KEY)  # it keeps the law, and is no use
    with pytest.raises(LawViolation, match="from one point"):
        check_forgets(Half(), ISING, key=KEY)


def test_a_kernel_that_leaves_its_box_is_seen() -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(Through(0.4), problems.wedge(), draws=2**15, key=KEY)


def test_compositions_refuse_what_has_a_memory() -> None:
    tempering = ParallelTempering.over(MALA(0.3), LADDER)
    for compose in (lambda k: Cycle((k,)), lambda k: Mixture((MALA(0.1), k), [0.5, 0.5]), lambda k: Cycle((Repeat(k, 2),))):
        with pytest.raises(TypeError, match="lose its memory"):
            compose(tempering)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MALA(-0.1), "step_size"),
        (lambda: ULA(0.0), "step_size"),
        (lambda: Repeat(MALA(0.1), 0), "times=0"),
        (lambda: Cycle(()), "give one or more"),
        (lambda: Mixture((MALA(0.1), MALA(0.2)), [1.0]), "weights"),
        (lambda: Mixture((MALA(0.1), MALA(0.2)), [1.0, -1.0]), "weights"),
        (lambda: ParallelTempering.over(MALA(0.1), [1.0, 0.5]), "betas"),
        (lambda: ParallelTempering.over(MALA(0.1), [0.2, 0.5]), "betas"),
        (lambda: ParallelTempering.over(MALA(0.1), [0.0, 1.0]), "betas"),
    ],
)
def test_hyper_parameters_without_meaning_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_annealing_twice_compiles_once() -> None:
    """The pilot walk that tunes a ladder is one program for any step size to start from."""
    path = Geometric(Normal(jnp.zeros(2), jnp.ones(2)), MIX.energy)
    times = schedule(4)
    anneal(path, MALA(0.1), walkers=8, times=times, tune=4, progress=Silent(), key=KEY)
    held = [fn._cached._cache_size() for fn in (annealing._pilot, annealing._advance)]
    anneal(path, MALA(0.7), walkers=8, times=times, tune=4, progress=Silent(), key=KEY)
    assert [fn._cached._cache_size() for fn in (annealing._pilot, annealing._advance)] == held


def test_compile_count_catches_a_static_step_size() -> None:
    with pytest.raises(LawViolation, match="compiled"):
        check_compiles_once(StaticStep(0.1), MIX, key=KEY)


class First(Gibbs):
    """Only the first block of the sweep: reversible on its own."""

    reversible = True

    def step(self, energy, state, *, key):
        first = need(energy, Conditionals, "First").blocks[-1 if self.backward else 0]
        swept, info = Gibbs.step(self, energy, state, key=key)
        return SiteState(jnp.where(first > 0, swept.position, state.position)), info

    def reverse(self):
        return self


class WrongOrder(Cycle):
    """Reverses its parts and not their order."""

    def reverse(self):
        return WrongOrder(tuple(kernel.reverse() for kernel in self.kernels))


def test_crooks_catches_a_cycle_reversed_in_the_wrong_order() -> None:
    parts = (First(), First(backward=True))
    check_crooks(Cycle(parts), spins(), key=KEY)
    with pytest.raises(LawViolation, match="no time reversal"):
        check_crooks(WrongOrder(parts), spins(), key=KEY)


def test_cycle_reverses_order_and_parts() -> None:
    cycle = Cycle((Gibbs(), Cycle((Gibbs(backward=True), Gibbs()))))
    assert cycle.reverse() == Cycle((Cycle((Gibbs(backward=True), Gibbs())), Gibbs(backward=True)))


def test_continuous_kernels_refuse_spins() -> None:
    for kernel in (ULA(0.1), MALA(0.1)):
        with pytest.raises(TypeError, match="not on Spins"):
            kernel.init(ISING.energy, jnp.ones((3, 3)), key=KEY)


def test_one_rung_is_the_base_kernel() -> None:
    """Parallel tempering with a single rung makes the moves of its kernel, bit for bit, from the same keys."""
    lone = ParallelTempering.over(MALA(0.3), [1.0])
    x = MIX.sample(key=KEY)
    many, one = lone.init(MIX.energy, x, key=KEY), MALA(0.3).init(MIX.energy, x, key=KEY)
    tempered, plain = (jax.jit(lambda s, k, kernel=kernel: kernel.step(MIX.energy, s, key=k)[0]) for kernel in (lone, MALA(0.3)))
    for key in jax.random.split(KEY, 20):
        local = jax.random.split(jax.random.split(key)[1], 1)[0]
        inner = jax.random.split(jax.random.split(local)[1], 1)[0]
        many, one = tempered(many, key), plain(one, inner)
        np.testing.assert_array_equal(lone.position(many), one.position)


def test_tempering_recovers_masses_where_one_temperature_is_frozen() -> None:
    """50 dimensions, modes at -10 and +6 on the first axis with masses 1/4 and 3/4; every chain starts in the small one.

    The base is the Gaussian with the mean and the variances of the target, which any data set gives.
    """
    axis = jnp.eye(50)[0]
    target = GaussianMixture(jnp.stack([-10 * axis, 6 * axis]), [1.0, 1.0], [0.25, 0.75])
    base = Normal(2 * axis, jnp.sqrt(1 + 48 * axis))
    tempering = ParallelTempering.over(MALA(0.3), [0.0, 0.06, 0.3, 1.0], base)

    def right(kernel, warmup, draws):
        init = -10 * axis + jax.random.normal(KEY, (16, 50))
        observe = {"right": lambda x: jnp.asarray(x[0] > -2, float)}
        return sample(kernel, target, chains=16, warmup=warmup, draws=draws, observe=observe, init=init, progress=Silent(), key=KEY)[
            "right"
        ]

    frozen, found = right(MALA(0.3), 400, 400), right(tempering, 1600, 6400)
    assert frozen.value == 0
    assert abs(found.value - 0.75) < 5.6 * found.stderr < 0.15, str(found)


def test_draws_do_not_depend_on_the_number_of_devices() -> None:
    check_devices("registry.kernels:KERNELS", ("hmc", "gibbs"), counts=(1, 4))


@pytest.mark.long
def test_draws_of_more_kernels_do_not_depend_on_it_either() -> None:
    check_devices("registry.kernels:KERNELS", ("ula", "mala", "hmc", "gibbs", "random walk"))


@pytest.mark.long
def test_learned_metrics_and_lengths_do_not_depend_on_the_number_of_devices() -> None:
    check_devices("registry.kernels:KERNELS", ("adaptive hmc",))


@pytest.mark.long
def test_populations_do_not_depend_on_the_number_of_devices() -> None:
    """On several devices draws are the same bit for bit; on one, the compiler rounds a population's energies otherwise."""
    check_devices("registry.kernels:KERNELS", ("parallel tempering",), counts=(2, 4))
