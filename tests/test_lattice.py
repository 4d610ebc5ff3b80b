"""Lattices and graphs: energies against bonds one by one, exact answers, and what is refused."""

import math
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import comb, ive, logsumexp

from gibbsite.core import Binary, Conditionals, LocalFields, Pairwise, Spins, Tempered, Torus, need, values
from gibbsite.energies import (
    XY,
    BlumeCapel,
    BoltzmannMachine,
    Clock,
    DenseBoltzmannMachine,
    DenseHopfield,
    GaussianMixture,
    Ising,
    Phi4,
    Potts,
    edwards_anderson,
    hebb,
    sherrington_kirkpatrick,
)
from gibbsite.energies.grid import colours
from gibbsite.testing.estimator import check_exact
from gibbsite.testing.law import LawViolation, bounded, rounding, z_test
from gibbsite.testing.problems import states
from gibbsite.testing.sites import check_sites
from gibbsite.thermo import enumerate_log_z, kaufman

KEY = jax.random.key(30)


def rows(space, n=16):
    """Configurations drawn at random."""
    rng, shape = np.random.default_rng(2), (n, *space.shape)
    drawn = rng.uniform(-np.pi, np.pi, shape) if isinstance(space, Torus) else rng.choice(values(space), shape)
    return jnp.asarray(drawn, jnp.float32)


def table(energy):
    """All states of a discrete space, with their probabilities."""
    xs = states(energy.space)
    log_p = -np.asarray(jax.jit(jax.vmap(energy))(xs), np.float64)
    return np.asarray(xs, np.float64), np.exp(log_p - logsumexp(log_p))


def mesh(points, sites):
    """Every configuration of `sites` numbers from `points`."""
    return np.stack(np.meshgrid(*[points] * sites, indexing="ij"), axis=-1).reshape(-1, sites)


# ---- bonds one by one ----

SIDES = [((5,), True), ((4, 3), True), ((3, 4, 3), True), ((1, 3), False), ((2, 2, 3), False)]
PAIRS = {
    Ising: lambda x, y: x * y,
    BlumeCapel: lambda x, y: x * y,
    XY: lambda x, y: math.cos(x - y),
    Potts: lambda x, y: float(x == y),
    Clock: lambda x, y: math.cos(2 * math.pi * (x - y) / 3),
}


def bonds(side, periodic):
    """Axis, place and place one step on, of every bond."""
    for axis, here in product(range(len(side)), np.ndindex(side)):
        if periodic or here[axis] + 1 < side[axis]:
            yield axis, here, tuple((at + (a == axis)) % n for a, (at, n) in enumerate(zip(here, side, strict=True)))


def lattice(kind, side, coupling, periodic):
    return kind(side, *([3] if kind in (Potts, Clock) else []), coupling, periodic=periodic)


@pytest.mark.parametrize(("side", "periodic"), SIDES)
@pytest.mark.parametrize("kind", PAIRS)
def test_energy_is_the_sum_over_bonds(kind, side, periodic) -> None:
    each = np.asarray(jax.random.normal(KEY, (len(side), *side)))
    x = rows(lattice(kind, side, 1.0, periodic).space, 1)[0]
    at = np.asarray(x, np.float64)
    pairs = [(each[axis][here], PAIRS[kind](at[here], at[there])) for axis, here, there in bonds(side, periodic)]
    for coupling, truth in ((0.7, -0.7 * sum(p for _, p in pairs)), (each, -sum(j * p for j, p in pairs))):
        found = float(eqx.filter_jit(lattice(kind, side, coupling, periodic))(x))
        bounded(kind.__name__, "energy against its bonds", found - truth, rounding(sum(abs(j) for j, _ in pairs)))


@pytest.mark.parametrize("side", [(1,), (2, 2), (4, 1, 5)])
def test_field_theory_as_its_formula_says(side) -> None:
    """On a side of 1 a site is its own neighbour, on one of 2 it meets the other twice."""
    x = np.asarray(jax.random.normal(KEY, side), np.float64)
    near = sum(np.roll(x, step, axis) for axis in range(x.ndim) for step in (1, -1))
    truth = np.sum(x * (2 * x.ndim * x - near) - 1.3 * x**2 + 0.8 * x**4)
    bounded("Phi4", "energy", float(Phi4(side, -1.3, 0.8)(jnp.asarray(x, jnp.float32))) - truth, rounding(np.sum(x**4 + 6 * x**2)))


