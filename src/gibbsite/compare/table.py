"""The table of a comparison: every number with its error, every likelihood with its evidence."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from gibbsite.compare.ranking import with_means
from gibbsite.compare.store import Record
from gibbsite.core import Z95, Evidence, concise


class Badge(NamedTuple):
    """Evidence at a glance, told by a sign and a word as well as by colour."""

    sign: str
    word: str
    meaning: str
    colour: str


BADGES = {
    Evidence.EXACT.value: Badge("=", "exact", "computed without approximation, to the tolerance stated", "green"),
    Evidence.UNBIASED.value: Badge("≈", "unbiased", "right on average; the error bar is all there is to it", "green"),
    Evidence.INTERVAL.value: Badge("↔", "interval", "the truth lies in the interval at the stated level", "cyan"),
    Evidence.LOWER.value: Badge("≥", "lower bound", "the truth is, in expectation, this or more", "yellow"),
    Evidence.UPPER.value: Badge("≤", "upper bound", "the truth is, in expectation, this or less", "yellow"),
    Evidence.IMPLICIT.value: Badge("∅", "implicit", "the model has no density", "magenta"),
    Evidence.NOT_ESTABLISHED.value: Badge("?", "not established", "the computation failed or is in doubt", "red"),
}


class Column(NamedTuple):
    """One column: its head, the metric, and the metric of its noise floor."""

    head: str
    metric: str
    floor: str | None
    badge: bool
    note: str


COLUMNS = (
    Column("NLL", "nll", None, True, "test negative log-likelihood, nats per example; below 0 where the density of most rows exceeds 1"),
    Column(
        "bits/dim",
        "bits_per_dim",
        None,
        True,
        "the same in bits per dimension (of a dequantised density: a bound on the code length of the levels)",
    ),
    Column("KL", "kl", None, True, "Kullback-Leibler divergence KL(truth || model), nats"),
    Column("mode TV", "mode_tv", "mode_tv_floor", False, "total variation between the mode masses of draws and the truth"),
    Column("energy dist.", "energy_distance", "energy_distance_floor", False, "energy distance of draws from test data"),
    Column(
        "C2ST",
        "c2st",
        "c2st_floor",
        False,
        "classifier two-sample test: held-out accuracy of telling draws from test data, 0.5 if nothing tells them apart",
    ),
    Column("MMD²", "mmd", "mmd_floor", False, "maximum mean discrepancy of draws from test data, squared"),
    Column("sliced W²", "sliced_wasserstein", "sliced_wasserstein_floor", False, "squared Wasserstein distance, averaged over directions"),
    Column("precision", "precision", "precision_floor", False, "share of draws that lie among the data"),
    Column(
        "recall",
        "recall",
        "recall_floor",
        False,
        "share of data that lie among the draws: may be 0 beside a high coverage, where draws crowd closer together than data",
    ),
    Column("coverage", "coverage", "coverage_floor", False, "share of data with a draw nearby: falls with every mode that is missed"),
    Column("copies", "memorisation", None, False, "share of draws nearer to training than to test rows: near 0.5 if none is copied"),
    Column("curl", "curl", None, False, "antisymmetric share of the score's Jacobian: 0 for the gradient of an energy"),
)
SPARE = (  # left out where the terminal is narrow, the last first; the report has them
    "energy_distance",
    "bits_per_dim",
    "c2st",
    "recall",
    "precision",
    "coverage",
    "memorisation",
    "sliced_wasserstein",
    "mmd",
    "curl",
)
WIDTH = 13  # characters of a column
WIDER = 1.2  # times its error bar: an interval that is wider is written out
FLOOR = "noise floor"
DOUBT_NOTE = "1.2(3)? with a question mark: its computation is in doubt; the cautions say why"
FLOOR_NOTE = "noise floor: the same figure of as many training rows in place of draws (or all, if there are fewer)"


def by_dataset(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each data set, in the order of the grid."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["dataset"], []).append(record)
    return groups


def columns_of(records: Iterable[Record]) -> list[Column]:
    """The columns that any of the records has, established or not."""
    records = list(records)
    return [column for column in COLUMNS if any(column.metric in r["metrics"] for r in records)]


def number(metric: Mapping[str, Any] | None, *, ends: bool = True) -> str:
    """`1.234(5)`, or a dash where there is nothing; `1.2(3)?` where the computation did not quite work.

    An interval that reaches clearly beyond its error bar is written out, `1.2 [0.1, 1.4]`, unless its `ends` are drawn beside.
    """
    if metric is None:
        return "-"
    if metric["value"] is None:
        return "no density" if metric["evidence"] == Evidence.IMPLICIT.value else "not established"
    return ((ends and _interval(metric)) or concise(metric["value"], metric["stderr"])) + ("" if metric["status"] == "ok" else "?")


def _interval(metric: Mapping[str, Any]) -> str | None:
    """`value [lo, hi]`, to the digits of the error, where the ends say more than it does."""
    lo, hi, stderr = (metric.get(name) for name in ("lo", "hi", "stderr"))
    if metric["evidence"] != Evidence.INTERVAL.value or lo is None or hi is None or not stderr:
        return None
    if hi - lo < WIDER * 2 * Z95 * stderr:
        return None
    digits = max(0, -math.floor(math.log10(stderr)))
    return f"{metric['value']:.{digits}f} [{lo:.{digits}f}, {hi:.{digits}f}]"


def doubted(record: Record) -> dict[str, list[str]]:
    """Heads of the columns whose computation did not quite work, by status."""
    found: dict[str, list[str]] = {}
    for column in COLUMNS:
        metric = record["metrics"].get(column.metric)
        if metric is not None and metric["status"] != "ok":
            found.setdefault(metric["status"], []).append(column.head)
    return found


def badge(metric: Mapping[str, Any] | None) -> Badge | None:
    """The badge of a metric's evidence."""
    return None if metric is None else BADGES.get(metric["evidence"])


