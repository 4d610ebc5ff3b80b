"""Kernels on discrete spaces and rotors: exact answers, and kernels broken in typical ways that no law lets pass."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import Around
from scipy.signal import lfilter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import ive

from gibbsite.core import Conditionals, Cycle, Info, LocalFields, Pairwise, Tempered, need, no_work, values, wrapped
from gibbsite.energies import XY, Copies, Ising, Potts
from gibbsite.samplers import (
    DiscreteLangevin,
    Each,
    Gibbs,
    GibbsWithGradients,
    Houdayer,
    LocallyBalanced,
    Metropolis,
    Overrelaxation,
    ParallelTempering,
    PathAuxiliary,
    RotorHeatBath,
    Silent,
    SwendsenWang,
    UnadjustedDiscreteLangevin,
    Wolff,
    informed,
    lattice_labels,
    sample,
)
from gibbsite.samplers.labels import clusters, components
from gibbsite.samplers.metropolis import guarded, metropolis
from gibbsite.samplers.rotor import von_mises
from gibbsite.samplers.sites import SiteState
from gibbsite.samplers.slope import evaluate
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start, check_moves, check_reversible
from gibbsite.testing.law import z_test
from gibbsite.thermo import kaufman_energy, kaufman_heat_capacity

KEY = jax.random.key(23)
K_C = math.log(1 + math.sqrt(2)) / 2
TAU_128 = 6.0  # 6.00(24), of 120,000 moves of the union-find in `benchmarks.lattices`, which shares no code with ours
ISING, GLASS, POTTS = problems.ising(), problems.glass(), problems.potts()
CAPEL, MACHINE, ROTORS = problems.blume_capel(), problems.machine(), problems.xy()

# ---- components ----


def graphs():
    rng = np.random.default_rng(5)
    shuffled = rng.permutation(1000)
    lattice = np.asarray(need(Ising((64, 64)), Pairwise, "test").edges)
    return {
        "no edges": (np.zeros((0, 2), int), 7),
        "loops and doubles": (np.array([[3, 3], [1, 4], [4, 1], [1, 4]]), 6),
        "path": (np.stack([shuffled[:-1], shuffled[1:]], axis=1), 1000),
        "star": (np.stack([np.full(50, 50), np.arange(50)], axis=1), 51),
        "sparse": (rng.integers(0, 2000, (900, 2)), 2000),
        "random": (rng.integers(0, 500, (3000, 2)), 500),
        "lattice": (lattice, 64 * 64),
    }


def least_sites(edges: np.ndarray, kept: np.ndarray, sites: int) -> np.ndarray:
    """For each site the least one of its component, by SciPy."""
    one, other = edges[kept].T
    count, component = connected_components(coo_matrix((np.ones(len(one)), (one, other)), (sites, sites)), directed=False)
    least = np.full(count, sites)
    np.minimum.at(least, component, np.arange(sites))
    return least[component]


@pytest.mark.parametrize("name", graphs())
def test_components_are_those_of_scipy(name: str) -> None:
    """Each site is labelled by the least site of its component, at any share of active edges; all shares at once, by vmap."""
    edges, sites = graphs()[name]
    active = np.random.default_rng(1).uniform(size=(4, len(edges))) < np.array([[0.3], [0.5], [0.8], [1.0]])
    found = jax.jit(jax.vmap(lambda a: components(jnp.asarray(edges, int), a, sites)))(active)
    for labels, kept in zip(np.asarray(found), active, strict=True):
        np.testing.assert_array_equal(labels, least_sites(edges, kept, sites))


LATTICES = {
    "chain": Ising((9,), periodic=False),
    "torus": Ising((5, 4)),
    "open": Ising((3, 6), periodic=False),
    "cubes": Ising((3, 4, 5)),
    "large": Ising((40, 33)),
}


@pytest.mark.parametrize("lattice", LATTICES)
def test_clusters_of_a_lattice_are_numbered_by_their_first_sites(lattice: str, monkeypatch) -> None:
    """On the host, at any share of closed bonds, of several chains at once; and their sizes."""
    monkeypatch.setattr(lattice_labels, "FEW_SITES", 0)
    energy = LATTICES[lattice]
    view, sites = need(energy, Pairwise, "test"), energy.space.size
    closed = np.random.default_rng(1).uniform(size=(5, len(view.edges))) < np.array([[0.0], [0.3], [0.5], [0.7], [1.0]])
    least = [least_sites(np.asarray(view.edges), kept, sites) for kept in closed]
    number = [np.unique(sites_of, return_inverse=True)[1] for sites_of in least]
    size = [np.mean(np.bincount(sites_of)[sites_of]) for sites_of in least]
    found = jax.jit(jax.vmap(lambda c: clusters(view, view.parts(c), sites)))(closed)
    np.testing.assert_array_equal(found.number, number)
    np.testing.assert_allclose(found.size, size, rtol=1e-6)


def test_the_host_numbers_clusters_as_the_device_does() -> None:
    view = need(LATTICES["large"], Pairwise, "test")
    closed = jax.random.uniform(KEY, (len(view.edges),)) < 0.45
    assert lattice_labels.at_hand(view.grid) and not lattice_labels.at_hand(need(LATTICES["torus"], Pairwise, "test").grid)
    host, device = clusters(view, view.parts(closed), 1320), clusters(Pairwise(view.edges, view.gaps), [closed], 1320)
    np.testing.assert_array_equal(host.number, device.number)
    np.testing.assert_allclose(host.size, device.size, rtol=1e-6)


# ---- exact answers ----


@pytest.mark.parametrize("kernel", [SwendsenWang(), Wolff()])
@pytest.mark.parametrize(("side", "coupling", "square"), [(4, K_C, 0.761358908569), (3, 0.3, 0.502084540174)])
def test_clusters_measure_the_magnetisation(kernel, side: int, coupling: float, square: float) -> None:
    """From exact draws: the cluster of a site has N <m^2> sites, and a satisfied bond is closed with 1 - exp(-2K)."""
    problem = problems.enumerated(Ising(side, coupling))

    def one(key):
        first, move = jax.random.split(key)
        x = problem.sample(key=first)
        extra = kernel.step(problem.energy, SiteState(x), key=move)[1].extra
        satisfied = (2 * x.size - problem.energy(x) / coupling) / 2
        return extra["cluster_size"], extra["bonds"] - (1 - jnp.exp(-2 * coupling)) * satisfied

    terms = np.stack(jax.jit(jax.vmap(one))(jax.random.split(KEY, 2**16)), axis=1)
    z_test(type(kernel).__name__, "cluster size and closed bonds", terms, [side**2 * square, 0.0])


def test_closed_bonds_remember_as_much_as_they_should() -> None:
    """Two moves of Swendsen-Wang in a row from exact draws: their numbers N of closed bonds have the covariance p^2 Var E.

    E is the number of satisfied bonds, p = 1 - exp(-2K): spins drawn from bonds and bonds drawn from spins are of one joint law,
    and `Cov(N, E) = p Var E` (Li & Sokal, Phys. Rev. Lett. 63, 1989).
    """
    problem, kernel, p = problems.enumerated(Ising(4, K_C)), SwendsenWang(), 1 - math.exp(-2 * K_C)
    mean = p * (32 - 16 * kaufman_energy(4, 4, K_C).value) / 2
    variance = 16 * kaufman_heat_capacity(4, 4, K_C).value / K_C**2 / 4

    def one(key):
        first, *moves = jax.random.split(key, 3)
        state, numbers = SiteState(problem.sample(key=first)), []
        for move in moves:
            state, info = kernel.step(problem.energy, state, key=move)
            numbers.append(info.extra["bonds"] - mean)
        return jnp.stack([numbers[0], numbers[1], numbers[0] * numbers[1]])

    terms = jax.jit(jax.vmap(one))(jax.random.split(KEY, 2**16))
    z_test("SwendsenWang", "closed bonds and their covariance", terms, [0.0, 0.0, p**2 * variance])


def autocorrelation_time(chains: np.ndarray) -> tuple[float, float]:
    """`1/2 + sum rho(t)` of series `chains draws` up to 8 times itself, and its error by the spread between chains.

    (Madras & Sokal, J. Stat. Phys. 50, 1988, appendix C: the window that is a multiple of the time itself.)
    """
    centred, draws = chains - chains.mean(), chains.shape[1]
    power = np.abs(np.fft.rfft(centred, 2 * draws)) ** 2
    covariance = np.fft.irfft(power)[:, : draws // 10] / (draws - np.arange(draws // 10))

    def times(covariance):
        return 0.5 + np.cumsum(covariance[..., 1:], axis=-1) / covariance[..., :1]

    along = times(covariance.mean(axis=0))
    window = int(np.argmax(np.arange(1, len(along) + 1) >= 8 * along))
    return float(along[window]), float(times(covariance)[:, window].std(ddof=1) / math.sqrt(len(chains)))


@pytest.mark.long
def test_autocorrelation_time_of_the_energy_at_the_critical_point() -> None:
    """Swendsen-Wang, 128 x 128: within a tenth of that of another program."""
    energy = Ising(128, K_C)
    run = sample(SwendsenWang(), energy, chains=16, warmup=200, draws=24_000, trace=24_000, progress=Silent(), key=KEY)
    tau, error = autocorrelation_time(np.asarray(run.traces["energy"], np.float64))
    print(f"tau {tau:.3f} +- {error:.3f}, that of the other program {TAU_128:.2f}")
    assert abs(tau / TAU_128 - 1) < 0.1 and error < 0.03 * tau, (tau, error)


def test_autocorrelation_time_of_an_autoregressive_series() -> None:
    """`x' = a x + noise` has `(1 + a) / (1 - a) / 2`."""
    noise = np.random.default_rng(3).normal(size=(16, 40_000))
    tau, error = autocorrelation_time(lfilter([1.0], [1.0, -0.8], noise))
    assert abs(tau - 4.5) < 5 * error < 0.4, (tau, error)


@pytest.mark.parametrize(
    "kernel",
    [Wolff(), Cycle((RotorHeatBath(), Overrelaxation(), Overrelaxation(backward=True)))],
    ids=["wolff", "heat bath and overrelaxation"],
)
def test_an_open_chain_of_rotors(kernel) -> None:
    """Neighbours on an open chain: <cos> = I_1(K) / I_0(K), 0.446389965897 at K = 1."""
    run = sample(kernel, XY((8,), 1.0, periodic=False), chains=64, warmup=50, draws=1024, observe=bond, progress=Silent(), key=KEY)
    assert abs(run["bond"].value - 0.446389965897) < 5.6 * run["bond"].stderr < 0.02, str(run["bond"])


def bond(x):
    return jnp.mean(jnp.cos(jnp.diff(x)))


@pytest.mark.parametrize("concentration", [0.0, 1e-3, 0.4, 3.0, 1e2, 1e4])
def test_von_mises(concentration: float) -> None:
    """E cos = I_1/I_0, E cos 2a = I_2/I_0, E sin = 0; at large k by E 2 sin^2(a/2), which keeps its digits."""
    noise = jax.random.uniform(KEY, (4, 2, 2**17))
    angles, found = (np.asarray(a) for a in jax.jit(von_mises)(jnp.full(2**17, concentration), noise))
    assert np.mean(~found) < 0.35**4 and (concentration > 0 or found.all())
    angles = angles[found].astype(np.float64)
    bessel = [float(ive(n, concentration)) for n in range(3)]
    terms = np.stack([2 * np.sin(angles / 2) ** 2, 2 * np.sin(angles) ** 2, np.sin(angles)], axis=1)
    scale = np.array([1 + concentration, 1 + concentration, np.sqrt(1 + concentration)])  # so that all are of size 1
    due = np.array([1 - bessel[1] / bessel[0], 1 - bessel[2] / bessel[0], 0.0])
    z_test("von_mises", f"moments at {concentration:g}", scale * terms, scale * due)


def test_a_rotor_in_a_field_that_is_no_number_stays() -> None:
    assert not np.any(von_mises(jnp.full(100, jnp.nan), jax.random.uniform(KEY, (4, 2, 100)))[1])


def test_rotors_of_the_problem_are_drawn_exactly() -> None:
    """Rejection against sums over a grid, which are exact for smooth periodic functions."""
    grid = jnp.asarray(2 * np.pi * np.arange(48) / 48 - np.pi)
    points = jnp.stack(jnp.meshgrid(grid, grid, grid), axis=-1).reshape(-1, 3)
    law = np.asarray(jax.nn.softmax(-jax.vmap(ROTORS.energy)(points)), np.float64)

    def waves(x):
        return np.concatenate([np.cos(x), np.sin(x), np.cos(x - np.roll(x, 1, 1)), np.sin(x - np.roll(x, 1, 1))], axis=1)

    xs = np.asarray(jax.jit(jax.vmap(lambda k: ROTORS.sample(key=k)))(jax.random.split(KEY, 2**15)))
    z_test("xy", "draws", waves(xs), law @ waves(np.asarray(points)) / law.sum())


def test_overrelaxation_keeps_the_energy_and_its_reverse_undoes_it() -> None:
    energy, kernel = XY((4, 6), 0.9, [0.4, -0.2]), Overrelaxation()
    x = jax.random.uniform(KEY, (4, 6), minval=-jnp.pi, maxval=jnp.pi)
    there = kernel.step(energy, SiteState(x), key=KEY)[0]
    back, again = (other.step(energy, there, key=KEY)[0] for other in (kernel.reverse(), kernel))
    assert np.max(np.abs(there.position - x)) > 1 and np.max(np.abs(again.position - x)) > 0.1
    np.testing.assert_allclose(energy(there.position), energy(x), rtol=1e-5)
    np.testing.assert_allclose(wrapped(back.position - x), 0.0, atol=1e-5)


def test_two_levels_of_potts_are_spins() -> None:
    """Potts with two levels is Ising at half the coupling: one log Z up to the constant of the bonds, one mean cluster."""
    spins, levels = problems.enumerated(Ising(3, 0.3)), problems.enumerated(Potts((3, 3), 2, 0.6))
    assert levels.log_z == pytest.approx(spins.log_z + 18 * 0.3, abs=1e-5)

    def size(kernel, problem, key):
        first, move = jax.random.split(key)
        return kernel.step(problem.energy, SiteState(problem.sample(key=first)), key=move)[1].extra["cluster_size"]

    for kernel in (SwendsenWang(), Wolff()):
        found = jax.jit(jax.vmap(lambda k, kernel=kernel: size(kernel, levels, k)))(jax.random.split(KEY, 2**14))
        z_test("Potts", "cluster size", found, 9 * 0.502084540174)


# ---- kernels that are broken ----


class Seen(Around):
    """An energy whose bonds and fields look `gaps` and `fields` times as strong as they are."""

    gaps: float
    fields: float

    def views(self):
        view = need(self.energy, Pairwise, "Seen")
        return (Pairwise(view.edges, self.gaps * view.gaps, self.fields * view.alone),)


def seeing(kind, gaps, fields):
    """A kernel of clusters that mistakes the strength of bonds or fields."""

    class Mistaken(kind):
        def step(self, energy, state, *, key):
            return kind.step(self, Seen(energy, gaps, fields), state, key=key)

    return Mistaken()


class AllDiffer(Houdayer):
    """Exchanges single sites for a cluster."""

    def step(self, energy, state, *, key):
        shape = state.shape[1:]
        inside = jnp.arange(math.prod(shape)).reshape(shape) == jax.random.randint(key, (), 0, math.prod(shape))
        return jnp.where(inside, state[::-1], state), Info(jnp.ones(()), no_work())


class Hotter(Metropolis):
    """Accepts with exp(-dU / 2)."""

    def step(self, energy, state, *, key):
        return Metropolis.step(self, Tempered(energy, 0.5), state, key=key)


class OneWay(Metropolis):
    """Of several levels always the next one is proposed."""

    def step(self, energy, state, *, key):
        view, x = need(energy, Conditionals, "OneWay"), state.position
        levels = jnp.asarray(values(energy.space))
        for block in view.blocks:
            old = jnp.argmax(x[..., None] == levels, axis=-1)
            new = (old + 1) % len(levels)
            gain = [jnp.take_along_axis(view.logits(x), k[..., None], axis=-1)[..., 0] for k in (old, new)]
            accept = jnp.log(jax.random.uniform(key, x.shape)) < gain[1] - gain[0]
            x = jnp.where((block > 0) & accept, levels[new], x)
        return SiteState(x), Info(jnp.ones(()), no_work())


class NoRefusal(RotorHeatBath):
    """Draws from the envelope: wrapped Cauchy laws for von Mises ones."""

    def step(self, energy, state, *, key):
        view, x = need(energy, LocalFields, "NoRefusal"), state.position
        for block in view.blocks:
            h = view.fields(x)
            size, v = jnp.linalg.norm(h, axis=-1), jnp.pi * jax.random.uniform(key, x.shape, minval=-0.5, maxval=0.5)
            m = 1 + 1 / (2 * size + jnp.hypot(1.0, 2 * size))
            turn = 2 * jnp.arctan(jnp.sqrt(m / (m + 4 * size)) * jnp.tan(v))
            x = jnp.where(block > 0, wrapped(jnp.arctan2(h[..., 1], h[..., 0]) + turn), x)
        return SiteState(x), Info(jnp.ones(()), no_work())


class HalfWay(Overrelaxation):
    """Turns each angle to its field, and no further."""

    def update(self, energy, x, *, key):
        whole = Overrelaxation.update(self, energy, x, key=key)
        return lambda x: (wrapped(x + wrapped(whole(x)[0] - x) / 2), jnp.ones(()))


class NoHastings(GibbsWithGradients):
    """The change of the proposal is forgotten."""

    def step(self, energy, state, *, key):
        choose, coin = jax.random.split(key)
        table = informed._by_slope(energy, state)
        new = evaluate(energy, informed._changed(energy, state.position, *informed._one_of(table, choose)))
        return metropolis(guarded(energy, state.energy - new.energy, new), new, state, key=coin)


class Unadjusted(DiscreteLangevin):
    """Every proposal is taken."""

    def step(self, energy, state, *, key):
        new, _ = UnadjustedDiscreteLangevin(self.step_size).step(energy, state, key=key)
        return new, Info(jnp.ones(()), no_work())


BROKEN = {
    "swendsen-wang, gaps doubled": (seeing(SwendsenWang, 2.0, 1.0), GLASS),
    "swendsen-wang, fields forgotten": (seeing(SwendsenWang, 1.0, 0.0), GLASS),
    "swendsen-wang of bits, fields doubled": (seeing(SwendsenWang, 1.0, 2.0), MACHINE),
    "swendsen-wang of levels, gaps halved": (seeing(SwendsenWang, 0.5, 1.0), POTTS),
    "wolff, gaps doubled": (seeing(Wolff, 2.0, 1.0), GLASS),
    "wolff, fields forgotten": (seeing(Wolff, 1.0, 0.0), GLASS),
    "wolff of levels, fields forgotten": (seeing(Wolff, 1.0, 0.0), POTTS),
    "wolff of rotors, gaps halved": (seeing(Wolff, 0.5, 1.0), ROTORS),
    "wolff of rotors, fields forgotten": (seeing(Wolff, 1.0, 0.0), ROTORS),
    "metropolis at another temperature": (Hotter(), ISING),
    "metropolis one way": (OneWay(), POTTS),
    "rotors from the envelope": (NoRefusal(), ROTORS),
    "rotors turned half way": (HalfWay(), ROTORS),
    "slope without Hastings": (NoHastings(), CAPEL),
    "unbalanced": (LocallyBalanced(lambda log_ratio: log_ratio), MACHINE),
    "unadjusted that reports no work": (Unadjusted(0.7), MACHINE),
}


@pytest.mark.parametrize("name", BROKEN)
def test_exact_start_catches(name: str) -> None:
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(*BROKEN[name], draws=2**16, key=KEY)


def test_clusters_alone_keep_the_law_and_less_than_a_cluster_does_not() -> None:
    glasses = problems.glasses()
    check_exact_start(Houdayer(), glasses, draws=2**16, key=KEY)
    check_reversible(Houdayer(), glasses, draws=2**16, key=KEY)
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(AllDiffer(), glasses, draws=2**16, key=KEY)


class PutBack(PathAuxiliary):
    """Compiled anew, while paths are weighed as if sites were put back."""


def test_exact_start_catches_a_path_that_is_weighed_otherwise_than_drawn(monkeypatch) -> None:
    def log_path(table, sites, levels, on, *, backward):
        return jnp.sum(jnp.where(on, jax.nn.log_softmax(table, axis=None).at[sites, levels].get(mode="fill", fill_value=0.0), 0.0))

    monkeypatch.setattr(informed, "_log_path", log_path)
    with pytest.raises(LawViolation, match="exact-start"):
        check_exact_start(PutBack(4), GLASS, draws=2**16, key=KEY)


class ClaimsReversible(Metropolis):
    reversible = True


def test_reversibility_catches_a_sweep_that_claims_it() -> None:
    with pytest.raises(LawViolation, match="reversibility"):
        check_reversible(ClaimsReversible(), ISING, draws=2**16, key=KEY)


class Boastful(LocallyBalanced):
    """Says that it moves more often than it does."""

    def step(self, energy, state, *, key):
        state, info = LocallyBalanced.step(self, energy, state, key=key)
        return state, Info(jnp.sqrt(info.accept_prob), no_work())


def test_acceptance_on_a_discrete_space_is_that_of_moves() -> None:
    with pytest.raises(LawViolation, match="acceptance stated"):
        check_moves(Boastful(), MACHINE, key=KEY)


# ---- what does not fit is refused ----


def test_what_a_kernel_cannot_move_on_is_refused() -> None:
    spins, angles = jnp.ones((3, 3)), jnp.zeros(3)
    unequal = Potts((3, 3), 3, -0.5)
    for kernel in (SwendsenWang(), Wolff()):
        with pytest.raises(RuntimeError, match="favours unequal levels"):
            jax.block_until_ready(kernel.init(unequal, 0 * spins, key=KEY).position)
        with pytest.raises(RuntimeError, match="favours unequal levels"):
            sample(kernel, unequal, chains=4, warmup=0, draws=4, progress=Silent(), key=KEY)
    for kernel in (SwendsenWang(), DiscreteLangevin(0.1), GibbsWithGradients(), PathAuxiliary(1)):
        with pytest.raises(TypeError, match="not on Torus"):
            kernel.init(ROTORS.energy, angles, key=KEY)
    for kernel in (RotorHeatBath(), Overrelaxation()):
        with pytest.raises(TypeError, match="LocalFields"):
            kernel.init(ISING.energy, spins, key=KEY)
    with pytest.raises(TypeError, match="not on Torus"):
        Houdayer().init(Copies(ROTORS.energy, 2), jnp.zeros((2, 3)), key=KEY)
    with pytest.raises(TypeError, match="Copied"):
        Houdayer().init(ISING.energy, spins, key=KEY)
    with pytest.raises(ValueError, match="has 1"):
        Houdayer().init(Copies(ISING.energy, 1), spins[None], key=KEY)
    with pytest.raises(TypeError, match="lose its memory"):
        Each(ParallelTempering.over(Gibbs(), [0.5, 1.0]))
    with pytest.raises(ValueError, match="flips=0"):
        PathAuxiliary(0)
    with pytest.raises(ValueError, match="flips=10 for 9 sites"):
        PathAuxiliary(10).init(ISING.energy, spins, key=KEY)
