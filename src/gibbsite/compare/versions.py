"""What computed a number."""

import importlib.metadata
import platform

NAMES = ("gibbsite", "jax", "equinox", "optax", "flowjax", "numpy")


def versions() -> str:
    """Python, the packages that matter to the numbers, and the system, on one line."""
    held = ", ".join(f"{name} {_version(name)}" for name in NAMES)
    return f"Python {platform.python_version()}, {held}, {platform.system()} {platform.machine()}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
