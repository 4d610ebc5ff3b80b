"""`gibbsite mbar`: the files that users have, told in a table and as JSON; what cannot be used is refused in a sentence."""

import json
import pathlib

import numpy as np
import pytest
from typer.testing import CliRunner
from wells_in_a_row import wells

from gibbsite.cli import app
from gibbsite.core import Status
from gibbsite.data import DataError
from gibbsite.reweight import from_frame, reweight, samples, scale

ROW = wells(1, [300, 200, 0, 400])
LAMBDAS = ("0.0", "0.25", "0.5", "1.0")


def told(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["mbar", *map(str, words)])
    return done.exit_code, done.output


def refused(words: tuple[object, ...], sentence: str) -> None:
    code, text = told(*words)
    assert code == 2 and sentence in " ".join(text.split()), text
    assert "Traceback" not in text


def rows(names: tuple[str, ...], about: dict[str, np.ndarray], *, shuffled: bool = False) -> str:
    """A CSV with what is said about the samples, and their energies."""
    table = np.column_stack([*about.values(), ROW.u.T])
    table = np.random.default_rng(0).permutation(table) if shuffled else table
    head = ",".join([*about, *(f'"{name}"' if "," in name else name for name in names)])
    return "\n".join([head, *(",".join(map(repr, map(float, line))) for line in table)])


