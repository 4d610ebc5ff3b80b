"""Draws on disk: those of a run in memory, also after a kill at any moment; ArviZ gets what was kept."""

import importlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import Anew

from gibbsite.core import Independent, Normal
from gibbsite.core.checkpoint import CheckpointError
from gibbsite.samplers import MALA, Progress, RandomWalk, sample, to_arviz
from gibbsite.samplers import store as stores
from gibbsite.testing import problems

KEY = jax.random.key(8)
MIX = problems.mixture()


def first(x):
    return x[0]


def draw(**options):
    given = {"chains": 4, "warmup": 20, "draws": 400, "keep": 3, "trace": 10, "observe": first, "progress": False, "key": KEY}
    return sample(MALA(0.3), MIX.energy, **given | options)


def same(one, other) -> None:
    np.testing.assert_array_equal(np.asarray(one.samples[:]), other.samples)
    for name, row in one.rows.items():
        assert row.estimate.value == other[name].value and row.estimate.stderr == other[name].stderr
        np.testing.assert_array_equal(one.traces[name], other.traces[name])
    np.testing.assert_array_equal(one.by_chain["accept_prob"], other.by_chain["accept_prob"])
    assert one.steps == other.steps


def test_draws_on_disk_are_those_in_memory(tmp_path: pathlib.Path) -> None:
    disk, memory = draw(store=tmp_path / "run"), draw()
    assert disk.samples.shape == (4, 133, 2) and disk.samples.chunks == (4, 3, 2)
    same(disk, memory)
    again = draw(store=tmp_path / "run")  # nothing is left to do
    same(again, memory)
    assert again.seconds > disk.seconds


class Fails(Progress):
    """Ends the run after so many steps."""

    def advance(self, steps: int) -> None:
        self.done += steps
        if self.done > self.total:
            raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [10, 25, 200, 419])
def test_an_interrupted_run_goes_on_to_the_same_draws(steps: int, tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        draw(store=tmp_path, progress=Fails("", steps))
    same(draw(store=tmp_path), draw())


KILLED = """
import sys, jax
from gibbsite.samplers import MALA, sample
from gibbsite.testing import problems
print("begun", flush=True)
sample(MALA(0.3), problems.mixture().energy, chains=4, warmup=20, draws=2_000_000, keep=1000, store=sys.argv[1], key=jax.random.key(8))
"""


def test_a_killed_process_leaves_what_can_be_gone_on_from(tmp_path: pathlib.Path) -> None:
    """SIGKILL once some state is noted; what was drawn by then is that of a run which nobody killed."""
    from gibbsite.core.checkpoint import header

    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    state, begun = tmp_path / "state", time.monotonic()
    while not (state.exists() and header(state)["done"] > 0) and time.monotonic() - begun < 120 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = header(state)["done"]
    assert done > 0
    held = np.asarray(importlib.import_module("zarr").open_array(str(tmp_path / "draws.zarr"))[:, : done // 1000])
    whole = sample(MALA(0.3), MIX.energy, chains=4, warmup=20, draws=done, keep=1000, progress=False, key=KEY)
    np.testing.assert_array_equal(held, whole.samples)


def test_a_folder_holds_one_run(tmp_path: pathlib.Path) -> None:
    draw(store=tmp_path)
    for options, message in (
        ({"draws": 401}, "written with draws = 400, not 401"),
        ({"observe": {"second": first}}, "observe"),
        ({"key": jax.random.key(9)}, "numbers"),
        ({"init": jnp.zeros((4, 2))}, "numbers"),
    ):
        with pytest.raises(CheckpointError, match=message):
            draw(store=tmp_path, **options)
    with pytest.raises(ValueError, match="without keep="):
        draw(store=tmp_path, keep=None)


def test_a_product_is_stored_part_by_part(tmp_path: pathlib.Path) -> None:
    pair = Independent((Normal(jnp.zeros(2), jnp.ones(2)), Normal(jnp.zeros(3), jnp.ones(3))))
    disk, memory = (sample(Anew(), pair, chains=2, warmup=2, draws=6, keep=2, store=s, progress=False, key=KEY) for s in (tmp_path, None))
    for one, other in zip(disk.samples, memory.samples, strict=True):
        np.testing.assert_array_equal(one[:], other)
    assert {"x0", "x1"} == set(to_arviz(disk)["posterior"].data_vars)


def test_absence_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    monkeypatch.setitem(sys.modules, "arviz_base", None)
    with pytest.raises(ImportError, match=r"gibbsite\[zarr\]"):
        draw(store=tmp_path)
    with pytest.raises(ImportError, match=r"gibbsite\[arviz\]"):
        to_arviz(draw())
    assert not list(tmp_path.iterdir()) and stores.FORMAT == 1


def test_arviz_gets_draws_statistics_and_names(tmp_path: pathlib.Path) -> None:
    run = draw(draws=40, keep=4, trace=10, store=tmp_path)
    tree = to_arviz(run)
    posterior, stats = tree["posterior"], tree["sample_stats"]
    assert posterior["x"].dims == ("chain", "draw", "x_dim_0") and posterior["first"].dims == ("chain", "draw")
    np.testing.assert_array_equal(posterior["x"].values, run.samples[:])
    np.testing.assert_array_equal(posterior["first"].values, run.samples[:, :, 0])
    np.testing.assert_array_equal(stats["energy"].values, run.traces["energy"])
    np.testing.assert_array_equal(stats["acceptance_rate"].values, run.by_chain["accept_prob"])
    assert stats["acceptance_rate"].dims == stats["divergences"].dims == ("chain",) and posterior.attrs["inference_library"] == "gibbsite"
    like = importlib.import_module("arviz_base").from_dict({"posterior": {"x": np.asarray(run.samples[:])}})
    assert like["posterior"]["x"].coords.equals(posterior["x"].coords)
    untraced = to_arviz(sample(RandomWalk(0.3), MIX.energy, chains=2, warmup=0, draws=4, keep=1, progress=False, key=KEY))
    assert "energy" not in untraced["sample_stats"] and "divergences" not in untraced["sample_stats"]
    with pytest.raises(ValueError, match="kept no draws"):
        to_arviz(draw(keep=None))


def test_an_observable_called_as_the_draws_are_takes_nothing_from_them() -> None:
    run = sample(
        RandomWalk(0.3), MIX.energy, chains=2, warmup=0, draws=6, keep=1, trace=6, observe={"x": lambda x: x[0]}, progress=False, key=KEY
    )
    posterior = to_arviz(run)["posterior"]
    np.testing.assert_array_equal(posterior["x"], run.samples)
    np.testing.assert_array_equal(posterior["x observed"], run.traces["x"])
