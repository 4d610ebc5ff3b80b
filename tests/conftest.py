import os
import pathlib

# Compiled programs are shared between runs and workers: compilation is most of the suite's time.
_cache = pathlib.Path(__file__).parents[1] / ".jax_cache"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Small problems: compiling for speed costs three times what it saves.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")
