"""Data: draws follow their law, splits are disjoint, and every bad input gets its sentence."""

import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite import data
from gibbsite.core import Binary, Box, Reals, draw, exact, log_prob
from gibbsite.data import DataError
from gibbsite.energies import GaussianMixture
from gibbsite.metrics import nll

Z = 5.6
GOOD = np.random.default_rng(0).standard_normal((60, 2))


@pytest.fixture(scope="module")
def sets() -> dict[str, data.Dataset]:
    return {name: data.load(name) for name in data.NAMES if not name.startswith("mnist")}


def rows(d: data.Dataset) -> np.ndarray:
    return np.concatenate([d.train, d.validation, d.test])


def test_every_named_set(sets: dict[str, data.Dataset]) -> None:
    for name, d in sets.items():
        assert d.name == name and data.NAMES[name]
        x = rows(d)
        assert x.dtype == np.float32 and x.shape[1:] == d.space.shape and np.isfinite(x).all()
        assert len(d.columns) == d.space.size
        assert jax.vmap(d.space.contains)(jnp.asarray(d.test)).all()
        assert min(len(d.train), len(d.validation), len(d.test)) >= 100
        back = d.unstandardise(d.standardise(d.test))
        np.testing.assert_allclose(back, d.test, atol=1e-5)
        if d.continuous:
            z = d.standardise(d.train)
            np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
            np.testing.assert_allclose(z.std(0), 1, atol=1e-3)
            assert d.standard_space == Reals(d.space.shape)
        else:
            assert d.standard_space is d.space and (d.scale == 1).all() and (d.shift == 0).all()


@pytest.mark.parametrize("name", ["moons", "gaussians8", "checkerboard", "digits", "digits-binary"])
def test_the_seed_decides(name: str, sets: dict[str, data.Dataset]) -> None:
    again, other = data.load(name, seed=0), data.load(name, seed=1)
    assert np.array_equal(again.train, sets[name].train) and np.array_equal(again.test, sets[name].test)
    assert not np.array_equal(other.train, sets[name].train)


def test_gaussians8_masses(sets: dict[str, data.Dataset]) -> None:
    d = sets["gaussians8"]
    x = rows(d)
    nearest = ((x[:, None] - d.modes.centres) ** 2).sum(-1).argmin(1)
    p = np.arange(1, 9) / 36
    np.testing.assert_allclose(d.modes.masses, p)
    # Points nearer to another centre: half the separation is 3.06 deviations away on each side.
    share = np.bincount(nearest, minlength=8) / len(x)
    leak = 0.0011 * (p + np.roll(p, 1) + np.roll(p, -1))
    assert (np.abs(share - p) < Z * np.sqrt(p * (1 - p) / len(x)) + leak).all()


def test_gaussians8_follows_its_truth(sets: dict[str, data.Dataset]) -> None:
    """Rows and exact draws of the truth have the same mean log density."""
    d = sets["gaussians8"]
    draws = jax.vmap(lambda k: draw(d.truth, key=k))(jax.random.split(jax.random.key(1), 10_000))
    a, b = (np.asarray(jax.vmap(lambda x: log_prob(d.truth, x))(jnp.asarray(x))) for x in (d.train, draws))
    assert abs(a.mean() - b.mean()) < Z * np.sqrt(a.var() / len(a) + b.var() / len(b))