@pytest.mark.parametrize(("side", "periodic"), [*SIDES, ((3, 3), True), ((7, 4, 5), True), ((6, 4), True), ((5, 5), False), ((1,), False)])
def test_two_colours_or_three(side, periodic) -> None:
    held = np.asarray(colours(side, periodic=periodic))
    colour = np.argmax(held, axis=0)
    assert len(held) == (3 if periodic and any(n % 2 for n in side) else 2)
    assert np.all(held.sum(axis=0) == 1)
    assert all(colour[here] != colour[there] for _, here, there in bonds(side, periodic))


def test_one_number_is_a_square_and_a_tuple_what_it_says() -> None:
    assert Ising(4).side == (4, 4) and Ising((4,)).side == (4,) and Phi4(3, 1.0, 0.0).side == (3, 3)


# ---- exact answers ----


def transfer(log_bond, log_site, n):
    """log Z of a ring of n sites: `log_bond` between levels, `log_site` of a level."""
    return math.log(np.trace(np.linalg.matrix_power(np.exp(log_bond + (log_site[:, None] + log_site) / 2), n)))


def test_torus_of_ising_spins() -> None:
    assert kaufman(4, 4, 0.4).value == pytest.approx(14.56109302384404, rel=1e-13)
    check_exact(enumerate_log_z(Ising(4, 0.4)), 14.56109302384404, limit=2e-5)


def test_moments_of_the_smallest_torus() -> None:
    xs, p = table(Ising(3, 0.3))
    m = xs.mean(axis=(1, 2))
    assert p @ abs(m) == pytest.approx(0.636502270011, rel=1e-6)
    assert p @ m**2 == pytest.approx(0.502084540174, rel=1e-6)


K_POTTS = math.log(1 + math.sqrt(3))  # critical, q = 3
SPIN, HOURS = np.array([-1.0, 0.0, 1.0]), 2 * np.pi * np.arange(5) / 5

EXACT = {
    "ising ring in a field": (Ising((10,), 0.7, 0.3), 10.627232294499589),
    "potts ring": (Potts((8,), 3, 0.9), math.log((math.exp(0.9) + 2) ** 8 + 2 * math.expm1(0.9) ** 8)),
    "potts torus": (Potts(3, 3, K_POTTS), 19.688939731847),
    "potts in a field": (Potts((6,), 3, 0.9, [0.3, -0.5, 0.1]), transfer(0.9 * np.eye(3), np.array([0.3, -0.5, 0.1]), 6)),
    "blume-capel ring": (BlumeCapel((7,), 0.8, 0.5, 0.3), transfer(0.8 * np.outer(SPIN, SPIN), 0.3 * SPIN - 0.5 * SPIN**2, 7)),
    "clock ring": (
        Clock((6,), 5, 0.9, [0.4, -0.2]),
        transfer(0.9 * np.cos(HOURS[:, None] - HOURS), 0.4 * np.cos(HOURS) - 0.2 * np.sin(HOURS), 6),
    ),
    "open chain": (Ising((9,), 0.6, periodic=False), 9 * math.log(2) + 8 * math.log(math.cosh(0.6))),
    "open chain of random bonds": (
        edwards_anderson((9,), periodic=False, key=KEY),
        9 * math.log(2) + float(np.sum(np.log(np.cosh(np.asarray(edwards_anderson((9,), key=KEY).coupling[0, :8], np.float64))))),
    ),
    "curie-weiss": (DenseBoltzmannMachine(Spins(20), 0.8 / 20 * (1 - np.eye(20))), 14.559930325705 - 0.8 / 2),  # less its diagonal
}


@pytest.mark.parametrize("name", EXACT)
def test_log_z(name: str) -> None:
    energy, truth = EXACT[name]
    check_exact(enumerate_log_z(energy), truth, limit=5e-5)


