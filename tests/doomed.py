"""The environment of a process that a test will kill, or deny room on the disk."""

import os


def doomed() -> dict[str, str]:
    """Ours without the shared cache of compiled programs, for an entry that is cut short stays so, and fails whoever reads it."""
    return os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