def test_checkerboard_truth(sets: dict[str, data.Dataset]) -> None:
    truth = sets["checkerboard"].truth
    assert isinstance(truth.space, Box)
    middle = jnp.linspace(-5, 5, 201)[:-1] + 10 / 400
    grid = jnp.stack(jnp.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    density = jnp.exp(-jax.vmap(truth)(grid))
    np.testing.assert_allclose(float(density.sum()) * (10 / 200) ** 2, 1.0, rtol=1e-4)
    draws = jax.vmap(lambda k: draw(truth, key=k))(jax.random.split(jax.random.key(2), 4000))
    for x in (jnp.asarray(rows(sets["checkerboard"])), draws):
        np.testing.assert_allclose(jax.vmap(truth)(x), np.log(32), rtol=1e-6)
        square = np.unique(np.floor(np.asarray(x) / 2), axis=0, return_counts=True)[1]
        assert len(square) == 8
        assert (np.abs(square / len(x) - 1 / 8) < Z * np.sqrt(7 / 64 / len(x))).all()


def test_moons_lie_on_their_arcs(sets: dict[str, data.Dataset]) -> None:
    x = (rows(sets["moons"]) - [-1.0, -0.2]) / 2
    upper = np.abs(np.hypot(*x.T) - 1)
    lower = np.abs(np.hypot(*(x - [1.0, 0.5]).T) - 1)
    assert np.quantile(np.minimum(upper, lower), 0.999) < 0.4
    assert abs((upper < lower).mean() - 0.5) < 0.05


def test_digits_are_dequantised(sets: dict[str, data.Dataset]) -> None:
    x = rows(sets["digits"])
    assert sets["digits"].dequantised == 1 / 17 and x.min() >= 0 and x.max() <= 1
    levels = np.floor(x.astype(np.float64) * 17)
    assert set(np.unique(levels)) <= set(range(18)) and (levels == 17).mean() < 1e-4
    assert abs((x * 17 - levels).mean() - 0.5) < Z * np.sqrt(1 / 12 / x.size)
    assert set(np.unique(rows(sets["digits-binary"]))) == {0.0, 1.0}


def test_split_is_disjoint_and_complete(tmp_path: pathlib.Path) -> None:
    x = np.arange(200.0).reshape(100, 2) + 0.25
    np.save(tmp_path / "x.npy", x)
    d = data.load(tmp_path / "x.npy", seed=3)
    assert (len(d.train), len(d.validation), len(d.test)) == (70, 10, 20)
    np.testing.assert_array_equal(np.sort(rows(d)[:, 0]), x[:, 0].astype(np.float32))
    assert not np.array_equal(d.train, data.load(tmp_path / "x.npy", seed=4).train)


def test_units_change_the_likelihood_by_their_jacobian(tmp_path: pathlib.Path) -> None:
    """The same rows in millimetres: equal in standard units, and nll in data units grows by log 1000 a column."""
    sizes = []
    for factor in (1.0, 1000.0):
        np.save(tmp_path / "x.npy", GOOD * factor)
        d = data.load(tmp_path / "x.npy")
        model = GaussianMixture(d.shift[None], np.ones(1), np.ones(1))
        z = d.standardise(d.test)
        in_standard_units = nll(GaussianMixture(np.zeros((1, 2)), np.ones(1), np.ones(1)), exact(0.0), z)
        sizes.append(in_standard_units.value + np.log(d.scale).sum())
        assert model.space == d.space
    np.testing.assert_allclose(sizes[1] - sizes[0], 2 * np.log(1000), rtol=1e-5)


def test_csv_with_header_and_chosen_columns(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.csv"
    body = "\n".join(f"{a:.6f},word,{b:.6f}" for a, b in GOOD)
    path.write_text("left,label,right\n" + body + "\n")
    by_name, by_number = data.load(path, columns=["left", "right"]), data.load(path, columns=["1", 3])
    assert by_name.columns == ("left", "right") == by_number.columns
    np.testing.assert_array_equal(by_name.train, by_number.train)
    np.testing.assert_allclose(np.sort(rows(by_name), 0), np.sort(GOOD.astype(np.float32), 0), atol=1e-5)
    path.write_text("\n".join(f"{a:.6f},{b:.6f}" for a, b in GOOD))
    assert data.load(path).columns == ("x1", "x2") and len(rows(data.load(path))) == 60


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " ", "   ", ", ", ",\t"], ids=repr)
@pytest.mark.parametrize("header", [True, False], ids=["names", "no names"])
def test_delimiters(delimiter: str, *, header: bool, tmp_path: pathlib.Path) -> None:
    lines = [delimiter.join(("left", "right"))] * header + [f"{a}{delimiter}{b}" for a, b in GOOD]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    d = data.load(tmp_path / "a.csv")
    assert d.columns == (("left", "right") if header else ("x1", "x2"))
    np.testing.assert_array_equal(rows(d), rows(data.from_array(GOOD)))