def test_the_numbers_of_the_potts_model() -> None:
    """Its ring to all digits, and the bonds between equal sites of its smallest torus."""
    assert EXACT["potts ring"][1] == pytest.approx(11.960741506844332, rel=1e-14)
    energy = EXACT["potts torus"][0]
    xs, p = table(energy)
    assert p @ (-np.asarray(jax.vmap(energy)(jnp.asarray(xs, jnp.float32)), np.float64)) / K_POTTS / 9 == pytest.approx(
        1.742122214653, rel=1e-6
    )


def test_curie_weiss_magnet() -> None:
    """All states of one magnetisation have one energy: those of the machine, counted."""
    k = np.arange(21)
    truth = logsumexp(0.8 * (2 * k - 20) ** 2 / 40, b=comb(20, k))
    energy = EXACT["curie-weiss"][0]
    xs = jnp.where(jnp.arange(20) < k[:, None], 1.0, -1.0)
    log_p = -np.asarray(jax.vmap(energy)(xs), np.float64) + 0.4
    assert truth == pytest.approx(14.559930325705, rel=1e-12)
    assert logsumexp(log_p, b=comb(20, k)) == pytest.approx(truth, abs=2e-6)
    assert np.sum(comb(20, k) * np.exp(log_p - truth) * abs(2 * k - 20)) / 20 == pytest.approx(0.328580899171, abs=2e-6)


def test_nishimori_line() -> None:
    """Over all 2^7 signs of an open 2 x 3 lattice, the mean energy of a bond in units of J is -(2p - 1); other entries do not count."""
    p, (side, used) = 0.8, ((2, 3), [(axis, *here) for axis, here, _ in bonds((2, 3), False)])
    assert len(used) == 7
    k = math.log(p / (1 - p)) / 2
    signs = mesh([1.0, -1.0], 7)
    couplings = np.full((len(signs), 2, *side), 9.9)
    couplings[(slice(None), *np.array(used).T)] = k * signs
    xs = states(Spins(side))
    u = np.asarray(
        jax.jit(jax.vmap(lambda j: jax.vmap(Ising(side, j, periodic=False))(xs)))(jnp.asarray(couplings, jnp.float32)), np.float64
    )
    mean = np.sum(u * np.exp(-u), axis=1) / np.sum(np.exp(-u), axis=1)
    weight = p ** np.sum(signs > 0, axis=1) * (1 - p) ** np.sum(signs < 0, axis=1)
    assert weight @ mean / k / 7 == pytest.approx(-(2 * p - 1), rel=1e-6)


def test_disorder_is_as_stated() -> None:
    keys = jax.random.split(KEY, 1024)
    gauss = jax.vmap(lambda k: edwards_anderson((3, 3, 3), 0.5, key=k).coupling)(keys).reshape(1024, -1)
    signs = jax.vmap(lambda k: edwards_anderson(3, 0.5, positive=0.8, key=k).coupling)(keys).reshape(1024, -1)
    z_test("Gaussian bonds", "mean", gauss)
    z_test("Gaussian bonds", "mean square", gauss**2, 0.25)
    z_test("Gaussian bonds", "mean fourth power", gauss**4, 3 / 16)
    assert np.all(np.abs(signs) == 0.5)
    z_test("bonds of two signs", "share of positive ones", signs > 0, 0.8)


def test_sherrington_kirkpatrick_on_average() -> None:
    """E[Z] = 2^n exp(beta^2 (n - 1) / 4) over the disorder."""
    n, beta = 6, 0.7
    xs = states(Spins(n))
    z = jax.vmap(lambda k: jnp.sum(jnp.exp(-beta * jax.vmap(sherrington_kirkpatrick(n, key=k))(xs))))(jax.random.split(KEY, 2**14))
    z_test("sherrington_kirkpatrick", "mean of Z", z / (2**n * math.exp(beta**2 * (n - 1) / 4)), 1.0)


