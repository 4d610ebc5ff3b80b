"""Commands about gibbsite itself: its identities, this machine, its parts."""

import json
import pathlib
from typing import Annotated

import typer

from gibbsite.cli.shared import CONTINUES, FAILED, AsJson, Debug, answering, app
from gibbsite.compare.catalogue import catalogue
from gibbsite.compare.doctor import examine
from gibbsite.verify import VerifyError, chosen, told
from gibbsite.verify import verify as run_identities


@app.command(epilog="Examples: gibbsite verify; gibbsite verify jarzynski crooks; gibbsite verify work --out here --json")
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Identities, or fields of them; default: all.")] = None,
    *,
    list_only: Annotated[bool, typer.Option("--list", help="List them, with their formulas, and run none.")] = False,
    out: Annotated[pathlib.Path | None, typer.Option(help="The folder for results; default: gibbsite-verify.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again what is finished there.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check the identities that relate the fields: both sides of each, measured by gibbsite's own parts.

    Writes results.json and report.html, identity by identity: a second start continues where the first ended.
    """
    with answering(VerifyError, debug=debug, stopped=CONTINUES):
        if list_only:
            asked = chosen(names or ())
            typer.echo(json.dumps([i.text() for i in asked], indent=1, ensure_ascii=False) if as_json else told(asked))
            return
        done = run_identities(*names or (), out=out, fresh=fresh)
    typer.echo(done.json() if as_json else f"{done}\nThe page: {done.report}", nl=not as_json)
    if done.failed:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: gibbsite doctor")
def doctor(*, as_json: AsJson = False) -> None:
    """Check this machine: versions, devices, compiled sums against eager ones, free disk."""
    findings = examine(pathlib.Path.cwd())
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=1))
    else:
        for finding in findings:
            typer.echo(f"{'ok' if finding.fine else 'NOT OK':7}{finding.name}: {finding.text}")
    if not all(finding.fine for finding in findings):
        raise typer.Exit(FAILED)


@app.command("list", epilog="Example: gibbsite list")
def list_parts(*, as_json: AsJson = False) -> None:
    """List energies, kernels, objectives, models and data, one line each."""
    parts = catalogue()
    if as_json:
        typer.echo(json.dumps({kind: dict(entries) for kind, entries in parts.items()}, indent=1, ensure_ascii=False))
        return
    wide = 2 + max(len(name) for entries in parts.values() for name, _ in entries)
    for kind, entries in parts.items():
        typer.echo(kind)
        for name, text in entries:
            typer.echo(f"  {name:{wide}}{text}")