def test_delimiter_among_text_and_missing_values(tmp_path: pathlib.Path) -> None:
    """Blanks and commas inside cells, missing cells at the end and words in a column do not mislead."""
    (tmp_path / "a.tsv").write_text("in cm\tat 1, 2\tremark\n" + "\n".join(f"{a}\t{b}\tred, or so" for a, b in GOOD) + "\n1.5\t\t\n")
    d = data.load(tmp_path / "a.tsv", columns=[1, "at 1, 2"], drop_missing=True)
    assert d.columns == ("in cm", "at 1, 2")
    np.testing.assert_array_equal(rows(d), rows(data.from_array(GOOD)))
    (tmp_path / "b.csv").write_text('\ufeff"a, in cm",b\r\n' + LINES.replace("\n", "\r\n"), encoding="utf-8")
    assert data.load(tmp_path / "b.csv").columns == ("a, in cm", "b")
    (tmp_path / "c.csv").write_text("1,2\n" + "\n".join(f"{a},{b}" for a, b in np.random.default_rng(0).integers(0, 9, (40, 2))))
    assert len(rows(data.load(tmp_path / "c.csv", dequantise=True))) == 41


@pytest.mark.parametrize("delimiter", [",", " "])
@pytest.mark.parametrize(
    ("above", "names"),
    [
        ("# left{}right\n", ("left", "right")),
        ("# made by hand in June\n#left{}right\n", ("left", "right")),
        ("# made by hand in June\n", ("x1", "x2")),
        ("# 1.5{}2.5\n", ("x1", "x2")),
        ("# NA{}right\n", ("NA", "right")),
        ("# one{}two\nleft{}right\n", ("left", "right")),
    ],
)
def test_comments_above(delimiter: str, above: str, names: tuple[str, str], tmp_path: pathlib.Path) -> None:
    """The header of numpy.savetxt names the columns; other comments are passed over, and lines keep their numbers."""
    path = tmp_path / "a.txt"
    path.write_text(above.replace("{}", delimiter) + LINES.replace(",", delimiter) + f"\n1.5{delimiter}blue\n")
    with pytest.raises(DataError, match=rf"line {above.count(chr(10)) + 61}, column '{names[1]}' holds text"):
        data.load(path)
    d = data.load(path, columns=[names[0]])
    assert d.columns == names[:1] and len(rows(d)) == 61


def test_missing_values_can_be_dropped(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "x.npy", WITH_NAN)
    (tmp_path / "x.csv").write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in WITH_NAN))
    kept = np.delete(GOOD, 3, axis=0)
    masked = np.ma.masked_array(GOOD, np.isnan(WITH_NAN))
    whole = rows(data.from_array(kept))
    for d in (data.load(tmp_path / "x.npy", drop_missing=True), data.load(tmp_path / "x.csv", drop_missing=True)):
        np.testing.assert_array_equal(rows(d), whole)
        assert d.note == "1 of 60 rows dropped for missing values."
    np.testing.assert_array_equal(rows(data.from_array(masked, drop_missing=True)), whole)
    assert len(rows(data.load(tmp_path / "x.csv", columns=["a"]))) == 60
    assert data.from_array(GOOD, drop_missing=True).note == ""
    bits = np.where(np.arange(60) == 7, np.nan, np.arange(60) % 2)[:, None]
    assert data.from_array(bits, drop_missing=True).note == "0/1 data from data. 1 of 60 rows dropped for missing values."


def test_missing_values_leave_too_few_rows() -> None:
    with pytest.raises(DataError, match="data has 18 complete rows; at least 20 are needed"):
        data.from_array(np.where(np.arange(60)[:, None] < 42, [[1.5, np.nan]], GOOD), drop_missing=True)
    bad = np.where(np.arange(60)[:, None] == 30, np.inf, WITH_NAN)
    with pytest.raises(DataError, match="data, row 31, column 'x1' is inf"):
        data.from_array(bad, drop_missing=True)


