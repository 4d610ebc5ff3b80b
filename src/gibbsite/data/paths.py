"""Which files are read, and the sentences for those that cannot be."""

import pathlib

from gibbsite.data.dataset import MIN_ROWS, DataError

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT, ".npy", ".npz")


def check_path(path: pathlib.Path) -> None:
    """DataError unless `path` is a file with bytes in it and a suffix that we read."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file that ends in {', '.join(SUFFIXES)}.")
    if not path.exists():
        start = "" if path.is_absolute() else f" (relative to {pathlib.Path.cwd()})"
        raise DataError(f"{path} does not exist; check the path{start}.")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} ends in {path.suffix or 'nothing'!r}; give a file that ends in {', '.join(SUFFIXES)}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; give a file with at least {MIN_ROWS} rows of numbers.")


def unreadable(path: pathlib.Path, error: OSError) -> DataError:
    """The sentence for a file that the system does not let us read."""
    return DataError(f"{path} cannot be read ({error.strerror or error}); check its permissions.")
