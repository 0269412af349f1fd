"""What a function reads beside its arguments, and whether any of it has changed.

Knows functions, modules and arrays. What is watched is the content of each dictionary, list, array
and variable that the function can reach; all of it is found once, and looked at before every call.
Of a leaf that requires a gradient the identity counts, and not the numbers: these are read at every
call.
"""

from __future__ import annotations

import ctypes
import operator
import random
import sys
import types
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, compress, repeat
from typing import Any

import numpy as np

from ..engine.primitive import Primitive
from ..engine.tensor import Tensor

OWN = ("tinygrad_lstm", "numpy", "builtins")
NUMBERS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, slice, range)
FIXED = (type, types.ModuleType, types.BuiltinFunctionType, np.ufunc, Primitive)
END = object()


def random_state() -> Hashable:
    """Return the state of the random numbers that any function can draw."""
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, np.asarray(keys).tobytes(), *map(str, rest)


class Watch:
    """What values hold, such as what a function reads beside its arguments, as it is now.

    What can be looked at by going through a list stands in such lists, whose entries are compared
    by identity at once; a second look, at the values, is taken only if an entry is another one.
    """

    def __init__(self, *values: Any) -> None:
        self.kept: dict[int, Any] = {}  # the objects, so that no other gets an id
        self.dictionaries: list[dict[Any, Any]] = []
        self.owners: dict[int, str] = {}  # the classes of objects with such a dictionary
        self.contents: list[Iterable[Any]] = []  # of lists and the like
        self.holders: list[Any] = []  # of attributes
        self.attributes: list[str] = []
        self.scopes: list[dict[str, Any]] = []  # of variables
        self.variables: list[str] = []
        self.arrays: list[tuple[np.ndarray, bytes]] = []
        self.generators: list[tuple[np.random.Generator, str]] = []
        self.classes: list[type] = []
        self.leaves: list[Tensor] = []  # that require a gradient
        self.bookkeeping: list[dict[Any, Any]] = []  # of modules; it decides nothing
        self.used_up = ""  # the type of what is read once, such as a generator function's result
        for value in values:
            self._see(value)
        self.counts: list[bool] = []  # which entries do, unless all
        self.entries = self._all_entries = [*self._entries()]
        self.loose = [*self._loose()]
        self._attributes = [*zip(self.holders, self.attributes, strict=True)]
        self._variables = [*zip(self.scopes, self.variables, strict=True)]
        self.versions = versions(self.dictionaries)
        self.known_versions = [x.value for x in self.versions]

    def has_changed(self) -> bool:
        """Return whether something is not what it was."""
        try:
            known = [x.value for x in self.versions]
            if not known or known != self.known_versions:
                if not self._is_same(self.entries, self._entries()):
                    return True
                self.known_versions = known
            elif not self._is_loose_same() and not self._is_same(self.loose, self._loose()):
                return True
        except (RuntimeError, ValueError):  # it grows meanwhile, or a variable is empty
            return True
        return bool(self.arrays or self.generators) and self._has_content_changed()

    def _has_content_changed(self) -> bool:
        return any(array.tobytes() != content for array, content in self.arrays) or any(
            repr(x.bit_generator.state) != state for x, state in self.generators
        )

    def _is_loose_same(self) -> bool:
        """Return whether all that stands in no dictionary of an object is the same object."""
        if self.contents:
            return all(map(operator.is_, self._loose(), self.loose))
        known = iter(self.loose)
        for holder, name in self._attributes:
            if getattr(holder, name, None) is not next(known):
                return False
        return all([scope.get(name) is next(known) for scope, name in self._variables])

    def _is_same(self, known: list[Any], entries: Iterator[Any]) -> bool:
        """Return whether entries are what they were; numbers may be other objects."""
        now = [*entries]
        is_same = len(now) == len(known) and all(map(_is_same, now, known))
        if is_same:
            known[:] = now
        return is_same

    def ignore_changes(self, before: Watch) -> bool:
        """Ignore from now on what was different before; return whether that could be told."""
        if len(before._all_entries) != len(self._all_entries):
            return False
        self.counts = [
            _is_same(x, y) for x, y in zip(before._all_entries, self._all_entries, strict=True)
        ]
        if before.counts:
            self.counts = [x and y for x, y in zip(before.counts, self.counts, strict=True)]
        self.entries = [*compress(self._all_entries, self.counts)]
        same = {id(x) for x, content in before.arrays if x.tobytes() == content}
        self.arrays = [pair for pair in self.arrays if id(pair[0]) in same]
        self.generators = []  # of which one number more leads to no program either
        self.versions = []
        return True

    def ignore_draws(self, before: Watch) -> None:
        """Ignore from now on the generators of which numbers were drawn since before."""
        states = {id(x): state for x, state in before.generators}
        self.generators = [(x, now) for x, now in self.generators if states.get(id(x), now) == now]

    def first_change(self, before: Watch) -> str:
        """Return in words what was different before; empty if that was only draws."""
        entries = self._all_entries
        if len(before._all_entries) != len(entries):
            return "something"
        names: list[str] = []
        for x in self.dictionaries:
            names += [f"{self.owners.get(id(x), 'an entry')} {key!r}" for key in (*x, *x)]
        names += ["an entry of a list" for x in self.contents for _ in x]
        names += [f"{type(x).__name__} {name!r}" for x, name in zip(self.holders, self.attributes)]
        names += self.variables
        pairs = zip(before._all_entries, entries, [*names, "something"])
        return next((name for x, y, name in pairs if not _is_same(x, y)), "")

    def _loose(self) -> Iterator[Any]:
        """Return the entries that stand in no dictionary of an object."""
        return chain(
            chain.from_iterable(self.contents),
            map(getattr, self.holders, self.attributes, repeat(None)),
            map(dict.get, self.scopes, self.variables),
            (END,),
        )

    def _entries(self) -> Iterator[Any]:
        within = chain.from_iterable((*x.keys(), *x.values()) for x in self.dictionaries)
        entries = chain(within, self._loose())
        return compress(entries, self.counts) if self.counts else entries

    # --- what there is to see --------------------------------------------------------------------

    def _see(self, value: Any) -> None:
        if isinstance(value, type) and _package(value.__module__) not in sys.stdlib_module_names:
            for base in value.__mro__:
                self._see_class(base)
        if isinstance(value, NUMBERS + FIXED) or id(value) in self.kept:
            return
        self.kept[id(value)] = value
        if isinstance(value, np.ndarray):
            self.arrays.append((value, value.tobytes()))
        elif isinstance(value, Tensor):
            self._attribute(value, "requires_grad")
            if value.requires_grad:
                self.leaves.append(value)
            else:  # whose array is replaced, and never written into
                self.kept[id(value._array)] = value._array
                self._attribute(value, "_array")
        elif isinstance(value, dict):
            self.dictionaries.append(value)
            for entry in (*value.keys(), *value.values()):
                self._see(entry)
        elif isinstance(value, tuple | frozenset):
            for entry in value:
                self._see(entry)
        elif isinstance(value, list | set | deque):
            self._content(value)
        elif isinstance(value, np.random.Generator):
            self.generators.append((value, repr(value.bit_generator.state)))
        elif isinstance(value, types.MethodType):
            self._see(value.__self__)
            self._see(value.__func__)
        elif isinstance(value, staticmethod | classmethod):
            self._see(value.__func__)
        elif isinstance(value, property):
            self._see(value.fget)
        elif isinstance(value, partial):
            for part in (value.func, value.args, value.keywords):
                self._see(part)
        elif isinstance(value, types.FunctionType):
            self._see_function(value)
        else:
            self._see_object(value)

    def _content(self, content: Iterable[Any]) -> None:
        self.contents.append(content)
        for entry in content:
            self._see(entry)

    def _attribute(self, holder: Any, name: str) -> None:
        self.holders.append(holder)
        self.attributes.append(name)
        self._see(getattr(holder, name, None))

    def _see_function(self, function: types.FunctionType) -> None:
        self.holders.append(function)
        self.attributes.append("__code__")
        if _package(function.__module__ or "") in OWN:
            return
        names, modules = sorted(_names(function.__code__)), []
        for cell in function.__closure__ or ():
            if _is_full(cell):
                self._attribute(cell, "cell_contents")
                modules.append(cell.cell_contents)
        self._see(function.__dict__)
        self._attribute(function, "__defaults__")
        self._attribute(function, "__kwdefaults__")
        for name in names:
            if name in function.__globals__:
                self._variable(function.__globals__, name)
                modules.append(function.__globals__[name])
        for module in modules:
            if isinstance(module, types.ModuleType):
                self._see_module(module, names)

    def _variable(self, scope: dict[str, Any], name: str) -> None:
        self.scopes.append(scope)
        self.variables.append(name)
        self._see(scope[name])

    def _see_module(self, module: types.ModuleType, names: Sequence[str]) -> None:
        """Watch the variables of a module that a function names; no functions of Python's own."""
        package = _package(module.__name__)
        for name in () if package in OWN else names:
            value = vars(module).get(name, END)
            is_own = package in sys.stdlib_module_names and callable(value)
            if value is not END and not is_own:
                self._variable(vars(module), name)

    def _see_object(self, value: Any) -> None:
        kind = type(value)
        module = _package(kind.__module__)
        if isinstance(value, Iterator):
            self.used_up = self.used_up or kind.__name__
            return
        if module in OWN[1:]:
            return
        decides = getattr(kind, "_decides", None)
        if decides is not None:  # which no other attribute does
            for name in decides:
                self._attribute(value, name)
            return
        if module not in OWN:
            for base in kind.__mro__:
                self._see_class(base)
        if hasattr(value, "__dict__"):
            for name in getattr(kind, "_bookkeeping", ()):
                content = value.__dict__.get(name)
                self.kept[id(content)] = content
                if isinstance(content, dict):
                    self.bookkeeping.append(content)
            self.owners[id(value.__dict__)] = type(value).__name__
            self._see(value.__dict__)
        for base in kind.__mro__:
            for name in getattr(base, "__slots__", ()):
                if not name.startswith("__") and _has(value, name):
                    self._attribute(value, name)

    def _see_class(self, kind: type) -> None:
        """Watch what a class of somebody holds: its functions, and what all its objects share."""
        if id(kind) not in self.kept and _package(kind.__module__) not in OWN:
            self.kept[id(kind)] = kind
            self.classes.append(kind)
            self._content(vars(kind).values())