def test_open_chain_of_rotors() -> None:
    """Z = (2 pi)^N prod I_0(K_b), and neighbours have <cos> = I_1 / I_0; the trapezium rule is exact on circles."""
    k = np.array([1.0, 1.7])
    xs = mesh(np.linspace(-np.pi, np.pi, 32, endpoint=False), 3)
    u = np.asarray(jax.jit(jax.vmap(XY((3,), [[*k, 5.0]], periodic=False)))(jnp.asarray(xs, jnp.float32)), np.float64)
    assert np.mean(np.exp(-u)) == pytest.approx(np.prod(ive(0, k) * np.exp(k)), rel=1e-6)
    p = np.exp(-u) / np.sum(np.exp(-u))
    assert p @ np.cos(xs[:, 0] - xs[:, 1]) == pytest.approx(0.446389965897, rel=1e-6)
    assert p @ np.cos(xs[:, 1] - xs[:, 2]) == pytest.approx(ive(1, 1.7) / ive(0, 1.7), rel=1e-6)


@pytest.mark.parametrize(
    ("side", "m2", "lam", "reach", "log_z", "square"),
    [((4,), -2.0, 1.0, 3.2, 4.000642057523, 0.739324923344), ((2, 2), -4.75, 5.1, 1.9, 2.814291995134, 0.346661967536)],
)
def test_field_theory_of_four_sites(side, m2, lam, reach, log_z, square) -> None:
    """Summed over a grid: for a function so smooth the error falls exponentially in 1 / spacing."""
    points, spacing = np.linspace(-reach, reach, 31, retstep=True)
    xs = mesh(points, 4)
    log_p = -np.asarray(jax.jit(jax.vmap(Phi4(side, m2, lam)))(jnp.asarray(xs.reshape(-1, *side), jnp.float32)), np.float64)
    assert logsumexp(log_p) + 4 * math.log(spacing) == pytest.approx(log_z, abs=5e-7)
    assert np.exp(log_p - logsumexp(log_p)) @ xs[:, 0] ** 2 == pytest.approx(square, abs=5e-7)


@pytest.mark.parametrize(("n", "log_z", "square"), [(4, 4.000642057523, 0.739324923344), (16, 14.953253482640, 0.667641060755)])
def test_ring_of_the_field_theory_by_transfer_matrix(n: int, log_z: float, square: float) -> None:
    """Its bond is a quarter of the energy of a, b, a, b on four sites."""
    points, spacing = np.linspace(-3.2, 3.2, 65, retstep=True)
    pairs = mesh(points, 2)
    u = jax.jit(jax.vmap(Phi4((4,), -2.0, 1.0)))(jnp.asarray(np.tile(pairs, 2), jnp.float32))
    around = np.linalg.matrix_power(spacing * np.exp(-np.asarray(u, np.float64) / 4).reshape(65, 65), n)
    assert math.log(np.trace(around)) == pytest.approx(log_z, abs=1e-6)
    assert np.diagonal(around) @ points**2 / np.trace(around) == pytest.approx(square, abs=1e-6)


def test_free_field_in_space() -> None:
    """Without `lam` the energy is quadratic: its curvatures are 2 m2 + 8 sum sin^2(k / 2) over the momenta."""
    side = (3, 2, 4)
    curvature = jax.jit(jax.vmap(jax.grad(Phi4(side, 0.3, 0.0))))(jnp.eye(24).reshape(24, *side)).reshape(24, 24)
    squares = [np.sin(np.pi * np.arange(n) / n) ** 2 for n in side]
    truth = 0.6 + 8 * sum(np.meshgrid(*squares, indexing="ij")).ravel()
    np.testing.assert_allclose(np.linalg.eigvalsh(np.asarray(curvature, np.float64)), np.sort(truth), rtol=1e-5)


# ---- one model as another ----


def test_clocks_of_few_hours() -> None:
    """Two hours: spins +1 and -1; three: a Potts model of 3/2 the coupling, and a half on every bond."""
    each = jax.random.normal(KEY, (2, 3, 3))
    two, three = rows(Clock(3, 2).space), rows(Clock(3, 3).space)
    for name, found, truth in (
        ("two", jax.vmap(Clock(3, 2, each))(two), jax.vmap(Ising(3, each))(1 - 2 * two)),
        ("three", jax.vmap(Clock(3, 3, each))(three), jax.vmap(Potts(3, 3, 1.5 * each))(three) + 0.5 * jnp.sum(each)),
        ("potts", jax.vmap(Potts(3, 2, 2 * each))(two), jax.vmap(Ising(3, each))(1 - 2 * two) - jnp.sum(each)),
    ):
        bounded(name, "another model's energy", np.asarray(found - truth), rounding(20.0))


