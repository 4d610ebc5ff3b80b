"""The loop: it learns what is exact, resumes to the same bits after a kill, and says how it ended."""

import itertools
import os
import pathlib
import signal
import subprocess
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from doomed import doomed

from gibbsite.core import log_prob
from gibbsite.models import Flow
from gibbsite.objectives import MaximumLikelihood
from gibbsite.samplers import Silent
from gibbsite.train import CheckpointError, fit
from gibbsite.train.checkpoint import header
from gibbsite.train.loop import SMOOTHING
from gibbsite.train.prepare import prepare

KEY = jax.random.key(2)
SCRIPT = """
import pathlib, sys, time, jax, numpy as np
from gibbsite.models import Flow
from gibbsite.samplers import Silent
from gibbsite.train import fit, save
from gibbsite.train.checkpoint import header

class Slow(Silent):
    def advance(self, steps):
        super().advance(steps)
        time.sleep(float(sys.argv[2]))

x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
model = Flow.build(dim=2, layers=1, knots=0, width=4, key=jax.random.key(1))
begun = header(file)["rows"][-1]["evaluations"] if (file := pathlib.Path(sys.argv[1], "training.gibbsite")).exists() else 0
work = Slow()
done = fit(model, x, budget=400 * 64, batch_size=64, patience=99, out=sys.argv[1], resume=True, progress=work, key=jax.random.key(2))
assert work.done == 400 * 64 - begun
save(done.model, sys.argv[1])
"""


def data(n=400):
    return np.random.default_rng(0).normal([3.0, -1.0], [2.0, 0.5], size=(n, 2)).astype(np.float32)


def flow(key=1):
    return Flow.build(dim=2, layers=1, knots=0, width=4, key=jax.random.key(key))


def test_a_flow_learns_a_gaussian_in_data_units():
    done = fit(flow(), data(2000), budget=600 * 128, batch_size=128, patience=99, key=KEY)
    energy = done.model.as_energy()
    nll = -np.mean(jax.vmap(lambda x: log_prob(energy, x))(jnp.asarray(data(2000))))
    truth = np.log(2.0 * 0.5) + np.log(2 * np.pi) + 1
    # 2000 draws: the mean of -log p has standard error 1 / sqrt(2000) = 0.022; 5.6 of them.
    assert abs(nll - truth) < 0.13
    assert done.status == "ok"
    assert done.evaluations == 600 * 128
    assert done.history["score"].shape == done.history["loss"].shape == (40,)


def test_the_base_of_a_flow_is_not_trained():
    before = flow().distribution.base_dist
    after = fit(flow(), data(), budget=50 * 64, batch_size=64, key=KEY).model.model.distribution.base_dist
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True))


def run(out: pathlib.Path, pause: float, *, kill: bool = False) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out), str(pause)], env=doomed() if kill else os.environ | {"JAX_PLATFORMS": "cpu"}
    )
    if kill:
        deadline = time.monotonic() + 120
        while not (out / "training.gibbsite").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    else:
        assert process.wait() == 0


def test_a_killed_run_resumes_to_the_same_bits(tmp_path):
    run(tmp_path / "whole", 0.0)
    run(tmp_path / "cut", 0.2, kill=True)
    assert not (tmp_path / "cut" / "model.gibbsite").exists()
    assert 0 < len(header(tmp_path / "cut" / "training.gibbsite")["rows"]) < 40
    run(tmp_path / "cut", 0.0)
    assert (tmp_path / "cut" / "model.gibbsite").read_bytes() == (tmp_path / "whole" / "model.gibbsite").read_bytes()


class Interrupts(Silent):
    """Ctrl-C after some evaluations."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def advance(self, steps):
        super().advance(steps)
        if self.done >= self.after:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_keeps_what_is_done(tmp_path):
    whole = fit(flow(), data(), budget=100 * 32, batch_size=32, patience=99, key=KEY)
    cut = fit(flow(), data(), budget=100 * 32, batch_size=32, patience=99, out=tmp_path, progress=Interrupts(40 * 32), key=KEY)
    assert cut.status == "interrupted"
    assert 40 * 32 <= cut.evaluations < 100 * 32
    assert len(cut.history["score"]) > 10
    again = fit(flow(), data(), budget=100 * 32, batch_size=32, patience=99, out=tmp_path, resume=True, key=KEY)
    assert again.status == "ok"
    assert eqx.tree_equal(eqx.filter(again.model, eqx.is_array), eqx.filter(whole.model, eqx.is_array))


def test_another_run_is_not_continued(tmp_path):
    fit(flow(), data(), budget=10 * 64, batch_size=64, out=tmp_path, key=KEY)
    with pytest.raises(CheckpointError, match="budget"):
        fit(flow(), data(), budget=20 * 64, batch_size=64, out=tmp_path, resume=True, key=KEY)


class Named(MaximumLikelihood):
    """A setting that is no array."""

    setting: int = eqx.field(static=True)


def test_a_run_under_another_static_setting_is_not_continued(tmp_path):
    fit(flow(), data(), objective=Named(1), budget=10 * 64, batch_size=64, out=tmp_path, key=KEY)
    fit(flow(), data(), objective=Named(1), budget=10 * 64, batch_size=64, out=tmp_path, resume=True, key=KEY)
    with pytest.raises(CheckpointError, match="structure"):
        fit(flow(), data(), objective=Named(2), budget=10 * 64, batch_size=64, out=tmp_path, resume=True, key=KEY)


class Explodes(MaximumLikelihood):
    """Not a number from the first row above a bound."""

    def gradients(self, model, batch, state, *, key):
        grads, state, logged = MaximumLikelihood.gradients(self, model, batch, state, key=key)
        bad = jnp.where(jnp.max(batch) > 2.5, jnp.nan, 1.0)
        return jax.tree.map(lambda g: g * bad, grads), state, logged


def test_a_loss_that_is_not_finite_ends_training_with_the_last_good_model():
    done = fit(flow(), data(), objective=Explodes(), budget=100 * 32, batch_size=32, key=KEY)
    assert done.status == "non_finite"
    assert done.evaluations < 100 * 32
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(eqx.filter(done.model, eqx.is_inexact_array)))


def test_a_score_that_does_not_improve_stops_early():
    done = fit(flow(), data(40), budget=4000 * 32, batch_size=32, learning_rate=0.1, patience=3, key=KEY)
    assert done.status == "early"
    assert done.evaluations < 4000 * 32


def test_the_model_is_that_of_its_best_round():
    """Forty rows are soon learned by heart; the model that comes back is from before, though the whole budget was spent."""
    done = fit(flow(), data(40), budget=4000 * 32, batch_size=32, learning_rate=0.1, patience=99, key=KEY)
    scores = done.history["score"]
    best = int(np.argmin(list(itertools.accumulate(scores, lambda mean, score: mean + SMOOTHING * (score - mean)))))
    energy = done.model.model.as_energy()
    found = -np.mean(jax.vmap(lambda x: log_prob(energy, x))(prepare(flow(), data(40)).validation))
    assert done.status == "ok" and done.evaluations == 4000 * 32
    assert abs(found - scores[best]) < 1e-4 < scores[-1] - scores[best]


def test_a_budget_too_small_is_named():
    with pytest.raises(ValueError, match="budget=10"):
        fit(flow(), data(), budget=10, key=KEY)