def naming(records: Iterable[Record]) -> Callable[[Record], str]:
    """How records are named: the model, with its seed where there are several; a row of means says of how many fits."""
    seeds = len({record["seed"] for record in records}) > 1

    def name(record: Record) -> str:
        if record["seed"] is None:
            return f"{record['model']}, mean of {record['fits']}"
        return f"{record['model']} #{record['seed']}" if seeds else record["model"]

    return name


def cell_text(record: Record, column: Column) -> str:
    """A number and its badge's sign."""
    metric = record["metrics"].get(column.metric)
    mark = badge(metric) if column.badge and metric and metric["value"] is not None else None
    return f"{number(metric)} {mark.sign}" if mark else number(metric)


def floor_of(records: Iterable[Record], column: Column) -> Mapping[str, Any] | None:
    """The noise floor of a column: it belongs to the data, so the first one found is that of all."""
    held = (record["metrics"].get(column.floor) for record in records if column.floor)
    return next((metric for metric in held if metric and metric["value"] is not None), None)


def short(value: float) -> str:
    """Two significant digits, for noise floors."""
    return f"{value:.2g}" if abs(value) >= 1e-3 else f"{value:.1e}"


def table(records: Iterable[Record], *, plain: bool = False, width: int | None = None) -> str:
    """All tables as text; `plain` leaves colours out."""
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=not plain, no_color=plain, width=width or 100, highlight=False)
    with console.capture() as capture:
        show(records, console)
    return capture.get()


def show(records: Iterable[Record], console: Any) -> None:
    """Prints one table a data set on a Rich console, and what the signs mean."""
    records, used = list(records), set[str]()
    for dataset, group in by_dataset(records).items():
        columns = fitting(columns_of(group), console.width)
        rows = with_means(group, [column.metric for column in columns])
        used |= {r["metrics"][c.metric]["evidence"] for r in rows for c in columns if c.badge and c.metric in r["metrics"]}
        console.print(_grid(dataset, group, rows, columns))
    for mark in (mark for evidence, mark in BADGES.items() if evidence in used):
        console.print(f"  {mark.sign} {mark.word}: {mark.meaning}", style=mark.colour, markup=False)
    if any(doubted(record) for record in records):
        console.print(f"  {DOUBT_NOTE}", markup=False)


def _grid(dataset: str, records: list[Record], rows: list[Record], columns: list[Column]) -> Any:
    """The table of one data set, for Rich; `rows` are its records with those of their means."""
    from rich import box
    from rich.table import Table

    grid = Table(title=dataset, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    grid.add_column("model", no_wrap=True)
    for head in (*(column.head for column in columns), "par.", "s"):
        grid.add_column(head, justify="right", no_wrap=True)
    name = naming(records)
    for record in rows:
        grid.add_row(name(record), *_cells(record, columns))
    floors = [floor_of(records, column) for column in columns]
    if any(floors):
        grid.add_row(FLOOR, *("" if floor is None else number(floor) for floor in floors), "", "", style="dim")
    return grid


def fitting(columns: list[Column], width: int) -> list[Column]:
    """The columns that a terminal has room for."""
    room = max(0, width - 30) // WIDTH
    least = [c.metric for c in columns if c.metric not in SPARE]
    kept = {*least, *[name for name in SPARE if any(c.metric == name for c in columns)][: max(0, room - len(least))]}
    return [column for column in columns if column.metric in kept]


def _cells(record: Record, columns: list[Column]) -> list[Any]:
    from rich.text import Text

    marks = [badge(record["metrics"].get(column.metric)) if column.badge else None for column in columns]
    texts = [Text(cell_text(record, c), style=mark.colour if mark else "") for c, mark in zip(columns, marks, strict=True)]
    return [*texts, "failed" if record["status"] == "failed" else str(record["parameters"]), f"{record['seconds']:.0f}"]