EDGES = [(0, 1), (3, 1), (1, 4), (2, 0), (4, 3), (0, 4)]


def test_a_lattice_is_a_graph() -> None:
    energy = edwards_anderson((4, 3), positive=0.5, key=KEY)
    view = need(energy, Pairwise, "test")
    graph = BoltzmannMachine(Spins((4, 3)), view.edges, view.gaps / 2)
    xs = rows(energy.space)
    bounded("graph", "energy", np.asarray(jax.vmap(graph)(xs) - jax.vmap(energy)(xs)), rounding(24.0))
    bounded("graph", "logits", np.asarray(jax.vmap(graph.logits)(xs) - jax.vmap(energy.logits)(xs)), rounding(8.0))


@pytest.mark.parametrize("space", [Spins(5), Binary(5)], ids=["spins", "bits"])
def test_a_graph_is_a_matrix(space) -> None:
    couplings, fields = jax.random.normal(KEY, (6,)), jnp.linspace(-0.5, 1.0, 5)
    one, other = np.array(EDGES).T
    matrix = jnp.zeros((5, 5)).at[one, other].set(couplings)
    graph, dense = BoltzmannMachine(space, EDGES, couplings, fields), DenseBoltzmannMachine(space, matrix + matrix.T, fields)
    xs = states(space)
    at = np.asarray(xs, np.float64)
    truth = -np.sum(np.asarray(couplings) * at[:, one] * at[:, other], axis=1) - at @ np.asarray(fields)
    for machine in (graph, dense):
        bounded(type(machine).__name__, "energy", np.asarray(jax.vmap(machine)(xs)) - truth, rounding(8.0))
        bounded(type(machine).__name__, "logits", np.asarray(jax.vmap(machine.logits)(xs) - jax.vmap(dense.logits)(xs)), rounding(8.0))


def test_a_random_graph_is_coloured() -> None:
    """No edge within a block, and no more blocks than the largest degree and one."""
    ends = np.sort(np.random.default_rng(0).integers(0, 2000, (8000, 2)), axis=1)
    edges = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    machine = BoltzmannMachine(Spins(2000), edges, 1.0)
    blocks = np.asarray(need(machine, Conditionals, "test").blocks)
    colour = np.argmax(blocks, axis=0)
    assert np.all(blocks.sum(axis=0) == 1) and np.all(colour[edges[:, 0]] != colour[edges[:, 1]])
    assert len(blocks) <= np.bincount(edges.ravel()).max() + 1


def test_a_graph_without_edges_is_coins() -> None:
    machine = BoltzmannMachine(Spins(3), np.zeros((0, 2), int), [], 0.3)
    np.testing.assert_allclose(machine.logits(jnp.ones(3)), 0.6, rtol=1e-6)
    assert len(need(machine, Conditionals, "test").blocks) == 1


def test_another_disorder_is_no_other_program() -> None:
    traces = []

    @eqx.filter_jit
    def value(energy, x):
        traces.append(energy)
        return energy(x) + jnp.sum(energy.logits(x))

    for key in jax.random.split(KEY, 3):
        value(edwards_anderson(4, key=key), jnp.ones((4, 4)))
    for edges in (EDGES, [(4 - a, 4 - b) for a, b in EDGES]):
        value(BoltzmannMachine(Spins(5), edges, 0.5), jnp.ones(5))
    assert len(traces) == 2


def test_learning_leaves_the_diagonal_alone() -> None:
    machine = EXACT["curie-weiss"][0]
    slope = jax.grad(lambda j: eqx.tree_at(lambda m: m.couplings, machine, j)(jnp.ones(20)))(machine.couplings)
    np.testing.assert_array_equal(np.asarray(slope), -0.5 * (1 - np.eye(20)))


# ---- memories ----


def steady(patterns):
    """Whether each pattern stays under the dynamics of zero temperature."""
    return np.all(np.sign(np.asarray(jax.jit(jax.vmap(hebb(patterns).logits))(patterns))) == patterns, axis=1)


