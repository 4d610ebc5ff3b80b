"""Couplings from samples: every method recovers a known energy, its errors cover, and what cannot be learned is refused."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core import Binary, Categorical, Estimate, Evidence, Spins, Status, configurations, count
from gibbsite.energies import BoltzmannMachine, DenseBoltzmannMachine, Ising, Potts, PottsMachine
from gibbsite.testing.estimator import check_coverage
from gibbsite.testing.law import LawViolation
from gibbsite.thermo.inverse import (
    Inferred,
    boltzmann_learning,
    couplings_of,
    exact_learning,
    mean_field,
    pseudo_likelihood,
    tap,
)
from gibbsite.thermo.inverse.pseudo_likelihood import _fit
from gibbsite.thermo.inverse.sites import contrast

KEY = jax.random.key(1985)
Z = 5.6
N = 5
RNG = np.random.default_rng(0)


def symmetric(upper: np.ndarray) -> np.ndarray:
    kept = np.triu(np.ones(upper.shape[:2]), 1).reshape(*upper.shape[:2], *(1,) * (upper.ndim - 2)) * upper
    return kept + kept.transpose(1, 0, *range(2, upper.ndim)[::-1])


def spins(strength: float) -> DenseBoltzmannMachine:
    """Couplings of both signs and fields, all different."""
    return DenseBoltzmannMachine(Spins(N), symmetric(strength * RNG.normal(size=(N, N))), 0.3 * RNG.normal(size=N))


def levels() -> PottsMachine:
    """Three sites of three levels, in the zero-sum gauge."""
    centre = np.eye(3) - 1 / 3
    pairs = np.einsum("ap,ijpr,br->ijab", centre, symmetric(0.6 * RNG.normal(size=(3, 3, 3, 3))), centre)
    return PottsMachine(Categorical(3, 3), symmetric(pairs), 0.4 * RNG.normal(size=(3, 3)) @ centre)


def law(energy) -> tuple[np.ndarray, np.ndarray]:
    """All states and their probabilities."""
    states = np.asarray(configurations(energy.space, jnp.arange(count(energy.space))))
    logs = -np.asarray(jax.vmap(energy)(jnp.asarray(states)), np.float64)
    p = np.exp(logs - logs.max())
    return states, p / p.sum()


def draws(energy, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Independent rows, by enumeration."""
    states, p = law(energy)
    return states[rng.choice(len(states), rows, p=p)]


STATES = np.asarray(configurations(Spins(N), jnp.arange(2**N)))
SPINS, WEAK, LEVELS = spins(0.4), spins(0.08), levels()


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return draws(SPINS, 20_000, np.random.default_rng(1))


@pytest.fixture(scope="module")
def learned(rows) -> dict[str, Inferred]:
    found = {
        "mean field": mean_field(rows, SPINS.space),
        "pseudo": pseudo_likelihood(rows, SPINS.space),
        "exact": exact_learning(rows, SPINS.space),
        "sampled": boltzmann_learning(rows, SPINS.space, walkers=2048, sweeps=16, key=KEY),
    }
    print({name: f"{one.rmse(SPINS.couplings):.4f}" for name, one in found.items()})
    return found


