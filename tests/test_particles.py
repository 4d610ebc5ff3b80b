"""Energies of particles: published constants, crystals, symmetries, and particles on top of each other."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from gibbsite.core import Normal, Start, Sum, need
from gibbsite.energies import Copies, Coulomb, DoubleWellParticles, LennardJones, Rescaled, Yukawa
from gibbsite.samplers import HMC, Silent, sample
from gibbsite.testing.energy import check_far
from gibbsite.testing.law import LawViolation, bounded, rounding
from gibbsite.testing.views import check_start
from gibbsite.thermo import quadrature

KEY = jax.random.key(13)
SIGMA = 2 ** (1 / 6)  # the radius of a pair whose sigma is 1
FAINT = 1e-12  # a trap that is not felt

LJ = LennardJones(5, 3, 1.3, 0.9, 0.7)
DW = DoubleWellParticles(5, 3, -0.4, -1.1, 0.3, 1.6, 0.8)
FREE = [LJ, DW]
PERIODIC = [Yukawa(5, 2, 1.5, 9.0, 1.3), Coulomb(5, 2.0)]


def pairs(x: np.ndarray) -> list[float]:
    return [math.dist(x[i], x[j]) for i, j in itertools.combinations(range(len(x)), 2)]


def positions(energy, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(3).normal(size=energy.space.shape)


_both = eqx.filter_jit(lambda energy, x: jax.value_and_grad(energy)(x))


def value(energy, x: np.ndarray) -> float:
    return float(_both(energy, jnp.asarray(x, jnp.float32))[0])


def slope(energy, x: np.ndarray) -> np.ndarray:
    return np.asarray(_both(energy, jnp.asarray(x, jnp.float32))[1])


# ---- Lennard-Jones ----


def second_virial(temperature: float) -> float:
    """`B_2 = -2 pi int (exp(-u / T) - 1) r^2 dr` in units of sigma, from r = 0; beyond 20 the tail of -4 / r^6."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    edges = np.linspace(0.0, 20.0, 1001)
    half = np.diff(edges)[:, None] / 2
    r, w = (edges[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()
    pair = LennardJones(2, 3, 1 / temperature, SIGMA, FAINT)
    at = jnp.zeros((len(r), 2, 3)).at[:, 1, 2].set(jnp.asarray(r, jnp.float32))
    u = np.asarray(jax.jit(jax.vmap(pair))(at), np.float64)
    return -2 * math.pi * float(np.sum(w * np.expm1(-u) * r**2)) - 8 * math.pi / (3 * temperature * 20.0**3)


def test_second_virial_coefficient() -> None:
    assert second_virial(1.0) == pytest.approx(-5.31574512026, abs=1e-5)


def test_boyle_temperature() -> None:
    assert second_virial(3.417928) == pytest.approx(0.0, abs=1e-5)


def icosahedron() -> np.ndarray:
    golden = (1 + math.sqrt(5)) / 2
    corners = [np.roll([0.0, a, b * golden], k) for k in range(3) for a in (-1, 1) for b in (-1, 1)]
    return np.array([[0.0, 0.0, 0.0], *corners]) / math.sqrt(1 + golden**2)


CLUSTERS = {
    "pair": (np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), -1.0),
    "tetrahedron": (np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / math.sqrt(8), -6.0),
    "icosahedron": (icosahedron(), -44.326801),  # Hoare & Pal, Adv. Phys. 20, 1971
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_of_least_energy(name: str) -> None:
    shape, least = CLUSTERS[name]
    sizes = jnp.linspace(0.9, 1.1, 4001)
    found = jax.vmap(lambda size: LennardJones(len(shape), trap=FAINT)(size * jnp.asarray(shape, jnp.float32)))(sizes)
    assert float(jnp.min(found)) == pytest.approx(least, abs=2e-5)


def test_trap_of_two_particles_is_exact() -> None:
    """On a line: the distance r feels `U(r) + trap r^2 / 4`, the centre is a Gaussian of variance `1 / (2 trap)`."""
    pair = LennardJones(2, 1, 1.5, 0.8, 0.6)
    law = quad(lambda r: math.exp(-1.5 * ((0.8 / r) ** 12 - 2 * (0.8 / r) ** 6) - 0.15 * r**2), 0.3, 20, limit=400, epsabs=0, epsrel=1e-10)
    truth = math.log(2 * law[0]) + 0.5 * math.log(math.pi / 0.6)
    assert quadrature(pair, low=-12, high=12, rtol=1e-5).value == pytest.approx(truth, abs=5e-5)


def test_forces_of_lennard_jones() -> None:
    shape = 1.05 * icosahedron() + 0.03 * np.random.default_rng(4).normal(size=(13, 3))
    step = shape[:, None] - shape[None]
    r2 = np.sum(step**2, axis=-1) + np.eye(13)
    stiff = -12 * (r2**-7 - r2**-4) * (1 - np.eye(13))
    truth = np.sum(stiff[..., None] * step, axis=1) + shape
    bounded("LennardJones", "force", slope(LennardJones(13), shape) - truth, rounding(np.abs(stiff).max()))


def test_nothing_is_cut_off() -> None:
    pair = LennardJones(2, trap=1e-30)
    for r in (3.0, 10.0, 40.0):
        assert value(pair, np.array([[0.0, 0, 0], [0, r, 0]])) == pytest.approx(r**-12 - 2 * r**-6, rel=1e-5)


# ---- double wells ----


def test_dw4() -> None:
    x = 3 * np.random.default_rng(5).normal(size=(4, 2))
    truth = sum(-4 * (r - 4) ** 2 + 0.9 * (r - 4) ** 4 for r in pairs(x)) + 2 * np.sum(x.mean(axis=0) ** 2)
    assert value(DoubleWellParticles(), x) == pytest.approx(truth, rel=1e-5)


def test_constants_of_double_wells() -> None:
    """Two particles on a line: `log_z` is that of the distance and of a centre of variance `1 / (2 trap)`."""
    pair = DoubleWellParticles(2, 1, -0.5, -1.0, 0.3, 1.5, 0.8)
    law = quad(lambda r: math.exp(0.5 * (r - 1.5) + (r - 1.5) ** 2 - 0.3 * (r - 1.5) ** 4), 0, 12, limit=200, epsabs=0, epsrel=1e-10)
    truth = math.log(2 * law[0]) + 0.5 * math.log(math.pi / 0.8)
    assert quadrature(pair, low=-12, high=12, rtol=1e-5).value == pytest.approx(truth, abs=5e-5)


# ---- symmetries ----


@pytest.mark.parametrize("energy", [*FREE, *PERIODIC], ids=lambda e: type(e).__name__)
def test_particles_are_alike(energy) -> None:
    x = positions(energy)
    truth = value(energy, x)
    bounded(type(energy).__name__, "permutation", value(energy, x[[3, 0, 4, 1, 2]]) - truth, rounding(truth))


@pytest.mark.parametrize("energy", FREE, ids=lambda e: type(e).__name__)
def test_space_has_no_direction(energy) -> None:
    x = positions(energy)
    turn = np.linalg.qr(np.random.default_rng(6).normal(size=(3, 3)))[0]  # a mirror image included
    truth = value(energy, x)
    steepest = np.abs(slope(energy, x)).max()
    bounded(type(energy).__name__, "rotation", value(energy, x @ turn.T) - truth, rounding(truth) + rounding(steepest))


@pytest.mark.parametrize("energy", FREE, ids=lambda e: type(e).__name__)
def test_only_the_centre_feels_a_shift(energy) -> None:
    x, shift = positions(energy), np.array([0.7, -1.2, 0.4])
    centre = x.mean(axis=0)
    work = energy.n * float(energy.trap) / 2 * (np.sum((centre + shift) ** 2) - np.sum(centre**2))
    steepest = np.abs(slope(energy, x)).max()
    bounded(type(energy).__name__, "shift", value(energy, x + shift) - value(energy, x) - work, rounding(work) + rounding(steepest))


@pytest.mark.parametrize("energy", PERIODIC, ids=lambda e: type(e).__name__)
def test_a_torus_has_no_origin(energy) -> None:
    x = np.random.default_rng(7).uniform(-math.pi, math.pi, energy.space.shape)
    truth, steepest = value(energy, x), np.abs(slope(energy, x)).max()
    moved = (x + 2.3 + math.pi) % (2 * math.pi) - math.pi
    bounded(type(energy).__name__, "shift round the torus", value(energy, moved) - truth, rounding(truth) + rounding(steepest))


# ---- periodic boxes ----


def test_yukawa_over_images() -> None:
    """Over 9^2 images of each pair, those that are left out being smaller than the rounding."""
    energy = Yukawa(4, 2, 1.5, 25.0, 1.3)
    x = np.random.default_rng(8).uniform(-math.pi, math.pi, (4, 2))
    place, images = 1.3 * x / (2 * math.pi), 1.3 * np.array(list(itertools.product(range(-4, 5), repeat=2)))
    truth = 0.0
    for i, j in itertools.combinations(range(4), 2):
        r = np.linalg.norm(place[i] - place[j] + images, axis=1)
        truth += 1.5 * float(np.sum(np.exp(-25 * r) / r))
    assert value(energy, x) == pytest.approx(truth, rel=1e-4)


CRYSTALS = {
    "simple cubic": ([[0.0, 0.0, 0.0]], -0.880059442),
    "body-centred": ([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], -0.895929256),
    "face-centred": ([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]], -0.895873616),
    "eight cells": (list(itertools.product((0.0, 0.5), repeat=3)), -0.880059442),
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_madelung_constants(name: str) -> None:
    """Of Coulomb crystals, per charge and unit of coupling, wherever the origin lies; forces vanish."""
    cell, constant = CRYSTALS[name]
    x = (2 * np.pi * np.array(cell) + 0.3 + np.pi) % (2 * np.pi) - np.pi
    energy = Coulomb(len(cell), 10.0)
    assert value(energy, x) / (10 * len(cell)) == pytest.approx(constant, abs=3e-6)
    bounded("Coulomb", "force in a crystal", slope(energy, x), rounding(100.0))


# ---- on top of each other ----


class Bare(LennardJones):
    """Distances by a square root alone."""

    def __call__(self, x):
        i, j = np.triu_indices(self.n, 1)
        r = jnp.linalg.norm(x[i] - x[j], axis=-1)
        return self.depth * jnp.sum((self.radius / r) ** 12 - 2 * (self.radius / r) ** 6) + self.trap / 2 * jnp.sum(x**2)


def overlapping(energy) -> jax.Array:
    """All in one place, two in one place, and two nearly so."""
    x = jnp.asarray(positions(energy), jnp.float32)
    near = x.at[1].set(x[0] + 1e-20), x.at[1].set(x[0] + 1e-7), x.at[1].set(x[0] + 1e-3)
    return jnp.stack([jnp.zeros_like(x), x.at[1].set(x[0]), *near])


@pytest.mark.parametrize("energy", [*FREE, *PERIODIC], ids=lambda e: type(e).__name__)
def test_overlaps_cost_much_and_have_slopes(energy) -> None:
    at = overlapping(energy)
    check_far(energy, at)
    energies, slopes = jax.vmap(jax.value_and_grad(energy))(at)
    assert np.all(np.isfinite(slopes))
    if energy is not DW:
        assert np.all(energies[1:3] > 1e3 * abs(value(energy, np.asarray(at[0]) + positions(energy))))


def test_a_bare_square_root_is_seen() -> None:
    bare = Bare(5)
    with pytest.raises(LawViolation, match="far points"):
        check_far(bare, overlapping(bare))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LennardJones(3, depth=0.0), "depth=0.0"),
        (lambda: LennardJones(3, radius=-1.0), "radius=-1.0.*units of x"),
        (lambda: LennardJones(3, trap=0.0), "trap=0.0.*no law exists"),
        (lambda: DoubleWellParticles(c=-0.1), r"c=-0\.1"),
        (lambda: DoubleWellParticles(trap=0.0), "trap=0.0"),
        (lambda: Yukawa(3, strength=-1.0), "strength=-1.0"),
        (lambda: Yukawa(3, side=0.0), "side=0.0"),
        (lambda: Coulomb(3, -1.0), "coupling=-1.0"),
    ],
)
def test_what_has_no_law_is_refused(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def apart(chains: int, seed: int) -> np.ndarray:
    """Thirteen particles in a ball, none nearer to another than 0.85 radii."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(chains):
        placed: list[np.ndarray] = []
        while len(placed) < 13:
            there = 1.3 * rng.normal(size=3)
            if all(np.linalg.norm(there - other) > 0.85 for other in placed):
                placed.append(there)
        found.append(placed)
    return np.asarray(found, np.float32)


@pytest.mark.long
def test_lj13_has_the_energies_of_long_runs() -> None:
    """Wasserstein-2 of the energies: "auto" is no farther from two long runs of plain HMC than these from each other, but for 0.1 kT."""
    cluster, shares = LennardJones(13), (np.arange(4000) + 0.5) / 4000

    def energies(kernel, seed: int, draws: int) -> np.ndarray:
        run = sample(kernel, cluster, chains=64, draws=draws, trace=2000, init=apart(64, seed), progress=Silent(), key=jax.random.key(seed))
        print(run)
        return np.quantile(run.traces["energy"], shares)

    one, two = (energies(HMC(0.02, jnp.ones((13, 3)), steps=20), seed, 20_000) for seed in (0, 1))
    ours = energies("auto", 2, 10_000)
    floor, *found = (float(np.sqrt(np.mean((a - b) ** 2))) for a, b in ((one, two), (ours, one), (ours, two)))
    print(f"energy-W2: floor {floor:.3f}, ours {found[0]:.3f} and {found[1]:.3f} kT")
    assert max(found) < floor + 0.1


ONES = jnp.ones((5, 3))


@pytest.mark.parametrize(
    "energy", [Copies(LJ, 3), Rescaled(LJ, ONES / 2, 2 * ONES), Sum(LJ, Normal(0 * ONES, ONES))], ids=["copies", "rescaled", "sum"]
)
def test_what_wraps_particles_gives_birth_to_them_apart(energy) -> None:
    check_start(energy, 16, key=KEY)
    xs = jax.vmap(lambda k: need(energy, Start, "test").sample(key=k))(jax.random.split(KEY, 16))
    assert float(jnp.max(jax.vmap(energy)(xs))) < 1e3  # overlapping cores cost millions
