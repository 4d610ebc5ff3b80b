"""Prints one of the README's commands, so that continuous integration runs the line that users read.

Usage: python tools/readme_command.py compare|test
"""

import pathlib
import re
import sys

MARKS = {"compare": "gibbsite compare", "test": "-m pytest"}


def command(name: str) -> str:
    """The only line of the README's shell blocks that holds the command's mark."""
    readme = (pathlib.Path(__file__).parents[1] / "README.md").read_text()
    lines = [line for block in re.findall(r"```(?:sh|bash)\n(.*?)```", readme, re.S) for line in block.splitlines()]
    found = [line for line in lines if MARKS[name] in line and "venv" in line]
    if len(found) != 1:
        raise SystemExit(f"README.md holds {len(found)} lines with {MARKS[name]!r}; it must hold exactly one.")
    return found[0]


if __name__ == "__main__":
    print(command(sys.argv[1]))