def test_few_patterns_are_remembered_and_many_are_not() -> None:
    patterns = np.random.default_rng(1).choice([-1.0, 1.0], (100, 200)).astype(np.float32)
    assert np.all(steady(patterns[:5]))
    assert not np.any(steady(patterns))


def test_modern_memory_is_a_mixture_when_tempered() -> None:
    patterns, beta = jax.random.normal(KEY, (4, 3)), 2.5
    energy, squares = DenseHopfield(patterns, beta), jnp.sum(patterns**2, axis=1)
    log_mass = 1.5 * jnp.log(2 * jnp.pi / beta) + beta * (squares - jnp.max(squares)) / 2 - jnp.log(4.0)
    mixture = GaussianMixture(patterns, jnp.full(4, beta**-0.5), jnp.exp(log_mass))
    xs = 2 * jax.random.normal(jax.random.key(31), (64, 3))
    truth = jax.vmap(mixture)(xs)
    bounded("DenseHopfield", "energy", np.asarray(jax.vmap(Tempered(energy, beta))(xs) - truth), rounding(truth))
    assert np.all(np.asarray(jax.vmap(energy)(xs)) >= 0)


def test_a_step_of_modern_memory_is_attention() -> None:
    patterns, x = jax.random.normal(KEY, (4, 3)), jnp.array([0.3, -0.4, 1.0])
    step = x - jax.grad(DenseHopfield(patterns, 2.5))(x)
    np.testing.assert_allclose(step, jax.nn.softmax(2.5 * patterns @ x) @ patterns, rtol=1e-5)


# ---- broken twins: each must fail, and for the reason named ----


class Wrapping(Ising):
    """Open ends that its logits do not see."""

    def logits(self, x):
        return 2 * self.coupling * sum(jnp.roll(x, step, axis) for axis in range(x.ndim) for step in (1, -1))


class LooksBehind(Ising):
    """Takes the bond ahead for that behind as well."""

    def logits(self, x):
        return 2 * sum(j * (jnp.roll(x, 1, axis) + jnp.roll(x, -1, axis)) for axis, j in enumerate(self.coupling))


class TwoColours(Ising):
    """A checkerboard on an odd ring."""

    def views(self):
        board = jnp.stack([jnp.arange(self.side[0]) % 2 == c for c in (0, 1)]).astype(float)
        return (Conditionals(self.logits, board),)


class HalfGap(Ising):
    """The gap of a Potts bond."""

    def views(self):
        _, view = Ising.views(self)
        return (Pairwise(view.edges, view.gaps / 2, view.alone),)


class LostBond(Potts):
    def views(self):
        _, view = Potts.views(self)
        return (Pairwise(view.edges[1:], view.gaps[1:], view.alone),)


class UpsideDown(Potts):
    """Fields in the order of falling levels."""

    def logits(self, x):
        return Potts.logits(self, x) - self.field + self.field[::-1]


class WrongSplitting(BlumeCapel):
    def logits(self, x):
        return BlumeCapel.logits(self, x) + 2 * self.splitting * jnp.array([1.0, 0.0, 1.0])


class FourHours(Clock):
    """Its circle ends where the last hour is the first."""

    def angle(self, x):
        return 2 * jnp.pi / (self.levels - 1) * x

    def logits(self, x):
        return Clock(self.side, self.levels, self.coupling, self.field).logits(x)


class LostField(XY):
    def fields(self, x):
        return XY.fields(self, x) - self.field


class AtOnce(XY):
    """All rotors in one block."""

    def views(self):
        return (LocalFields(self.fields, jnp.ones((1, *self.side))),)


class BitsAsSpins(BoltzmannMachine):
    """Bits whose couplings are forgotten where they stand alone."""

    def views(self):
        _, view, _ = BoltzmannMachine.views(self)
        return (Pairwise(view.edges, view.gaps, self.fields),)


class BothWays(DenseBoltzmannMachine):
    """Counts every bond twice."""

    def __call__(self, x):
        return -x @ self.couplings @ x - jnp.sum(self.fields * x)


