"""Every public estimator, with a truth that it must meet: `check_exact` for sums, `check_estimator` for the rest.

One line each: a function of no argument that raises a LawViolation where the estimator breaks the law.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from gibbsite.core import Binary, Callable, Coins, Estimate, Evidence, Normal, Reals, Spins, draw, exact, schedule
from gibbsite.data import Modes
from gibbsite.energies import BoltzmannMachine, DenseBoltzmannMachine, Ising
from gibbsite.metrics import (
    bits_per_dim,
    classifier_test,
    coverage,
    curl,
    density,
    energy_distance,
    kl_to_truth,
    memorisation,
    mmd,
    mode_masses,
    nll,
    noise_floor,
    precision,
    recall,
    sliced_wasserstein,
    total_variation,
)
from gibbsite.testing.bounds import check_bound
from gibbsite.testing.estimator import check_estimator, check_exact
from gibbsite.testing.law import LawViolation
from gibbsite.testing.problems import rbm
from gibbsite.thermo import (
    bar,
    bethe,
    complete_graph,
    curie_weiss,
    curie_weiss_magnetisation,
    enumerate_log_z,
    enumerate_mean,
    exact_routes,
    exponential_average,
    free_field,
    gibbs_bogoliubov,
    hidden_sum,
    high_temperature_series,
    hopfield_overlap,
    importance_bound,
    kaufman,
    kaufman_energy,
    kaufman_heat_capacity,
    laplace,
    lennard_jones_b2,
    log_mean,
    low_temperature_series,
    marginal,
    marginal_reverse,
    mbar,
    mean_field,
    mean_field_magnetisation,
    mean_first_passage,
    onsager,
    onsager_energy,
    onsager_magnetisation,
    quadrature,
    sandwich,
    sherrington_kirkpatrick_annealed,
    tap,
    variable_elimination,
)

from . import ppca

K_C = math.log(1 + math.sqrt(2)) / 2
KEY = jax.random.key(7)


def normals(key, *shape):
    """Fixed unit Gaussians in float64 on the host."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key))).normal(size=shape)


def bar_between_gaussians(key):
    x = normals(key, 2, 200)
    return bar(0.5 - x[0], x[1] + 0.5)


def mbar_between_wells(key):
    """Wells of stiffness 1, 2, 3 at 0, 0.5, 1.5 with 40, 60, 80 samples: the last above the first by log(3) / 2 + 4."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    k, centre = np.array([1.0, 2.0, 3.0])[:, None], np.array([0.0, 0.5, 1.5])[:, None]
    own = np.repeat(np.arange(3), [40, 60, 80])
    x = centre[own, 0] + rng.normal(size=180) / np.sqrt(k[own, 0])
    return mbar(k * (x - centre) ** 2 / 2 + np.array([[3.0], [0.0], [7.0]]), [40, 60, 80]).difference(2)


def force(c, x):
    """Constant, towards larger x."""
    return -c * jnp.sum(x)


UNIT = Normal(jnp.zeros(1), jnp.ones(1))
LOG_Z = exact(0.5 * math.log(2 * math.pi))
MODES = Modes(np.array([[0.0], [1.0], [3.0]]), np.array([0.5, 0.3, 0.2]))


def apart(key):
    """Two samples whose laws differ in the mean by twice their width."""
    x = normals(key, 2, 100, 1)
    return x[0] + 2.0, x[1]


# Closed forms for unit Gaussians two apart; differences are N(2, 2) and N(0, 2).
MMD_APART = 2 / math.sqrt(3) * (1 - math.exp(-2 / 3))
ENERGY_DISTANCE_APART = 2 * (2 / math.sqrt(math.pi) * math.exp(-1) + 2 * math.erf(1)) - 4 / math.sqrt(math.pi)


def shifted(x):
    """300 rows moved by (1, 1), and the others."""
    return x[:300] + 1.0, x[300:]


def draws_and_data(key):
    """Of 200 draws 0.6 lie where 0.7 of 200 rows of data do, by one law; the others of both lie far away, and far apart."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    x, y = rng.normal(size=(2, 200, 1))
    return x + 40 * (rng.random((200, 1)) < 0.4), y - 40 * (rng.random((200, 1)) < 0.3)


