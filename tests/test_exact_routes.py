"""Every exact route that an energy says it has gives one log Z, and none that it has not."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Binary, Box, Callable, Coins, Evidence, Normal, Reals, Spins, Status, Sum, Tempered, as_float
from gibbsite.energies import (
    XY,
    BinaryRBM,
    BoltzmannMachine,
    Clock,
    Copies,
    DenseBoltzmannMachine,
    Gaussian,
    GaussianRBM,
    Ising,
    Offset,
    Phi4,
    Potts,
    sherrington_kirkpatrick,
)
from gibbsite.testing import LawViolation, check_exact, problems
from gibbsite.thermo import (
    complete_graph,
    enumerate_log_z,
    enumerate_mean,
    exact_routes,
    hidden_sum,
    ising_levels,
    kaufman,
    quadrature,
    variable_elimination,
)
from gibbsite.thermo.exact.elimination import narrow_order, sum_out
from gibbsite.thermo.exact.pairs import graph_of, pairs_of
from gibbsite.thermo.exact.routes import kaufman_of

KEY = jax.random.key(12)
RNG = np.random.default_rng(8)
TREE = [[0, 1], [1, 2], [1, 3], [3, 4], [5, 3], [6, 7]]  # two trees
EQUAL = 0.3 * (1 - np.eye(8))
RBM = problems.rbm().energy

# An energy, and the names of its exact routes.
ROUTES = {
    "ising torus": (Ising((3, 4), 0.4), {"kaufman", "transfer matrix", "enumeration"}),
    "its antiferromagnet": (Ising((4, 4), -0.4), {"kaufman", "transfer matrix", "enumeration"}),
    "frustrated": (Ising((3, 4), -0.4), {"transfer matrix", "enumeration"}),
    "without bonds": (Ising((3, 4), 0.0), {"kaufman", "transfer matrix", "enumeration"}),
    "tempered": (Tempered(Ising((3, 4), 0.4), 0.7), {"kaufman", "transfer matrix", "enumeration"}),
    "with a constant": (Offset(Ising((3, 4), 0.4), 5.0), {"kaufman", "transfer matrix", "enumeration"}),
    "copies": (Copies(Ising((3, 3), 0.3), 2), {"kaufman", "enumeration"}),
    "in a field of coins": (
        Sum(Ising((3, 4), 0.4), Coins(Spins((3, 4)), RNG.normal(size=(3, 4)))),
        {"transfer matrix", "enumeration"},
    ),
    "glass": (problems.glass().energy, {"transfer matrix", "enumeration"}),
    "chain": (Ising((9,), [RNG.normal(size=9)], 0.3, periodic=False), {"message passing", "enumeration"}),
    "potts": (problems.potts().energy, {"transfer matrix", "enumeration"}),
    "tempered potts": (Tempered(problems.potts().energy, 0.6), {"transfer matrix", "enumeration"}),
    "blume capel": (problems.blume_capel().energy, {"transfer matrix", "enumeration"}),
    "tempered blume capel": (Tempered(problems.blume_capel().energy, 0.6), {"transfer matrix", "enumeration"}),
    "clock": (Clock((4,), 5, [RNG.normal(size=4)], [0.4, -0.2], periodic=False), {"message passing", "enumeration"}),
    "trees": (BoltzmannMachine(Spins(8), TREE, RNG.normal(size=6), RNG.normal(size=8)), {"message passing", "enumeration"}),
    "machine of bits": (problems.machine().energy, {"transfer matrix", "enumeration"}),
    "complete graph": (DenseBoltzmannMachine(Spins(8), EQUAL, 0.2), {"complete graph", "transfer matrix", "enumeration"}),
    "complete graph of bits": (DenseBoltzmannMachine(Binary(8), -EQUAL, 0.2), {"complete graph", "transfer matrix", "enumeration"}),
    "glass of all": (sherrington_kirkpatrick(8, key=KEY), {"transfer matrix", "enumeration"}),
    "coins": (Coins(Spins(5), RNG.normal(size=5)), {"closed form", "message passing", "enumeration"}),
    "rotors": (problems.xy().energy, {"transfer matrix", "quadrature"}),
    "tempered rotors": (Tempered(XY((3,), 0.8, [0.3, -0.4], periodic=False), 0.5), {"message passing", "quadrature"}),
    "free field": (Tempered(Phi4((2, 2), 0.7, 0.0), 0.5), {"free field", "transfer matrix"}),
    "wedge": (problems.wedge().energy, {"quadrature"}),
    "rbm": (RBM, {"closed form", "hidden layer", "enumeration"}),
    "gaussian rbm": (problems.gaussian_rbm().energy, {"closed form", "hidden layer"}),
    "mixture": (problems.mixture().energy, {"closed form"}),
    "nothing known": (Callable(lambda p, x: jnp.sum(x**4), None, Reals(3)), set()),
    "too wide": (Ising(32, 0.44, 0.1), set()),
    "wide, but plain": (Ising(32, 0.44), {"kaufman"}),
    "many sites all with all": (sherrington_kirkpatrick(64, key=KEY), set()),
}


@pytest.mark.parametrize("name", ROUTES)
def test_routes_agree(name) -> None:
    energy, names = ROUTES[name]
    routes = exact_routes(energy)
    assert set(routes) == names
    found = [route() for route in routes.values()]
    for estimate in found:
        assert estimate.evidence is Evidence.EXACT
        assert abs(estimate.value - found[-1].value) <= 3 * (estimate.stderr + found[-1].stderr) + 1e-12
        assert estimate.stderr < 2e-5 * max(1.0, abs(estimate.value))


def test_a_route_that_forgets_is_caught() -> None:
    """A constant dropped, a field dropped, a bond counted twice."""
    energy = problems.glass().energy
    pairs, (order, _) = pairs_of(energy), narrow_order(graph_of(energy), name="glass")
    truth = enumerate_log_z(energy)
    broken = {
        "right": pairs,
        "constant": pairs._replace(constant=0.0),
        "field": pairs._replace(site=0 * pairs.site),
        "bond": pairs._replace(edges=np.append(pairs.edges, pairs.edges[:1], axis=0), bond=np.append(pairs.bond, pairs.bond[:1], axis=0)),
    }
    off = {name: abs(sum_out(twin, order) - truth.value) for name, twin in broken.items()}
    assert off.pop("right") <= 3 * (pairs.rounding + truth.stderr)
    assert all(gap > 100 * (pairs.rounding + truth.stderr) for gap in off.values()), off


def test_any_order_gives_one_sum() -> None:
    energy = problems.potts().energy
    pairs = pairs_of(energy)
    sums = [sum_out(pairs, RNG.permutation(6).tolist()) for _ in range(5)]
    assert np.ptp(sums) < 1e-12


@pytest.mark.parametrize(
    ("energy", "width"),
    [
        (Ising((400,), 0.3, periodic=False), 1),
        (Ising((400,), 0.3), 2),
        (Ising((5, 60), 0.3, periodic=False), 5),
        (Ising((60, 4), 0.3, 0.1), 8),
        (Phi4((7,), 1.0, 0.5), 2),
    ],
)
def test_lattices_are_swept_along_their_longest_side(energy, width) -> None:
    assert narrow_order(graph_of(energy), name="")[1] == width


def test_a_long_torus() -> None:
    check_exact(variable_elimination(Ising((4, 50), 0.5)), kaufman(4, 50, 0.5).value, limit=1e-4)


def test_a_star_is_message_passing() -> None:
    """A hundred leaves at one site: the site must wait until they are gone."""
    star = BoltzmannMachine(Spins(101), [[0, n] for n in range(1, 101)], 0.2, 0.1)
    up, down = (0.1 * s + 100 * math.log(2 * math.cosh(0.1 + 0.2 * s)) for s in (1, -1))
    check_exact(exact_routes(star)["message passing"](), float(np.logaddexp(up, down)), limit=2e-4)


def test_what_is_too_wide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Ising of 1024 sites and 2048 bonds is too wide"):
        variable_elimination(Ising(32, 0.4))
    with pytest.raises(ValueError, match="too wide"):
        variable_elimination(sherrington_kirkpatrick(64, key=KEY))
    with pytest.raises(TypeError, match="does not say which pairs"):
        variable_elimination(RBM)
    with pytest.raises(ValueError, match="no complete graph"):
        complete_graph(Ising((3, 3), 0.3))
    with pytest.raises(TypeError, match="does not say which pairs"):
        complete_graph(RBM)
    with pytest.raises(TypeError, match="Latent"):
        hidden_sum(Ising(3, 0.3))
    with pytest.raises(ValueError, match="26 hidden units"):
        hidden_sum(BinaryRBM(jnp.zeros((30, 26)), jnp.zeros(30), jnp.zeros(26)))
    with pytest.raises(ValueError, match=r"coupling=-0\.4 on a 3 x 4 torus"):
        kaufman_of(Ising((3, 4), -0.4))
    with pytest.raises(ValueError, match="ising_levels needs sides"):
        ising_levels(2, 4)
    with pytest.raises(ValueError, match="held by no well"):
        variable_elimination(Phi4((4,), -0.5, 0.0))
    with pytest.raises(TypeError, match="continuum of values"):
        pairs_of(Phi4((4,), 0.5, 0.0))


def test_a_field_that_needs_too_many_nodes_is_not_established() -> None:
    found = variable_elimination(Phi4((2, 2), 1e-4, 0.0))
    assert found.status is Status.NOT_CONVERGED
    assert found.evidence is Evidence.NOT_ESTABLISHED


def test_infinite_energies_give_a_status() -> None:
    found = variable_elimination(BoltzmannMachine(Spins(3), [[0, 1]], jnp.inf))
    assert found.value is None
    assert found.status is Status.NON_FINITE


def test_hidden_layer() -> None:
    """As wide as machines of digits: the sum over eight hidden bits against that over twelve visible ones."""
    weights = RNG.normal(size=(12, 8))
    machine = BinaryRBM(weights, RNG.normal(size=12), RNG.normal(size=8))
    check_exact(hidden_sum(machine), enumerate_log_z(machine).value, limit=2e-5)
    real = GaussianRBM(weights, RNG.normal(size=12), RNG.normal(size=8), 0.3 * RNG.normal(size=12))
    check_exact(hidden_sum(real), float(real._log_z()), limit=5e-5)


@pytest.mark.long
def test_hidden_layer_of_22_bits() -> None:
    """Without couplings between the last six bits and the rest the sum is that of 16, and theirs alone."""
    weights = 0.3 * np.random.default_rng(1).normal(size=(40, 22))
    weights[:, 16:] = 0.0
    bias = np.linspace(-1, 1, 22)
    small = BinaryRBM(weights[:, :16], np.zeros(40), bias[:16])
    truth = float(small._log_z()) + float(np.sum(np.logaddexp(0, bias[16:])))
    check_exact(hidden_sum(BinaryRBM(weights, np.zeros(40), bias)), truth, limit=1e-4)


@pytest.mark.parametrize(("rows", "cols"), [(3, 3), (3, 5), (4, 3), (5, 6)])
def test_levels_of_any_torus(rows, cols) -> None:
    """Odd and even sides, against Kaufman's log Z and its derivatives, and below zero against the sum over states."""
    levels = ising_levels(rows, cols)
    assert sum(levels.counts) == 2 ** (rows * cols)
    for k in (0.1, 0.5):
        assert levels.log_z(k).value == pytest.approx(kaufman(rows, cols, k).value, rel=1e-14)
    if rows * cols < 16:
        check_exact(enumerate_log_z(Ising((rows, cols), -0.4)), levels.log_z(float(np.float32(-0.4))).value, limit=2e-5)


