"""The command line: parses and calls, and says in one sentence what went wrong."""

import json
import os
import pathlib
import sys
import traceback
from typing import Annotated, NoReturn

import typer

import gibbsite
from gibbsite.compare.card import BUDGETS, CardError
from gibbsite.compare.catalogue import catalogue
from gibbsite.compare.doctor import examine
from gibbsite.compare.run import compare as run_comparison
from gibbsite.compare.run import report as run_report
from gibbsite.compare.store import FullError
from gibbsite.compare.summary import lines
from gibbsite.compare.table import show
from gibbsite.data import DataError
from gibbsite.reweight import UNITS, Reweighting, reweight
from gibbsite.scan import Scan, betas_of, sides_of
from gibbsite.scan import scan as run_scan
from gibbsite.simulate import KERNELS, Simulation, TARGETS, check_folder, limit, settings_of, simulate
    KERNELS,
    PROTOCOLS,
    TARGETS,
    Driven,
    Simulation,
    check_folder,
    constant,
    drive_named,
    limit,
    settings_of,
    simulate,
)
from gibbsite.verify import VerifyError, chosen, told
from gibbsite.verify import verify as run_identities

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
ABOUT = "Energies defined, sampled, normalised, learned from data, and compared."

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the energy, such as side=64; of the kernel: kernel.steps=20."),
]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT, epilog="Example: gibbsite compare moons"
)


def _version(wanted: object) -> None:
    if wanted:
        typer.echo(f"gibbsite {gibbsite.__version__}")
        raise typer.Exit


