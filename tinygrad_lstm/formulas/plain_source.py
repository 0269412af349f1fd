"""The source of a function that needs NumPy alone, as it can stand in a program.

Knows Python's syntax; no formulas. Functions that it calls are taken along if they need NumPy alone
too. Types are left out: what they name is not there.
"""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any


def plain_source(function: Callable[..., Any], name: str) -> dict[str, str] | None:
    """Return the sources of a function and of those that it calls, by name; None if it has none.

    Parameters
    ----------
    function : callable
        Defined by ``def`` or ``lambda``.
    name : str
        What the function is to be called.

    Examples
    --------
    >>> plain_source(textwrap.dedent, "dedent") is None  # which needs the module re
    True
    """
    is_wrapped = hasattr(function, "__wrapped__")
    function = inspect.unwrap(function)  # a user's primitive is watched
    if not isinstance(function, FunctionType) or function.__code__.co_freevars:
        return None
    definition = _definition(function)
    if definition is None or (definition.decorator_list and is_wrapped):
        return None
    definition.name, definition.decorator_list = name, []
    arguments = definition.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for argument in (*every, arguments.vararg, arguments.kwarg):
        if argument is not None:
            argument.annotation = None
    definition.returns = None
    if ast.get_docstring(definition) is not None and len(definition.body) > 1:
        del definition.body[0]
    sources: dict[str, str] = {}
    for needed in sorted(_names(function.__code__)):
        if needed not in function.__globals__ or needed == function.__name__:
            continue
        other = function.__globals__[needed]
        if needed == "np" and getattr(other, "__name__", "") == "numpy":
            continue
        inner = plain_source(other, needed) if isinstance(other, FunctionType) else None
        if inner is None:
            return None
        sources |= inner
    return {**sources, name: ast.unparse(definition)}


def _names(code: Any) -> set[str]:
    """Return the global names that a function reads, and the functions within it."""
    own = {x.argval for x in dis.get_instructions(code) if x.opname == "LOAD_GLOBAL"}
    return own.union(*(_names(const) for const in code.co_consts if hasattr(const, "co_code")))


def _definition(function: FunctionType) -> ast.FunctionDef | None:
    """Return the definition of a function; of a lambda one that returns the same."""
    try:
        if function.__name__ != "<lambda>":
            (found,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
            return found if isinstance(found, ast.FunctionDef) else None
        module = ast.parse("".join(inspect.findsource(function)[0]))
        if function.__code__ not in _codes_in(module):
            return None  # the file is another one by now
        of_lambda = _lambda_at(function.__code__, module)
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    if of_lambda is None:
        return None
    text = f"def f({ast.unparse(of_lambda.args)}):\n    return {ast.unparse(of_lambda.body)}"
    (definition,) = ast.parse(text).body
    assert isinstance(definition, ast.FunctionDef)
    return definition


def _codes_in(module: ast.Module) -> Iterator[CodeType]:
    """Yield the codes in a module, and those in a notebook, which compiles statement by statement.

    The two may differ: Python calls ``np.exp`` in another way where it sees ``import numpy``.
    """
    units = [module, *(ast.Module([statement], []) for statement in module.body)]
    for unit in units:
        yield from _codes(compile(unit, "", "exec", dont_inherit=True))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a module, or of a function, and that of all functions within it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _lambda_at(code: CodeType, module: ast.Module) -> ast.Lambda | None:
    """Return the lambda whose code it is: the innermost one around all instructions of the code."""
    places = [place for place in code.co_positions() if None not in place and place[3]]
    if not places:  # Python was told to leave them out
        return None
    start = min((line, column) for line, _, column, _ in places)
    end = max((line, column) for _, line, _, column in places)
    around = [
        (*begins, node)
        for node in ast.walk(module)
        if isinstance(node, ast.Lambda)
        and (begins := (node.body.lineno, node.body.col_offset)) <= start
        and (node.body.end_lineno or 0, node.body.end_col_offset or 0) >= end
    ]
    return max(around, key=lambda item: item[:2])[2] if around else None