def three_values(key):
    """Values 0, 1 with odds 3:2 and 1, 2 with odds 2:3: all that can be told is what is not 1, an accuracy of 0.8."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    x, y = rng.random((2, 400, 1)) < 0.4
    return 1.0 * x, 2.0 - y


def copies(key):
    """300 draws of which 0.3 are training rows and the others follow the law: a share of 0.65."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    draws, train, test = rng.normal(size=(3, 300, 2))
    return np.where(rng.random((300, 1)) < 0.3, train[rng.integers(300, size=300)], draws), train, test


def swirl(x):
    """J = [[-1, 0], [2 x_1, -1]]: over unit Gaussians its antisymmetric part has a share 2 / (2 + 4)."""
    return jnp.stack([-x[0], -x[1] + x[0] ** 2])


def mean_difference(x, y):
    return Estimate(float(np.mean(x) - np.mean(y)), math.sqrt(np.var(x) / len(x) + np.var(y) / len(y)))


def masses_of_draws(key):
    """500 draws with masses 0.2, 0.3, 0.5 at the three centres."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return mode_masses(MODES.centres[rng.choice(3, 500, p=[0.2, 0.3, 0.5])], MODES)


# The encoder is half as wide again as the posterior and off by 0.2, so bounds have something to close.
HIDDEN = ppca.linear_vae(1.5, 0.2).as_energy()
SEEN = ppca.rows(64)
LOG_P = float(np.mean(ppca.log_p(SEEN)))


def reversed_marginal(key):
    """Fresh pairs (x, z) each time: minus the entropy is the mean of log p over them."""
    xs, zs = jax.vmap(lambda k: draw(HIDDEN, key=k))(jax.random.split(key, 64))
    return marginal_reverse(HIDDEN, xs, zs, times=schedule(16), key=key).mean


def check_near(estimate, truth, *, limit):
    """What is no bound must be near, and say that it is neither a bound nor exact."""
    if estimate.evidence is not Evidence.NOT_ESTABLISHED or estimate.stderr is not None or not abs(estimate.value - truth) < limit:
        raise LawViolation(f"{estimate} is {estimate.evidence.value}, with truth {truth} and limit {limit}.")


RING, RING_LOG_Z = Ising((10,), 0.7, 0.3), 10.627232294499589
TREE = BoltzmannMachine(Spins(4), [[0, 1], [1, 2], [1, 3]], 0.5, 0.0)
TREE_LOG_Z = 4 * math.log(2) + 3 * math.log(math.cosh(0.5))
COMPLETE = DenseBoltzmannMachine(Spins(20), 0.8 / 20 * (1 - np.eye(20)))

# Sums and formulas without chance, and approximations: tests/test_truths.py and test_approximate.py say more of them.
EXACT = {
    "variable_elimination": lambda: check_exact(variable_elimination(RING), RING_LOG_Z, limit=2e-5),
    "exact_routes": lambda: check_exact(exact_routes(RING)["transfer matrix"](), RING_LOG_Z, limit=2e-5),
    "complete_graph": lambda: check_exact(complete_graph(COMPLETE), 14.559930325705 - 0.4, limit=2e-5),
    "curie_weiss": lambda: check_exact(curie_weiss(20, 0.8), 14.559930325705, limit=1e-11),
    "curie_weiss_magnetisation": lambda: check_exact(curie_weiss_magnetisation(20, 0.8) * 1e-2, 0.328580899171e-2, limit=1e-13),
    "mean_field_magnetisation": lambda: check_exact(mean_field_magnetisation(1.2) * 1e-2, 0.658569660406e-2, limit=1e-13),
    "hopfield_overlap": lambda: check_exact(hopfield_overlap(1.0), 0.0, limit=1e-12),
    "enumerate_mean": lambda: check_exact(
        enumerate_mean(Coins(Binary(3), jnp.full(3, 0.5)), jnp.sum), 3 / (1 + math.exp(-0.5)), limit=2e-6
    ),
    "free_field": lambda: check_exact(free_field((2,), 1.0), 0.5 * (2 * math.log(math.pi) - math.log(5.0)), limit=1e-14),
    "hidden_sum": lambda: check_exact(hidden_sum(rbm().energy), rbm().log_z, limit=1e-5),
    "onsager": lambda: check_exact(onsager(K_C), 0.929695398341610, limit=1e-13),
    "onsager_energy": lambda: check_exact(onsager_energy(K_C), -math.sqrt(2), limit=1e-13),
    "onsager_magnetisation": lambda: check_exact(onsager_magnetisation(0.5), 0.911319377877496, limit=1e-13),
    "sherrington_kirkpatrick_annealed": lambda: check_exact(sherrington_kirkpatrick_annealed(3, 0.5), 3 * math.log(2) + 0.125, limit=1e-13),
    "lennard_jones_b2": lambda: check_exact(lennard_jones_b2(1.0) * 1e-2, -5.31574512026e-2, limit=1e-13),
    "bethe": lambda: check_exact(bethe(TREE), TREE_LOG_Z, limit=2e-6),
    "mean_field": lambda: check_bound(lambda key: mean_field(TREE), TREE_LOG_Z, limit=0.4, replicates=2, name="mean_field", key=KEY),
    "tap": lambda: check_near(tap(TREE), TREE_LOG_Z, limit=0.1),
    "gibbs_bogoliubov": lambda: check_bound(
        lambda key: gibbs_bogoliubov(UNIT, Normal(jnp.full(1, 0.5), jnp.ones(1)), samples=256, key=key),
        float(LOG_Z),
        limit=0.15,
        name="gibbs_bogoliubov",
        key=KEY,
    ),
    "laplace": lambda: check_near(laplace(UNIT, [2.0]), float(LOG_Z), limit=1e-5),
    "high_temperature_series": lambda: check_near(high_temperature_series(0.2), float(onsager(0.2)), limit=1e-7),
    "low_temperature_series": lambda: check_near(low_temperature_series(0.8), float(onsager(0.8)), limit=1e-7),
}

ESTIMATORS = EXACT | {
    "kaufman": lambda: check_exact(kaufman(8, 8, K_C), 60.14178078906915, limit=1e-12),
    "kaufman_energy": lambda: check_exact(kaufman_energy(8, 8, 0.4) * 1e-2, -1.22232064325e-2, limit=1e-13),
    "kaufman_heat_capacity": lambda: check_exact(kaufman_heat_capacity(8, 8, 0.5) * 1e-4, 0.7141226029e-4, limit=1e-13),
    "quadrature": lambda: check_exact(quadrature(Normal(jnp.zeros(2), jnp.ones(2)), low=-7, high=7), math.log(2 * math.pi), limit=3e-6),
    "enumerate_log_z": lambda: check_exact(enumerate_log_z(Coins(Binary(9), jnp.zeros(9))), 9 * math.log(2), limit=1e-6),
    "mean_first_passage": lambda: check_exact(
        mean_first_passage(Callable(force, 0.75, Reals(1)), 0.0, 3.0, wall=0.0), 4 - (1 - math.exp(-2.25)) / 0.75**2, limit=1e-5
    ),
    "exponential_average": lambda: check_estimator(
        lambda key: exponential_average(normals(key, 200) ** 2 / 2), -math.log(2) / 2, limit=0.03, key=KEY
    ),
    "log_mean": lambda: check_estimator(lambda key: log_mean(0.5 * normals(key, 400) - 0.125), 0.0, limit=0.03, key=KEY),
    "mbar": lambda: check_estimator(mbar_between_wells, math.log(3) / 2 + 4.0, limit=0.2, replicates=400, key=KEY),
    "bar": lambda: check_estimator(bar_between_gaussians, 0.0, limit=0.06, key=KEY),
    "nll": lambda: check_estimator(
        lambda key: nll(UNIT, LOG_Z, normals(key, 400, 1)), 0.5 * math.log(2 * math.pi * math.e), limit=0.05, key=KEY
    ),
    "bits_per_dim": lambda: check_exact(bits_per_dim(exact(3 * math.log(2)), 2, dequantised=0.25), 3.5, limit=1e-12),
    "kl_to_truth": lambda: check_estimator(
        lambda key: kl_to_truth(UNIT, Normal(0.5 * jnp.ones(1), jnp.ones(1)), LOG_Z, normals(key, 400, 1)), 0.125, limit=0.04, key=KEY
    ),
    "mmd": lambda: check_estimator(lambda key: mmd(*apart(key), bandwidth=1.0), MMD_APART, limit=0.1, key=KEY),
    "energy_distance": lambda: check_estimator(lambda key: energy_distance(*apart(key)), ENERGY_DISTANCE_APART, limit=0.4, key=KEY),
    "noise_floor": lambda: check_estimator(
        lambda key: noise_floor(mean_difference, normals(key, 200, 1), key=key), 0.0, limit=0.2, key=KEY
    ),
    "mode_masses": lambda: check_estimator(masses_of_draws, [0.2, 0.3, 0.5], limit=0.03, key=KEY),
    "total_variation": lambda: check_estimator(lambda key: total_variation(masses_of_draws(key), MODES.masses), 0.3, limit=0.03, key=KEY),
    "sliced_wasserstein": lambda: check_estimator(
        lambda key: sliced_wasserstein(*shifted(normals(key, 700, 2)), directions=16, key=key),
        1.0,
        limit=0.3,
        replicates=500,
        key=KEY,
    ),
    "classifier_test": lambda: check_estimator(
        lambda key: classifier_test(*three_values(key), trees=5, key=key), 0.8, limit=0.03, replicates=200, key=KEY
    ),
    "precision": lambda: check_estimator(lambda key: precision(*draws_and_data(key)), 0.6, limit=0.05, replicates=300, key=KEY),
    "recall": lambda: check_estimator(lambda key: recall(*draws_and_data(key)), 0.7, limit=0.05, replicates=300, key=KEY),
    "density": lambda: check_estimator(lambda key: density(*draws_and_data(key)), 0.6, limit=0.07, replicates=300, key=KEY),
    "coverage": lambda: check_estimator(lambda key: coverage(*draws_and_data(key)), 0.7, limit=0.05, replicates=300, key=KEY),
    "memorisation": lambda: check_estimator(lambda key: memorisation(*copies(key)), 0.65, limit=0.04, key=KEY),
    "curl": lambda: check_estimator(lambda key: curl(swirl, normals(key, 200, 2), key=key), 1 / 3, limit=0.02, replicates=1000, key=KEY),
    "importance_bound": lambda: check_bound(
        lambda key: importance_bound(HIDDEN, SEEN, samples=16, key=key).mean, LOG_P, limit=0.1, name="importance_bound", key=KEY
    ),
    "marginal": lambda: check_bound(
        lambda key: marginal(HIDDEN, SEEN, times=schedule(16), key=key).mean, LOG_P, limit=0.05, name="marginal", key=KEY
    ),
    "marginal_reverse": lambda: check_bound(reversed_marginal, -ppca.ENTROPY, limit=0.1, name="marginal_reverse", key=KEY),
    "sandwich": lambda: check_bound(
        lambda key: sandwich(HIDDEN, rows=64, times=schedule(16), key=key).mean,
        -ppca.ENTROPY,
        limit=0.1,
        name="sandwich",
        key=KEY,
    ),
}