# --- versions of dictionaries ---------------------------------------------------------------------

VERSION_AT = object.__basicsize__ + ctypes.sizeof(ctypes.c_ssize_t)  # behind the head and the size


def versions(dictionaries: Iterable[dict[Any, Any]]) -> list[ctypes.c_uint64]:
    """Return where CPython counts the changes of each dictionary; none where it does not."""
    if not has_versions():
        return []
    return [ctypes.c_uint64.from_address(id(x) + VERSION_AT) for x in dictionaries]


@cache
def has_versions() -> bool:
    """Return whether a dictionary has a number that is another one after each change, and no other.

    Python 3.11 and 3.12 have it; what is not so on a trial is not relied upon.
    """
    if sys.implementation.name != "cpython" or dict.__basicsize__ < VERSION_AT + 8:
        return False
    trial = types.SimpleNamespace(), _Own()
    for holder in trial:
        content = holder.__dict__
        version = ctypes.c_uint64.from_address(id(content) + VERSION_AT)
        numbers = [version.value]
        for n in range(1, 100):  # so often that the interpreter has made its shortcuts
            holder.x = n
            numbers.append(version.value)
            content["x"] = -n
            numbers.append(version.value)
            if holder.x != -n or version.value != numbers[-1]:
                return False
        del holder.x
        numbers.append(version.value)
        if len({*numbers}) < len(numbers):
            return False
    return True


class _Own:
    """An object with attributes."""

    x: int


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return isinstance(one, NUMBERS) and type(one) is type(other) and bool(one == other)


def _package(name: str) -> str:
    return name.partition(".")[0]


def _has(value: Any, name: str) -> bool:
    try:
        return hasattr(value, name)
    except Exception:  # of an attribute that somebody computes
        return False


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not END
    except ValueError:  # nothing is in it yet
        return False


def _names(code: types.CodeType) -> set[str]:
    """Return the names that a function, and the functions written inside of it, may read."""
    inner = (x for x in code.co_consts if isinstance(x, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))
