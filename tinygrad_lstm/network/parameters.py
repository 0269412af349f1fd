"""Parameters of operations: comparison, and parameters that vary over the steps.

Knows how parameters are written. Parameters that are the same here compute the same, to the last
bit: 1 is not True, 0.0 is not -0.0, and arrays of two types differ. A parameter that varies is a
sequence that is read at each step, like an input.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.symbol import constant_text

MOST = 8  # values that are listed


@dataclass(frozen=True, eq=False)
class Varying:
    """A parameter that has a value for each step. As text it is a function of the step k.

    Attributes
    ----------
    name : str
        Of the parameter: ``index``, ``axis``.
    values : tuple
        The earliest step's first.
    steps : tuple of int
        Which steps these are.
    offset : int
        The step that it is read at, counted from step k: 1 is the next step.
    """

    name: str
    values: tuple[Any, ...]
    steps: tuple[int, ...]
    offset: int = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Varying) or self.offset != other.offset:
            return False
        return is_same(self.values, other.values)

    __hash__ = object.__hash__

    def __str__(self) -> str:
        steps = [step - self.offset for step in self.steps]
        text = _rule(self.values, steps, self.name) or f"{self.name}(k)"
        return text.replace("(k)", f"(k{self.offset:+d})") if self.offset else text

    @property
    def first(self) -> Any:
        """The value at the earliest step, which a Symbol works with."""
        return self.values[0]

    @property
    def is_explicit(self) -> bool:
        """Whether the text shows the value at each step."""
        return f"{self.name}(k)" not in str(self)

    def list_values(self) -> str:
        """Return the values of ``index(k)`` at the first steps: ``index(k) = 2, 0, 1, …``."""
        values = _without_rule(self.values, self.steps, self.name)
        more = ", …" * (len(values) > MOST)
        return f"{self.name}(k) = {', '.join(map(constant_text, values[:MOST]))}{more}"


def by_step(parameters: Sequence[Mapping[str, Any]], steps: Sequence[int]) -> Mapping[str, Any]:
    """Return the parameters of a folded operation, from those at every step.

    Parameters
    ----------
    parameters : one mapping for each step
        All with the same names.
    steps : the steps
    """
    first = parameters[0]
    varying = [
        name for name, value in first.items()
        if not all(own is first or is_same(own[name], value) for own in parameters)
    ]  # fmt: skip
    if not varying:
        return first
    series = {
        name: Varying(name, tuple(own[name] for own in parameters), tuple(steps))
        for name in varying
    }
    return {**first, **series}


def at_step(parameters: Mapping[str, Any], step: int) -> Mapping[str, Any]:
    """Return the parameters of a folded operation at one step, counted from 0 in time."""
    if not varying(parameters):
        return parameters
    return {
        name: value.values[step] if isinstance(value, Varying) else value
        for name, value in parameters.items()
    }


def varying(parameters: Mapping[str, Any]) -> list[Varying]:
    """Return those parameters that differ from step to step."""
    return [value for value in parameters.values() if isinstance(value, Varying)]


def is_same(one: Any, other: Any) -> bool:
    """Return whether two parameters of any type are the same to the last bit."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return bool(alike and one.tobytes() == other.tobytes())
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, slice):
        return all(map(is_same, _ends(one), _ends(other)))
    if isinstance(one, float | complex):
        return repr(one) == repr(other)
    try:
        return bool(one == other)
    except (TypeError, ValueError):
        return False


def key_of(value: Any) -> Hashable:
    """Return a key: equal for two parameters that are the same, and for no others."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple):
        return value if {int}.issuperset(map(type, value)) else (tuple, *map(key_of, value))
    return type(value), repr(value)


def _rule(values: Sequence[Any], steps: Sequence[int], name: str) -> str:
    """Return the values at all steps as one function of k, or "" if there is no short rule."""
    first = values[0]
    if len(values) > 1 and all(is_same(value, first) for value in values):
        return constant_text(first)
    if all(type(value) is int for value in values):
        return _line(values, steps)
    if all(isinstance(value, slice) for value in values):
        ends = [
            None if all(end is None for end in column) else _rule(column, steps, name)
            for column in zip(*map(_ends, values), strict=True)
        ]
        if "" in ends:
            return ""
        return ":".join(end or "" for end in (ends if ends[2] else ends[:2]))
    if all(isinstance(value, tuple) for value in values) and len(set(map(len, values))) == 1:
        entries = [_rule(column, steps, name) for column in zip(*values, strict=True)]
        if entries.count("") < 2:
            inside = ", ".join(text or f"{name}(k)" for text in entries)
            return f"({inside},)" if len(entries) == 1 else f"({inside})"
    return ""


def _without_rule(values: Sequence[Any], steps: Sequence[int], name: str) -> Sequence[Any]:
    """Return the part of the values at all steps that follows no short rule."""
    own = f"{name}(k)"
    if _rule(values, steps, name) and all(isinstance(value, tuple) for value in values):
        for column in zip(*values, strict=True):
            if own in (_rule(column, steps, name) or own):
                return _without_rule(column, steps, name)
    return values


def _line(values: Sequence[int], steps: Sequence[int]) -> str:
    """Return integers as a straight line over the steps, or "" if there is no such line."""
    rises = {
        (after - before) / (later - step)
        for before, after, step, later in zip(values, values[1:], steps, steps[1:], strict=False)
    }
    if len(rises) > 1:
        return ""
    rise = rises.pop() if rises else 1
    if rise % 1 or (abs(rise) != 1 and len(steps) < 3):
        return ""
    start = values[0] - int(rise) * steps[0]
    slope = {1: "k", -1: "-k"}.get(int(rise), f"{int(rise)}k")
    if rise < 0:
        return f"{start}{slope}" if start else slope
    return f"{slope}{start:+d}" if start else slope


def _ends(part: slice) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step