class TestSpins:
    @pytest.mark.parametrize("method", ["pseudo", "exact", "sampled"])
    def test_couplings_and_fields_within_their_errors(self, learned, method) -> None:
        found = learned[method]
        pairs = np.triu_indices(N, 1)
        assert found.couplings.status is Status.OK and found.couplings.evidence is Evidence.INTERVAL
        for estimate, truth, which in ((found.couplings, SPINS.couplings, pairs), (found.fields, SPINS.fields, slice(None))):
            z = (estimate.value[which] - np.asarray(truth)[which]) / estimate.stderr[which]
            assert np.all(np.abs(z) < Z) and np.max(estimate.stderr[which]) < 0.04
        assert found.rmse(SPINS.couplings) < 0.025
        assert isinstance(found.energy, DenseBoltzmannMachine)

    def test_mean_field_is_worse_and_says_nothing_of_errors(self, learned) -> None:
        found = learned["mean field"]
        assert found.couplings.stderr is None and found.couplings.evidence is Evidence.NOT_ESTABLISHED
        assert found.rmse(SPINS.couplings) > 3 * learned["pseudo"].rmse(SPINS.couplings)

    def test_likelihood_is_the_most_efficient(self, learned) -> None:
        """Stated errors of pseudo-likelihood are no smaller, and here not much larger."""
        pairs = np.triu_indices(N, 1)
        ratio = learned["pseudo"].couplings.stderr[pairs] / learned["exact"].couplings.stderr[pairs]
        assert np.all(ratio > 0.97) and np.mean(ratio) < 1.3
        sampled = learned["sampled"].couplings.stderr[pairs] / learned["exact"].couplings.stderr[pairs]
        assert np.all(sampled > 1.0) and np.mean(sampled) < 2  # the walkers' share

    def test_exact_learning_matches_moments(self, learned, rows) -> None:
        """Maximum entropy: means and pairs of the energy are those of the data."""
        energy = learned["exact"].energy
        p = law(energy)[1]
        assert np.allclose(p @ STATES, rows.mean(axis=0), atol=1e-5)
        assert np.allclose(STATES.T * p @ STATES, rows.T @ rows / len(rows), atol=1e-5)

    def test_pseudo_likelihood_against_scikit_learn(self, rows) -> None:
        """One site's regression: twice the couplings, for the log odds of a spin are twice its field."""
        from sklearn.linear_model import LogisticRegression

        few = rows[:600]
        other = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(few[:, 1:].astype(float), few[:, 0])
        fit = _fit(jnp.asarray(few[..., None]), jnp.asarray(contrast(2), jnp.float32), jnp.zeros(()))
        assert np.allclose(2 * np.asarray(fit.theta)[0, [0, *range(2, N + 1)], 0], [other.intercept_[0], *other.coef_[0]], atol=1e-4)

    def test_weak_couplings_in_order(self) -> None:
        """From the law itself, mean field misses by the second order of the couplings, and TAP by the third."""
        missed = []
        for factor in (1.0, 0.5):
            weak = DenseBoltzmannMachine(WEAK.space, factor * WEAK.couplings, WEAK.fields)
            rows = np.repeat(STATES, np.round(law(weak)[1] * 3e5).astype(int), axis=0)
            missed.append([learn(rows, weak.space).rmse(weak.couplings) for learn in (mean_field, tap)])
        (first, second), (first_half, second_half) = missed
        assert second < 0.7 * first < 0.01 and first / first_half > 3 and second / second_half > 5, missed

    def test_l2_draws_to_zero(self, rows, learned) -> None:
        shrunk = pseudo_likelihood(rows[:600], SPINS.space, l2=0.3)
        assert np.sum(shrunk.couplings.value**2) < 0.5 * np.sum(learned["pseudo"].couplings.value ** 2)


@pytest.fixture(scope="module")
def found() -> dict[str, Inferred]:
    rows = draws(LEVELS, 20_000, np.random.default_rng(2))
    return {
        "pseudo": pseudo_likelihood(rows, LEVELS.space),
        "exact": exact_learning(rows, LEVELS.space),
        "sampled": boltzmann_learning(rows, LEVELS.space, walkers=2048, sweeps=16, key=KEY),
        "mean field": mean_field(rows, LEVELS.space),
    }


class TestLevels:
    @pytest.mark.parametrize("method", ["pseudo", "exact", "sampled"])
    def test_within_errors_and_in_the_gauge(self, found, method) -> None:
        couplings, fields = found[method].couplings, found[method].fields
        pairs = np.triu_indices(3, 1)
        z = (couplings.value[pairs] - np.asarray(LEVELS.couplings)[pairs]) / couplings.stderr[pairs]
        assert np.all(np.abs(z) < Z) and np.all(np.abs(fields.value - np.asarray(LEVELS.fields)) < Z * fields.stderr)
        assert np.max(np.abs(couplings.value.sum(axis=-1))) < 1e-5 and np.max(np.abs(fields.value.sum(axis=-1))) < 1e-5
        assert np.max(couplings.stderr) < 0.06 and isinstance(found[method].energy, PottsMachine)

    def test_mean_field_sees_the_signs(self, found) -> None:
        pairs = np.triu_indices(3, 1)
        known, seen = np.asarray(LEVELS.couplings)[pairs].ravel(), found["mean field"].couplings.value[pairs].ravel()
        assert np.corrcoef(known, seen)[0, 1] > 0.9


