"""Commands for those who have data: compare the paradigms, and make the report again."""

import pathlib
import sys
from typing import Annotated

import typer

from gibbsite.cli.shared import CONTINUES, FAILED, Debug, answering, app
from gibbsite.compare.card import BUDGETS, CardError
from gibbsite.compare.run import compare as run_comparison
from gibbsite.compare.run import report as run_report
from gibbsite.compare.summary import lines
from gibbsite.compare.table import show
from gibbsite.data import DataError


@app.command(epilog="Examples: gibbsite compare; gibbsite compare moons --models flow,ebm-pcd; gibbsite compare points.csv --columns x,y")
def compare(
    target: Annotated[
        str | None, typer.Argument(metavar="[CARD.toml|NAME|FILE]", help="A card, a data set, or a CSV, TSV, TXT, NPY or NPZ file.")
    ] = None,
    *,
    models: Annotated[
        str | None, typer.Option(help="Names from `gibbsite list`, with commas between; default: all that the data allow.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help=f"{', '.join(BUDGETS)}; default: the card's, or quick.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed; default: the card's, or 0.")] = None,
    columns: Annotated[str | None, typer.Option(help="Columns of a file, with commas between; default: all.")] = None,
    dequantise: Annotated[bool, typer.Option("--dequantise", help="Add uniform noise to integer columns of a file.")] = False,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave out rows of a file that miss a value.")] = False,
    out: Annotated[pathlib.Path | None, typer.Option(help="The folder for results; default: gibbsite-<name of the card>.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away earlier results in that folder.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the card in that folder; it must be there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json instead of the table.")] = False,
    debug: Debug = False,
) -> None:
    """Train every paradigm on the same data under one budget, and say how exact each number is.

    Writes results.json and report.html, cell by cell: a second start continues where the first ended.
    """
    with answering(CardError, DataError, debug=debug, stopped=CONTINUES):
        done = run_comparison(
            target,
            models=models,
            budget=budget,
            seed=seed,
            out=out,
            fresh=fresh,
            resume=resume,
            columns=columns,
            dequantise=dequantise or None,
            drop_missing=drop_missing or None,
        )
    if as_json:
        typer.echo(done.json())
    else:
        show(done.records, _console())
        for verdict in done.verdicts:
            typer.echo("\n".join(lines(verdict)))
        typer.echo(f"The report: {done.report}")
    if done.failed:
        typer.echo(f"{len(done.failed)} of {len(done.records)} fits failed; the same command tries them again.", err=True)
        raise typer.Exit(FAILED)


@app.command(epilog="Example: gibbsite report gibbsite-default")
def report(
    out: Annotated[pathlib.Path, typer.Argument(metavar="DIR", help="The folder of a comparison.")], *, debug: Debug = False
) -> None:
    """Make the report of a comparison again from its results, also of one that was interrupted."""
    with answering(CardError, debug=debug):
        done = run_report(out)
    for verdict in done.verdicts:
        typer.echo("\n".join(lines(verdict)))
    typer.echo(f"The report: {done.report}")


def _console() -> object:
    from rich.console import Console

    width = None if sys.stdout.isatty() else 110
    return Console(width=width, highlight=False)