def test_levels_as_thermodynamics() -> None:
    """The entropy is the log of the counts; its slope crosses beta where the law at beta has its peak."""
    levels = ising_levels(16, 16)
    assert levels.entropy().value[0] == pytest.approx(math.log(2), rel=1e-15)
    assert levels.energy(0.4).value == pytest.approx(-slope_of(levels.log_z, 0.4), rel=1e-5)
    peak = int(np.argmax(levels.log_g - 0.4 * np.array(levels.energies)))
    assert levels.inverse_temperature().value[peak - 1] == pytest.approx(0.4, abs=5e-3)
    assert levels.heat_capacity(0.4).value == pytest.approx(0.16 * slope_of(lambda b: -levels.energy(b).value, 0.4), rel=1e-3)
    with pytest.raises(ValueError, match="beta=nan"):
        levels.log_z(math.nan)


def slope_of(f, at, h=1e-4):
    return (float(f(at + h)) - float(f(at - h))) / (2 * h)


def test_means_over_all_states() -> None:
    """Of a field's spins, and an observable that is not a number somewhere."""
    field = np.array([0.3, -0.8, 0.5])
    found = enumerate_mean(Coins(Spins(3), field), lambda x: x)
    np.testing.assert_allclose(found.value, np.tanh(field), rtol=1e-6)
    assert np.all(found.stderr < 2e-6)
    assert enumerate_mean(Coins(Spins(3), field), lambda x: jnp.log(jnp.sum(x))).status is Status.NON_FINITE
    with pytest.raises(TypeError, match="use quadrature"):
        enumerate_mean(Normal(jnp.zeros(2), jnp.ones(2)), jnp.sum)