class TestErrors:
    """Replicates of 600 rows: the intervals of pseudo-likelihood and of exact learning cover each coupling and field."""

    def replicates(self, learn, number: int):
        rng, (states, p) = np.random.default_rng(3), law(SPINS)
        for _ in range(number):
            found = learn(states[rng.choice(len(p), 600, p=p)], SPINS.space)
            pairs = np.triu_indices(N, 1)
            yield Estimate(found.couplings.value[pairs], found.couplings.stderr[pairs])

    truth = np.asarray(SPINS.couplings)[np.triu_indices(N, 1)]

    @pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.long)])
    @pytest.mark.parametrize("learn", [pseudo_likelihood, exact_learning])
    def test_they_cover(self, learn, count: int) -> None:
        check_coverage(self.replicates(learn, count), self.truth, limit=0.15, name=learn.__name__)

    def test_half_the_errors_fail(self) -> None:
        """A broken twin."""
        halved = (Estimate(e.value, e.stderr / 2) for e in self.replicates(pseudo_likelihood, 60))
        with pytest.raises(LawViolation, match="narrow"):
            check_coverage(halved, self.truth, limit=0.15)


class TestTruths:
    def test_bonds_of_lattices(self) -> None:
        chain = Ising((4,), jnp.array([[0.1, 0.2, 0.3, 0.4]]), periodic=True)
        known = couplings_of(chain)
        assert known[0, 1] == known[1, 0] == pytest.approx(0.1) and known[3, 0] == pytest.approx(0.4) and known[0, 2] == 0
        graph = BoltzmannMachine(Spins(3), [(0, 2)], [0.7])
        assert couplings_of(graph)[2, 0] == pytest.approx(0.7)

    def test_bonds_of_levels_give_the_same_law(self) -> None:
        potts = Potts((3,), 3, 0.8)
        machine = PottsMachine(potts.space, couplings_of(potts))
        states = jnp.asarray(configurations(potts.space, jnp.arange(27)))
        apart = np.asarray(jax.vmap(potts)(states) - jax.vmap(machine)(states))
        assert np.ptp(apart) < 1e-5

    def test_rmse_of_an_energy(self, learned) -> None:
        found = learned["exact"]
        assert found.rmse(SPINS) == pytest.approx(found.rmse(SPINS.couplings))
        with pytest.raises(ValueError, match=r"true couplings have shape \(2, 2\)"):
            found.rmse(np.zeros((2, 2)))

    def test_record_and_name(self, learned) -> None:
        record = learned["pseudo"].record()
        assert record["rows"] == 20_000 and len(record["couplings"]["value"]) == N and record["couplings"]["status"] == "ok"
        assert "5 sites from 20000 rows" in repr(learned["pseudo"])


