"""The house stands as designed: imports go one way, parts are small, importing changes nothing, every part is under a law."""

import ast
import importlib
import inspect
import itertools
import os
import pathlib
import subprocess
import sys

import pytest

import gibbsite
from gibbsite.core import AbstractEnergy, AbstractKernel, AbstractModel, AbstractObjective, AbstractObserver, Capability, Status

SRC = pathlib.Path(gibbsite.__file__).parent

# A room imports only rooms of earlier floors; rooms on one floor do not import each other.
FLOORS = [
    {"core"},
    {"nets"},
    {"energies"},
    {"samplers"},
    {"data", "thermo"},
    {"objectives", "metrics", "testing"},
    {"models"},
    {"train"},
    {"compare"},
    {"reweight", "simulate"},
    {"scan"},
    {"verify"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def module_name(path: pathlib.Path) -> str:
    return ".".join(("gibbsite", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")


FILES = sorted(SRC.rglob("*.py"))
MODULES = {module_name(path) for path in FILES}


def imports(path: pathlib.Path) -> set[str]:
    """Modules of ours that a file imports, type-checking blocks left out."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(n) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) for n in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "gibbsite":
            # `from room import file` names the file, not the room's face.
            targets = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= targets & MODULES | ({node.module} if targets - MODULES else set())
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "gibbsite"}
    return found


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_imports_go_one_way() -> None:
    wrong = []
    for path in FILES:
        here = room(module_name(path))
        if not here:
            continue
        for name in imports(path):
            there = room(name)
            if there in FLOOR and there != here and FLOOR[there] >= FLOOR[here]:
                wrong.append(f"{module_name(path)} imports {name}")
    assert not wrong, wrong


def test_every_room_has_a_floor() -> None:
    rooms = {room(module_name(path)) for path in FILES} - {""}
    assert rooms == set(FLOOR), rooms ^ set(FLOOR)


def column(heading: str) -> list[str]:
    """The first cells, which name parts of the code, of the table in docs/design.md with this heading."""
    lines = (SRC.parents[1] / "docs" / "design.md").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(heading))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[first + 2 :])
    return [row.split("|")[1].strip(" `") for row in rows]


def test_the_design_names_what_exists() -> None:
    assert set(column("| room |")) == set(FLOOR) - {"__main__"}
    assert column("| status |") == [status.name for status in Status]
    assert set(column("| view |")) == {view.__name__ for view in Capability.__subclasses__()}
    assert all(hasattr(AbstractKernel, name) or name in AbstractKernel.__annotations__ for name in column("| attribute |"))


def test_no_cycle_between_files() -> None:
    edges = {module_name(path): (imports(path) & MODULES) - {module_name(path)} for path in FILES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join((*trail, name))}"
        if name not in done:
            for other in edges[name]:
                # A package's face imports its own files; they do not import the face.
                visit(other, (*trail, name))
            done.add(name)

    for name in edges:
        visit(name, ())


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_one_idea_per_file(path: pathlib.Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def concrete(base: type) -> set[type]:
    """The public final classes of every room, exported or not."""
    modules = [importlib.import_module(name) for name in sorted(MODULES - {"gibbsite.__main__"})]
    classes = {m for module in modules for m in vars(module).values() if inspect.isclass(m) and m.__module__ == module.__name__}
    return {m for m in classes if issubclass(m, base) and not inspect.isabstract(m) and not m.__name__.startswith(("_", "Abstract"))}


def covered(values) -> set[type]:
    """The classes of registered parts, those inside a wrapper or composition included."""
    import jax

    seen: set[type] = set()

    def walk(part) -> None:
        seen.add(type(part))
        children = vars(part).values() if hasattr(part, "__dict__") else ()
        for child in jax.tree.leaves(list(children), is_leaf=lambda n: hasattr(n, "__dataclass_fields__")):
            if hasattr(child, "__dataclass_fields__"):
                walk(child)

    for value in values:
        for leaf in jax.tree.leaves(value, is_leaf=lambda n: hasattr(n, "__dataclass_fields__")):
            walk(leaf)
    return seen


@pytest.mark.parametrize(
    ("base", "registry"),
    [
        (AbstractEnergy, "energies.ENERGIES"),
        (AbstractKernel, "kernels.REGISTERED"),
        (AbstractObserver, "observers.OBSERVERS"),
        (AbstractObjective, "objectives.OBJECTIVES"),
        (AbstractModel, "models.MODELS"),
    ],
    ids=["energies", "kernels", "observers", "objectives", "models"],
)
def test_every_part_is_registered(base: type, registry: str) -> None:
    """In whatever room it lives, it is under a law; the instruments of the laws themselves aside."""
    name, parts = registry.split(".")
    registered = covered(getattr(importlib.import_module(f"registry.{name}"), parts).values())
    missing = {cls for cls in concrete(base) if room(cls.__module__) != "testing"} - registered
    assert not missing, f"add one line to tests/registry/{name}.py for {sorted(c.__name__ for c in missing)}"


def test_every_estimator_is_registered() -> None:
    """Public functions of thermo and metrics that return an `Estimate` are held to the coverage law or to exact answers."""
    registered = importlib.import_module("registry.estimators").ESTIMATORS
    public = set()
    for name in ("thermo", "metrics"):
        module = importlib.import_module(f"gibbsite.{name}")
        for attribute in module.__all__:
            fn = getattr(module, attribute)
            if inspect.isfunction(fn) and "Estimate" in str(inspect.signature(fn).return_annotation):
                public.add(attribute)
    missing = public - set(registered)
    assert not missing, f"add one line to tests/registry/estimators.py for {sorted(missing)}"


IMPORT_PROBE = """
import jax, pathlib, sys
names = [n for n in dir(jax.config) if n.startswith('jax_')]
before = {n: getattr(jax.config, n) for n in names}
import gibbsite
from gibbsite import cli
after = {n: getattr(jax.config, n) for n in names}
assert before == after, [n for n in names if before[n] != after[n]]
heavy = [m for m in ('matplotlib', 'sklearn', 'pandas') if m in sys.modules]
assert not heavy, heavy
assert not list(pathlib.Path('.').rglob('*')), list(pathlib.Path('.').rglob('*'))
"""


def test_importing_changes_nothing(tmp_path: pathlib.Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", IMPORT_PROBE], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_machine_paths_or_pickle() -> None:
    for path in FILES:
        text = path.read_text()
        assert "import pickle" not in text, path
        assert "allow_pickle=True" not in text, path


def test_long_tests_exist() -> None:
    """A test whose name has changed would be among the short ones again."""
    tests = pathlib.Path(__file__).parent
    for line in (tests / "long.txt").read_text().splitlines():
        file, *_, name = line.split("[")[0].split("::")
        assert f"def {name}(" in (tests.parent / file).read_text(), line
