"""A program's assignments, recorded while the program runs: what each line gave to each name.

Knows Python's syntax and arrays; no network. The program is run as it is: behind each assignment
one call is added that notes the name, the line, the steps of the loops around it, and a copy.
"""

from __future__ import annotations

import ast
import json
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

import numpy as np

from ..errors import UsageError, check_path

NOTE = "__note_assignment__"
LARGEST = 10**6  # entries of an array that is copied
MOST = 10**5  # assignments
MOST_ENTRIES = 5 * 10**7  # of all copies


@dataclass(frozen=True)
class Site:
    """A place in the program that assigns.

    Attributes
    ----------
    function : str
        Empty outside of any.
    line : int
    target : str
        As the program writes it, without the index of an array: ``dh``, ``grads['dWf']``.
    is_added : bool
        Whether it adds to what was there (``+=``).
    reads : frozenset of str
        The names on the right side.
    is_whole : bool
        Whether it assigns to an entry, and the array is meant, as it stands at the end.
    """

    function: str
    line: int
    target: str
    is_added: bool
    reads: frozenset[str]
    is_whole: bool = False


@dataclass(frozen=True)
class Assignment:
    """What one run of a site assigned.

    Attributes
    ----------
    site : Site
    value : array
    steps : tuple of int
        The index of the target, or else the values of the variables of the loops around it, the
        innermost first.
    """

    site: Site
    value: np.ndarray
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Recording:
    """The assignments of a program, in their order.

    Attributes
    ----------
    assignments : list of Assignment
    is_cut : bool
        Whether there were too many to record all.
    error : str
        What stopped the program, if it did not come to its end.
    line : int
        The program's line that was running then; 0 if it is not known.
    """

    assignments: list[Assignment]
    is_cut: bool = False
    error: str = ""
    line: int = 0


def record(source: Any) -> Recording:
    """Run a program of one's own, and return what it assigned.

    Parameters
    ----------
    source : path of a Python file
        It is run: give no program of a stranger's.

    Raises
    ------
    UsageError
        If the file cannot be read, or is no Python.
    """
    path = check_path("audit", source)
    try:
        with tokenize.open(path) as stream:  # it may begin with a mark of its encoding
            text = stream.read()
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text in UTF-8"
        raise UsageError(f"{path}: {reason}") from None
    try:
        tree = ast.parse(text, str(path))
        sites = _Notes()
        code = compile(ast.fix_missing_locations(sites.visit(tree)), str(path), "exec")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: found no Python that can be run: {error}") from None
    notebook = _Notebook(path, sites.sites, sites.loops)
    return notebook.run(code)


