"""The sources of functions that a file of the user's defines, for the NumPy program."""

import ast
import importlib.util
import linecache
from itertools import count

import numpy as np
import pytest

from tinygrad_lstm.formulas.plain_source import plain_source

NUMBER = count()
X = np.array([-2.0, 0.5, 3.0])

FILES = {
    "one": "f = lambda x: x / (1 + np.abs(x))",
    "two in a line": "f, g = lambda x: x + 1, lambda x: x + 2",
    "alike in a line": "g, f = lambda x: np.abs(x), lambda x: np.abs(x) * (1)",
    "in parentheses": "f = (lambda x: (x) if len(x) > 5 else (np.sign(x)))",
    "over lines": "f = dict(g=lambda x: x,\n         f=lambda x: (\n    x\n    * np.exp(x)))['f']",
    "in a lambda": "f = (lambda: lambda x: (lambda y: y + 1)(x) * 2)()",
    "a def": 'def f(x):\n    """It."""\n    return np.cos(x)',
    "with a helper": "half = lambda x: np.multiply(x, 0.5)\ndef f(x):\n    return half(x) + 1",
}


def module(tmp_path, text):
    """Return a file as a module that NumPy is imported in."""
    path = tmp_path / f"users_{next(NUMBER)}.py"
    path.write_text(f"import numpy as np\n\n{text}\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded, path


@pytest.mark.parametrize("which", FILES)
def test_the_source_computes_what_the_function_does(which, tmp_path):
    f = module(tmp_path, FILES[which])[0].f
    there = {"np": np}
    for source in plain_source(f, "copy").values():
        exec(source, there)
    np.testing.assert_array_equal(there["copy"](X), f(X))


def cell(text):
    """Return what a notebook's cell defines: a notebook compiles statement by statement."""
    name, there = f"<cell {next(NUMBER)}>", {}
    text = f"import numpy as np\n\n{text}\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    for statement in ast.parse(text).body:
        exec(compile(ast.Module([statement], []), name, "exec"), there)
    return there


@pytest.mark.parametrize("which", FILES)
def test_the_source_in_a_cell_of_a_notebook_is_found_too(which):
    f = cell(FILES[which])["f"]
    there = {"np": np}
    for source in plain_source(f, "copy").values():
        exec(source, there)
    np.testing.assert_array_equal(there["copy"](X), f(X))


def test_a_file_that_has_changed_since_is_not_read(tmp_path):
    loaded, path = module(tmp_path, "f = lambda x: x + 1")
    path.write_text("import numpy as np\n\nf = lambda x: x + 2\n")
    assert plain_source(loaded.f, "copy") is None
