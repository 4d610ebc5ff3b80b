"""Commands for those who have an energy: its draws, its constant, its curves, its work."""

import pathlib
from typing import Annotated

import typer

from gibbsite.cli.shared import FAILED, AsJson, Debug, Seed, answering, app, deliver, deliver_and_write
from gibbsite.reweight import UNITS, reweight
from gibbsite.scan import betas_of, sides_of
from gibbsite.scan import scan as run_scan
from gibbsite.simulate import KERNELS, PROTOCOLS, TARGETS, check_folder, constant, drive_named, limit, settings_of, simulate

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the energy, such as side=64; of the kernel: kernel.steps=20."),
]


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
    seed: Seed = 0,
    out: Annotated[pathlib.Path | None, typer.Option(help="A folder for results.json and figures; default: none are written.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Sample an energy, and print its observables with their errors.

    Energies are those of the target itself, not tempered.
    """
    with answering(ValueError, TypeError, debug=debug):
        held = settings_of(settings or ())
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
    deliver_and_write(done, out, as_json=as_json)


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
    seed: Seed = 0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Certify log Z of an energy: exact, established by three routes that agree, or not established, and why."""
    with answering(ValueError, TypeError, debug=debug):
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
    deliver(done, as_json=as_json)
    if done.certificate.log_z.value is None:
        raise typer.Exit(FAILED)


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
    seed: Seed = 0,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="A folder for results.json, report.html and figures; default: none are written.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure energy, heat capacity, order and free energy against beta by replica exchange; of several sizes, find T_c."""
    with answering(ValueError, TypeError, debug=debug):
        held, range_, sides = settings_of(settings or ()), betas_of(beta), sides_of(sizes)
        check_folder(out)
        done = run_scan(target, held, beta=range_, sizes=sides, chains=chains, warmup=warmup, draws=draws, seed=seed)
    deliver_and_write(done, out, as_json=as_json)


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
    with answering(ValueError, TypeError, debug=debug):
        check_folder(out)
        done = reweight(file, units=units, temperature=temperature, keep_all=keep_all, bootstraps=bootstraps, seed=seed)
    deliver_and_write(done, out, as_json=as_json)


@app.command(epilog="Example: gibbsite work drag --steps 200 --time 20 --out drag")
def work(
    protocol: Annotated[str, typer.Argument(metavar="PROTOCOL", help=f"One of {', '.join(PROTOCOLS)}.")],
    *,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A number of the protocol: distance=5.")] = None,
    steps: Annotated[int | None, typer.Option(help="Switches of the protocol; default: its own, a quench has 1.")] = None,
    time: Annotated[float | None, typer.Option(help="That it takes, in units in which <x^2> = 2 t; default: its own.")] = None,
    walkers: Annotated[int, typer.Option(help="In each direction.")] = 4096,
    seed: Seed = 0,
    out: Annotated[pathlib.Path | None, typer.Option(help="A folder for results.json and the figure; default: none are written.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Drive a protocol forward and back, and print what the work says of the free energy.

    drag pulls a trap, switch makes one stiffer, quench lets a particle out of a trap into a double well at once.
    """
    with answering(ValueError, TypeError, debug=debug):
        check_folder(out)
        done = drive_named(protocol, settings_of(settings or ()), steps=steps, time=time, walkers=walkers, seed=seed)
    deliver_and_write(done, out, as_json=as_json)