class _Notes(ast.NodeTransformer):
    """Puts a call behind each assignment, and lists the sites and the loops' variables."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.loops: list[tuple[int, int, str]] = []  # first line, last line, variable
        self.function = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outer, self.function = self.function, node.name
        self.generic_visit(node)
        self.function = outer
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        if isinstance(node.target, ast.Name):
            self.loops.append((node.body[0].lineno, node.end_lineno or node.lineno, node.target.id))
        elif isinstance(node.target, ast.Tuple) and isinstance(node.target.elts[0], ast.Name):
            first = node.target.elts[0].id  # of enumerate
            self.loops.append((node.body[0].lineno, node.end_lineno or node.lineno, first))
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        targets: list[ast.expr] = [one for target in node.targets for one in _single(target)]
        return [node, *self._notes(node, targets, node.value, False)]

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        return [node, *self._notes(node, [node.target], node.value, True)]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        targets: list[ast.expr] = [node.target] if node.value is not None else []
        return [node, *self._notes(node, targets, node.value, False)]

    def visit_Expr(self, node: ast.Expr) -> Any:
        """Note what is appended to a list, and what np.add.at adds to."""
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return node
        name, of = call.func.attr, call.func.value
        if name == "append" and call.args and _is_plain(of):
            last = ast.Subscript(of, ast.UnaryOp(ast.USub(), ast.Constant(1)))
            return [node, *self._call(node, of, last, call, False)]
        if name in ("insert", "appendleft") and call.args and _is_plain(call.args[-1]):
            return [node, *self._call(node, of, call.args[-1], call, False)]
        if name == "at" and call.args and _is_plain(call.args[0]):
            return [node, *self._call(node, call.args[0], call.args[0], call, True)]
        return node

    def _notes(
        self, node: ast.stmt, targets: Sequence[ast.expr], value: ast.expr | None, is_added: bool
    ) -> Iterator[ast.stmt]:
        for target in targets:
            if _is_plain(target):
                yield from self._call(node, target, target, value, is_added)
            elif isinstance(target, ast.Subscript) and _is_plain(_without_indices(target)):
                whole = ast.Subscript(_without_indices(target), ast.Slice())  # of d[range(n), y]
                yield from self._call(node, whole, ast.Constant(None), value, is_added)

    def _call(
        self,
        node: ast.stmt,
        target: ast.expr,
        noted: ast.expr,
        value: ast.AST | None,
        is_added: bool,
    ) -> Iterator[ast.stmt]:
        reads = {x.id for x in ast.walk(value) if isinstance(x, ast.Name)} if value else set()
        name, index = _name_and_index(target)
        self.sites.append(Site(self.function, node.lineno, name, is_added, frozenset(reads)))
        arguments = [ast.Constant(len(self.sites) - 1), _as_read(noted)]
        if index is not None:
            is_part = any(isinstance(x, ast.Slice) for x in ast.walk(index))
            arguments.append(ast.Constant(...) if is_part else _as_read(index))
            arguments.append(_as_read(_without_indices(target)))
        note = ast.Expr(ast.Call(ast.Name(NOTE, ast.Load()), arguments, []))
        for part in ast.walk(note):
            ast.copy_location(part, node)
        yield note


def _single(target: ast.expr) -> Iterator[ast.expr]:
    """Yield the single targets of one, which may be a tuple."""
    if isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _single(part)
    elif not isinstance(target, ast.Starred):
        yield target


def _is_plain(target: ast.expr) -> bool:
    """Whether a target can be read again with no other effect: names, attributes, indices."""
    allowed = (
        ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.Slice, ast.BinOp,
        ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context,
    )  # fmt: skip
    return all(isinstance(part, allowed) for part in ast.walk(target))


def _as_read(target: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(target), mode="eval").body


def _name_and_index(target: ast.expr) -> tuple[str, ast.expr | None]:
    """Return a target without its last index, and this index; a key of text stays in the name."""
    if isinstance(target, ast.Subscript) and not (
        isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str)
    ):
        return ast.unparse(target.value), target.slice
    return ast.unparse(target), None


def _without_indices(target: ast.expr) -> ast.expr:
    """Return what is indexed: ``dW`` of ``dW[i][j]``."""
    while isinstance(target, ast.Subscript):
        target = target.value
    return target


class _Notebook:
    """Runs a program, and keeps what it assigns."""

    def __init__(self, path: Path, sites: list[Site], loops: list[tuple[int, int, str]]) -> None:
        self.path, self.sites, self.loops = path, sites, loops
        self.assignments: list[Assignment] = []
        self.entries = 0
        self.is_cut = False
        self.blank: dict[tuple[str, int, str], tuple[Site, np.ndarray]] = {}
        self.lines: dict[tuple[str, str], int] = {}  # of the last one by this name
        self.renewed: set[tuple[str, int, str]] = set()
        self.filled: dict[int, Assignment] = {}  # by the array's id; the array is held, not copied

    def run(self, code: Any) -> Recording:
        before, error, line = sys.path[:], "", 0
        sys.path.insert(0, str(self.path.resolve().parent))
        names = {"__name__": "__main__", "__file__": str(self.path), NOTE: self.note}
        try:
            with redirect_stdout(StringIO()):
                exec(code, names)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # a program may raise anything, SystemExit too
            if not (isinstance(raised, SystemExit) and not raised.code):
                error = f"{type(raised).__name__}: {str(raised)[:200]}"
                lines = [n for frame, n in walk_tb(raised.__traceback__)
                         if frame.f_code.co_filename == str(self.path)]  # fmt: skip
                line = lines[-1] if lines else 0
        finally:
            sys.path[:] = before
        single = [self.blank[key] for key in self.blank if key not in self.renewed]
        for site, array in single:  # as they are filled at the end
            self.filled.pop(id(array), None)
            if array.any():
                self._keep(site, array, ())
        for one in self.filled.values():
            self._keep(one.site, one.value, one.steps)
        return Recording(self.assignments, self.is_cut, error, line)

    def note(self, number: int, value: Any, index: Any = None, whole: Any = None) -> None:
        """Keep a copy of what a site has assigned; a dictionary's entries one by one.

        Parameters
        ----------
        number : int
            Of the site.
        value : anything
        index : anything, optional
            Of the target, if it has one.
        whole : anything, optional
            What is indexed: as it stands at the end, it is kept too.
        """
        site = self.sites[number]
        if isinstance(value, Mapping):
            for key in [key for key in value if isinstance(key, str)]:
                named = f"{site.target}[{key!r}]"
                of = Site(site.function, site.line, named, site.is_added, site.reads)
                self._hold(of, value[key])
                self._keep(of, value[key], ())
            return
        if isinstance(index, str):
            site = replace(site, target=f"{site.target}[{index!r}]")
        if index is None or isinstance(index, str):
            self._let_go(site, value)
            self._hold(site, value)
        around = tuple(self._steps(sys._getframe(1)))
        if isinstance(whole, np.ndarray) and len(self.filled) < MOST:
            name = site.target.partition("[")[0]
            of = replace(site, target=name, is_added=False, is_whole=True)
            self.filled.setdefault(id(whole), Assignment(of, whole, around))
        self._keep(site, value, (int(index),) if isinstance(index, int | np.integer) else around)

    def _let_go(self, site: Site, value: Any) -> None:
        """Keep an array that was filled as it is now, if its name stands for another one."""
        line = self.lines.get((site.function, site.target), site.line)
        key = site.function, line, site.target
        if line != site.line and key in self.blank and self.blank[key][1] is not value:
            of, array = self.blank.pop(key)
            self.filled.pop(id(array), None)
            if array.any():
                self._keep(of, array, ())

    def _hold(self, site: Site, value: Any) -> None:
        """Remember an array of zeros, which may be filled entry by entry, or by a function."""
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and not value.any():
            key = site.function, site.line, site.target
            if key in self.blank:
                self.renewed.add(key)  # at each step, say
            self.blank[key] = site, value
            self.lines[site.function, site.target] = site.line

    def _keep(self, site: Site, value: Any, steps: tuple[int, ...]) -> None:
        try:
            array = np.array(value) if isinstance(value, int | float | list | tuple | np.generic |
                                                  np.ndarray) else None  # fmt: skip
        except (ValueError, TypeError):
            return
        if array is None or array.dtype.kind not in "fiu" or array.size > LARGEST:
            return
        self.entries += array.size
        if len(self.assignments) >= MOST or self.entries > MOST_ENTRIES:
            self.is_cut = True
            return
        self.assignments.append(Assignment(site, array.astype(float), steps))

    def _steps(self, frame: FrameType | None) -> Iterator[int]:
        """Yield the values of the variables of the loops around a line, the innermost first."""
        while frame is not None:
            if frame.f_code.co_filename == str(self.path):
                line = frame.f_lineno
                for first, last, name in reversed(self.loops):
                    value = frame.f_locals.get(name) if first <= line <= last else None
                    if isinstance(value, int | np.integer) and not isinstance(value, bool):
                        yield int(value)
            frame = frame.f_back


def to_bytes(recording: Recording) -> bytes:
    """Return a recording as the bytes of a .npz file, without an object in it."""
    sites: dict[Site, int] = {}
    rows = [[sites.setdefault(one.site, len(sites)), *one.steps] for one in recording.assignments]
    table = [[x.function, x.line, x.target, x.is_added, sorted(x.reads), x.is_whole] for x in sites]
    about = {"sites": table, "rows": rows, "is_cut": recording.is_cut, "error": recording.error,
             "line": recording.line}  # fmt: skip
    arrays = {f"a{at}": one.value for at, one in enumerate(recording.assignments)}
    stream = BytesIO()
    np.savez(stream, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def from_bytes(content: bytes) -> Recording:
    """Return the recording of some bytes (see `to_bytes`)."""
    with np.load(BytesIO(content), allow_pickle=False) as archive:
        about = json.loads(archive["about"].tobytes())
        sites = [
            Site(function, line, target, is_added, frozenset(reads), is_whole)
            for function, line, target, is_added, reads, is_whole in about["sites"]
        ]
        assignments = [
            Assignment(sites[site], archive[f"a{at}"], tuple(steps))
            for at, (site, *steps) in enumerate(about["rows"])
        ]
    return Recording(assignments, about["is_cut"], about["error"], about["line"])