EACH = jax.random.normal(KEY, (2, 3, 3))
TWINS = {
    "ends that wrap": (Wrapping((3, 4), 0.4, periodic=False), "logits against"),
    "bond behind": (LooksBehind(3, EACH), "logits against"),
    "two colours": (TwoColours((5,), 0.4), "flips of its other sites"),
    "half a gap": (HalfGap(3, 0.4, 0.2), "bonds and single sites"),
    "lost bond": (LostBond(3, 3, 0.4, [0.1, 0.2, -0.4]), "bonds and single sites"),
    "upside down": (UpsideDown(3, 3, 0.4, [0.1, 0.2, -0.4]), "logits against"),
    "splitting": (WrongSplitting((4,), 0.4, 0.3), "logits against"),
    "four hours": (FourHours((4,), 5, 0.4), "logits against"),
    "lost field": (LostField((4,), 0.4, [0.3, -0.1]), "local fields against"),
    "at once": (AtOnce((4,), 0.4, [0.3, -0.1]), "under turns"),
    "bits as spins": (BitsAsSpins(Binary(5), EDGES, 0.5, 0.2), "bonds and single sites"),
    "both ways": (BothWays(Spins(3), [[0.0, 0.5, -0.2], [0.5, 0.0, 1.0], [-0.2, 1.0, 0.0]]), "logits against"),
}


@pytest.mark.parametrize("name", TWINS)
def test_broken_twins_fail(name: str) -> None:
    twin, reason = TWINS[name]
    with pytest.raises(LawViolation, match=reason):
        check_sites(twin, rows(twin.space))


# ---- what is refused ----


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ising((4, 2)), r"side=\(4, 2\).*at least 3"),
        (lambda: Potts(2, 3), "at least 3"),
        (lambda: XY((2,)), "at least 3"),
        (lambda: Ising(4, jnp.ones((4, 4))), r"coupling of shape \(4, 4\): give \(\) or \(2, 4, 4\)"),
        (lambda: Ising(4, 1.0, jnp.ones(4)), r"field of shape \(4,\)"),
        (lambda: Potts(4, 3, 1.0, jnp.ones(2)), r"field of shape \(2,\): give \(\) or \(3,\) or \(4, 4, 3\)"),
        (lambda: Potts(4, 1), "levels 1"),
        (lambda: Clock(4, 1), "levels 1"),
        (lambda: XY(4, 1.0, 0.3), r"field of shape \(\): give \(2,\)"),
        (lambda: Phi4(4, -1.0, -0.1), "lam=-0.1"),
        (lambda: DenseHopfield([[1.0, 2.0]], 0.0), "beta=0.0"),
        (lambda: edwards_anderson(4, positive=1.2, key=KEY), "positive=1.2"),
        (lambda: BoltzmannMachine(Spins(4), [(0, 1), (2, 4)], 1.0), "edge 1 from site 2 to 4: there are 4 sites, numbered from 0 to 3"),
        (lambda: BoltzmannMachine(Spins(4), [(-1, 1)], 1.0), "edge 0 from site -1"),
        (lambda: BoltzmannMachine(Spins(4), [(0, 1), (2, 2)], 1.0), "edge 1 from site 2 to 2: a site does not couple to itself"),
        (lambda: BoltzmannMachine(Spins(4), [(0, 1), (2, 3), (1, 0)], 1.0), "edges 0 and 2 between sites 0 and 1"),
        (lambda: BoltzmannMachine(Spins(4), [(0.0, 1.0)], 1.0), "whole numbers"),
        (lambda: BoltzmannMachine(Spins(4), [0, 1], 1.0), r"shape \(2,\)"),
        (lambda: BoltzmannMachine(Spins(4), [(0, 1)], [1.0, 2.0]), r"couplings of shape \(2,\)"),
        (lambda: DenseBoltzmannMachine(Spins(2), [[0.0, 1.0], [0.5, 0.0]]), r"couplings\[0, 1\]=1 and couplings\[1, 0\]=0.5"),
        (lambda: DenseBoltzmannMachine(Spins(2), [[0.0, 1.0], [1.0, 0.7]]), r"couplings\[1, 1\]=0.7"),
        (lambda: DenseBoltzmannMachine(Spins(3), jnp.zeros((2, 2))), r"couplings of shape \(2, 2\)"),
    ],
)
def test_what_has_no_meaning_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
