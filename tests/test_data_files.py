"""More files that users have: names that are numbers, cut-off files, other formats under a known suffix, grey MNIST."""

import json
import pathlib

import numpy as np
import pytest

from gibbsite import data
from gibbsite.core import Reals
from gibbsite.data import DataError

ROWS = np.random.default_rng(0).standard_normal((60, 3)).round(4)
Z = 5.6


def lines(rows: np.ndarray) -> str:
    return "\n".join(",".join(map(str, row)) for row in rows.tolist())


def all_rows(held: data.Dataset) -> np.ndarray:
    return np.concatenate([held.train, held.validation, held.test])


@pytest.mark.parametrize(
    ("names", "rows", "named"),
    [
        ("0,1,2", ROWS, True),
        ("1,2,3", ROWS, True),
        ("0,1", ROWS[:, :2], False),  # may be a row
        ("0,2,1", ROWS, False),
        (",".join(map(str, range(12))), np.arange(720).reshape(60, 12) % 97 * 3, True),
        ("1,2,3,4", np.array([np.random.default_rng(i).permutation(4) + 1 for i in range(60)]), False),  # a ranking
    ],
    ids=["from 0", "from 1", "two", "not in order", "integers", "rankings"],
)
def test_names_that_count(names: str, rows: np.ndarray, *, named: bool, tmp_path: pathlib.Path) -> None:
    """pandas names columns 0, 1, 2, ...: no row of data."""
    (tmp_path / "x.csv").write_text(names + "\n" + lines(rows))
    held = data.load(tmp_path / "x.csv", dequantise=True)
    assert len(all_rows(held)) == 60 + (not named)
    assert held.columns == (tuple(names.split(",")) if named else tuple(f"x{i + 1}" for i in range(rows.shape[1])))


def test_labels_beside_names_that_count(tmp_path: pathlib.Path) -> None:
    """A range is one of positions, where single numbers are names."""
    (tmp_path / "x.csv").write_text("kind,0,1,2\n" + "\n".join("cat," + line for line in lines(ROWS).split("\n")))
    with pytest.raises(DataError, match=r"'kind' holds text \('cat'\); choose the other columns with columns=\['2-4'\] \(--columns 2-4\)"):
        data.load(tmp_path / "x.csv")
    held = data.load(tmp_path / "x.csv", columns=["2-4"])
    assert held.columns == ("0", "1", "2") and len(all_rows(held)) == 60
    for wrong in ("0-2", "3-5", "3-2"):
        with pytest.raises(DataError, match=f"has no columns {wrong}; give a range within 1-4"):
            data.load(tmp_path / "x.csv", columns=[wrong])


def _npy(x: np.ndarray):
    return lambda path: np.save(path, x)


def _text(text: str, encoding: str = "utf-8"):
    return lambda path: path.write_text(text, encoding=encoding)


def _cut(save):
    def write(path: pathlib.Path) -> None:
        save(path, ROWS)
        path.write_bytes(path.read_bytes()[:-100])

    return write


