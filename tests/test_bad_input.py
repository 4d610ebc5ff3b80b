"""What would hang or mean nothing is told in a sentence: before compiling, at the start, after warm-up; in Python and as a command."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from gibbsite import Tempered
from gibbsite.cli import app
from gibbsite.core import AbstractEnergy, Binary, Callable, Coins, Conditionals, Normal, Pairwise, Reals, Spins, Status
from gibbsite.energies import BoltzmannMachine, GaussianMixture, Ising
from gibbsite.samplers import (
    HMC,
    MALA,
    Gibbs,
    GibbsWithGradients,
    Independence,
    ParallelTempering,
    RandomWalk,
    SwendsenWang,
    sample,
    stderr,
)
from gibbsite.samplers.checks import check_energy, check_key, check_parts
from gibbsite.samplers.metropolis import check_whole
from gibbsite.samplers.plan import planned

KEY = jax.random.key(3)
UNIT = Normal(jnp.zeros(3), jnp.ones(3))


def draw(kernel, energy, **options):
    return sample(kernel, energy, **{"chains": 4, "warmup": 4, "draws": 8, "progress": False, "key": KEY} | options)


def of(fn, space=None) -> Callable:
    return Callable(lambda params, x: fn(x), None, space or Reals(3))


class Views(AbstractEnergy):
    """Free spins whose views may be wrong."""

    blocks: np.ndarray
    edges: np.ndarray
    space: Spins = Spins(4)

    def __call__(self, x):
        return 0.0 * jnp.sum(x)

    def views(self):
        alone = jnp.zeros(4)
        return (Conditionals(lambda x: 0.0 * x, jnp.asarray(self.blocks)), Pairwise(jnp.asarray(self.edges), jnp.ones(1), alone))


EDGE, BLOCKS = np.array([[0, 1]]), np.eye(4)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda x: x**2, r"array of shape \(3,\) .* must be a scalar"),
        (lambda x: x[:1] ** 2, r"array of shape \(1,\) .* must be a scalar"),
        (lambda x: jnp.sum(x > 0), "type int32 .* real scalar"),
        (lambda x: jnp.sum(x) * 1j, "type complex64 .* real scalar"),
    ],
)
def test_an_energy_is_a_real_scalar(fn, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw("auto", of(fn))


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda x: jnp.sum(x) * jnp.nan, r"Chain 0 starts where the energy is nan, and 3 more of 4 likewise"),
        (lambda x: jnp.where(x[0] < 9, jnp.inf, 0.0), "the energy is inf, and 3 more"),
        (lambda x: -jnp.inf + 0 * x[0], "the energy is -inf"),
        (lambda x: jnp.sqrt(0.0 * jnp.sum(x**2)), r"its slope is not finite.* x\[0\]"),
    ],
)
def test_a_start_of_no_finite_energy_is_told(fn, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw("auto", of(fn))


def test_the_chain_and_the_coordinate_to_blame_are_named() -> None:
    init = jnp.ones((4, 3)).at[2, 1].set(-0.5)
    with pytest.raises(ValueError, match=r"Chain 2 starts where the energy is nan; the cause is x\[1\] = -0.5\. Give init"):
        draw(HMC(0.1), of(lambda x: -jnp.sum(jnp.log(x)) + jnp.sum(x)), init=init)
    with pytest.raises(ValueError, match=r"Chain 2 starts where the energy is inf; the cause is x\[1\] = -0.5\."):
        draw(RandomWalk(0.1), of(lambda x: jnp.where(x[1] > 0, jnp.sum(x**2), jnp.inf)), init=init)
    with pytest.raises(ValueError, match=r"Chain 0 starts where the energy is nan.*x\[0, 0\] = .*12 more coordinates"):
        draw(Gibbs(), Ising(4, float("nan")))


def test_a_chain_behind_a_wall_draws_another_start() -> None:
    run = draw(RandomWalk(0.5), of(lambda x: jnp.where(x[0] > 1, jnp.sum(x**2), jnp.inf)), chains=32, warmup=0, keep=1)
    assert np.all(run.samples[..., 0] > 1) and np.isfinite(run.energy.value)


def test_a_gradient_kernel_on_sites_is_refused_with_what_would_do() -> None:
    for kernel in (HMC(0.1), MALA(0.1), ParallelTempering.over(MALA(0.1), [0.5, 1.0])):
        with pytest.raises(TypeError, match=r"not on Spins: use .*Gibbs"):
            draw(kernel, Ising(4))
    with pytest.raises(TypeError, match="GibbsWithGradients moves on Spins"):
        draw(GibbsWithGradients(), UNIT)
    with pytest.raises(TypeError, match="needs the capability Conditionals"):
        draw(Gibbs(), UNIT)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"chunk": -5}, ValueError, "chunk=-5: give a whole number from 1"),
        ({"draws": 2**31}, ValueError, "draws=2147483648: give a whole number from 1 to 2147483645"),
        ({"warmup": 2**31 - 9}, ValueError, "steps=2147483647"),
        ({"observe": {"a": lambda x: (x[0], x[1])}}, TypeError, "The observable a gives .* it must be a real number, or an array of them"),
        ({"observe": {"a": lambda x: None}}, TypeError, "The observable a gives None"),
        ({"observe": {"a": lambda x: jnp.exp(1j * x[0])}}, TypeError, "The observable a gives numbers of type complex64"),
        ({"observe": {"a": lambda x: 1.0 if x[0] > 0 else 0.0}}, TypeError, "The observable a asks for the value of x.* jnp.where"),
        ({"energy": of(lambda x: float(np.exp(x[0])))}, TypeError, "Callable asks for the value of x.* jnp for numpy"),
        ({"chains": True}, ValueError, "chains=True"),
        ({"kernel": MALA(0.1, [1.0, 2.0])}, ValueError, r"MALA has scale of shape \(2,\): x of shape \(3,\) needs one number, or one"),
        (
            {"kernel": MALA(0.1, jnp.ones(3)), "energy": Normal(jnp.zeros((4, 3)), jnp.ones((4, 3)))},
            ValueError,
            r"MALA has scale of shape \(3,\)",
        ),
        ({"kernel": RandomWalk(0.1, 0.5 + 0.5 * jnp.eye(3))}, ValueError, "give a lower-triangular matrix, such as the Cholesky factor"),
        (
            {"kernel": Independence(Coins(Binary(3), jnp.zeros(3))), "energy": Coins(Spins(3), jnp.zeros(3))},
            TypeError,
            "give both one space",
        ),
        ({"draws": 1000, "most": 500, "until": stderr() < 0.1}, ValueError, "most=500 with until=: the first round makes 1024 draws"),
        ({"observe": {"a": "energy"}}, TypeError, "observe has a = 'energy': give a function of x"),
        ({"keep": 1, "store": __file__}, ValueError, "cannot be written .*: give another folder"),
    ],
)
def test_what_would_hang_or_fail_late_is_refused(given: dict, error: type[Exception], message: str) -> None:
    options = {"kernel": RandomWalk(0.5), "energy": UNIT} | given
    with pytest.raises(error, match=message):
        draw(options.pop("kernel"), options.pop("energy"), **options)


@pytest.mark.parametrize("beta", [-1.0, float("nan"), float("inf")])
def test_a_temperature_is_positive(beta: float) -> None:
    with pytest.raises(ValueError, match=f"Tempered has beta={beta}: give an inverse temperature"):
        Tempered(UNIT, beta)
    with pytest.raises(ValueError, match="betas="):
        ParallelTempering.over(MALA(0.1), [beta, 1.0])


def test_what_is_of_another_kind_is_told_what_to_give() -> None:
    for check, error, message in (
        (lambda: planned({}, 8, None, 0, "energy", 64), TypeError, r'until=stderr\("energy"\) < 0.01'),
        (lambda: check_key(3), TypeError, r"key=3: give one random key, such as jax.random.key\(0\)"),
        (lambda: check_key(jax.random.split(KEY, 2)), TypeError, "give one random key"),
        (lambda: check_parts("hmc", UNIT), TypeError, r"'hmc' is not a kernel: give one, such as MALA\(0.1\), or \"auto\""),
        (lambda: check_energy(Ising), TypeError, "is not an energy; a function becomes one by Callable"),
        (lambda: check_energy(Views(BLOCKS, EDGE, space=3)), TypeError, r"Views has the space 3: give one, such as Reals\(3\)"),
        (lambda: check_whole("HMC", "steps", 2.5, "one or more"), ValueError, "HMC has steps=2.5: one or more"),
        (lambda: HMC(float("inf")), ValueError, "HMC has step_size=inf: give a positive number"),
        (lambda: ParallelTempering.over(MALA(0.1), []), ValueError, r"ParallelTempering has betas=\[\]"),
        (lambda: Normal(0.0, -1.0), ValueError, "Normal has scale=-1.0"),
        (lambda: GaussianMixture([[0.0]], [1.0], [-1.0]), ValueError, r"GaussianMixture has weights=\[-1\.\]"),
    ):
        with pytest.raises(error, match=message):
            check()
    check_key(KEY), check_key(jax.random.PRNGKey(0))


def test_a_run_goes_on_where_its_x_lives() -> None:
    plane = draw(RandomWalk(0.5), Normal(jnp.zeros(2), jnp.ones(2)))
    with pytest.raises(ValueError, match=r"init is a run of an x of shape \(2,\), and the energy takes \(3,\)"):
        draw(RandomWalk(0.5), UNIT, init=plane)


def test_frozen_chains_have_no_effective_draws() -> None:
    """Of steps that are all refused: each chain stays at its own place, and nothing is known of the mean."""
    run = draw(RandomWalk(1e9), of(lambda x: jnp.sum(x**2)), warmup=0, draws=64)
    assert run.energy.ess is None and np.isnan(run.energy.stderr) and run.status is Status.NO_MOVES


def test_blocks_hold_every_site_once() -> None:
    for blocks, message in (
        (np.eye(5, 4), "5 blocks for 4 sites"),
        (np.ones((2, 4)), r"site \(0,\) in 2 of its 2 blocks"),
        (np.eye(4)[:3], r"site \(3,\) in 0 of its 3 blocks"),
        (np.ones((1, 5)), r"blocks of shape \(1, 5\)"),
    ):
        with pytest.raises(ValueError, match=message):
            draw(Gibbs(), Views(blocks, EDGE))


@pytest.mark.parametrize("site", [-1, 4])
def test_a_bond_leads_to_a_site(site: int) -> None:
    with pytest.raises(ValueError, match=f"bond 0 from site 0 to {site}: there are 4 sites"):
        draw(SwendsenWang(), Views(BLOCKS, np.array([[0, site]])))
    with pytest.raises(ValueError, match=f"edge 0 from site 0 to {site}"):
        BoltzmannMachine(Spins(4), [[0, site]], 1.0)


def test_a_warm_up_that_accepts_nothing_ends_the_run() -> None:
    with pytest.raises(ValueError, match=r"HMC: of 4 warm-up steps of 4 chains none was accepted, at the end with step_size=.*stopped"):
        draw(HMC(1e30), UNIT)
    with pytest.raises(ValueError, match="start from another step size"):
        draw(RandomWalk(1e12), UNIT)
    assert draw(HMC(0.5), UNIT).acceptance > 0.5


MINE = """
import jax.numpy as jnp
from gibbsite import Callable
from gibbsite.core import Reals

