"""What a function reads beside its arguments, and whether any of it has changed.

Knows functions, modules and arrays. What is watched is the content of each dictionary, list, array
and variable that the function can reach. Of a leaf that requires a gradient the identity counts,
and not the numbers: these are read at every call.
"""

from __future__ import annotations

import operator
import random
import types
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..engine.tensor import Tensor

OWN = ("tinygrad_lstm", "numpy", "builtins")
PLAIN = (
    type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, type, slice, range,
    types.ModuleType, types.BuiltinFunctionType, np.ufunc,
)  # fmt: skip


def random_state() -> Hashable:
    """Return the state of the random numbers that any function can draw."""
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, np.asarray(keys).tobytes(), *map(str, rest)


class Watch:
    """What a function reads beside its arguments, as it is now."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.known: dict[int, Any] = {}  # which keeps the objects, so that no other gets an id
        self.containers: list[tuple[Any, tuple[Any, ...]]] = []  # with the entries that they had
        self.arrays: list[tuple[np.ndarray, bytes]] = []
        self.variables: list[tuple[Callable[[], Any], Any]] = []
        self._see(function)

    def has_changed(self) -> bool:
        """Return whether something is not what it was."""
        for container, entries in self.containers:
            own = _entries(container)
            if len(own) != len(entries):
                return True
            is_identical = all(map(operator.is_, own, entries))  # which is known the soonest
            if not is_identical and not all(map(_is_same, own, entries)):
                return True
        return any(not _is_same(read(), value) for read, value in self.variables) or any(
            array.tobytes() != content for array, content in self.arrays
        )

    def _see(self, value: Any) -> None:
        if isinstance(value, PLAIN) or id(value) in self.known:
            return
        self.known[id(value)] = value
        if isinstance(value, np.ndarray):
            self.arrays.append((value, value.tobytes()))
        elif isinstance(value, Tensor):
            self._variable(lambda: value.requires_grad)
            if not value.requires_grad:
                self._variable(lambda: value._array)
        elif isinstance(value, dict | list | tuple | set | frozenset):
            self._container(value)
        elif isinstance(value, np.random.Generator):
            self._variable(lambda: repr(value.bit_generator.state))
        elif isinstance(value, types.MethodType):
            self._see(value.__self__)
            self._see(value.__func__)
        elif isinstance(value, types.FunctionType):
            self._of_function(value)
        else:
            self._of_object(value)

    def _container(self, value: Any) -> None:
        entries = _entries(value)
        self.containers.append((value, entries))
        for entry in entries:
            self._see(entry)

    def _variable(self, read: Callable[[], Any]) -> None:
        value = read()
        self.variables.append((read, value))
        self._see(value)

    def _of_function(self, function: types.FunctionType) -> None:
        self._variable(lambda: function.__code__.co_code)
        if (function.__module__ or "").partition(".")[0] in OWN:
            return
        for cell in function.__closure__ or ():
            self._variable(lambda cell=cell: _content(cell))  # type: ignore[misc]
        self._variable(lambda: function.__defaults__)
        self._variable(lambda: function.__kwdefaults__)
        variables = function.__globals__
        for name in sorted(_names(function.__code__) & variables.keys()):
            self._variable(lambda name=name: variables.get(name))  # type: ignore[misc]

    def _of_object(self, value: Any) -> None:
        module = type(value).__module__.partition(".")[0]
        if module in OWN[1:]:
            return
        if module not in OWN:
            for kind in type(value).__mro__[:-1]:
                self._see({x: y for x, y in vars(kind).items() if callable(y)})
        if hasattr(value, "__dict__"):
            for name in getattr(value, "_bookkeeping", ()):  # of a module; it decides nothing
                self.known[id(value.__dict__.get(name))] = value.__dict__.get(name)
            self._container(value.__dict__)
        for kind in type(value).__mro__:
            for name in getattr(kind, "__slots__", ()):
                if hasattr(value, name) and not name.startswith("__"):
                    self._variable(lambda name=name: getattr(value, name, None))  # type: ignore[misc]


def _entries(container: Any) -> tuple[Any, ...]:
    return (*container, *container.values()) if isinstance(container, dict) else (*container,)


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return isinstance(one, PLAIN) and type(one) is type(other) and bool(one == other)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is in it yet
        return None


def _names(code: types.CodeType) -> set[str]:
    """Return the names that a function, and the functions written inside of it, may read."""
    inner = (x for x in code.co_consts if isinstance(x, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))
