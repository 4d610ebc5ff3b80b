"""The command line: parses and calls, and says in one sentence what went wrong."""

import os
import sys

from gibbsite.cli import learning, physics, workshop
from gibbsite.cli.shared import INTERRUPTED, app

__all__ = ["app", "learning", "main", "physics", "workshop"]


def main() -> None:
    """The console script. After Ctrl-C it does not wait for a compilation under way in the cell's thread."""
    try:
        app()
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
