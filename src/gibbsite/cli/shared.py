"""What commands share: the application, common options, and how an end is told."""

import contextlib
import pathlib
import traceback
from collections.abc import Iterator
from typing import Annotated, NoReturn, Protocol, runtime_checkable

import typer

import gibbsite
from gibbsite.compare.store import FullError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
ABOUT = "Energies defined, sampled, normalised, learned from data, and compared."
CONTINUES = "Stopped. What is done is kept; the same command continues."

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Seed = Annotated[int, typer.Option(help="Of the random numbers.")]

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


@runtime_checkable
class Told(Protocol):
    """What a command has done: told as text, as JSON, or as files."""

    def json(self) -> str: ...

    def __str__(self) -> str: ...


@runtime_checkable
class Written(Told, Protocol):
    """One that can be written to a folder."""

    def write(self, folder: pathlib.Path) -> list[pathlib.Path]: ...


@contextlib.contextmanager
def answering(*bad_input: type[Exception], debug: bool, stopped: str = "Stopped.") -> Iterator[None]:
    """Ends the command with one sentence and its exit status: on bad input, on a full disk, and where it is interrupted."""
    try:
        yield
    except bad_input as error:
        _refuse(error, debug=debug)
    except FullError as error:
        typer.echo(f"gibbsite: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        typer.echo(stopped, err=True)
        raise typer.Exit(INTERRUPTED) from None


def deliver(done: Told, *, as_json: bool) -> None:
    """Prints what was done."""
    typer.echo(done.json() if as_json else str(done))


def deliver_and_write(done: Written, out: pathlib.Path | None, *, as_json: bool) -> None:
    """Prints what was done, and writes it to the folder, if there is one."""
    deliver(done, as_json=as_json)
    if out is None:
        return
    try:
        made = done.write(out)
    except OSError as error:
        typer.echo(f"gibbsite: --out {out} cannot be written ({(error.strerror or str(error)).lower()}).", err=True)
        raise typer.Exit(FAILED) from None
    typer.echo(f"Written: {', '.join(str(path) for path in made)}", err=as_json)


def _refuse(error: Exception, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    typer.echo(f"gibbsite: {error}", err=True)
    raise typer.Exit(BAD_INPUT)
