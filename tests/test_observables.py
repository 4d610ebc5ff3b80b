"""Observables by families: exact means of small systems, closed forms, and sums written out."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ive

from gibbsite import Tempered, sample
from gibbsite.core import Binary, Categorical, Evidence, Moments, Pair, Product, Reals, Spins, Status, Torus, exact
from gibbsite.energies import XY, Copies, Ising, Yukawa
from gibbsite.samplers import Each, Gibbs, RotorHeatBath, SwendsenWang
from gibbsite.testing import LawViolation, check_coverage
from gibbsite.thermo import kaufman, kaufman_energy, kaufman_heat_capacity
from gibbsite.thermo.observables import (
    Derived,
    PairDistribution,
    binder,
    correlation,
    correlation_length,
    entropy,
    free_energy,
    heat_capacity,
    helicity_modulus,
    magnetisation,
    order,
    overlap,
    overlap_distribution,
    pressure,
    structure_factor,
    susceptibility,
    vortex_density,
)

Z, KEY = 5.6, jax.random.key(11)
K = 0.3


def within(estimate, truth, error: float) -> None:
    """Within 5.6 of its own errors, and those are small."""
    assert estimate.status is Status.OK, estimate
    assert np.max(np.abs(np.asarray(estimate.value) - truth) / estimate.stderr) < Z, estimate
    assert np.max(estimate.stderr) < error, estimate


def test_an_ising_torus_of_nine_spins() -> None:
    """Against the moments of its 512 states: |m| 0.636502270011, m^2 0.502084540174, U4 0.484200429538 at K = 0.3."""
    ising = Ising(side=3)
    observed = {
        "c": heat_capacity(ising, K),
        "|m|": magnetisation(ising.space),
        "chi": susceptibility(ising.space, K),
        "U4": binder(ising.space),
        "G": correlation,
        "S": structure_factor,
    }
    run = sample(SwendsenWang(), Tempered(ising, K), chains=64, warmup=50, draws=1500, observe=observed, progress=False, key=KEY)
    m, square = 0.636502270011, 0.502084540174
    within(run["c"] / 9, float(kaufman_heat_capacity(3, 3, K).value), 0.01)
    within(run["|m|"], m, 0.005)
    within(run["chi"], 9 * K * (square - m**2), 0.005)
    within(run["U4"], 0.484200429538, 0.01)
    within(run["G"], -float(kaufman_energy(3, 3, K).value) / 2, 0.005)
    assert run["S"].value[0] == pytest.approx(9 * square, abs=Z * run["S"].stderr[0])


def test_free_energy_and_entropy() -> None:
    log_z, u = kaufman(4, 4, 0.4), kaufman_energy(4, 4, 0.4) * 16
    assert float(free_energy(log_z, 0.4)) == pytest.approx(-14.56109302384404 / 0.4)
    assert float(entropy(log_z, u, 0.4)) == pytest.approx(14.56109302384404 - 0.4 * 16 * 1.37911648226, abs=1e-9)
    hot = entropy(exact(9 * math.log(2)), exact(-1.0), 0.0)
    assert float(hot) == pytest.approx(9 * math.log(2))
    with pytest.raises(ValueError, match=r"beta=0\.0"):
        free_energy(log_z, 0.0)
    with pytest.raises(ValueError, match="share a source"):
        entropy(log_z, log_z, 0.4)


def moments_of(series: np.ndarray) -> Moments:
    """Sums of x and x^2 as a run keeps them: `chains batches 2`."""
    chains, draws = series.shape
    parts = series.reshape(chains, 32, -1)
    powers = np.stack([parts, parts**2], axis=-1)
    zero = jnp.zeros((chains, 32, 2))
    sums = [Pair(jnp.asarray((powers**n).sum(axis=2), jnp.float32), zero) for n in (1, 2)]
    return Moments(jnp.full((chains, 32), draws / 32), *sums)


VARIANCE = Derived(lambda x: jnp.stack([x, x**2]), lambda mean: mean[1] - mean[0] ** 2)


@pytest.mark.parametrize("count", [400, pytest.param(2000, marks=pytest.mark.long)])
@pytest.mark.parametrize("chains", [4, 32])
def test_coverage_of_a_function_of_means(chains: int, count: int) -> None:
    """A variance of 2048 skewed draws (exponential, variance 1), whose error is 0.0625; of draws that stand for four each it is not."""
    rng = np.random.default_rng(chains)
    made = [VARIANCE.finalise(moments_of(rng.exponential(size=(chains, 2048 // chains)))) for _ in range(count)]
    check_coverage(made, 1.0, limit=0.08, name="variance")
    with pytest.raises(LawViolation, match="too narrow"):
        check_coverage([without_tau(rng) for _ in range(100)], 1.0, limit=0.3)


def without_tau(rng: np.random.Generator):
    """Each draw four times, in chains of their own: twice the error that is stated."""
    once = rng.exponential(size=(16, 64))
    return VARIANCE.finalise(moments_of(np.tile(once, (4, 1))))


def test_a_function_of_means_that_is_no_number_says_so() -> None:
    root = Derived(VARIANCE.fn, lambda mean: np.sqrt(mean[0]))
    found = root.finalise(moments_of(np.random.default_rng(0).normal(-1, 1, (16, 64))))
    assert found.value is None and found.status is Status.NON_FINITE and found.evidence is Evidence.NOT_ESTABLISHED
    still = VARIANCE.finalise(moments_of(np.ones((16, 64))))
    assert still.status is Status.CONSTANT and still.evidence is Evidence.NOT_ESTABLISHED


def test_order_of_every_space() -> None:
    """1 where all sites agree, near 0 where they are spread evenly."""
    assert float(magnetisation(Spins((4, 4)))(-jnp.ones((4, 4)))) == 1
    assert float(magnetisation(Binary(4))(jnp.zeros(4))) == 1
    assert float(magnetisation(Torus((6,)))(jnp.full(6, 2.0))) == pytest.approx(1)
    assert float(magnetisation(Torus((6,)))(jnp.linspace(0, 2 * jnp.pi, 7)[:6])) == pytest.approx(0, abs=1e-6)
    potts = magnetisation(Categorical((6,), 3))
    assert float(potts(jnp.full(6, 2.0))) == pytest.approx(1)
    assert float(potts(jnp.array([0.0, 1, 2, 0, 1, 2]))) == pytest.approx(0, abs=1e-6)
    assert float(order(Categorical((4,), (-1.0, 0.0, 1.0)))(jnp.array([1.0, 1, 0, -1]))[0]) == 0.25
    assert float(order(Reals(4))(jnp.array([1.0, 2, 3, -2]))[0]) == 1
    with pytest.raises(TypeError, match="no order parameter"):
        order(Product((Reals(2), Spins(2))))


def test_correlations_are_the_sums_written_out() -> None:
    x = np.asarray(jax.random.normal(KEY, (6, 6)), np.float64) + 0.3
    rolled = [np.mean([np.mean(x * np.roll(x, -r, axis)) for axis in (0, 1)]) for r in (1, 2, 3)]
    np.testing.assert_allclose(correlation(jnp.asarray(x, jnp.float32)), rolled, rtol=1e-4)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(4), np.arange(6)) / 6)
    along = [np.abs(waves @ x.sum(axis=axis)) ** 2 / 36 for axis in (0, 1)]
    np.testing.assert_allclose(structure_factor(jnp.asarray(x, jnp.float32)), np.mean(along, axis=0), rtol=1e-4)
    for fn in (correlation, structure_factor):
        with pytest.raises(ValueError, match="equal sides"):
            fn(jnp.ones((4, 6)))


def test_correlation_length_of_exponential_decay() -> None:
    """G(r) = t^r has S(k) ~ 1 / (1 - 2 t cos k + t^2), and the second moment is `sqrt(t) / (1 - t)`."""
    t, side = 0.6, 64
    s = [(1 - t**2) / (1 - 2 * t * math.cos(2 * math.pi * n / side) + t**2) for n in (0, 1)]
    assert correlation_length(side).of(np.array(s)) == pytest.approx(math.sqrt(t) / (1 - t))
    with pytest.raises(ValueError, match="side=2"):
        correlation_length(2)


def test_helicity_modulus_of_a_ring() -> None:
    """A ring twisted by phi has Z = sum_n I_n(K)^N e^{i n phi}, so Y = (N / beta) <n^2> under weights I_n^N."""
    n, beta, coupling = 5, 2.0, 0.8
    orders = np.arange(-40, 41)
    weights = ive(orders, beta * coupling) ** n
    truth = n / beta * float(np.sum(orders**2 * weights) / weights.sum())
    rotors = XY(side=(n,), coupling=coupling)
    run = sample(
        RotorHeatBath(),
        Tempered(rotors, beta),
        chains=64,
        warmup=100,
        draws=3000,
        observe={"Y": helicity_modulus(rotors, beta)},
        progress=False,
        key=KEY,
    )
    within(run["Y"], truth, 0.02)


def test_helicity_modulus_without_angles_is_the_coupling() -> None:
    """Parallel rotors: J a bond; of an open lattice, as many as there are bonds."""
    for periodic, bonds in ((True, 12), (False, 8)):
        lattice = XY(side=(4, 3), coupling=2.0, periodic=periodic)
        along = np.asarray(helicity_modulus(lattice, 1.0).fn(jnp.zeros((4, 3))))
        assert along[0] == pytest.approx(2.0 * np.mean([bonds if periodic else 9, bonds]) / 12)
        assert along[1] == pytest.approx(0.0)


def test_vortices() -> None:
    angles = jax.random.uniform(KEY, (200, 200), minval=-jnp.pi, maxval=jnp.pi)
    assert abs(float(vortex_density(angles)) - 1 / 3) < Z * math.sqrt(2 / 9) / 200 * 2
    assert float(vortex_density(jnp.full((5, 5), 3.0))) == 0
    y, x = jnp.mgrid[0:20, 0:20] - 9.5
    pair = jnp.arctan2(y, x + 4) - jnp.arctan2(y, x - 4)  # a vortex and its opposite
    assert float(vortex_density(pair)) * 400 == pytest.approx(2)
    with pytest.raises(ValueError, match="two dimensions"):
        vortex_density(jnp.zeros(5))


def test_overlap_of_copies() -> None:
    s = jnp.asarray([[1.0, -1, -1, 1], [1.0, -1, 1, 1]])
    assert float(overlap(s)) == 0.5 and float(overlap(jnp.stack([s[0], -s[0]]))) == -1
    edges = jnp.array([-1.0, -0.4, 0.4, 1.0])
    free = Copies(Ising(side=(4,), coupling=0.0, periodic=False), 2)
    run = sample(Each(Gibbs()), free, chains=64, warmup=5, draws=500, observe={"P": overlap_distribution(edges)}, progress=False, key=KEY)
    within(run["P"], np.array([5, 6, 5]) / 16, 0.01)  # q of four independent signs: -1, -1/2, 0, 1/2, 1 with 1, 4, 6, 4, 1 of 16
    with pytest.raises(ValueError, match="give two copies"):
        overlap(jnp.ones((3, 4)))


def test_pair_distribution_of_an_ideal_gas() -> None:
    """g = 1 in every shell, in two dimensions and three; a shell that nobody entered is empty, not wrong."""
    for dim in (2, 3):
        shells = PairDistribution(jnp.linspace(0.0, 1.0, 6), side=2.0, dim=dim)
        xs = jax.random.uniform(jax.random.fold_in(KEY, dim), (4000, 5, dim), minval=-jnp.pi, maxval=jnp.pi)
        shares = np.asarray(jax.vmap(shells.shares)(xs), np.float64) / shells.ideal()
        assert np.max(np.abs(shares.mean(axis=0) - 1) / (shares.std(axis=0) / math.sqrt(4000))) < Z
    for edges in ([0.0, 1.2], [0.5, 0.2], [0.3]):
        with pytest.raises(ValueError, match="increasing distances from 0 to half the side"):
            PairDistribution(jnp.array(edges), side=2.0)


def test_pressure_is_the_slope_of_log_z() -> None:
    """Two particles on a ring: P = d log Q / d side, with Q the integral over their positions."""

    def build(side):
        return Yukawa(2, dim=1, strength=2.0, screening=3.0, side=side)

    angles = jnp.linspace(-jnp.pi, jnp.pi, 20001)[1:-1]
    pairs = jnp.stack([jnp.zeros_like(angles), angles], axis=1)[..., None]

    def log_q(side: float) -> float:
        energies = np.asarray(jax.vmap(build(jnp.asarray(side)))(pairs), np.float64)
        return 2 * math.log(side) + math.log(float(np.sum(np.exp(-energies))))

    weights = np.exp(-np.asarray(jax.vmap(build(jnp.asarray(1.5)))(pairs), np.float64))
    found = np.asarray(jax.vmap(pressure(build, 1.5))(pairs), np.float64) @ weights / weights.sum()
    assert found == pytest.approx((log_q(1.51) - log_q(1.49)) / 0.02, rel=2e-3)
    with pytest.raises(ValueError, match="side"):
        pressure(build, -1.0)
