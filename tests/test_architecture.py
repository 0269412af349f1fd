"""Holds the package to imports that go one way only, down one list of modules."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import tinygrad_lstm

ROOT = Path(tinygrad_lstm.__file__).parent

# No module imports one that stands below it; "check.*" stands for all that is in a package.
ORDER = (
    "memory", "files", "errors", "checks", "symbol", "digits", "parameters", "place", "cotangent",
    "forms", "trial", "primitive", "primitives", "functions", "tape", "arrays", "tensor",
    "differentiate", "nn.init", "nn.arguments", "nn.equations", "nn.card", "nn.copies",
    "nn.module", "nn.layers",
    "nn.recurrence", "nn.cells", "nn.running", "nn.recurrent", "nn.losses", "nn", "optim",
    "interop.*", "data.*", "signals", "flow", "wiring", "border", "hoist", "recurrence", "fold",
    "unroll", "unpack", "proof", "repetition", "adjoint", "evaluate", "graph", "whereabouts",
    "derivations.*", "check.*", "draw.words", "explanation", "explain", "cache", "stacking",
    "dotless", "program", "render", "draw.*", "demo", "gallery", "spelling", "mute", "cli",
    "__main__", "",
)  # fmt: skip
ENGINE = ORDER[: ORDER.index("cache")]  # needs NumPy and nothing else
# imported when used, where nothing less will do
EXTRAS = {
    "interop.saving": {"safetensors"},
    "interop.onnx_layout": {"onnx"},
    "interop.onnx_network": {"google"},  # onnx' own dependency, for the error it raises
}

SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    .removesuffix("__init__")
    .rstrip("."): path
    for path in sorted(ROOT.rglob("*.py"))
}
EVERY = pytest.mark.parametrize("module", SOURCES, ids=lambda module: module or "__init__")


def imported(source: str, module: str, is_package: bool) -> set[str]:
    """Return the absolute names of all that a module imports, wherever it does."""
    here = ["tinygrad_lstm", *filter(None, module.split("."))]
    here = here if is_package else here[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1]] if node.level else []
            base += (node.module or "").split(".") if node.module else []
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


def place(module: str) -> str | None:
    """Return the entry of the list that a module falls under."""
    for entry in ORDER:
        if module == entry or (entry.endswith("*") and f"{module}.".startswith(entry[:-1])):
            return entry
    return None


def inside(names: Iterable[str], modules: Iterable[str]) -> set[str]:
    """Return which modules of the package the imported names belong to."""
    found = set()
    for name in names:
        top, _, rest = name.partition(".")
        if top == "tinygrad_lstm":
            while rest and rest not in modules:
                rest = rest.rpartition(".")[0]
            found.add(rest)
    return found


def upward(module: str, names: Iterable[str], modules: Iterable[str]) -> list[str]:
    """Return the modules that a module imports though they stand below it in the list."""
    mine = place(module)
    return [
        other
        for other in inside(names, modules)
        if ORDER.index(place(other) or "") > ORDER.index(mine or "")
    ]


def names_in(module: str) -> set[str]:
    path = SOURCES[module]
    return imported(path.read_text("utf-8"), module, path.name == "__init__.py")


@EVERY
def test_module_is_in_the_list(module):
    assert place(module) is not None


@EVERY
def test_imports_go_one_way(module):
    assert upward(module, names_in(module), SOURCES) == []


def test_there_are_no_cycles():
    edges = {module: inside(names_in(module), SOURCES) - {module} for module in SOURCES}
    while free := [module for module, needs in edges.items() if not needs & edges.keys()]:
        for module in free:
            del edges[module]
    assert edges == {}


@EVERY
def test_there_is_no_module_without_a_subject(module):
    assert not {"utils", "util", "helpers", "common", "misc"} & set(module.split("."))


@pytest.mark.parametrize("module", [m for m in SOURCES if place(m) in ENGINE])
def test_engine_needs_numpy_alone(module):
    others = {name.partition(".")[0] for name in names_in(module)} - set(sys.stdlib_module_names)
    assert others <= {"numpy", "tinygrad_lstm"} | EXTRAS.get(module, set())


@pytest.mark.parametrize("module", EXTRAS)
def test_extras_are_imported_when_used(module):
    body = ast.parse(SOURCES[module].read_text("utf-8")).body
    head = ast.unparse([each for each in body if isinstance(each, ast.Import | ast.ImportFrom)])
    names = {name.partition(".")[0] for name in imported(head, module, False)}
    assert "numpy" in names
    assert not names & EXTRAS[module]


@pytest.mark.parametrize("module", [m for m in SOURCES if place(m) == "derivations.*"])
def test_derivations_know_nothing_of_the_package(module):
    assert {place(other) for other in inside(names_in(module), SOURCES)} <= {"derivations.*"}


@pytest.mark.parametrize("module", ["errors", "symbol"])
def test_first_modules_know_nothing_of_the_package(module):
    assert inside(names_in(module), SOURCES) == set()


@EVERY
def test_module_says_its_job_in_the_first_line(module):
    docstring = ast.get_docstring(ast.parse(SOURCES[module].read_text("utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))


# --- the checks catch what they are there for ---------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("tape", "from .tensor import Tensor", ["tensor"]),
        ("tape", "from . import tensor", ["tensor"]),
        ("tape", "def f():\n    from .nn.layers import Dense", ["nn.layers"]),
        ("tape", "import tinygrad_lstm.tensor", ["tensor"]),
        ("tape", "from tinygrad_lstm import Tensor", [""]),
        ("nn.init", "from ..tensor import Tensor", []),
        ("nn.init", "from .layers import Dense", ["nn.layers"]),
        ("tensor", "from .tape import history\nimport numpy", []),
    ],
)
def test_planted_import_is_caught(module, source, found):
    assert upward(module, imported(source, module, False), SOURCES) == found


@pytest.mark.parametrize("module", ["utils", "tensors", "nn.helpers_of_layers"])
def test_unknown_module_is_caught(module):
    assert place(module) is None
