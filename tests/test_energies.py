import inspect
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.cases import cases
from registry.energies import ENERGIES
from registry.twins import Around

from gibbsite.core import (
    AbstractEnergy,
    Box,
    Callable,
    Coins,
    Conditionals,
    Geometric,
    Latent,
    LevelBonds,
    Linear,
    Normal,
    Normalised,
    Pair,
    Reals,
    Sampleable,
    ScalarField,
    Slope,
    Spins,
    Sum,
    Tempered,
    Torus,
    capability,
    discrete,
    log_prob,
    reference,
)
from gibbsite.core.space import as_shape
from gibbsite.energies import BinaryRBM, GaussianMixture, GaussianRBM, Ising, Rescaled
from gibbsite.testing import problems
from gibbsite.testing.energy import _follow, check_energy, check_part
from gibbsite.testing.law import LawViolation, name_of
from gibbsite.thermo import enumerate_log_z, quadrature

KEY = jax.random.key(20)
K_C = math.log(1 + math.sqrt(2)) / 2


def test_a_tempered_slope_is_no_other_program() -> None:
    traced = []

    @eqx.filter_jit
    def at(view: Slope, x: jax.Array) -> jax.Array:
        traced.append(x)
        return view.slope(x)

    plain = Slope(jnp.negative)
    for beta in (0.5, 2.0):
        np.testing.assert_allclose(at(plain.tempered(jnp.asarray(beta)).plus(plain), jnp.ones(2)), -(1 + beta) * jnp.ones(2))
    assert len(traced) == 1


@pytest.mark.parametrize("name", cases(ENERGIES, name_of))
def test_laws(name: str) -> None:
    check_energy(ENERGIES[name], key=KEY)


# ---- broken twins: each must fail, and for the reason named ----


class Wrapped(Around):
    """An energy whose value or views are spoilt."""

    value: object = eqx.field(static=True, default=None)
    spoil: object = eqx.field(static=True, default=None)

    def __call__(self, x):
        return self.energy(x) if self.value is None else self.value(self.energy, x)

    def views(self):
        return tuple(v if self.spoil is None else self.spoil(self.energy, v) for v in self.energy.views())


ISING = Ising(4, 0.3, 0.4)
RBM = problems.rbm().energy
GAUSS = problems.gaussian_rbm().energy
MIX = problems.mixture().energy


@jax.custom_jvp
def _wrong_slope(u, x):
    return u


_wrong_slope.defjvp(lambda p, t: (p[0], 1.1 * t[0]))


def conditionals(change):
    return lambda e, v: change(e, v) if isinstance(v, Conditionals) else v


def normalised(shift):
    return lambda e, v: Normalised(lambda: v.log_z() + shift) if isinstance(v, Normalised) else v


def stronger(kind, where):
    """A view of this kind in which some numbers are 1 % larger."""
    return lambda e, v: eqx.tree_at(where, v, 1.01 * where(v)) if isinstance(v, kind) else v


def sampled(change):
    return lambda e, v: Sampleable(lambda *, key: change(v.sample(key=key), key)) if isinstance(v, Sampleable) else v


def latent(hidden=None, visible=None, path=None):
    return lambda e, v: Latent(v.joint, hidden or v.sample_hidden, visible or v.sample_visible, path) if isinstance(v, Latent) else v


def beyond(radius, value):
    return lambda e, x: jnp.where(jnp.max(jnp.abs(x)) > radius, value, e(x))


def _root(x):
    return jnp.sqrt(7 - jnp.max(jnp.abs(x)))


def way(change):
    """A machine whose path is spoilt: `change(base, start, stop)` gives another."""
    return Wrapped(RBM, None, latent(path=lambda field: change(*vars(RBM.path(field)).values())))


def shifted(machine):
    return BinaryRBM(machine.weights, machine.visible_bias + 0.01, machine.hidden_bias)


class Halfway(Linear):
    """Work of the switch from the middle on only."""

    def work(self, t0, t1, x):
        return super().work((t0 + t1) / 2, t1, x)


def _unit_noise(h, *, key):
    return GAUSS.visible_bias + jnp.exp(GAUSS.log_scale) * (GAUSS.weights @ h) + jax.random.normal(key, (2,))