OTHERS = {
    "cut off text": ("x.csv", _text("a,b,c\n" + lines(ROWS) + "\n1.5,2"), "line 62 has 2 values for 3 columns; make them equal"),
    "cut off npy": ("x.npy", _cut(np.save), "is not a readable NPY file; write it again with np.save"),
    "cut off npz": ("x.npz", _cut(lambda path, x: np.savez(path, x=x)), "is not a readable NPZ file; write it again with np.savez"),
    "utf-16": ("x.csv", _text("a,b,c\n" + lines(ROWS), "utf-16"), "is not UTF-8 text (it holds the byte 0xff); save it as a UTF-8 CSV"),
    "latin-1": ("x.csv", _text("größe,b,c\n" + lines(ROWS), "latin-1"), "is not UTF-8 text (it holds the byte 0xf6)"),
    "a workbook": ("x.csv", lambda path: path.write_bytes(b"PK\x03\x04" + bytes(range(256))), "is not UTF-8 text"),
    "zero bytes": ("x.csv", _text("a,b,c\n" + lines(ROWS) + "\n\0,1,2"), "line 62, column 'a' holds text ('\\x00')"),
    "json": ("x.txt", _text("\n".join(map(json.dumps, ROWS.tolist()))), "holds text ('["),
    "html": ("x.csv", _text("<html><body>\n<td>1</td>\n</body></html>"), "give rows of numbers, below one line of names at most"),
    "two lines of names": ("x.csv", _text("a,b,c\nm,kg,s\n" + lines(ROWS)), "line 2, column 'a' holds text ('m'); give rows of numbers"),
    "dates": ("x.csv", _text("day,a\n" + "\n".join(f"2020-01-{i % 28 + 1:02d},{a}" for i, a in enumerate(ROWS[:, 0]))), "--columns 2)"),
    "a comma at the end": ("x.csv", _text("a,b,c,\n" + lines(ROWS).replace("\n", ",\n") + ","), "'x4' has no value in any row; choose"),
    "an open quote": ("x.csv", _text('a,b,c\n"' + lines(ROWS)), "line 2 has 1 value for 3 columns"),
    "colours": ("x.npy", _npy(np.ones((30, 8, 8, 3))), "average the colours of images with x.mean(axis=-1)"),
    "fields": ("x.npy", _npy(np.zeros(30, [("a", "f8")])), "not real numbers; give an array of floats"),
    "columns as rows": ("x.npy", _npy(ROWS.T), "has 3 rows; at least 20 are needed"),
    "constant, cut by the split": (
        "x.npy",
        _npy(np.c_[ROWS, np.where(np.arange(60) == np.random.default_rng(0).permutation(60)[-1], 0.7, 0.5)]),
        "is 0.5 in all 42 training rows and has no density there; give more rows that differ, or choose the other columns with "
        "columns=['1-3'] (--columns 1-3).",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_files_get_a_sentence(case: str, tmp_path: pathlib.Path) -> None:
    name, write, sentence = OTHERS[case]
    write(tmp_path / name)
    with pytest.raises(DataError) as caught:
        data.load(tmp_path / name)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_quoted_values_keep_the_numbers_of_their_lines(tmp_path: pathlib.Path) -> None:
    """A quoted name over two lines, comments and blank lines before a bad value: its line is the one an editor shows."""
    (tmp_path / "x.csv").write_text('# from the bench\n"a\nlong",b,c\n\n' + lines(ROWS) + "\n\n1,2,bad\n")
    with pytest.raises(DataError, match=r"line 66, column 'c' holds text \('bad'\)"):
        data.load(tmp_path / "x.csv")


def test_grey_mnist(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The levels come back, the noise is uniform, and levels 0 to 1 in a file are the same images."""
    levels = np.random.default_rng(1).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    levels[:, 0] = 255
    monkeypatch.setenv("GIBBSITE_MNIST", str(tmp_path / "m.npz"))
    for images in (levels, levels / 255):
        np.savez(tmp_path / "m.npz", x_train=images, x_test=images[:10])
        held = data.load("mnist-grey")
        assert held.space == Reals((784,)) and held.image_shape == (28, 28) and held.dequantised == 1 / 256
        assert (len(held.train), len(held.validation), len(held.test)) == (45, 5, 10)
        scaled = held.test.astype(np.float64) * 256
        np.testing.assert_array_equal(np.floor(scaled), levels[:10].reshape(10, -1))
        assert held.test.min() >= 0 and held.test.max() < 1
        assert abs((scaled - np.floor(scaled)).mean() - 0.5) < Z / np.sqrt(12 * scaled.size)
    with pytest.raises(DataError, match="for grey levels: mnist-grey, with GIBBSITE_MNIST="):
        data.load(tmp_path / "m.npz", dequantise=True)
    monkeypatch.delenv("GIBBSITE_MNIST")
    with pytest.raises(DataError, match="mnist-grey needs a file: set GIBBSITE_MNIST="):
        data.load("mnist-grey")
