"""The machinery of the benchmarks: contestants in processes of their own, of which one fails, and the ratio of medians."""

import pathlib
import subprocess
import sys
import textwrap

import pytest

from benchmarks.race import compare, of_use

ROOT = pathlib.Path(__file__).parents[1]
TRACK = """
    import sys, time
    from benchmarks.race import Race, Ready, hold, measure

    def sleeper(seconds):
        def run():
            time.sleep(seconds)
            return 1.0
        return lambda: Ready(1.0, run)

    def broken():
        raise RuntimeError("no such device")

    RACE = Race("naps", "naps", {"ours": sleeper(0.1), "peer:slow": sleeper(1.0), "peer:fast": sleeper(0.2), "lost": broken}, {"peer": 1})
    if len(sys.argv) > 2:
        measure(RACE.contestants[sys.argv[3]])
    else:
        print([(row["contestant"], len(row["rates"])) for row in hold("naps", RACE, 3, "cpu", module="track")])
"""


def test_a_race(tmp_path: pathlib.Path) -> None:
    """Each contestant runs once a round, a hopeless variant once, and what failed says why."""
    (tmp_path / "track.py").write_text(textwrap.dedent(TRACK))
    paths = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-m", "track"], cwd=tmp_path, env=paths, capture_output=True, text=True, check=True)
    assert "[('ours', 3), ('peer:slow', 1), ('peer:fast', 3)]" in done.stdout
    assert "lost                        failed: RuntimeError: no such device" in done.stdout
    ratio = float(done.stdout.split("against peer: ")[1].split(" ")[0])
    assert 1.5 < ratio < 2.5  # of naps of 0.1 and 0.2 s


def test_the_best_of_a_family_counts(capsys: pytest.CaptureFixture[str]) -> None:
    compare({"ours": 3.0, "peer:eager": 1.0, "peer:compile": 2.0, "other": 4.0}, {"peer": 2, "other": 0.5, "absent": 1}, ours="ours")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "  against peer: 1.50 times (asked: 2)  SHORT" and told[1] == "  against other: 0.75 times (asked: 0.5)"
    assert told[2] == "  against absent: no figure"


def test_less_than_half_as_fast_rests() -> None:
    assert of_use({"ours": 1.0, "peer:eager": 4.0, "peer:compile": 10.0, "other:one": 0.1}) == ["ours", "peer:compile", "other:one"]