BROKEN = {
    "batched output": (Wrapped(ISING, lambda e, x: e(x)[None]), "one float scalar"),
    "not finite": (Wrapped(MIX, lambda e, x: jnp.where(x[0] > 0, jnp.inf, e(x))), "not finite"),
    "lost far out": (Wrapped(MIX, beyond(7, jnp.nan)), "energies at far points"),
    "bottomless far out": (Wrapped(MIX, beyond(7, -jnp.inf)), "energies at far points"),
    "overflow": (Wrapped(MIX, lambda e, x: e(x) + 0 * jnp.exp(jnp.sum(x**2))), "energies at far points"),
    "slope lost far out": (Wrapped(MIX, lambda e, x: beyond(7, 0.0)(e, x) + beyond(7, 0.0)(_root, x)), "slopes at far points"),
    "wrong gradient": (Wrapped(MIX, lambda e, x: _wrong_slope(e(x), x)), "gradient"),
    "field sign in logits": (
        Wrapped(ISING, None, conditionals(lambda e, v: Conditionals(lambda x: v.logits(x) - 4 * e.field, v.blocks))),
        "logits",
    ),
    "logits of half": (Wrapped(ISING, None, conditionals(lambda e, v: Conditionals(lambda x: v.logits(x) / 2, v.blocks))), "logits"),
    "one block for all": (
        Wrapped(ISING, None, conditionals(lambda e, v: Conditionals(v.logits, jnp.ones((1, 4, 4))))),
        "flips of its other sites",
    ),
    "a site left out": (
        Wrapped(ISING, None, conditionals(lambda e, v: Conditionals(v.logits, v.blocks.at[0, 0, 0].set(0.0)))),
        "exactly once",
    ),
    "stripes for blocks": (
        Wrapped(
            ISING,
            None,
            conditionals(
                lambda e, v: Conditionals(v.logits, jnp.stack([jnp.indices((4, 4))[0] % 2 == c for c in (0.0, 1.0)]).astype(float))
            ),
        ),
        "flips of its other sites",
    ),
    "tempering not in the logits": (Wrapped(ISING, lambda e, x: 0.7 * e(x)), "logits"),
    "log_z off": (Wrapped(MIX, None, normalised(0.01)), "log_z"),
    "log_z off on bits": (Wrapped(RBM, None, normalised(0.001)), "log_z"),
    "hidden bias forgotten": (Wrapped(RBM, lambda e, x: BinaryRBM(e.weights, e.visible_bias, 0 * e.hidden_bias)(x)), "summed over hidden"),
    "hidden units forgotten": (
        Wrapped(GAUSS, lambda e, x: jnp.sum((x - e.visible_bias) ** 2 / (2 * jnp.exp(2 * e.log_scale)))),
        "summed over hidden",
    ),
    "hidden sign": (Wrapped(RBM, None, latent(hidden=lambda x, *, key: 1 - RBM._sample_hidden(x, key=key))), "hidden draws"),
    "visible noise of one": (Wrapped(GAUSS, None, latent(visible=_unit_noise)), "virial"),
    "other visible units": (Wrapped(RBM, None, latent(visible=lambda h, *, key: RBM._sample_visible(1 - h, key=key))), "visible draws"),
    "idle units forgotten": (way(lambda base, start, stop: Linear(Coins(base.space, base.field), start, stop)), "base against its start"),
    "path from another start": (way(lambda base, start, stop: Linear(base, shifted(start), stop)), "base against its start"),
    "path to another end": (way(lambda base, start, stop: Linear(base, start, shifted(stop))), "end against the energy"),
    "path deaf to its field": (Wrapped(RBM, None, latent(path=lambda field: RBM.path())), "base against units alone"),
    "path of half the field": (Wrapped(GAUSS, None, latent(path=lambda field: GAUSS.path(field / 2))), "base against units alone"),
    "work of half the way": (way(Halfway), "work of the first part"),
    "hidden units lost on the way": (way(lambda base, start, stop: Geometric(base, stop)), "lost on the way"),
    "half of the squares": (Wrapped(ENERGIES["checkerboard"], None, sampled(lambda x, key: jnp.where(x[0] > 0, x, -x))), "q / p"),
    "log_z off on 20 sites": (Wrapped(Coins(Spins(20), 0.3), None, normalised(0.01)), "log_z"),
    "modes of equal mass": (
        Wrapped(
            MIX, None, lambda e, v: Sampleable(GaussianMixture(e.means, e.scales, [1.0, 1.0])._sample) if isinstance(v, Sampleable) else v
        ),
        "q / p",
    ),
    "draws too wide": (Wrapped(ENERGIES["normal"], None, sampled(lambda x, key: 1.05 * x)), "draws"),
    "draws off the support": (Wrapped(ENERGIES["uniform"], None, sampled(lambda x, key: x + 0.5)), "outside the support"),
    "coins upside down": (Wrapped(ENERGIES["coins"], None, sampled(lambda x, key: 1 - x)), "chi-square"),
    "bonds of tables too strong": (Wrapped(ENERGIES["clock"], None, stronger(LevelBonds, lambda v: v.couplings)), "energy of tables"),
    "sites of tables too strong": (Wrapped(ENERGIES["blume capel"], None, stronger(LevelBonds, lambda v: v.alone)), "energy of tables"),
    "field of another mass": (Wrapped(ENERGIES["phi4"], None, stronger(ScalarField, lambda v: v.m2)), "energy of a scalar field"),
    "Jacobian forgotten": (Wrapped(Rescaled(MIX, [2.0, -1.0], [0.5, 3.0]), lambda e, x: e.energy((x - e.shift) / e.scale)), "log_z"),
}