vector = Callable(lambda k, x: x, None, Reals(2))
nowhere = Callable(lambda k, x: jnp.nan * x[0], None, Reals(2))
steep = Callable(lambda k, x: 1e30 * jnp.sum(x**2), None, Reals(2))
"""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("mine.py:vector",), "must be a scalar"),
        (("mine.py:nowhere",), "Chain 0 starts where the energy is nan"),
        (("mine.py:steep", "--warmup", "3"), "none was accepted"),
        (("ising", "--beta", "-1"), "positive inverse temperature"),
    ],
)
def test_the_command_line_says_the_same(words: tuple[str, ...], sentence: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    done = CliRunner().invoke(app, ["sample", *words])
    assert done.exit_code == 2 and sentence in " ".join(done.output.split()), done.output
    assert "Traceback" not in done.output


CLIFF = of(lambda x: 0.5 * jnp.sum(x**2) + 0.5e10 * jnp.maximum(x[0] - 1, 0) ** 2)  # steps that suit the plain are lost beyond 1


def test_divergent_moves_are_counted_and_located_chain_by_chain() -> None:
    """Without a stored draw a run says how often moves were lost, and from where: within reach of the cliff."""
    run = draw(HMC(0.1, steps=3), CLIFF, chains=16, warmup=0, draws=200, init=jnp.zeros((16, 3)))
    lost = run.divergences
    assert lost is not None and lost.shape == run.by_chain["accept_prob"].shape == (16,) and lost.sum() > 20
    assert np.isclose(run.by_chain["accept_prob"].mean(), run.acceptance)
    assert [d.draw for d in run.lost] == sorted((d.draw for d in run.lost), reverse=True) and len(run.lost) == 8
    assert all(lost[d.chain] > 0 and 0 <= d.draw < 200 for d in run.lost)
    assert min(d.x[0] for d in run.lost) > -0.5
    assert f"{lost.sum()} moves" in str(run) and "by chain)" in str(run)
    calm = draw(HMC(0.4), UNIT, warmup=0)
    assert calm.divergences.sum() == 0 and calm.lost == () and "divergent" not in str(calm)
    assert draw(Gibbs(), Ising(4, 0.3)).divergences is None


def test_a_wall_is_no_divergence() -> None:
    from gibbsite.core import Box

    run = draw(HMC(0.9), of(lambda x: 0.0 * jnp.sum(x), Box([0.0] * 3, [1.0] * 3)), warmup=0)
    assert run.divergences.sum() == 0 and run.acceptance < 0.5


def test_divergences_count_on_when_a_run_is_chunked() -> None:
    start = jnp.zeros((4, 3))
    one, other = (draw(HMC(0.1, steps=3), CLIFF, warmup=0, draws=60, chunk=chunk, init=start) for chunk in (60, 7))
    np.testing.assert_array_equal(one.divergences, other.divergences)
    assert [d[:2] for d in one.lost] == [d[:2] for d in other.lost]