@app.callback()
def _all(
    *, version: Annotated[bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = None
) -> None:
    pass


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
    try:
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
    except (CardError, DataError) as error:
        _refuse(error, debug=debug)
    except FullError as error:
        typer.echo(f"gibbsite: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo("Stopped. What is done is kept; the same command continues.", err=True)
        raise typer.Exit(INTERRUPTED) from None
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


@app.command(epilog="Examples: gibbsite sample ising --set side=64 --beta 0.44; gibbsite sample mine.py:energy --until energy=0.01")
def sample(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"One of {', '.join(TARGETS)}; or file.py:name.")],
    *,
    kernel: Annotated[str, typer.Option(help=f"auto (by what the energy can do), {', '.join(KERNELS)}.")] = "auto",
    settings: Settings = None,
    beta: Annotated[float, typer.Option(help="Inverse temperature.")] = 1.0,
    chains: Annotated[int, typer.Option(help="Independent chains.")] = 16,
    warmup: Annotated[
        int | None, typer.Option(help="Steps that tune the kernel and are thrown away; default: 500, or fewer where that can be told.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Steps of each chain; with --until, of the first round.")] = 1000,
    until: Annotated[str | None, typer.Option(metavar="NAME=ERROR", help="Sample until this error bar is so small: energy=0.01.")] = None,
    observe: Annotated[
        list[str] | None, typer.Option(metavar="FILE.PY:NAME", help="A function of x to measure as well; may be given again.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    out: Annotated[pathlib.Path | None, typer.Option(help="A folder for results.json and figures; default: none are written.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Sample an energy, and print its observables with their errors.

    Energies are those of the target itself, not tempered.
    """
    try:
        held = settings_of(settings or ())
        if out is not None:
            check_folder(out)
        done = simulate(
            target,
            held,
            kernel=kernel,
            beta=beta,
            chains=chains,
            warmup=warmup,
            draws=draws,
            until=limit(until),
            observe=observe or (),
            seed=seed,
        )
    except (ValueError, TypeError) as error:
        _refuse(error, debug=debug)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(done.json() if as_json else str(done))
    if out is not None:
        _written(done, out, err=as_json)


@app.command("log-z", epilog="Example: gibbsite log-z ising --set side=32 --beta 0.44 --route sampled --json")
def log_z(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"One of {', '.join(TARGETS)}; or file.py:name.")],
    *,
    settings: Settings = None,
    beta: Annotated[float, typer.Option(help="Inverse temperature.")] = 1.0,
    route: Annotated[
        list[str] | None,
        typer.Option(help="A route's name, exact or sampled; may be given again. Default: all exact ones, else all sampled ones."),
    ] = None,
    walkers: Annotated[int, typer.Option(help="Of each round of the sampled routes.")] = 512,
    width: Annotated[float, typer.Option(help="Sampled routes go on until the interval is as narrow.")] = 0.1,
    seconds: Annotated[float, typer.Option(help="Or until the next round would end later than this.")] = 60.0,
    level: Annotated[float, typer.Option(help="Of the interval.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Certify log Z of an energy: exact, established by three routes that agree, or not established, and why."""
    try:
        done = constant(
            target,
            settings_of(settings or ()),
            beta=beta,
            routes=route,
            walkers=walkers,
            width=width,
            seconds=seconds,
            level=level,
            seed=seed,
        )
    except (ValueError, TypeError) as error:
        _refuse(error, debug=debug)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(done.json() if as_json else str(done))


@app.command(epilog="Examples: gibbsite mbar energies.npz; gibbsite mbar u_nk.csv --temperature 300 --bootstraps 100")
def mbar(
    file: Annotated[
        pathlib.Path, typer.Argument(metavar="FILE", help="NPZ with u_kn and N_k, CSV with a column state, or an alchemlyb frame.")
    ],
    *,
    units: Annotated[str | None, typer.Option(help=f"Of the energies: {', '.join(UNITS)}; default: as a frame says, or kT.")] = None,
    temperature: Annotated[float | None, typer.Option(help="In kelvin; free energies are then told in kJ/mol and kcal/mol, too.")] = None,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Keep transients and correlated samples.")] = False,
    bootstraps: Annotated[int, typer.Option(help="Take errors from so many replicates; 0: from the covariance.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the replicates.")] = 0,
    out: Annotated[pathlib.Path | None, typer.Option(help="A folder for results.json and a figure; default: none are written.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Free energies of all states from reduced energies (MBAR), with errors, overlap and statistical inefficiency."""
    try:
        if out is not None:
            check_folder(out)
        done = reweight(file, units=units, temperature=temperature, keep_all=keep_all, bootstraps=bootstraps, seed=seed)
    except ValueError as error:
        _refuse(error, debug=debug)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(done.json() if as_json else str(done))
    if out is not None:
        _written(done, out, err=as_json)


@app.command(
    epilog="Examples: gibbsite scan ising --set side=32 --beta 0.35:0.50:16; gibbsite scan ising --sizes 8,16,32 --beta 0.4:0.48:9"
)
def scan(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"One of {', '.join(TARGETS)}; or file.py:name.")],
    *,
    beta: Annotated[str, typer.Option(metavar="LOW:HIGH:POINTS", help="Inverse temperatures, from hot to cold, at equal steps.")],
    settings: Settings = None,
    sizes: Annotated[str | None, typer.Option(metavar="L,L,...", help="Sides of the lattice, the smallest first, to find T_c.")] = None,
    chains: Annotated[int, typer.Option(help="Independent populations, each with a replica at every temperature.")] = 32,
    warmup: Annotated[int, typer.Option(help="Steps that are thrown away.")] = 200,
    draws: Annotated[int, typer.Option(help="Steps of each population.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="A folder for results.json, report.html and figures; default: none are written.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure energy, heat capacity, order and free energy against beta by replica exchange; of several sizes, find T_c."""
    try:
        held, range_, sides = settings_of(settings or ()), betas_of(beta), sides_of(sizes)
        if out is not None:
            check_folder(out)
        done = run_scan(target, held, beta=range_, sizes=sides, chains=chains, warmup=warmup, draws=draws, seed=seed)
    except (ValueError, TypeError) as error:
        _refuse(error, debug=debug)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(done.json() if as_json else str(done))
    if out is not None:
        _written(done, out, err=as_json)


@app.command(epilog="Example: gibbsite work drag --steps 200 --time 20 --out drag")
def work(
    protocol: Annotated[str, typer.Argument(metavar="PROTOCOL", help=f"One of {', '.join(PROTOCOLS)}.")],
    *,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A number of the protocol: distance=5.")] = None,
    steps: Annotated[int | None, typer.Option(help="Switches of the protocol; default: its own, a quench has 1.")] = None,
    time: Annotated[float | None, typer.Option(help="That it takes, in units in which <x^2> = 2 t; default: its own.")] = None,
    walkers: Annotated[int, typer.Option(help="In each direction.")] = 4096,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    out: Annotated[pathlib.Path | None, typer.Option(help="A folder for results.json and the figure; default: none are written.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Drive a protocol forward and back, and print what the work says of the free energy.

    drag pulls a trap, switch makes one stiffer, quench lets a particle out of a trap into a double well at once.
    """
    try:
        if out is not None:
            check_folder(out)
        done = drive_named(protocol, settings_of(settings or ()), steps=steps, time=time, walkers=walkers, seed=seed)
    except (ValueError, TypeError) as error:
        _refuse(error, debug=debug)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(done.json() if as_json else str(done))
    if out is not None:
        _written(done, out, err=as_json)


@app.command(epilog="Example: gibbsite report gibbsite-default")
def report(
    out: Annotated[pathlib.Path, typer.Argument(metavar="DIR", help="The folder of a comparison.")], *, debug: Debug = False
) -> None:
    """Make the report of a comparison again from its results, also of one that was interrupted."""
    try:
        done = run_report(out)
    except CardError as error:
        _refuse(error, debug=debug)
    except FullError as error:
        typer.echo(f"gibbsite: {error}", err=True)
        raise typer.Exit(FAILED) from None
    for verdict in done.verdicts:
        typer.echo("\n".join(lines(verdict)))
    typer.echo(f"The report: {done.report}")


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
    try:
        if list_only:
            asked = chosen(names or ())
            typer.echo(json.dumps([i.text() for i in asked], indent=1, ensure_ascii=False) if as_json else told(asked))
            return
        done = run_identities(*names or (), out=out, fresh=fresh)
    except VerifyError as error:
        _refuse(error, debug=debug)
    except FullError as error:
        typer.echo(f"gibbsite: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo("Stopped. What is done is kept; the same command continues.", err=True)
        raise typer.Exit(INTERRUPTED) from None
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


def main() -> None:
    """The console script. After Ctrl-C it does not wait for a compilation under way in the cell's thread."""
    try:
        app()
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)


def _written(done: Driven | Reweighting | Scan | Simulation, out: pathlib.Path, *, err: bool) -> None:
    try:
        made = done.write(out)
    except OSError as error:
        typer.echo(f"gibbsite: --out {out} cannot be written ({(error.strerror or str(error)).lower()}).", err=True)
        raise typer.Exit(FAILED) from None
    typer.echo(f"Written: {', '.join(str(path) for path in made)}", err=err)


def _refuse(error: Exception, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    typer.echo(f"gibbsite: {error}", err=True)
    raise typer.Exit(BAD_INPUT)


def _console() -> object:
    from rich.console import Console

    width = None if sys.stdout.isatty() else 110
    return Console(width=width, highlight=False)