def test_walls_far_out_are_allowed() -> None:
    check_part(Wrapped(MIX, beyond(7, jnp.inf)), key=KEY)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_twins_fail(name: str) -> None:
    twin, reason = BROKEN[name]
    with pytest.raises(LawViolation, match=reason.replace("/", ".")):
        check_part(twin, key=KEY)


def test_lost_conditionals_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tempered, "views", lambda self: ())
    with pytest.raises(LawViolation, match="are lost"):
        check_energy(ISING, key=KEY)


def test_untempered_conditionals_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tempered, "views", lambda self: self.energy.views())
    with pytest.raises(LawViolation, match="Tempered"):
        check_energy(ISING, key=KEY)


# ---- exact answers ----


def test_density_of_states_of_the_4x4_torus() -> None:
    energy = Ising(4)
    found = np.asarray(jax.jit(jax.vmap(energy))(problems.states(energy.space)))
    half = [2, 0, 32, 64, 424, 1728, 6688, 13568, 20524]
    counts = [int(np.sum(found == -32 + 4 * k)) for k in range(17)]
    assert counts == half + half[-2::-1]
    assert sum(counts) == len(found)


@pytest.mark.parametrize(("side", "field"), [((3, 4), 0.3), ((5, 3), -0.2)])
def test_ising_against_bonds_one_by_one(side: tuple[int, int], field: float) -> None:
    x = np.asarray(jax.random.rademacher(KEY, side), float)
    n, m = side
    bonds = sum(x[i, j] * (x[(i + 1) % n, j] + x[i, (j + 1) % m]) for i in range(n) for j in range(m))
    assert float(Ising(side, 0.7, field)(jnp.asarray(x, jnp.float32))) == pytest.approx(-0.7 * bonds - field * x.sum(), rel=1e-6)


def test_ising_at_the_critical_point() -> None:
    assert enumerate_log_z(Ising(4, K_C)).value == pytest.approx(15.52191545875528, abs=2e-6)


def test_small_torus_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        Ising(2)


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_problems_are_exact(name: str) -> None:
    problem = problems.PROBLEMS[name]()
    space = problem.energy.space
    ends = {} if isinstance(space, Box | Torus) else {"low": -16, "high": 16}
    truth = enumerate_log_z(problem.energy) if discrete(space) else quadrature(problem.energy, **ends)
    assert problem.log_z == pytest.approx(truth.value, abs=1e-5)
    xs = jax.jit(jax.vmap(lambda k: problem.sample(key=k)))(jax.random.split(KEY, 2**15))
    _follow(name, "draws", problem.energy, xs)