OWN = np.repeat(np.arange(4), ROW.counts)
TIME = np.arange(len(OWN)).astype(float)


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The same samples in every form."""
    np.savez(tmp_path / "row.npz", u_kn=ROW.u, N_k=ROW.counts)
    (tmp_path / "state.csv").write_text(rows(("a", "b", "c", "d"), {"state": OWN}, shuffled=True))
    (tmp_path / "one.csv").write_text(rows(LAMBDAS, {"time": TIME, "fep-lambda": np.array([0, 0.25, 0.5, 1])[OWN]}))
    pairs = ("(0.0, 0.0)", "(0.5, 0.0)", "(1.0, 0.5)", "(1.0, 1.0)")
    coul, vdw = np.array([0, 0.5, 1, 1])[OWN], np.array([0, 0, 0.5, 1])[OWN]
    (tmp_path / "two.csv").write_text(rows(pairs, {"time": TIME, "coul-lambda": coul, "vdw-lambda": vdw}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("file", ["row.npz", "state.csv", "one.csv", "two.csv"])
def test_every_form_gives_the_same_numbers(folder: pathlib.Path, file: str) -> None:
    found = reweight(file, keep_all=True)
    for k, estimate in enumerate(found.free_energies[1:], 1):
        assert estimate.status is Status.OK
        assert abs(estimate.value - ROW.f[k]) < 5.6 * estimate.stderr < 1.5
    if file != "row.npz":
        np.testing.assert_allclose(found.mbar.f, reweight("row.npz", keep_all=True).mbar.f, atol=1e-8)
    assert found.samples.counts.tolist() == ROW.counts.tolist()


def test_a_frame_of_alchemlyb(folder: pathlib.Path) -> None:
    pandas = pytest.importorskip("pandas")
    index = pandas.MultiIndex.from_arrays(
        [TIME, np.array([0, 0.5, 1, 1])[OWN], np.array([0, 0, 0.5, 1])[OWN]], names=["time", "coul-lambda", "vdw-lambda"]
    )
    columns = [(np.float64(a), np.float64(b)) for a, b in ((0.0, 0.0), (0.5, 0.0), (1.0, 0.5), (1.0, 1.0))]
    frame = pandas.DataFrame(ROW.u.T, index=index, columns=pandas.Index(columns, tupleize_cols=False))
    held = from_frame(frame)
    np.testing.assert_array_equal(held.u_kn, ROW.u)
    frame.attrs = {"energy_unit": "kJ/mol", "temperature": 300}
    np.testing.assert_allclose(from_frame(frame).reduced().u_kn, ROW.u / scale("kJ/mol", 300).kt)
    np.testing.assert_array_equal(from_frame(frame).reduced(units="kT").u_kn, ROW.u)
    times = pandas.MultiIndex.from_arrays([TIME, np.array([0, 0.25, 0.5, 1])[OWN]], names=["time", "lambda"])
    single = pandas.DataFrame(ROW.u.T, index=times, columns=[0.0, 0.25, 0.5, 1.0])
    np.testing.assert_array_equal(from_frame(single).counts, ROW.counts)
    single.to_csv("frame.csv")
    np.testing.assert_allclose(samples(pathlib.Path("frame.csv")).u_kn, ROW.u)
    with pytest.raises(DataError, match="no number"):
        from_frame(single.assign(name="anna"))


def test_table_and_json(folder: pathlib.Path) -> None:
    code, text = told("row.npz", "--temperature", 300)
    assert code == 0, text
    assert "1 kT = 2.49434 kJ/mol, 0.596161 kcal/mol at 300 K" in text
    assert all(part in text for part in ("4 states, 900 samples", "f / (kcal/mol)", "overlap", "second eigenvalue"))
    code, text = told("row.npz", "--json", "--temperature", 300, "--bootstraps", 20, "--keep-all")
    record = json.loads(text)
    assert code == 0 and record["kept"] == record["samples"] == 900 and record["bootstraps"] == 20
    assert record["kT"]["kJ/mol"] == pytest.approx(8.31446261815324e-3 * 300, rel=1e-12)
    assert np.allclose(np.sum(record["overlap"], axis=1), 1.0) and 0 < record["overlap_scalar"] < 1
    last = record["states"][-1]
    assert last["free_energy"]["stderr"] > 0 and 1 <= last["inefficiency"] < 2 and record["states"][2]["inefficiency"] is None


def test_a_folder_gets_results_and_a_figure(folder: pathlib.Path) -> None:
    code, text = told("row.npz", "--out", "made")
    assert code == 0 and "Written: " in text
    assert {path.name for path in (folder / "made").iterdir()} == {"results.json", "states.png", "states.svg", "states.csv"}
    assert json.loads((folder / "made" / "results.json").read_text()) == reweight("row.npz").record()
    assert len((folder / "made" / "states.csv").read_text().splitlines()) == 1 + 4 + 16


def test_units_are_converted_by_the_temperature(folder: pathlib.Path) -> None:
    kt = scale("kcal/mol", 298.15).kt
    assert kt == pytest.approx(0.592485, rel=1e-6)  # the textbook's kT at room temperature
    np.savez("kcal.npz", u_kn=ROW.u * kt, N_k=ROW.counts)
    ours = reweight("kcal.npz", units="kcal/mol", temperature=298.15, keep_all=True)
    np.testing.assert_allclose(ours.mbar.f, reweight("row.npz", keep_all=True).mbar.f, atol=1e-8)
    assert "energies in kcal/mol" in str(ours)


def test_doubts_are_told(folder: pathlib.Path) -> None:
    u = np.concatenate([np.where(np.arange(900) < 500, ROW.u[:2], np.inf), np.where(np.arange(900) < 500, np.inf, ROW.u[2:])])
    np.savez("apart.npz", u_kn=u, N_k=ROW.counts)
    code, text = told("apart.npz")
    assert code == 0 and "not established" in text and "2, 3: The states do not overlap" in text and "1800 energies are infinite" in text
    record = json.loads(told("apart.npz", "--json")[1])
    assert record["status"] == "no_overlap" and record["states"][3]["free_energy"]["value"] is None
    many = wells(2, [40] * 14)
    np.savez("many.npz", u_kn=many.u, N_k=many.counts)
    assert "The whole matrix: --json" in told("many.npz")[1]


def save(name: str, **held: np.ndarray) -> None:
    np.savez(name, **held)


BAD = {
    "no file": (("none.npz",), "none.npz does not exist"),
    "folder": ((".",), "is a folder"),
    "another kind": (("notes.md",), "ends in '.md'"),
    "names": (("names.npz",), "save np.savez(path, u_kn=u_kn, N_k=N_k)"),
    "not a number": (("nan.npz",), "u_kn[1, 7] is nan"),
    "counts": (("counts.npz",), "counts add up to 899, but u_kn has 900 columns"),
    "turned": (("turned.npz",), "It looks transposed: give u_kn.T"),
    "out": (("row.npz", "--out", "row.npz"), "is a file; give a folder"),
    "complex": (("complex.npz",), "of type complex128"),
    "no state": (("plain.csv",), "does not say which state a sample is from"),
    "which state": (("seventh.csv",), "line 3, column 'state' is 7; states are numbered 0 to 1"),
    "missing": (("gap.csv",), "line 3, column 'b' has no value"),
    "lambda": (("lambda.csv",), "line 3 is of lambda 0.7, which no column of energies has"),
    "lambda names": (("letters.csv",), "the name of column 'a' is not 1 lambda(s)"),
    "nothing": (("empty.csv",), "is empty"),
    "no energies": (("times.csv",), "holds no energies"),
    "parquet": (("broken.parquet",), "broken.parquet"),
    "units": (("row.npz", "--units", "eV"), "energies are in kT, kJ/mol, kcal/mol"),
    "no temperature": (("row.npz", "--units", "kJ/mol"), "give it (--temperature 298.15)"),
    "temperature": (("row.npz", "--temperature", -3), "give a positive number of kelvin"),
    "one bootstrap": (("row.npz", "--bootstraps", 1), "give 0, or at least 2"),
    "seed": (("row.npz", "--seed", -1), "give a whole number"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(folder: pathlib.Path, case: str) -> None:
    pathlib.Path("notes.md").write_text("a")
    save("names.npz", x=ROW.u)
    save("nan.npz", u_kn=np.where((np.arange(4)[:, None] == 1) & (np.arange(900) == 7), np.nan, ROW.u), N_k=ROW.counts)
    save("counts.npz", u_kn=ROW.u, N_k=ROW.counts - [1, 0, 0, 0])
    save("turned.npz", u_kn=ROW.u.T, N_k=ROW.counts)
    save("complex.npz", u_kn=ROW.u * 1j, N_k=ROW.counts)
    for name, text in {
        "plain": "a,b\n0.5,1\n0.5,1",
        "seventh": "state,a,b\n0,0.5,1\n7,0.5,1",
        "gap": "state,a,b\n0,0.5,1\n1,0.5,",
        "lambda": "time,fep-lambda,0.0,1.0\n0,0.0,0.5,1\n1,0.7,0.5,1",
        "letters": "time,fep-lambda,a,b\n0,0.0,0.5,1\n1,1.0,0.5,1",
        "empty": "",
        "times": "time,state\n0,0\n1,0",
    }.items():
        pathlib.Path(f"{name}.csv").write_text(text)
    pathlib.Path("broken.parquet").write_text("no parquet")
    words, sentence = BAD[case]
    refused(words, sentence)