class TestWhatIsWrong:
    good = draws(SPINS, 600, np.random.default_rng(4))
    METHODS = (mean_field, tap, pseudo_likelihood, exact_learning, lambda x, space: boltzmann_learning(x, space, key=KEY))

    @pytest.mark.parametrize("learn", METHODS, ids=["mean field", "tap", "pseudo", "exact", "boltzmann"])
    def test_samples_are_looked_at_first(self, learn) -> None:
        still = self.good.copy()
        still[:, 3] = 1.0
        with pytest.raises(ValueError, match="site 3 of samples never takes the value -1 in 600 rows"):
            learn(still, SPINS.space)
        with pytest.raises(ValueError, match="has 5 rows of samples; 5 sites"):
            learn(1 - 2 * np.eye(N), SPINS.space)
        for wrong in (np.where(np.eye(600, N) > 0, np.nan, self.good), self.good * 2):
            with pytest.raises(ValueError, match="row 0 of samples lies outside the support of Spins: every entry must be -1 or 1"):
                learn(wrong, SPINS.space)
        with pytest.raises(ValueError, match=r"samples has shape \(5,\)"):
            learn(self.good[0], SPINS.space)

    def test_spaces(self) -> None:
        with pytest.raises(TypeError, match="not of Binary: give Spins, of bits as 2 x - 1"):
            pseudo_likelihood((self.good + 1) / 2, Binary(N))
        with pytest.raises(TypeError, match="tap learns from Spins, not from Categorical"):
            tap(np.zeros((5, 2)), Categorical(2, 3))

    def test_sites_that_move_together(self) -> None:
        same = self.good.copy()
        same[:, 1] = same[:, 0]
        with pytest.raises(ValueError, match="always move together"):
            mean_field(same, SPINS.space)
        for learn in (pseudo_likelihood, exact_learning):
            found = learn(same, SPINS.space)
            assert found.couplings.status is Status.NOT_CONVERGED and found.couplings.evidence is Evidence.NOT_ESTABLISHED
        held = pseudo_likelihood(same, SPINS.space, l2=0.05)
        assert held.couplings.status is Status.OK and np.all(np.isfinite(held.couplings.value))

    def test_few_rows_with_l2(self) -> None:
        found = pseudo_likelihood(self.good[:4], SPINS.space, l2=0.1)
        assert found.couplings.status is Status.OK

    def test_strong_couplings_have_no_tap(self) -> None:
        strong = DenseBoltzmannMachine(Spins(2), [[0.0, -0.8], [-0.8, 0.0]], [1.5, 1.5])
        with pytest.raises(ValueError, match="no real coupling between sites 0 and 1"):
            tap(draws(strong, 4000, np.random.default_rng(5)), strong.space)

    def test_numbers(self) -> None:
        with pytest.raises(ValueError, match="l2=-1"):
            pseudo_likelihood(self.good, SPINS.space, l2=-1.0)
        with pytest.raises(ValueError, match="walkers=3 for 15 parameters"):
            boltzmann_learning(self.good, SPINS.space, walkers=3, key=KEY)
        with pytest.raises(ValueError, match="rounds=0"):
            boltzmann_learning(self.good, SPINS.space, rounds=0, key=KEY)
        with pytest.raises(ValueError, match=r"there are 2\^20"):
            exact_learning(np.sign(RNG.normal(size=(40, 20))), Spins(20))

    def test_machines(self) -> None:
        with pytest.raises(ValueError, match="of site 0 to itself"):
            PottsMachine(Categorical(2, 2), np.ones((2, 2, 2, 2)))
        one_way = np.zeros((2, 2, 2, 2))
        one_way[0, 1, 0, 1] = 1.0
        with pytest.raises(ValueError, match="give the same number"):
            PottsMachine(Categorical(2, 2), one_way)
        with pytest.raises(ValueError, match="fields of shape"):
            PottsMachine(Categorical(2, 2), np.zeros((2, 2, 2, 2)), np.zeros(3))


def test_another_l2_and_other_rows_are_no_other_program() -> None:
    traced = []
    counted = eqx.filter_jit(lambda phi, l2: (traced.append(1), _fit(phi, jnp.asarray(contrast(2), jnp.float32), l2))[1])
    for l2 in (0.0, 0.1):
        counted(jnp.asarray(TestWhatIsWrong.good[..., None]) * (1 - l2), jnp.asarray(l2))
    assert len(traced) == 1


@pytest.mark.long
def test_a_lattice_of_64_spins() -> None:
    """The recovery error of each method on the 8 x 8 Ising torus at K = 0.3, from 20,000 rows."""
    from gibbsite import sample
    from gibbsite.samplers import SwendsenWang

    ising = Ising(8, 0.3)
    run = sample(SwendsenWang(), ising, chains=400, warmup=50, draws=1000, keep=20, progress=False, key=KEY)
    rows = np.asarray(run.samples).reshape(-1, 8, 8)
    found = {learn.__name__: learn(rows, ising.space) for learn in (mean_field, pseudo_likelihood)}
    print({name: f"{one.rmse(ising):.4f}" for name, one in found.items()})
    plm = found["pseudo_likelihood"]
    z = (plm.couplings.value - couplings_of(ising))[np.triu_indices(64, 1)] / plm.couplings.stderr[np.triu_indices(64, 1)]
    assert np.max(np.abs(z)) < Z and math.sqrt(np.mean(z**2)) == pytest.approx(1, abs=0.1)
    assert plm.rmse(ising) < 0.012