@pytest.mark.parametrize("shape", [(14, 30), (30, 14)])
def test_log_z_of_a_machine_in_chunks(shape: tuple[int, int]) -> None:
    """With the layers exchanged the constant is the same; 2^14 states are four chunks."""
    w, a, b = (0.3 * jax.random.normal(k, s) for k, s in zip(jax.random.split(KEY, 3), (shape, shape[:1], shape[1:]), strict=True))
    found, grad = jax.value_and_grad(lambda m: capability(m, Normalised).log_z())(BinaryRBM(w, a, b))
    small = BinaryRBM(w, a, b) if shape[0] < shape[1] else BinaryRBM(w.T, b, a)
    assert float(found) == pytest.approx(enumerate_log_z(small).value, abs=2e-5)
    step = jnp.zeros(shape[0]).at[0].set(0.05)
    up, down = (float(capability(BinaryRBM(w, a + s, b), Normalised).log_z()) for s in (step, -step))
    assert float(grad.visible_bias[0]) == pytest.approx((up - down) / 0.1, abs=2e-3)


def test_large_machines_do_not_claim_a_constant() -> None:
    assert capability(BinaryRBM(jnp.zeros((21, 21)), jnp.zeros(21), jnp.zeros(21)), Normalised) is None
    assert capability(GaussianRBM(jnp.zeros((2, 21)), jnp.zeros(2), jnp.zeros(21), jnp.zeros(2)), Normalised) is None


def test_rescaled_density_carries_the_jacobian() -> None:
    inner = Normal(jnp.zeros(2), jnp.ones(2))
    outer = Rescaled(inner, [1.0, 2.0], [0.5, 4.0])
    assert float(log_prob(outer, jnp.array([1.0, 2.0]))) == pytest.approx(-math.log(2 * math.pi) - math.log(2.0), rel=1e-6)


def test_rescaled_refuses_what_has_no_meaning() -> None:
    with pytest.raises(ValueError, match="positive"):
        Rescaled(MIX, [0.0, 0.0], [1.0, 0.0])
    with pytest.raises(TypeError, match="Spins"):
        Rescaled(ISING, 0.0, 1.0)


# ---- what is refused, and what must stay ----


@pytest.mark.parametrize("other", [RBM, Ising(5)], ids=["another kind", "another shape"])
def test_sum_on_two_spaces_is_refused(other: AbstractEnergy) -> None:
    with pytest.raises(ValueError, match="both must be one space"):
        Sum(ISING, other)


def test_callable_compiles_once_over_its_parameters() -> None:
    traces = []

    def harmonic(params, x):
        traces.append(params)
        return params["stiffness"] * jnp.sum(x**2) + params["offset"]

    value = eqx.filter_jit(lambda energy, x: energy(x))
    pairs = [(0.5, 1.0), (2.0, -1.0), (np.float64(3.0), np.float32(0.25))]
    found = [float(value(Callable(harmonic, {"stiffness": k, "offset": c}, Reals(2)), jnp.ones(2))) for k, c in pairs]
    assert found == [2 * k + c for k, c in pairs]
    assert len(traces) == 1


@pytest.mark.parametrize(("low", "high", "end"), [(0.0, np.inf, "high"), (-np.inf, 1.0, "low")])
def test_infinite_box_has_no_reference(low: float, high: float, end: str) -> None:
    with pytest.raises(ValueError, match=f"{end}=.*finite bounds"):
        reference(Box([low, 0.0], [high, 1.0]))


@pytest.mark.parametrize("high", [0.0, -1.0, np.nan])
def test_box_that_holds_nothing_is_refused(high: float) -> None:
    with pytest.raises(ValueError, match="low must be below high"):
        Box([0.0, 0.0], [1.0, high])


def test_a_sum_that_became_infinite_stays_so() -> None:
    terms = jnp.array([1.0, -1e30, jnp.inf, -jnp.inf])
    pair = Pair(jnp.full(4, 3.0), jnp.full(4, 1e-7)).add(jnp.full(4, jnp.inf)).add(terms)
    assert np.all(pair.value() == np.inf) and np.all(pair.float64() == np.inf)


@pytest.mark.parametrize(
    ("shape", "said"), [(2.0, "whole"), ((3, 1.5), "whole"), ("ab", "whole"), (0, "at least 1"), ((4, -1), "at least 1")]
)
def test_shapes_that_are_none_are_refused(shape, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        inspect.unwrap(as_shape)(shape)  # as users run it: these tests check annotations too, and would refuse some earlier


def test_shapes_may_be_numpy_integers() -> None:
    assert as_shape(np.int64(3)) == (3,) and as_shape([np.int32(2), 3]) == (2, 3) and as_shape(()) == ()
    assert Spins(np.int64(3)).size == 3
