import gc
import importlib.metadata
import itertools
import os
import pathlib
import signal
from collections.abc import Iterator

import pytest

_here = pathlib.Path(__file__).parent
# Compiled programs are shared between runs and workers: compilation is most of the suite's time.
_cache = _here.parent / ".jax_cache"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Small problems: compiling for speed costs three times what it saves. An XLA that does not know a flag stops, so they are for this one.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    _quick = ("backend_optimization_level=1", "cpu_use_fusion_emitters=false", "cpu_parallel_codegen_split_count=1")
    os.environ.setdefault("XLA_FLAGS", " ".join(f"--xla_{flag}" for flag in _quick))

# A shell that starts us in the background has us ignore Ctrl-C, and whatever we start; tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tracing makes millions of objects that stay: to look through them for garbage less often saved 5 % of one room's time.
gc.set_threshold(200_000, 50, 50)

LOOK = 8  # tests between looks, for a look takes as long as a small test
MANY = 30_000  # of the 65,530 memory maps that Linux allows a process: every compiled program takes some
LONG = frozenset((_here / "long.txt").read_text().splitlines())  # ids of tests of more than six seconds, where their room has quicker ones
_tests = itertools.count()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid in LONG:
            item.add_marker(pytest.mark.long)


@pytest.fixture(autouse=True)
def programs_are_thrown_away_in_time() -> Iterator[None]:
    """A worker that has compiled thousands of programs runs out of maps, and then fails to compile or dies."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if next(_tests) % LOOK == 0 and maps.exists() and maps.read_bytes().count(b"\n") > MANY:
        import jax  # after the settings above

        jax.clear_caches()
        gc.collect()