def test_an_offset_that_single_precision_loses_is_refused() -> None:
    """The mean may be at most 1e4 deviations away from zero."""
    unit = (GOOD - GOOD.mean(0)) / GOOD.std(0)
    assert data.from_array(unit + np.array([0, 9.9e3])).note == ""
    with pytest.raises(DataError, match=r"column 'x2' is 10100 .* subtract an offset such as 10100 first, as from timestamps"):
        data.from_array(unit + np.array([0, 1.01e4]))


def test_repeated_values_and_rows_are_noted() -> None:
    grid = np.c_[7 * np.arange(60) % 20 + 0.5, GOOD[:, 1], 7 * np.arange(60) % 30 + 0.5]  # 20, 60 and 30 values, in no order
    why = "on so few values a likelihood can grow without bound; compare by draws, or add uniform noise as wide as the rounding."
    assert data.from_array(grid).note == f"Values repeat in x1 (67%): {why}"
    assert data.from_array(grid[:50]).note == f"Values repeat in x1 (60%): {why}"
    assert data.from_array(grid[:49]).note == ""
    zeros = np.c_[GOOD[:, 0], np.where(np.arange(60) < 31, np.where(np.arange(60) % 2, -0.0, 0.0), GOOD[:, 1])]
    assert data.from_array(zeros).note == ""
    zeros[31, 1] = 0.0
    assert data.from_array(zeros).note == f"Values repeat in x2 (52%): {why}"
    assert data.from_array(np.r_[GOOD, GOOD[:3]]).note == ""
    copies = "4 of 64 rows repeat an earlier one, so training and test may share rows; remove copies."
    assert data.from_array(np.r_[GOOD, GOOD[:4]]).note == copies
    counts = np.c_[np.arange(60) % 3, GOOD[:, 0]]
    assert data.from_array(counts, dequantise=True).note == "1 integer column filled with uniform noise of width 1."


def test_binary_files_and_images(tmp_path: pathlib.Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (40, 3, 5))
    np.savez(tmp_path / "b.npz", pictures=bits)
    d = data.load(tmp_path / "b.npz")
    assert d.space == Binary((15,)) and d.image_shape == (3, 5) and d.dequantised == 0


def test_dequantise_on_request(tmp_path: pathlib.Path) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (50, 2))
    np.save(tmp_path / "i.npy", counts)
    d = data.load(tmp_path / "i.npy", dequantise=True)
    assert d.dequantised == 1.0 and "2 integer columns" in d.note
    np.testing.assert_array_equal(np.sort(np.floor(rows(d)), 0), np.sort(counts, 0))
    pictures = np.random.default_rng(0).integers(0, 9, (50, 2, 2)) * [[1, 1], [1, 0]]  # the last pixel is constant
    np.save(tmp_path / "p.npy", pictures)
    assert data.load(tmp_path / "p.npy", dequantise=True).image_shape == (2, 2)


def _csv(text: str):
    return lambda path: path.with_suffix(".csv").write_text(text)


def _npy(x: np.ndarray):
    return lambda path: np.save(path.with_suffix(".npy"), x)


def _damaged(suffix: str, mark: bytes, shift: int, byte: bytes):
    """A file with one byte changed, that many after the first `mark`."""

    def write(path: pathlib.Path) -> None:
        path = path.with_suffix(suffix)
        np.save(path, GOOD) if suffix == ".npy" else np.savez_compressed(path, x=GOOD)
        text = path.read_bytes()
        at = text.index(mark) + shift
        path.write_bytes(text[:at] + byte + text[at + 1 :])

    return write