def test_quadrature_in_four_dimensions() -> None:
    """Two unequal Gaussians, far apart."""
    a = np.diag([1.0, 0.5, 2.0, 1.5]) + 0.2
    truth = 2 * math.log(2 * math.pi) - 0.5 * np.linalg.slogdet(a)[1]
    check_exact(quadrature(Gaussian([0.5, -0.3, 0.2, 0.1], a), low=-8, high=8), truth, limit=2e-5)


def test_quadrature_goes_where_the_mass_is() -> None:
    """A peak of width 0.002 in a box of 2, where no regular grid of as many points could."""
    peak = Normal(jnp.array([0.313, -0.271]), jnp.array([0.002, 0.3]))
    wide = quadrature(Sum(peak, Normal(jnp.zeros(2), jnp.ones(2))), low=-1, high=1)
    truth = sum(-0.5 * m**2 / (1 + s**2) + 0.5 * math.log(2 * math.pi * s**2 / (1 + s**2)) for m, s in ((0.313, 0.002), (-0.271, 0.3)))
    assert wide.value == pytest.approx(truth, abs=0.02)  # the box cuts the tails of the second axis
    assert wide.stderr > abs(wide.value - truth) / 3


def test_a_sweep_compiles_once() -> None:
    traces = []

    def counted(k, x):
        traces.append(1)
        return k * jnp.sum(x**4)

    space = Box(jnp.full(2, -1.0), jnp.full(2, 1.0))
    for k in (0.3, 0.5, 0.9):
        quadrature(Callable(counted, as_float(k), space))
    assert len(traces) <= 2
    traces.clear()
    for k in (0.3, 0.5, 0.9):
        enumerate_mean(Callable(counted, as_float(k), Spins(3)), jnp.sum)
    assert len(traces) <= 2


def test_asking_costs_little() -> None:
    """A route is looked for without an evaluation of the energy on more than one configuration."""
    seen = []

    class Watched(Ising):
        def __call__(self, x):
            seen.append(x.shape)
            return Ising.__call__(self, x)

    exact_routes(Watched((3, 4), 0.4))
    assert len(seen) <= 1


def test_the_law_of_exact_sums_catches_a_broken_one() -> None:
    with pytest.raises(LawViolation, match="misses"):
        check_exact(variable_elimination(Potts(3, 3, 0.9)) + 1e-3, variable_elimination(Potts(3, 3, 0.9)).value, limit=1.0)
