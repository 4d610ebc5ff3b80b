"""Data: draws follow their law, splits are disjoint, and every bad input gets its sentence."""

import pathlib

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
    return {name: data.load(name) for name in data.NAMES if name != "mnist"}


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


LINES = "\n".join(f"{a},{b}" for a, b in GOOD)
WITH_NAN = np.where(np.arange(120).reshape(60, 2) == 7, np.nan, GOOD)
BAD = {
    "text column": (_csv("a,b\n" + LINES + "\n1.5,blue\n"), "x.csv, line 62, column 'b' holds text ('blue'); choose numeric columns"),
    "missing value": (_csv("a,b\n" + LINES + "\n,1.5\n"), "x.csv, line 62, column 'a': the value is missing (''); fill it in"),
    "nan in csv": (_csv("a,b\n" + LINES + "\n1.5,NaN\n"), "line 62, column 'b': the value is missing ('NaN')"),
    "inf in csv": (_csv(LINES + "\n1.5,inf\n"), "row 61, column 'x2' is inf (1 such values); remove or repair these rows"),
    "ragged": (_csv("a,b\n" + LINES + "\n1.5\n"), "line 62 has 1 values where the first line has 2"),
    "not utf-8": (lambda p: p.with_suffix(".csv").write_bytes(b"\xff\xfe\x00"), "is not UTF-8 text"),
    "empty csv": (_csv(""), "x.csv is empty; give a file with at least 20 rows"),
    "blank csv": (_csv("\n\n"), "x.csv is empty"),
    "header only": (_csv("a,b\n"), "has 0 rows; at least 20 are needed"),
    "one row": (_csv("1.5,2.5\n"), "has 1 row; at least 20 are needed"),
    "nan": (_npy(WITH_NAN), "row 4, column 'x2' is nan (1 such values); remove or repair these rows"),
    "too large": (_npy(GOOD * 1e300), "rescale the column"),
    "constant": (_npy(GOOD * [1, 0] + [0, 3]), "column 'x2' is constant (3 in every row) and has no density; leave it out"),
    "narrow": (_npy(GOOD + np.array([0, 1e8])), "too narrow for single precision; subtract its mean first"),
    "integers": (
        _npy(np.arange(60).reshape(30, 2)),
        "column 'x1' holds integers, which have no density; pass dequantise=True (--dequantise)",
    ),
    "one dimension": (_npy(GOOD[:, 0]), "has 1 dimensions, shape (60,); 2 or 3 are needed: reshape one column with x[:, None]"),
    "four dimensions": (_npy(np.zeros((2, 2, 2, 2))), "has 4 dimensions"),
    "no values": (_npy(np.zeros((0, 2))), "holds no values"),
    "complex": (_npy(GOOD * 1j), "holds values of type complex128, not real numbers"),
    "strings": (_npy(np.array([["a", "b"]])), "not real numbers"),
    "objects": (_npy(np.array([[1, "a"]], dtype=object)), "holds Python objects, which are not loaded for safety"),
    "broken npy": (lambda p: p.with_suffix(".npy").write_bytes(b"hello"), "is not a readable NPY file"),
    "broken npz": (lambda p: p.with_suffix(".npz").write_bytes(b"PK\x03\x04hello"), "is not a readable NPZ file"),
    "two arrays": (lambda p: np.savez(p.with_suffix(".npz"), a=GOOD, b=GOOD), "holds 2 arrays (a, b); keep one, or name the data 'x'"),
    "folder": (lambda p: p.with_suffix(".csv").mkdir(), "x.csv is a folder"),
    "suffix": (lambda p: p.with_suffix(".txt").write_text("1"), "ends in '.txt'; give a file that ends in .csv, .npy, .npz"),
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
    monkeypatch.delenv("GIBBSITE_MNIST", raising=False)
    cases = [
        (("gausians8", {}), "There is no data set 'gausians8'; did you mean 'gaussians8'?"),
        (("qqq", {}), "choose from moons, gaussians8"),
        ((tmp_path / "none.csv", {}), "none.csv does not exist; check the path"),
        (("mnist", {}), "set GIBBSITE_MNIST="),
        (("moons", {"columns": ["a"]}), "leave them out"),
        ((tmp_path / "x.npy", {"columns": ["z"]}), "has no column 'z'; it has x1, x2 (or 1 to 2)"),
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
    np.savez(tmp_path / "m.npz", images=images)
    with pytest.raises(DataError, match="MNIST needs the arrays x_train and x_test"):
        data.load("mnist")