LINES = "\n".join(f"{a},{b}" for a, b in GOOD)
WITH_NAN = np.where(np.arange(120).reshape(60, 2) == 7, np.nan, GOOD)
ORDER = np.random.default_rng(0).permutation(60)  # the last row is one of the test part
BAD = {
    "text column": (
        _csv("a,b\n" + LINES + "\n1.5,blue\n"),
        "column 'b' holds text ('blue'); choose the other columns with columns=['1'] (--columns 1)",
    ),
    "missing value": (
        _csv("a,b\n" + LINES + "\n,1.5\n"),
        "x.csv, line 62, column 'a': the value is missing (rows with a missing value: 1 of 61); fill it in, drop such rows with "
        "drop_missing=True (--drop-missing), or choose the other columns with columns=['2'] (--columns 2).",
    ),
    "nan in csv": (_csv("a,b\n" + LINES + "\n1.5,NaN\n"), "line 62, column 'b': the value is missing"),
    "no value in a column": (
        _csv("a,b\n" + "\n".join(f"{a},NA" for a, _ in GOOD)),
        "column 'b' has no value in any row; choose the other columns",
    ),
    "inf in csv": (_csv(LINES + "\n1.5,inf\n"), "line 61, column 'x2' is inf (1 such value); remove or repair these rows"),
    "inf twice": (_npy(np.where(np.arange(120).reshape(60, 2) // 4 == 1, np.inf, GOOD)), "row 3, column 'x1' is inf (4 such values)"),
    "ragged": (_csv("a,b\n" + LINES + "\n1.5\n"), "line 62 has 1 value for 2 columns; make them equal"),
    "open quote": (_csv('a,b\n1.5,2.5\n"1.5,2.5\n' + LINES), "line 3 has 1 value for 2 columns"),
    "decimal comma": (_csv("a;b\n" + LINES.replace(",", ";").replace(".", ",")), "column 'a' holds '0,12573022"),
    "decimal comma without header": (_csv(LINES.replace(",", ";").replace(".", ",")), "line 1, column 'x1' holds '0,12573022"),
    "thousands": (
        _csv('a,b\n"1,234.5",2.5\n' + LINES),
        "line 2, column 'a' holds '1,234.5'; write numbers with a decimal point and nothing between",
    ),
    "underscore": (_csv("a,b\n1_0,2.5\n" + LINES), "line 2, column 'a' holds text ('1_0')"),
    "two names": (_csv("a,b,a\n1,2,3\n"), "has 2 columns named 'a'; rename them, or choose one of them with columns= (--columns)"),
    "row numbers": (
        _csv(",a\n" + "\n".join(f"{i},{a}" for i, (a, _) in enumerate(GOOD))),
        "column 'x1' only counts the rows from 0 on; choose the other columns with columns=['2'] (--columns 2)",
    ),
    "not utf-8": (lambda p: p.with_suffix(".csv").write_bytes(b"\xff\xfe\x00"), "is not UTF-8 text"),
    "empty csv": (_csv(""), "x.csv is empty; give a file with at least 20 rows"),
    "blank csv": (_csv("\n\n"), "x.csv is empty"),
    "header only": (_csv("a,b\n"), "has 0 rows; at least 20 are needed"),
    "one row": (_csv("1.5,2.5\n"), "has 1 row; at least 20 are needed"),
    "nan": (_npy(WITH_NAN), "x.npy, row 4, column 'x2': the value is missing (rows with a missing value: 1 of 60)"),
    "too large": (_npy(GOOD * 1e300), "rescale the column"),
    "constant pixel": (
        _npy(GOOD.reshape(30, 2, 2) * [[1, 1], [1, 0]]),
        "1 pixel with one value (pixel 1,1 (0)) and no density; crop the images",
    ),
    "constant where trained": (
        _npy(np.c_[GOOD[:, 0], np.where(np.arange(60) == ORDER[-1], 1.5, 3)]),
        "column 'x2' is 3 in all 42 training rows and has",
    ),
    "equal rows": (_npy(np.ones((60, 2), bool)), "all 60 rows are the same, so there is nothing to learn"),
    "tiny": (_npy(GOOD * 1e-300), "too narrow for single precision; rescale the column"),
    "narrow": (
        _npy(GOOD + np.array([0, 1e8])),
        "too narrow for single precision; subtract an offset such as 1e+08 first, as from timestamps",
    ),
    "integers": (
        _npy(np.arange(60).reshape(30, 2)),
        "columns x1, x2 hold integers, which have no density; pass dequantise=True (--dequantise) to add uniform noise on [0, 1).",
    ),
    "an integer column": (_npy(np.c_[GOOD, np.arange(60) // 2]), "column 'x3' holds integers, which have no density; pass dequantise=True"),
    "integer columns": (_npy(np.c_[GOOD, np.arange(60) // 2, np.arange(60) // 3]), "columns x3, x4 hold integers"),
    "black and white": (_npy(255 * (GOOD > 0)), "as there are two values only, 0 and 255, give 0/1 data: x == 255"),
    "one dimension": (_npy(GOOD[:, 0]), "has 1 dimension, shape (60,); 2 or 3 are needed: reshape one column with x[:, None]"),
    "four dimensions": (_npy(np.zeros((2, 2, 2, 2))), "has 4 dimensions"),
    "no values": (_npy(np.zeros((0, 2))), "holds no values"),
    "complex": (_npy(GOOD * 1j), "holds values of type complex128, not real numbers; give real and imaginary parts as columns"),
    "strings": (_npy(np.array([["a", "b"]])), "not real numbers"),
    "objects": (_npy(np.array([[1, "a"]], dtype=object)), "holds Python objects, which are not loaded for safety"),
    "broken npy": (lambda p: p.with_suffix(".npy").write_bytes(b"hello"), "is not a readable NPY file"),
    "broken npz": (
        lambda p: p.with_suffix(".npz").write_bytes(b"PK\x03\x04hello"),
        "is not a readable NPZ file; write it again with np.savez",
    ),
    "damaged header": (_damaged(".npy", b"(60, 2", 6, b" "), "is not a readable NPY file; write it again with np.save(path, x)"),
    "damaged values": (_damaged(".npz", b"x.npy", 25, b"\xff"), "is not a readable NPZ file; write it again with np.savez(path, x=x)"),
    "unknown packing": (_damaged(".npz", b"PK\x01\x02", 10, b"c"), "is not a readable NPZ file"),
    "two arrays": (lambda p: np.savez(p.with_suffix(".npz"), a=GOOD, b=GOOD), "holds 2 arrays (a, b); save the rows to split"),
    "no array": (lambda p: np.savez(p.with_suffix(".npz")), "holds no array; save the rows"),
    "keras layout": (
        lambda p: np.savez(p.with_suffix(".npz"), x_train=GOOD, x_test=GOOD),
        "holds 2 arrays (x_train, x_test); save the rows to split into training and test as one array named 'x'",
    ),
    "folder": (lambda p: p.with_suffix(".csv").mkdir(), "x.csv is a folder"),
    "suffix": (lambda p: p.with_suffix(".xlsx").write_text("1"), "ends in '.xlsx'; give a file that ends in .csv, .tsv, .txt, .npy, .npz"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_get_a_sentence(case: str, tmp_path: pathlib.Path) -> None:
    write, sentence = BAD[case]
    write(tmp_path / "x")
    (path,) = tmp_path.iterdir()
    with pytest.raises(DataError) as caught:
        data.load(path)
    assert sentence in str(caught.value) and path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_names_and_columns(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", GOOD)
    (tmp_path / "l.csv").write_text("length,width,width\n" + "\n".join(f"{a},{b},{a}" for a, b in GOOD))
    monkeypatch.delenv("GIBBSITE_MNIST", raising=False)
    cases = [
        (("gausians8", {}), "There is no data set 'gausians8'; did you mean 'gaussians8'?"),
        (("qqq", {}), "choose from moons, gaussians8"),
        (("", {}), "There is no data set ''; choose from moons"),
        ((tmp_path / "none.csv", {}), "none.csv does not exist; check the path."),
        (("none.csv", {}), f"none.csv does not exist; check the path (relative to {pathlib.Path.cwd()})."),
        (("mnist", {}), "set GIBBSITE_MNIST="),
        (("moons", {"columns": ["a"]}), "leave them out"),
        (("moons", {"drop_missing": True}), "columns, dequantise and drop_missing apply to files, so leave them out"),
        ((tmp_path / "x.npy", {"columns": ["z"]}), "has no column 'z' by name or position (1 to 2); choose from x1, x2."),
        ((tmp_path / "l.csv", {"columns": ["Lenght"]}), "has no column 'Lenght' by name or position (1 to 3); did you mean 'length'?"),
        ((tmp_path / "l.csv", {"columns": ["\u00b2"]}), "has no column '\u00b2'"),
        ((tmp_path / "l.csv", {"columns": ["width"]}), "has 2 columns named 'width'; rename them, or choose one by its position"),
        ((tmp_path / "l.csv", {"columns": ["length", 1]}), "column 'length' is chosen 2 times; choose it once"),
        ((tmp_path / "l.csv", {"columns": "length,width"}), "is one text; give a list, columns=['length', 'width']."),
        ((tmp_path / "x.npy", {"columns": [3]}), "has no column 3"),
        ((tmp_path / "x.npy", {"columns": []}), "no column is chosen"),
    ]
    for (name, options), sentence in cases:
        with pytest.raises(DataError) as caught:
            data.load(name, **options)
        assert sentence in str(caught.value)


def test_unreadable_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.csv").write_text(LINES)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\); check its permissions"):
        data.load(tmp_path / "x.csv")


def test_mnist_from_a_path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the right form stands in for the real one."""
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "m.npz", x_train=images, x_test=images[:10])
    monkeypatch.setenv("GIBBSITE_MNIST", str(tmp_path / "m.npz"))
    d = data.load("mnist")
    assert d.space == Binary((784,)) and d.image_shape == (28, 28) and len(d.train) == 45
    np.testing.assert_array_equal(d.test, (images[:10].reshape(10, -1) >= 128))
    np.testing.assert_array_equal(d.test, data.load(tmp_path / "m.npz").test)
    assert data.load(tmp_path / "m.npz").name == "mnist"
    np.savez(tmp_path / "m.npz", images=images)
    with pytest.raises(DataError, match="MNIST needs the arrays x_train and x_test"):
        data.load("mnist")


def test_mnist_takes_no_options_of_rows(tmp_path: pathlib.Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (50, 28, 28))
    np.savez(tmp_path / "m.npz", x_train=bits, x_test=bits)
    for option in ("dequantise", "drop_missing"):
        with pytest.raises(DataError, match=r"m\.npz holds MNIST, .* so leave them out"):
            data.load(tmp_path / "m.npz", **{option: True})


def test_mnist_in_black_and_white(tmp_path: pathlib.Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (50, 28, 28)).astype(np.uint8)
    for images in (bits, bits.astype(bool), 0.6 * bits, 255 * bits, bits.reshape(50, 784)):
        np.savez(tmp_path / "m.npz", x_train=images, x_test=images[:10])
        np.testing.assert_array_equal(data.load(tmp_path / "m.npz").test, bits[:10].reshape(10, 784))


PICTURES = np.random.default_rng(0).random((50, 28, 28))
BAD_MNIST = {
    "no ink": (np.zeros_like(PICTURES), "x_test has no ink, as the largest grey level is 0 of 1"),
    "17 levels": (np.floor(17 * PICTURES), "x_test has no ink, as the largest grey level is 0.063 of 1"),
    "negative": (np.where(PICTURES < 0.5, -2, 0.5), "x_test has values from -2 to 0.5"),
    "too large": (PICTURES + 255, "MNIST needs grey levels 0 to 255, or 0 to 1"),
    "nan": (PICTURES * np.nan, "x_test has values from nan to nan"),
    "text": (PICTURES.astype(str), "x_test holds values of type <U"),
    "one": (PICTURES[:1], "x_test has shape (1, 28, 28); MNIST needs (n, 28, 28) with n at least 2"),
}


@pytest.mark.parametrize("case", BAD_MNIST)
def test_bad_mnist(case: str, tmp_path: pathlib.Path) -> None:
    images, sentence = BAD_MNIST[case]
    np.savez(tmp_path / "m.npz", x_train=255 * PICTURES, x_test=images)
    with pytest.raises(DataError) as caught:
        data.load(tmp_path / "m.npz")
    assert sentence in str(caught.value) and "m.npz" in str(caught.value)


def test_integers_too_large_for_noise_are_refused() -> None:
    """Single precision near 10^9 has steps of 64: noise of width 1 would be lost without a word."""
    whole = np.random.default_rng(0).integers(0, 10**9, size=(60, 2))
    with pytest.raises(DataError, match=r"column 'x1' holds integers up to .*too large for noise of width 1; rescale it"):
        data.from_array(whole, dequantise=True)
    assert data.from_array(whole % 1000, dequantise=True).dequantised == 1.0


def test_a_series_is_told() -> None:
    """An autoregressive column among independent ones, in file order; shuffled, nothing is said."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2))
    rows[:, 1] = np.convolve(rows[:, 1], 0.8 ** np.arange(20))[:400]
    assert "Neighbouring rows are correlated in x2 (0.75)" in data.from_array(rows).note
    assert data.from_array(rng.permutation(rows)).note == ""


def wide(n: int) -> np.ndarray:
    """Pictures of 28 x 28 grey levels as rows, their border white."""
    levels = np.clip(np.random.default_rng(5).normal(size=(n, 784)) * 60, 0, 255).astype(int)
    levels[:, :56] = 0
    return levels


def test_784_columns_of_grey_levels(tmp_path: pathlib.Path) -> None:
    """Refused as they are, with the remedy that works; noise gives white borders a density, too."""
    np.savetxt(tmp_path / "wide.csv", wide(60), delimiter=",", fmt="%d", header=",".join(f"p{i}" for i in range(784)), comments="")
    with pytest.raises(DataError, match=r"p56, .*hold integers, which have no density; pass dequantise=True"):
        data.load(tmp_path / "wide.csv")
    assert data.load(tmp_path / "wide.csv", dequantise=True).space.shape == (784,)
    np.save(tmp_path / "wide.npy", wide(60) + np.random.default_rng(6).random((60, 784)) * (np.arange(784) >= 56))
    held = data.load(tmp_path / "wide.npy")
    assert held.space.shape == (728,)
    assert "56 constant columns left out" in held.note


@pytest.mark.parametrize("label", ["text", "number"])
def test_labels_where_none_belong(label: str, tmp_path: pathlib.Path) -> None:
    """Even one of a class with a single member: which column it is, and how to choose the others."""
    rows = np.random.default_rng(7).normal(size=(100, 2))
    names = ["rare" if i == 7 else "common" for i in range(100)] if label == "text" else [str(int(i == 7)) for i in range(100)]
    lines = [f"{x:.4f},{y:.4f},{name}" for (x, y), name in zip(rows, names, strict=True)]
    (tmp_path / "labelled.csv").write_text("\n".join(["x,y,species", *lines, ""]))
    with pytest.raises(DataError, match=r"'species' holds (text|integers).*--columns 1-2"):
        data.load(tmp_path / "labelled.csv")
    assert data.load(tmp_path / "labelled.csv", columns=["1-2"]).columns == ("x", "y")


def test_a_million_rows_are_read_in_bounded_memory(tmp_path: pathlib.Path) -> None:
    """A real process reads 10^6 rows of three numbers, 27 MB of text, within 800 MB beyond what importing takes."""
    script = """
import resource, sys, numpy as np
from gibbsite.data import load
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = load(sys.argv[1])
assert len(data.train) == 700_000, len(data.train)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    rows = np.random.default_rng(8).normal(size=(1000, 3)).round(5).tolist()
    text = "".join(f"{x},{y},{z}\n" for x, y, z in rows)
    with (tmp_path / "million.csv").open("w") as file:
        file.write("x,y,z\n")
        file.writelines(text for _ in range(1000))
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "million.csv"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 800


@pytest.mark.parametrize("value", [3.0, 2.0**60])
def test_constant_columns_are_left_out_and_told(value: float) -> None:
    held = data.from_array(np.c_[GOOD, np.full(60, value)])
    assert held.columns == ("x1", "x2")
    assert f"1 constant column left out: x3 ({value:g})." in held.note
